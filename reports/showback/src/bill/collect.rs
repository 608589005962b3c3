//! What is kept of a bill's rows while they pass: sums by day, resource and usage type, and the hours of
//! pods.
//!
//! Keys are small numbers (names are kept once), so a month of a large account fits in memory; there is a
//! limit all the same, and beyond it the answer is an error that says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use runbook_capacity::money::Amount;

use super::columns::Cells;
use super::decimal::Decimal;
use super::error::BillError;
use super::pods::{PodHours, Pods};
use super::read::{OWNER_TAG, Read, SplitCost, Wanted};
use super::{Bill, BilledPod, Category, Class, Line, Scope};
use crate::observed::{Finding, Observed, Severity, Window};

/// Lines, and hours of pods, that are kept at most.
pub(super) const MOST_LINES: usize = 4_000_000;
/// The only currency that prices are in.
const CURRENCY: &str = "USD";

/// A row of any format.
pub(super) struct Row<'a> {
    pub(super) period: Window,
    pub(super) class: Class,
    pub(super) category: Category,
    pub(super) resource_id: &'a str,
    pub(super) usage_type: &'a str,
    pub(super) quantity: Option<Decimal>,
    pub(super) unit: &'a str,
    pub(super) list: Option<Decimal>,
    pub(super) effective: Decimal,
    pub(super) is_estimated: bool,
    /// Whether its cost is net of discounts.
    pub(super) is_net: bool,
    /// Whether it is a discount on a use, which a net cost has in it.
    pub(super) is_discount: bool,
    pub(super) account: &'a str,
    pub(super) currency: &'a str,
    pub(super) zone: &'a str,
    pub(super) tags: &'a str,
}

/// A row of split cost allocation.
pub(super) struct SplitRow<'a> {
    pub(super) period: Window,
    pub(super) is_cpu: bool,
    pub(super) is_memory: bool,
    pub(super) resource_id: &'a str,
    pub(super) parent: &'a str,
    pub(super) reserved: Option<Decimal>,
    pub(super) used: Option<Decimal>,
    pub(super) split_cost: Decimal,
    pub(super) unused_cost: Decimal,
}

/// Names, each once.
#[derive(Default)]
struct Names {
    index: BTreeMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.index.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.index.insert(name, number);
        number
    }

    fn name(&self, number: u32) -> &str {
        usize::try_from(number).ok().and_then(|at| self.names.get(at)).map_or("", |name| name)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    day: Timestamp,
    class: Class,
    category: Category,
    resource: u32,
    usage_type: u32,
    unit: u32,
    is_estimated: bool,
    is_ours: bool,
    is_discount: bool,
}

/// Sums of a key; a quantity or a list cost that one row lacks is lacking in the sum.
#[derive(Clone, Copy, Default)]
struct Sums {
    quantity: Option<Decimal>,
    list: Option<Decimal>,
    effective: Decimal,
}

/// What has been seen so far.
pub(super) struct Collector {
    wanted: Wanted,
    names: Names,
    lines: BTreeMap<Key, Sums>,
    pods: Pods,
    split: SplitSums,
    accounts: BTreeSet<String>,
    rows: u64,
    has_ours: bool,
    has_net: bool,
}

#[derive(Default)]
struct SplitSums {
    split: Decimal,
    unused_of_pods: Decimal,
    unused_records: Option<Decimal>,
}

impl Collector {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            names: Names::default(),
            lines: BTreeMap::new(),
            pods: Pods::default(),
            split: SplitSums::default(),
            accounts: BTreeSet::new(),
            rows: 0,
            has_ours: false,
            has_net: false,
        }
    }

    /// Takes a row in.
    pub(super) fn take(&mut self, cells: &Cells<'_>, row: &Row<'_>) -> Result<(), BillError> {
        self.rows += 1;
        check_currency(cells, row.currency)?;
        if !self.wanted.window.contains(row.period.start) {
            return Ok(());
        }
        let day = day_of(row.period.start);
        let is_compared = row.category == Category::Usage && row.class != Class::Other;
        if is_compared && row.period.end > day.end {
            return Err(cells.wrong(
                if cells.columns.has("ChargePeriodStart") {
                    "ChargePeriodStart"
                } else {
                    "line_item_usage_start_date"
                },
                "begins a line that is longer than its UTC day; export with hourly or daily granularity",
            ));
        }
        if !row.account.is_empty() && !self.accounts.contains(row.account) {
            self.accounts.insert(row.account.to_owned());
        }
        let is_tagged = self.is_tagged(row);
        // A pod of Fargate is ours by its name, and says nothing of whether the tag is active.
        self.has_ours |= is_tagged && row.category == Category::Usage;
        let is_ours = is_tagged || self.is_pod_of_ours(row);
        let too_large = || cells.wrong("the sum of the day's costs", "is larger than any bill");
        let key = Key {
            day: day.start,
            class: row.class,
            category: row.category,
            // Of what is never compared nobody asks which it was.
            resource: self.names.number(if is_compared { row.resource_id } else { "" }),
            usage_type: self.names.number(row.usage_type),
            unit: self.names.number(row.unit),
            is_estimated: row.is_estimated,
            is_ours,
            is_discount: row.is_discount,
        };
        self.has_net |= row.is_net;
        self.add(key, row).ok_or_else(too_large)?;
        if self.lines.len() + self.pods.hours() > MOST_LINES {
            return Err(BillError::TooMany);
        }
        if is_compared {
            self.take_hours(row);
        }
        Ok(())
    }

    /// Adds a row to the sums; none when they become larger than any bill.
    fn add(&mut self, key: Key, row: &Row<'_>) -> Option<()> {
        let Some(sums) = self.lines.get_mut(&key) else {
            let Row { quantity, list, effective, .. } = *row;
            self.lines.insert(key, Sums { quantity, list, effective });
            return Some(());
        };
        sums.effective = sums.effective.plus(row.effective)?;
        sums.list = match (sums.list, row.list) {
            (Some(sum), Some(one)) => Some(sum.plus(one)?),
            _ => None,
        };
        // A discount's line has no quantity, and takes none away.
        sums.quantity = match (sums.quantity, row.quantity) {
            (Some(sum), Some(one)) => Some(sum.plus(one)?),
            (sum, one) => sum.or(one),
        };
        Some(())
    }

    /// Seconds of instances and of Fargate pods.
    fn take_hours(&mut self, row: &Row<'_>) {
        let Some(quantity) = row.quantity.filter(|quantity| !quantity.is_zero()) else { return };
        match row.class {
            Class::Ec2Compute => {
                self.pods.take_instance(
                    row.resource_id,
                    row.usage_type,
                    row.zone,
                    row.period,
                    quantity,
                );
            }
            Class::FargateVcpu | Class::FargateMemory => {
                let Some((arn, pod)) = pod_of(row.resource_id) else { return };
                if self.wants_cluster(&pod.cluster) {
                    let hours = if row.class == Class::FargateVcpu {
                        PodHours { cpu: Some(quantity), ..PodHours::default() }
                    } else {
                        PodHours { memory: Some(quantity), ..PodHours::default() }
                    };
                    self.pods.take_fargate(arn, pod, row.period, hours);
                }
            }
            _ => {}
        }
    }

    /// Takes a split row in: hours of a pod, or what nobody asked for.
    pub(super) fn take_split(
        &mut self,
        cells: &Cells<'_>,
        row: &SplitRow<'_>,
    ) -> Result<(), BillError> {
        self.rows += 1;
        if !self.wanted.window.contains(row.period.start) {
            return Ok(());
        }
        let too_large =
            || cells.wrong("split_line_item_split_cost", "adds up to more than any bill");
        let Some((arn, pod)) = pod_of(row.resource_id) else {
            // Tasks of ECS are split as well, and are none of ours.
            if row.resource_id.to_ascii_lowercase().contains("unused") {
                let sum = self.split.unused_records.unwrap_or_default();
                let sum = sum.plus(row.split_cost).and_then(|sum| sum.plus(row.unused_cost));
                self.split.unused_records = Some(sum.ok_or_else(too_large)?);
            }
            return Ok(());
        };
        if !self.wants_cluster(&pod.cluster) {
            return Ok(());
        }
        let split = self.split.split.plus(row.split_cost);
        let unused = self.split.unused_of_pods.plus(row.unused_cost);
        self.split.split = split.ok_or_else(too_large)?;
        self.split.unused_of_pods = unused.ok_or_else(too_large)?;
        let hours = PodHours {
            cpu: row.reserved.filter(|_| row.is_cpu),
            memory: row.reserved.filter(|_| row.is_memory),
            used_cpu: row.used.filter(|_| row.is_cpu),
            used_memory: row.used.filter(|_| row.is_memory),
        };
        self.pods.take_split(arn, pod, row.parent, row.period, hours);
        if self.lines.len() + self.pods.hours() > MOST_LINES {
            return Err(BillError::TooMany);
        }
        Ok(())
    }

    fn wants_cluster(&self, cluster: &str) -> bool {
        self.wanted.clusters.as_ref().is_none_or(|clusters| clusters.contains(cluster))
    }

    /// Whether a line carries the tag of an owner that is wanted.
    fn is_tagged(&self, row: &Row<'_>) -> bool {
        owner_of(row.tags)
            .is_some_and(|owner| self.wanted.owner.as_ref().is_none_or(|wanted| *wanted == owner))
    }

    /// Whether a line is of a pod in a cluster that is wanted.
    fn is_pod_of_ours(&self, row: &Row<'_>) -> bool {
        pod_of(row.resource_id).is_some_and(|(_, pod)| self.wants_cluster(&pod.cluster))
    }

    /// What came of all rows.
    pub(super) fn done(self, source: String) -> Result<Read, BillError> {
        let Self { wanted, names, lines, pods, split, accounts, rows, has_ours, has_net } = self;
        let mut findings = Vec::new();
        let tag = wanted.owner.as_deref().unwrap_or(OWNER_TAG);
        let by_tag = has_ours && !wanted.account_scope;
        if !has_ours && !wanted.account_scope && !lines.is_empty() {
            let of_owner =
                wanted.owner.as_ref().map_or_else(String::new, |owner| format!(" of `{owner}`"));
            findings.push(Finding {
                severity: Severity::Warning,
                code: "tag_not_on_bill",
                subject: tag.to_owned(),
                message: format!(
                    "no line of the bill carries the tag `{OWNER_TAG}`{of_owner}, so it is account scope; \
                     activate the tag as a cost allocation tag, and lines carry it from then on"
                ),
            });
        }
        let scope = if by_tag {
            Scope::Tag(tag.to_owned())
        } else {
            Scope::Accounts(accounts.into_iter().collect())
        };
        let kept = |key: &Key| {
            (!by_tag || key.is_ours || key.category != Category::Usage)
                && !(has_net && key.is_discount)
        };
        let lines =
            lines.iter().filter(|(key, _)| kept(key)).map(|(key, sums)| line(key, sums, &names));
        let bill = Bill {
            source,
            window: wanted.window,
            scope,
            lines: lines.collect(),
            as_of: None,
            asking: Amount::ZERO,
        };
        let mut observed = pods.observed(wanted.window);
        observed.findings.splice(0..0, findings);
        Ok(Read {
            bill,
            observed: Observed { window: wanted.window, ..observed },
            split: split.cost(),
            rows,
        })
    }
}

impl SplitSums {
    fn cost(&self) -> SplitCost {
        SplitCost {
            split: self.split.dollars(),
            unused_of_pods: self.unused_of_pods.dollars(),
            unused_records: self.unused_records.map(Decimal::dollars),
        }
    }
}

fn line(key: &Key, sums: &Sums, names: &Names) -> Line {
    let resource = names.name(key.resource);
    Line {
        period: day_of(key.day),
        class: key.class,
        category: key.category,
        resource_id: (!resource.is_empty()).then(|| resource.to_owned()),
        pod: pod_of(resource).map(|(_, pod)| pod),
        usage_type: names.name(key.usage_type).to_owned(),
        quantity_billionths: sums.quantity.map(Decimal::billionths),
        unit: names.name(key.unit).to_owned(),
        list: sums.list.map(Decimal::dollars),
        effective: sums.effective.dollars(),
        is_estimated: key.is_estimated,
    }
}

fn check_currency(cells: &Cells<'_>, found: &str) -> Result<(), BillError> {
    if found == CURRENCY {
        return Ok(());
    }
    Err(BillError::Currency {
        file: cells.file.to_owned(),
        line: cells.line,
        found: found.chars().take(20).collect(),
        expected: CURRENCY.to_owned(),
    })
}

fn day_of(moment: Timestamp) -> Window {
    Window::day(moment.to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// What stands before the pod in an ARN, and the pod: `arn:aws:eks:…:pod/<cluster>/<namespace>/<pod>/<uid>`.
pub(super) fn pod_of(resource_id: &str) -> Option<(&str, BilledPod)> {
    let (arn, path) = resource_id.split_once(":pod/")?;
    let parts: Vec<&str> = path.split('/').collect();
    let [cluster, namespace, name, uid] = parts[..] else { return None };
    let pod = BilledPod {
        cluster: cluster.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
    };
    parts.iter().all(|part| !part.is_empty()).then_some((arn, pod))
}

/// The value of our tag among the tags of a line, which are JSON. A CUR writes `user_runbook_owner` for
/// what FOCUS writes as `runbook/owner` or `user:runbook/owner`.
fn owner_of(tags: &str) -> Option<String> {
    if !tags.contains("runbook") {
        return None;
    }
    let plain = |key: &str| -> String {
        let key = key.strip_prefix("user_").or_else(|| key.strip_prefix("user:")).unwrap_or(key);
        key.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '_' }).collect()
    };
    let wanted = plain(OWNER_TAG);
    let of = |pairs: serde_json::Map<String, serde_json::Value>| {
        pairs
            .into_iter()
            .find(|(key, _)| plain(key) == wanted)
            .and_then(|(_, value)| value.as_str().map(str::to_owned))
            .filter(|owner| !owner.is_empty())
    };
    match serde_json::from_str(tags).ok()? {
        serde_json::Value::Object(pairs) => of(pairs),
        // A list of pairs, as some writers make of a map.
        serde_json::Value::Array(list) => list.into_iter().find_map(|pair| {
            let pair = pair.as_object()?;
            let key = pair.get("key")?.as_str()?;
            let owner = pair.get("value")?.as_str()?;
            (plain(key) == wanted && !owner.is_empty()).then(|| owner.to_owned())
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_known_by_its_arn() {
        let (arn, pod) = pod_of("arn:aws:eks:ap-northeast-2:111122223333:pod/myeks/shop/web-0/7c1")
            .expect("a pod");
        assert_eq!(arn, "arn:aws:eks:ap-northeast-2:111122223333");
        assert_eq!(
            (&*pod.cluster, &*pod.namespace, &*pod.name, &*pod.uid),
            ("myeks", "shop", "web-0", "7c1")
        );
        for wrong in
            ["i-0abc", "arn:x:pod/myeks/shop/web-0", "arn:x:pod/a/b//d", "arn:x:pod/a/b/c/d/e"]
        {
            assert_eq!(pod_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn our_tag_is_known_in_every_export() {
        for tags in [
            r#"{"user_runbook_owner":"nodeless/myeks"}"#,
            r#"{"runbook/owner":"nodeless/myeks","team":"a"}"#,
            r#"{"user:runbook/owner":"nodeless/myeks"}"#,
            r#"[{"key":"runbook/owner","value":"nodeless/myeks"}]"#,
        ] {
            assert_eq!(owner_of(tags).as_deref(), Some("nodeless/myeks"), "{tags}");
        }
        for tags in ["", "{}", r#"{"runbook/owner":""}"#, r#"{"runbook/address":"a"}"#, "runbook"] {
            assert_eq!(owner_of(tags), None, "{tags}");
        }
    }
}
