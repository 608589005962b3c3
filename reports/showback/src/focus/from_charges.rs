//! An estimate from list prices, as FOCUS.
//!
//! Money is rounded once, from the top down: all of it to 10⁻¹⁰ $, then each origin's day by largest
//! remainder of what was cut, then each share of it in proportion. So the rows add up to the rounded
//! whole, and the shares of an origin to what `x_Origin` says of it. Quantities are hours in which the
//! origin cost, divided the same way; the unit price is what an hour of it cost.

use std::io::Write;

use jiff::Timestamp;
use runbook_capacity::money::{Amount, MONTH_HOURS};

use super::allocation::{Group, Share, groups, named, origin_note, pod, tags};
use super::decimal::{Decimal, shares};
use super::sheet::{PLACES, Row, Sheet};
use super::{Format, Version, WriteError, Written, columns, method_id};
use crate::allocate::Charges;
use crate::allocate::charge::{Charge, Recipient};
use crate::allocate::showback::{Coverage, PriceBasis, Weight};
use crate::bill::Class;
use crate::observed::Window;
use crate::render::visible;

/// Places of money in an estimate.
const MONEY_PLACES: u32 = 10;
/// Units of an [`Amount`] in 10⁻¹⁰ $.
const FINENESS: i128 = MONTH_HOURS as i128 * 3600;

/// Custom columns of both versions, after those of FOCUS.
pub(super) const CUSTOM: [&str; 9] = [
    "x_Cluster",
    "x_Coverage",
    "x_Estimate",
    "x_Namespace",
    "x_Origin",
    "x_Owner",
    "x_PriceAsOf",
    "x_Recipient",
    "x_Source",
];
/// Columns of an allocation, which 1.2 has as custom ones.
pub(super) const ALLOCATED: [&str; 5] = [
    "AllocatedMethodDetails",
    "AllocatedMethodId",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
];

/// Who would get the bill, if there were one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The payer account's number.
    pub id: String,
    /// Its name, where it is known.
    pub name: Option<String>,
}

/// What is estimated.
#[derive(Debug, Clone, Copy)]
pub struct Estimate<'a> {
    /// Who gets what.
    pub charges: &'a [Charge],
    /// How much of it was seen.
    pub coverage: &'a Coverage,
    /// Where the prices are from.
    pub prices: &'a PriceBasis,
    /// How node cost was divided.
    pub weight: Weight,
    /// Who pays; nobody but the caller knows it.
    pub billing_account: Option<&'a Account>,
}

impl<'a> Estimate<'a> {
    /// Of an allocation's charges.
    pub fn of(charges: &'a Charges, weight: Weight, billing_account: Option<&'a Account>) -> Self {
        Self {
            charges: &charges.charges,
            coverage: &charges.coverage,
            prices: &charges.prices,
            weight,
            billing_account,
        }
    }
}

/// Writes an estimate. Rows are by day, origin and class, then by recipient.
pub fn from_charges<W: Write + Send>(
    estimate: &Estimate<'_>,
    version: Version,
    format: Format,
    out: W,
) -> Result<Written, WriteError> {
    let account = estimate
        .billing_account
        .filter(|account| !account.id.trim().is_empty())
        .ok_or(WriteError::NoBillingAccount)?;
    let page = Page {
        version,
        account,
        method: method_id(estimate.weight),
        price_as_of: estimate.prices.oldest.map(|day| day.to_string()),
        coverage: fraction(estimate.coverage),
        category: if estimate.prices.has_spot { "Other" } else { "Standard" },
    };
    let names = header(version);
    let metadata =
        [("focus.version", version.to_string()), ("runbook.source", "list_prices".to_owned())];
    let mut sheet = Sheet::new(out, format, &names, &metadata)?;
    let groups = groups(estimate.charges);
    let mut written = Written::default();
    for (group, cost) in groups.iter().zip(rounded(&groups)) {
        page.write(group, cost, &mut sheet)?;
        if group.is_split() {
            written.allocated += group.shares.len() as u64;
        }
    }
    written.rows = sheet.rows;
    sheet.finish()?;
    Ok(written)
}

/// The columns of an estimate.
fn header(version: Version) -> Vec<String> {
    let mut custom: Vec<String> = CUSTOM.iter().map(|name| (*name).to_owned()).collect();
    if version == Version::V1_2 {
        custom.extend(ALLOCATED.iter().map(|name| version.allocated(name)));
    }
    custom.sort();
    columns::of(version).map(|column| column.name.clone()).chain(custom).collect()
}

/// What each group cost, in 10⁻¹⁰ $, so that they add up to the rounded whole.
fn rounded(groups: &[Group<'_>]) -> Vec<i128> {
    let raw: Vec<i128> = groups.iter().map(|group| group.amount().raw()).collect();
    let whole = (raw.iter().sum::<i128>() + FINENESS / 2).div_euclid(FINENESS);
    let mut units: Vec<i128> = raw.iter().map(|raw| raw.div_euclid(FINENESS)).collect();
    let missing = whole - units.iter().sum::<i128>();
    let mut order: Vec<usize> = (0..raw.len()).collect();
    order.sort_by_key(|at| (-raw[*at].rem_euclid(FINENESS), *at));
    for at in order.into_iter().take(usize::try_from(missing).unwrap_or(0)) {
        units[at] += 1;
    }
    units
}

/// Seen over billed, with four places; none where nothing was billed.
fn fraction(coverage: &Coverage) -> Option<String> {
    let billed = coverage.node_seconds_billed;
    let share = |seen: i64| i128::from(seen) * 10_000 / i128::from(billed);
    (billed > 0).then(|| Decimal::new(share(coverage.node_seconds_seen), 4).to_string())
}

/// What is the same for all rows.
struct Page<'a> {
    version: Version,
    account: &'a Account,
    method: String,
    price_as_of: Option<String>,
    coverage: Option<String>,
    category: &'static str,
}

/// The figures of a row.
struct Figures {
    cost: Decimal,
    quantity: Decimal,
}

impl Page<'_> {
    fn write<W: Write + Send>(
        &self,
        group: &Group<'_>,
        cost: i128,
        sheet: &mut Sheet<W>,
    ) -> Result<(), WriteError> {
        let weights = group.weights();
        let quantity = hours(group.period);
        let whole = Figures {
            cost: Decimal::new(cost, MONEY_PLACES),
            quantity: Decimal::new(quantity, PLACES),
        };
        let price = unit_price(group.amount(), group.period);
        let charge = charge_name(group);
        let note =
            group.is_split().then(|| origin_note(&charge, group.shares.len(), &sums(&whole)));
        let costs = shares(cost, &weights);
        let quantities = shares(quantity, &weights);
        let details = group.details();
        for (index, share) in group.shares.iter().enumerate() {
            let mut row = sheet.row();
            self.fixed(&mut row, group);
            put_figures(
                &mut row,
                &Figures {
                    cost: Decimal::new(costs[index], MONEY_PLACES),
                    quantity: Decimal::new(quantities[index], PLACES),
                },
                price,
            );
            self.allocation(&mut row, group, share);
            if group.is_split() {
                row.set(&self.version.allocated("AllocatedMethodDetails"), details[index].as_str());
                row.set_or_null("x_Origin", note.as_deref());
            }
            sheet.write(&row)?;
        }
        Ok(())
    }

    /// Dimensions of the origin, which are the same for all its shares.
    fn fixed(&self, row: &mut Row, group: &Group<'_>) {
        let origin = group.origin;
        let month = month(group);
        row.set("BillingAccountId", self.account.id.as_str());
        row.set_or_null("BillingAccountName", self.account.name.as_deref());
        row.set("BillingAccountType", "Account");
        row.set("BillingCurrency", "USD");
        row.set("PricingCurrency", "USD");
        row.set("BillingPeriodStart", moment(month.start));
        row.set("BillingPeriodEnd", moment(month.end));
        row.set("ChargeCategory", "Usage");
        row.set("ChargeFrequency", "Usage-Based");
        row.set("ChargePeriodStart", moment(group.period.start));
        row.set("ChargePeriodEnd", moment(group.period.end));
        for column in [
            "InvoiceIssuerName",
            "ProviderName",
            "PublisherName",
            "ServiceProviderName",
            "HostProviderName",
        ] {
            row.set(column, "AWS");
        }
        row.set("PricingCategory", self.category);
        row.set("RegionId", origin.cluster.region.as_str());
        row.set("RegionName", origin.cluster.region.as_str());
        if let Some(account) = &origin.cluster.account {
            row.set("SubAccountId", account.as_str());
            row.set("SubAccountName", account.as_str());
            row.set("SubAccountType", "Account");
        }
        let service = service(group.class);
        row.set("ServiceCategory", service.category);
        row.set("ServiceName", service.name);
        row.set("ServiceSubcategory", service.subcategory);
        // A node's root volume has the node for its origin, whose id is not the volume's.
        let is_its_own = group.class != Class::Ebs
            || origin.resource_id.as_deref().is_some_and(|id| id.starts_with("vol-"));
        if let Some(id) = origin.resource_id.as_ref().filter(|_| is_its_own) {
            row.set("ResourceId", id.as_str());
            row.set_or_null("ResourceName", (origin.name != *id).then_some(origin.name.as_str()));
            row.set("ResourceType", service.resource);
        }
        let sku = format!("{}/{}/{}", slug(group.class), origin.cluster.region, origin.kind);
        row.set("SkuMeter", group.class.title());
        row.set("SkuPriceId", format!("{sku}/list"));
        row.set("SkuId", sku);
        row.set("x_Cluster", origin.cluster.name.as_str());
        row.set_or_null("x_Coverage", self.coverage.as_deref());
        row.set("x_Estimate", "true");
        row.set_or_null("x_PriceAsOf", self.price_as_of.as_deref());
        row.set("x_Source", "list_prices");
    }

    /// To whom it goes. What is not split has no columns of an allocation; a Fargate pod is the resource
    /// itself, and its labels are the tags of that.
    fn allocation(&self, row: &mut Row, group: &Group<'_>, share: &Share<'_>) {
        let origin = group.origin;
        let named = named(share.recipient, origin);
        row.set(
            "ChargeDescription",
            visible(&format!(
                "Estimate at list prices: {} of {} ({})",
                group.class.title(),
                origin.name,
                origin.kind
            )),
        );
        row.set("x_Recipient", named.recipient.as_str());
        if let Some(pod) = pod(share.recipient) {
            row.set("x_Namespace", pod.namespace.as_str());
            row.set("x_Owner", &*pod.owner);
        }
        let tags = tags(share.recipient, origin, &std::collections::BTreeMap::new());
        if !group.is_split() {
            if matches!(share.recipient, Recipient::Pod(_)) {
                row.set_or_null("Tags", tags);
            }
            return;
        }
        let column = |name: &str| self.version.allocated(name);
        row.set(&column("AllocatedMethodId"), self.method.as_str());
        row.set_or_null(&column("AllocatedResourceId"), named.id);
        row.set_or_null(&column("AllocatedResourceName"), named.name);
        row.set_or_null(&column("AllocatedTags"), tags);
    }
}

/// Costs, quantities and prices.
fn put_figures(row: &mut Row, figures: &Figures, price: Decimal) {
    let (cost, quantity) = (figures.cost.to_string(), figures.quantity.to_string());
    // With a point: who guesses types from a CSV shall not take the column for integers.
    row.set("BilledCost", "0.00");
    for column in ["ContractedCost", "EffectiveCost", "ListCost", "PricingCurrencyEffectiveCost"] {
        row.set(column, cost.as_str());
    }
    for column in ["ConsumedQuantity", "PricingQuantity"] {
        row.set(column, quantity.as_str());
    }
    for column in ["ConsumedUnit", "PricingUnit"] {
        row.set(column, "Hours");
    }
    let price = price.to_string();
    for column in [
        "ContractedUnitPrice",
        "ListUnitPrice",
        "PricingCurrencyContractedUnitPrice",
        "PricingCurrencyListUnitPrice",
    ] {
        row.set(column, price.as_str());
    }
}

/// What the shares of a charge add up to.
fn sums(whole: &Figures) -> [(&'static str, Decimal); 7] {
    let Figures { cost, quantity } = *whole;
    [
        ("BilledCost", Decimal::ZERO),
        ("ConsumedQuantity", quantity),
        ("ContractedCost", cost),
        ("EffectiveCost", cost),
        ("ListCost", cost),
        ("PricingCurrencyEffectiveCost", cost),
        ("PricingQuantity", quantity),
    ]
}

/// Hours of a period, in 10⁻¹² h; a moment counts as one, so that its price is its cost.
fn hours(period: Window) -> i128 {
    let scale = 10_i128.pow(PLACES);
    match period.seconds() {
        0 => scale,
        seconds => (i128::from(seconds) * scale + 1800).div_euclid(3600),
    }
}

/// Dollars per hour, half up at twelve places.
fn unit_price(amount: Amount, period: Window) -> Decimal {
    let seconds = i128::from(period.seconds());
    // Hourly: amount × 3600 / seconds; 10⁻¹² $ are FINENESS / 100 of an amount.
    let (above, below) = if seconds == 0 { (100, FINENESS) } else { (360_000, FINENESS * seconds) };
    Decimal::new((amount.raw() * above * 2 + below).div_euclid(2 * below), PLACES)
}

/// The calendar month in UTC.
fn month(group: &Group<'_>) -> Window {
    let first = Window::day(group.day.first_of_month());
    let last = Window::day(group.day.last_of_month());
    Window { start: first.start, end: last.end }
}

/// `2026-10-01T00:00:00Z`.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The charge that is divided, as one text.
fn charge_name(group: &Group<'_>) -> String {
    let origin = group.origin;
    let what = origin.resource_id.as_deref().unwrap_or(&origin.name);
    format!("{}/{}/{}/{what}", group.day, slug(group.class), origin.cluster)
}

fn slug(class: Class) -> String {
    class.title().to_lowercase().replace(' ', "-")
}

/// How FOCUS files a class.
struct Service {
    name: &'static str,
    category: &'static str,
    subcategory: &'static str,
    resource: &'static str,
}

fn service(class: Class) -> Service {
    let (name, category, subcategory, resource) = match class {
        Class::Ec2Compute => {
            ("Amazon Elastic Compute Cloud", "Compute", "Virtual Machines", "Instance")
        }
        Class::Ebs => ("Amazon Elastic Block Store", "Storage", "Block Storage", "Volume"),
        Class::FargateVcpu | Class::FargateMemory | Class::FargateStorage => {
            ("Amazon Elastic Kubernetes Service", "Compute", "Containers", "Fargate Pod")
        }
        Class::ControlPlane => {
            ("Amazon Elastic Kubernetes Service", "Compute", "Containers", "Cluster")
        }
        Class::AutoModeFee => {
            ("Amazon Elastic Kubernetes Service", "Compute", "Containers", "Instance")
        }
        Class::Nat => {
            ("Amazon Virtual Private Cloud", "Networking", "Network Infrastructure", "NAT Gateway")
        }
        Class::LoadBalancer => {
            ("Elastic Load Balancing", "Networking", "Application Networking", "Load Balancer")
        }
        Class::Transfer => {
            ("AWS Data Transfer", "Networking", "Network Connectivity", "Data Transfer")
        }
        Class::Other => ("Other", "Other", "Other (Other)", "Other"),
    };
    Service { name, category, subcategory, resource }
}
