//! Groups of an answer as lines of a bill.

use jiff::civil::Date;
use runbook_clients::aws::cost_explorer::{Day, Group, Metric};

use super::{AskError, GROSS, NET, QUANTITY};
use crate::bill::decimal::Decimal;
use crate::bill::{Category, Line, classify};
use crate::observed::Window;

/// What the groups of an answer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Uses, by service and usage type.
    Use,
    /// What is no use, by kind of record and service.
    Other,
}

/// The lines of a day.
pub(super) fn of(day: &Day, kind: Kind) -> Result<Vec<Line>, AskError> {
    let wrong = |why: String| AskError::Answer { day: day.start.clone(), why };
    let date: Date = day.start.parse().map_err(|_| wrong("its day is no date".to_owned()))?;
    let mut lines = Vec::new();
    for group in &day.groups {
        let [first, second] = group.keys.as_slice() else {
            return Err(wrong(format!(
                "a group has {} keys, and two were asked for",
                group.keys.len()
            )));
        };
        let cost = cost(group).ok_or_else(|| wrong(format!("`{first}` `{second}` has no cost")))?;
        let amount = number(cost).map_err(&wrong)?;
        if cost.unit != "USD" {
            return Err(wrong(format!(
                "its amounts are in `{}`, and prices are in USD",
                cost.unit
            )));
        }
        let quantity = group.metrics.get(QUANTITY).filter(|_| kind == Kind::Use);
        let used = quantity.map(number).transpose().map_err(&wrong)?;
        if amount.is_zero() && used.is_none_or(Decimal::is_zero) {
            continue;
        }
        let (service, usage_type) = match kind {
            Kind::Use => (first, second),
            Kind::Other => (second, first),
        };
        lines.push(Line {
            period: Window::day(date),
            class: classify(service, usage_type, ""),
            category: if kind == Kind::Use { Category::Usage } else { category(first) },
            resource_id: None,
            pod: None,
            usage_type: usage_type.clone(),
            quantity_billionths: used.map(Decimal::billionths),
            unit: quantity.map_or_else(String::new, |one| one.unit.clone()),
            list: None,
            effective: amount.dollars(),
            is_estimated: day.is_estimated,
        });
    }
    Ok(lines)
}

fn cost(group: &Group) -> Option<&Metric> {
    [NET, GROSS].iter().find_map(|name| group.metrics.get(*name))
}

fn number(metric: &Metric) -> Result<Decimal, String> {
    Decimal::parse(&metric.amount).ok_or_else(|| format!("`{}` is no number", metric.amount))
}

/// What a kind of record is. Discounts that are lines are money given.
fn category(record: &str) -> Category {
    match record {
        "Credit" => Category::Credit,
        "Refund" => Category::Refund,
        "Tax" => Category::Tax,
        _ if record.contains("Discount") => Category::Credit,
        _ => Category::CommitmentFee,
    }
}
