//! The lines of a bill: what each use costs in each hour.
//!
//! Instances and volumes count by the second and at least a minute, as Fargate pods do; a NAT gateway's
//! hour counts whole; a GB-month is as long as its month. A price is what the price book or the
//! scenario says; what neither knows is refused by name, for a bill with a hole would be believed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use runbook_capacity::catalogue::instance_type;
use runbook_capacity::money::Unpriced;
use runbook_capacity::prices::Service;

use super::meter::{self, Pod, Usage, What};
use super::places::{self, Place};
use super::rates::{Rate, Rates};
use super::{
    Activation, Billing, HOUR, activations, date, day_of, hour_of, month_after, month_of, settings,
    start_of, tags,
};
use crate::aws::pricing::prefix;
use crate::aws::tags::Tags;
use crate::store::Transaction;
use crate::world::{Context, ids};

/// What is billed at least.
const LEAST_SECONDS: i64 = 60;
/// A unit in 10⁻¹⁰ of it.
const ONE: i64 = 10_000_000_000;

/// What is charged for: one resource under one usage type, at one rate.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) place: &'static Place,
    pub(crate) usage_type: String,
    pub(crate) resource: String,
    pub(crate) zone: Option<String>,
    pub(crate) instance_type: Option<String>,
    pub(crate) pod: Option<Pod>,
    pub(crate) rate: Rate,
    tags: Vec<(i64, Tags)>,
}

/// What kind of line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Record {
    Usage,
    Discount,
    Credit,
    Tax,
}

/// A line; money in 10⁻¹⁰ $, quantities in 10⁻¹⁰ of their unit.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) item: Arc<Item>,
    pub(crate) record: Record,
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// The seconds in which it was used.
    pub(crate) seconds: i64,
    pub(crate) quantity: i128,
    pub(crate) list: i128,
    pub(crate) unblended: i128,
    pub(crate) net: i128,
}

/// An account with what its bill is made of.
pub(crate) struct Account {
    pub(crate) number: String,
    pub(crate) region: String,
    pub(crate) settings: Billing,
    pub(crate) activations: BTreeMap<String, Activation>,
    pub(crate) usages: Vec<Usage>,
    /// World time.
    pub(crate) now: i64,
    seed: Context,
}

/// What a use is charged for, so many thousandths of a unit at a time.
struct Charge {
    item: Item,
    thousandths: i64,
    span: Range<i64>,
}

impl Account {
    /// The account as far as a bill from that second on needs it.
    pub(crate) fn of(context: &Context, transaction: &Transaction<'_>, from: i64) -> Self {
        Self {
            number: context.account.clone(),
            region: context.region.clone(),
            settings: settings(transaction),
            activations: activations(transaction),
            usages: meter::usages(transaction, from),
            now: transaction.now().as_second(),
            seed: context.clone(),
        }
    }

    /// Up to when there is data: whole hours, after the delay.
    pub(crate) fn known_until(&self) -> i64 {
        hour_of(self.now.saturating_sub(self.settings.delay.as_secs()))
    }

    /// Whether the month of that second may still change.
    pub(crate) fn is_estimated(&self, second: i64) -> bool {
        self.known_until() < month_after(second)
    }

    /// All lines of some whole days, ordered by time, service, usage type, resource.
    pub(crate) fn lines(&self, from: i64, to: i64) -> Result<Vec<Line>, Unpriced> {
        let mut lines = self.charged(from, to)?;
        if let Some(share) = self.settings.tax {
            let mut month = month_of(from);
            while month < to {
                if month >= from {
                    lines.extend(self.tax(month, share.0)?);
                }
                month = month_after(month);
            }
        }
        lines.sort_by(|one, other| one.order().cmp(&other.order()));
        Ok(lines)
    }

    /// Usage, its discounts and credits.
    fn charged(&self, from: i64, to: i64) -> Result<Vec<Line>, Unpriced> {
        let to = to.min(self.known_until());
        let mut lines = Vec::new();
        for usage in self.usages.iter().filter(|usage| hour_of(usage.from) < to) {
            for charge in self.charges(usage)? {
                let span = charge.span.start.max(from)..charge.span.end.min(to);
                if span.start < span.end {
                    self.write(charge, span, &mut lines);
                }
            }
        }
        for credit in &self.settings.credits {
            let start = start_of(credit.day);
            if (from..to).contains(&start) {
                lines.push(apart(
                    &places::CREDIT,
                    Record::Credit,
                    start..start + 24 * HOUR,
                    -i128::from(credit.amount.0),
                ));
            }
        }
        Ok(lines)
    }

    fn tax(&self, month: i64, share: i64) -> Result<Option<Line>, Unpriced> {
        let end = month_after(month);
        let whole: i128 = self.charged(month, end)?.iter().map(|line| line.net).sum();
        let tax = (whole * i128::from(share) * 2 + 10_000).div_euclid(20_000);
        Ok((tax > 0).then(|| apart(&places::TAX, Record::Tax, month..end, tax)))
    }

    /// The hours of a charge, and a day's discount where it has a line of its own.
    fn write(&self, charge: Charge, span: Range<i64>, lines: &mut Vec<Line>) {
        let (item, thousandths) = (Arc::new(charge.item), charge.thousandths);
        let mut discount: Option<Line> = None;
        let mut hour = hour_of(span.start);
        while hour < span.end {
            let seconds = span.end.min(hour + HOUR) - span.start.max(hour);
            let unit =
                if item.place.unit == "GB-Mo" { month_after(hour) - month_of(hour) } else { HOUR };
            let of = |rate: i64| amount(rate, thousandths, seconds, unit);
            let line = Line {
                item: item.clone(),
                record: Record::Usage,
                start: hour,
                end: hour + HOUR,
                seconds,
                quantity: of(ONE),
                list: of(item.rate.list),
                unblended: of(item.rate.unblended),
                net: of(item.rate.net),
            };
            hour += HOUR;
            if self.settings.lost_days.contains(&date(line.start)) {
                continue;
            }
            let less = line.net - line.unblended;
            if less != 0 {
                let day = day_of(line.start);
                if discount.as_ref().is_some_and(|one| one.start != day) {
                    lines.extend(discount.take());
                }
                let whole = Line {
                    record: Record::Discount,
                    start: day,
                    end: day + 24 * HOUR,
                    seconds: 0,
                    quantity: 0,
                    list: 0,
                    unblended: 0,
                    net: 0,
                    ..line.clone()
                };
                discount.get_or_insert(whole).unblended += less;
            }
            lines.push(line);
        }
        lines.extend(discount);
    }

    /// The tags that the bill has of a line.
    pub(crate) fn tags(&self, line: &Line) -> Tags {
        let had = line.item.tags.iter().rev().find(|(since, _)| *since < line.end);
        had.map(|(_, had)| tags::counted(&self.activations, had, line.start)).unwrap_or_default()
    }

    /// An identifier of something that the world has no object for.
    pub(crate) fn id(&self, prefix: &str, of: &str) -> String {
        ids::ec2(&self.seed, prefix, of)
    }

    fn charges(&self, usage: &Usage) -> Result<Vec<Charge>, Unpriced> {
        match &usage.what {
            What::Instance { id, instance_type, is_spot, zone, volume_gib } => {
                let place = if *is_spot { &places::SPOT } else { &places::ON_DEMAND };
                let rate = self.rates().instance(instance_type, *is_spot, place)?;
                let mut machine = self.item(usage, place, id.clone(), rate);
                machine.usage_type = format!("{}:{instance_type}", machine.usage_type);
                machine.instance_type = Some(instance_type.clone());
                machine.zone = Some(zone.clone());
                let rate = self.rates().service(Service::EbsGp3, &places::VOLUME)?;
                let mut volume = self.item(usage, &places::VOLUME, self.id("vol", id), rate);
                volume.zone = Some(zone.clone());
                Ok(vec![
                    Charge { item: machine, thousandths: 1000, span: self.span(usage) },
                    Charge { item: volume, thousandths: volume_gib * 1000, span: self.span(usage) },
                ])
            }
            What::Nat { id, address } => {
                let span = hour_of(usage.from)..hour_of(usage.to.unwrap_or(self.now) + HOUR - 1);
                let gateway = self.arn("ec2", &format!("natgateway/{id}"));
                let address = self.arn("ec2", &format!("elastic-ip/{address}"));
                let one = |place: &'static Place, service, resource| -> Result<Charge, Unpriced> {
                    let rate = self.rates().service(service, place)?;
                    let item = self.item(usage, place, resource, rate);
                    Ok(Charge { item, thousandths: 1000, span: span.clone() })
                };
                Ok(vec![
                    one(&places::NAT, Service::NatGateway, gateway)?,
                    one(&places::ADDRESS, Service::PublicIpv4, address)?,
                ])
            }
            What::Cluster { name } => {
                let rate = self.rates().service(Service::EksControlPlane, &places::CLUSTER)?;
                let arn = self.arn("eks", &format!("cluster/{name}"));
                let item = self.item(usage, &places::CLUSTER, arn, rate);
                let span = usage.from..usage.to.unwrap_or(self.now);
                Ok(vec![Charge { item, thousandths: 1000, span }])
            }
            What::Fargate { pod, vcpu, gigabytes } => {
                let one = |place: &'static Place, service, thousandths| {
                    let rate = self.rates().service(service, place)?;
                    let mut item = self.item(usage, place, self.pod_arn(pod), rate);
                    item.pod = Some(pod.clone());
                    Ok(Charge { item, thousandths, span: self.span(usage) })
                };
                Ok(vec![
                    one(&places::FARGATE_VCPU, Service::FargateVcpu, *vcpu)?,
                    one(&places::FARGATE_MEMORY, Service::FargateMemory, *gigabytes)?,
                ])
            }
            What::Pod { .. } => Ok(Vec::new()),
        }
    }

    fn rates(&self) -> Rates<'_> {
        Rates { region: &self.region, settings: &self.settings }
    }

    fn span(&self, usage: &Usage) -> Range<i64> {
        let least = usage.from + LEAST_SECONDS;
        usage.from..usage.to.map_or(self.now, |to| to.max(least))
    }

    pub(crate) fn arn(&self, service: &str, what: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{what}", self.region, self.number)
    }

    /// As Fargate rows and split rows of a cost and usage report name a pod.
    pub(crate) fn pod_arn(&self, pod: &Pod) -> String {
        let Pod { cluster, namespace, name, uid } = pod;
        self.arn("eks", &format!("pod/{cluster}/{namespace}/{name}/{uid}"))
    }

    /// What a region's usage types begin with.
    pub(crate) fn prefix(&self, code: &str) -> String {
        let known = self.region.parse().map(|region| prefix(region, code).to_owned());
        known.unwrap_or_else(|_| format!("{}-", self.region.to_uppercase()))
    }

    fn item(&self, usage: &Usage, place: &'static Place, resource: String, rate: Rate) -> Item {
        Item {
            place,
            usage_type: format!("{}{}", self.prefix(place.code), place.usage),
            resource,
            zone: None,
            instance_type: None,
            pod: None,
            rate,
            tags: usage.tags.clone(),
        }
    }
}

impl Line {
    fn order(&self) -> (i64, Record, &str, &str, &str) {
        (
            self.start,
            self.record,
            self.item.place.service,
            &self.item.usage_type,
            &self.item.resource,
        )
    }

    /// vCPU and GiB of the instance that it is for.
    pub(crate) fn capacity(&self) -> Option<(i64, i64)> {
        let known = instance_type(self.item.instance_type.as_deref()?)?;
        let gib = known.memory.0 / (1 << 30);
        Some((i64::from(known.vcpus), gib.max(1)))
    }
}

/// A line that is of no usage.
fn apart(place: &'static Place, record: Record, span: Range<i64>, money: i128) -> Line {
    let item = Item {
        place,
        usage_type: String::new(),
        resource: String::new(),
        zone: None,
        instance_type: None,
        pod: None,
        rate: Rate { list: 0, unblended: 0, net: 0 },
        tags: Vec::new(),
    };
    Line {
        item: Arc::new(item),
        record,
        start: span.start,
        end: span.end,
        seconds: 0,
        quantity: 0,
        list: 0,
        unblended: money,
        net: money,
    }
}

/// `thousandths` of a unit at a rate over some seconds of its own time, rounded half up.
fn amount(rate: i64, thousandths: i64, seconds: i64, unit_seconds: i64) -> i128 {
    let whole = i128::from(rate) * i128::from(thousandths) * i128::from(seconds);
    let parts = 1000 * i128::from(unit_seconds);
    (whole * 2 + parts).div_euclid(2 * parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_to_the_ten_billionth() {
        // A quarter of a vCPU of Seoul's Fargate for 241 s.
        assert_eq!(amount(465_600_000, 250, 241, HOUR), 7_792_333);
        // 20 GB for an hour of a month of 31 days.
        assert_eq!(amount(912_000_000, 20_000, HOUR, 31 * 24 * HOUR), 24_516_129);
    }
}
