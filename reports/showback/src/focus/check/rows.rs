//! What the cells of a row say together.

use super::super::decimal::Decimal;
use super::super::export::Cells as Values;
use super::cells::moment;
use super::{Found, Layout, Rule};

/// Columns of which the second is null when, and only when, the first is.
const TOGETHER: [(&str, &str); 6] = [
    ("PricingQuantity", "PricingUnit"),
    ("ConsumedQuantity", "ConsumedUnit"),
    ("RegionId", "RegionName"),
    ("SubAccountId", "SubAccountName"),
    ("ResourceId", "ResourceType"),
    ("CommitmentDiscountQuantity", "CommitmentDiscountUnit"),
];
/// Columns of which the second is null when the first is.
const ONLY_WITH: [(&str, &str); 4] = [
    ("ResourceId", "ResourceName"),
    ("SkuId", "SkuMeter"),
    ("SkuPriceId", "SkuPriceDetails"),
    ("CapacityReservationId", "CapacityReservationStatus"),
];
/// Unit price, quantity, cost.
const PRODUCTS: [(&str, &str, &str); 2] = [
    ("ListUnitPrice", "PricingQuantity", "ListCost"),
    ("ContractedUnitPrice", "PricingQuantity", "ContractedCost"),
];

/// Where the columns are that a row's rules read.
pub(super) struct Rows {
    together: Vec<Pair>,
    only_with: Vec<Pair>,
    products: Vec<(usize, usize, usize, &'static str)>,
    at: At,
    is_split_named: Option<(usize, Option<usize>, Option<usize>, String)>,
}

/// Two columns: where they are and how they are called.
type Pair = (usize, usize, String, String);

/// Columns by what they are for.
struct At {
    category: Option<usize>,
    class: Option<usize>,
    frequency: Option<usize>,
    consumed: Option<usize>,
    period: Option<(usize, usize)>,
    billing: Option<(usize, usize)>,
    resource: Option<usize>,
    service: Option<usize>,
    method: Option<usize>,
    estimate: Option<usize>,
    source: Option<usize>,
    billed: Option<usize>,
    invoice: Option<usize>,
    price_as_of: Option<usize>,
    coverage: Option<usize>,
}

impl Rows {
    pub(super) fn new(layout: &Layout<'_>) -> Self {
        let at = |name: &str| layout.at(name);
        let both = |one: &str, two: &str| Some((at(one)?, at(two)?));
        let pairs = |names: &[(&'static str, &'static str)]| {
            let pair = |(one, two): &(&str, &str)| {
                let (first, second) = both(one, two)?;
                Some((first, second, (*one).to_owned(), (*two).to_owned()))
            };
            names.iter().filter_map(pair).collect::<Vec<Pair>>()
        };
        let mut together = pairs(&TOGETHER);
        let allocated = |name: &str| {
            let position = layout.allocated(name)?;
            Some((position, layout.header[position].clone()))
        };
        if let (Some((one, id)), Some((two, name))) =
            (allocated("AllocatedResourceId"), allocated("AllocatedResourceName"))
        {
            together.push((one, two, id, name));
        }
        let products = PRODUCTS
            .iter()
            .filter_map(|(price, quantity, cost)| {
                Some((at(price)?, at(quantity)?, at(cost)?, *cost))
            })
            .collect();
        let is_split_named = allocated("AllocatedMethodId").map(|(position, name)| {
            let others =
                ["AllocatedResourceId", "AllocatedTags"].map(|name| layout.allocated(name));
            (position, others[0], others[1], name)
        });
        Self {
            together,
            only_with: pairs(&ONLY_WITH),
            products,
            at: At {
                category: at("ChargeCategory"),
                class: at("ChargeClass"),
                frequency: at("ChargeFrequency"),
                consumed: at("ConsumedQuantity"),
                period: both("ChargePeriodStart", "ChargePeriodEnd"),
                billing: both("BillingPeriodStart", "BillingPeriodEnd"),
                resource: at("ResourceId"),
                service: at("ServiceName"),
                method: layout.allocated("AllocatedMethodId"),
                estimate: at("x_Estimate"),
                source: at("x_Source"),
                billed: at("BilledCost"),
                invoice: at("InvoiceId"),
                price_as_of: at("x_PriceAsOf"),
                coverage: at("x_Coverage"),
            },
            is_split_named,
        }
    }

    pub(super) fn check(&self, row: u64, values: Values<'_>, found: &mut Found) {
        self.pairs(row, values, found);
        self.periods(row, values, found);
        self.category(row, values, found);
        self.resource(row, values, found);
        self.estimate(row, values, found);
        let is_correction = get(values, self.at.class) == "Correction";
        if !is_correction {
            self.products(row, values, found);
        }
    }

    fn pairs(&self, row: u64, values: Values<'_>, found: &mut Found) {
        for (one, two, first, second) in &self.together {
            if values.get(*one).is_empty() != values.get(*two).is_empty() {
                found.add(Rule::Together, second, Some(row), || {
                    format!("one of {first} and {second} is null and the other is not")
                });
            }
        }
        for (one, two, first, second) in &self.only_with {
            if values.get(*one).is_empty() && !values.get(*two).is_empty() {
                found.add(Rule::Together, second, Some(row), || {
                    format!("{second} is there and {first}, of which it is, is null")
                });
            }
        }
        if let Some((method, resource, tags, name)) = &self.is_split_named {
            let is_part = !values.get(*method).is_empty();
            let has_more = [resource, tags].iter().any(|at| !get(values, **at).is_empty());
            if has_more && !is_part {
                found.add(Rule::Together, name, Some(row), || {
                    format!("a row names an allocation and its {name} is null")
                });
            }
        }
    }

    fn periods(&self, row: u64, values: Values<'_>, found: &mut Found) {
        let period = self.at.period.and_then(|at| window(values, at));
        let billing = self.at.billing.and_then(|at| window(values, at));
        for (window, column) in [(period, "ChargePeriodEnd"), (billing, "BillingPeriodEnd")] {
            if let Some((start, end)) = window.filter(|(start, end)| start >= end) {
                found.add(Rule::Period, column, Some(row), || {
                    format!("the period from {start} to {end} does not begin before it ends")
                });
            }
        }
        let is_usage =
            get(values, self.at.category) == "Usage" && get(values, self.at.class) != "Correction";
        if let (true, Some((start, end)), Some((first, last))) = (is_usage, period, billing)
            && (start < first || end > last)
        {
            found.add(Rule::BillingPeriod, "ChargePeriodStart", Some(row), || {
                format!(
                    "usage from {start} to {end} is outside its billing period, {first} to {last}"
                )
            });
        }
    }

    fn category(&self, row: u64, values: Values<'_>, found: &mut Found) {
        let category = get(values, self.at.category);
        if category == "Purchase" && get(values, self.at.frequency) == "Usage-Based" {
            found.add(Rule::Category, "ChargeFrequency", Some(row), || {
                "a purchase is not usage-based".to_owned()
            });
        }
        let is_other = !category.is_empty() && category != "Usage";
        if is_other && !get(values, self.at.consumed).is_empty() {
            found.add(Rule::Category, "ConsumedQuantity", Some(row), || {
                format!("only usage consumes, and the category is {category}")
            });
        }
    }

    /// AWS bills a Fargate pod under its own ARN; whatever else has a pod there took it from a split.
    fn resource(&self, row: u64, values: Values<'_>, found: &mut Found) {
        let id = get(values, self.at.resource);
        let is_pod = id.split_once(":pod/").is_some_and(|(before, _)| before.contains(":eks:"));
        let service = get(values, self.at.service);
        let is_of_kubernetes = service.contains("Kubernetes") || service.contains("EKS");
        let is_part = !get(values, self.at.method).is_empty();
        if is_pod && (is_part || !is_of_kubernetes) {
            found.add(Rule::PodAsResource, "ResourceId", Some(row), || {
                format!("`{id}` is a pod: it belongs into AllocatedResourceId, beside the resource that was billed")
            });
        }
    }

    fn estimate(&self, row: u64, values: Values<'_>, found: &mut Found) {
        let is_estimate =
            get(values, self.at.estimate) == "true" || get(values, self.at.source) == "list_prices";
        if !is_estimate {
            return;
        }
        let billed = get(values, self.at.billed);
        if Decimal::parse(billed).is_ok_and(|billed| !billed.is_zero()) {
            found.add(Rule::EstimateIsNotBilled, "BilledCost", Some(row), || {
                format!("an estimate bills nothing, and BilledCost is `{billed}`")
            });
        }
        let invoice = get(values, self.at.invoice);
        if !invoice.is_empty() {
            found.add(Rule::EstimateIsNotBilled, "InvoiceId", Some(row), || {
                format!("an estimate is on no invoice, and InvoiceId is `{invoice}`")
            });
        }
        for (at, column) in [(self.at.price_as_of, "x_PriceAsOf"), (self.at.coverage, "x_Coverage")]
        {
            if get(values, at).is_empty() {
                found.add(Rule::EstimateSaysHow, column, Some(row), || {
                    format!("an estimate without {column} does not say how far to trust it")
                });
            }
        }
    }

    fn products(&self, row: u64, values: Values<'_>, found: &mut Found) {
        for (price, quantity, cost, name) in &self.products {
            let number = |at: &usize| Decimal::parse(values.get(*at)).ok();
            let (Some(price), Some(quantity), Some(cost)) =
                (number(price), number(quantity), number(cost))
            else {
                continue;
            };
            if let Some(false) = is_product(price, quantity, cost) {
                found.add(Rule::Product, name, Some(row), || {
                    format!("{price} times {quantity} is not {name}, which is {cost}")
                });
            }
        }
    }
}

/// Whether a product is what it should be, to a billionth of a dollar or of itself; none where the
/// numbers are too long to tell.
fn is_product(price: Decimal, quantity: Decimal, cost: Decimal) -> Option<bool> {
    let product = price.times(quantity)?;
    let difference = product.plus(cost.times(Decimal::new(-1, 0))?)?.magnitude();
    let billionth = Decimal::new(1, 9);
    let tolerance = cost.magnitude().times(billionth)?;
    let over = |tolerance: Decimal| {
        Some(difference.plus(tolerance.times(Decimal::new(-1, 0))?)?.trimmed())
    };
    let is_within = |left: Decimal| left.is_negative() || left.is_zero();
    Some(is_within(over(tolerance)?) || is_within(over(billionth)?))
}

fn get(values: Values<'_>, at: Option<usize>) -> &str {
    at.map_or("", |at| values.get(at))
}

fn window(
    values: Values<'_>,
    (start, end): (usize, usize),
) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
    Some((moment(values.get(start))?, moment(values.get(end))?))
}
