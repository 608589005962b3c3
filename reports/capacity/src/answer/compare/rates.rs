//! What a Savings Plan would take off these bills, and where that is from.

use std::collections::BTreeSet;

use super::CompareOptions;
use super::sides::SideAnswer;
use crate::compare::lever::Plans;
use crate::compare::side::LineKind;
use crate::prices::{PlanTerm, PriceBook};

/// Which discounts the levers have, in figures; or why they have none.
pub(super) fn savings_plans(
    options: &CompareOptions,
    book: &PriceBook,
    sides: &[SideAnswer],
) -> String {
    let plans = Plans { region: options.region, book, own: &options.plans };
    let types = bought(sides);
    let mut known = Vec::new();
    let mut unknown = BTreeSet::new();
    for term in PlanTerm::ALL {
        match of_term(plans, term, &types) {
            Ok(words) => known.push(words),
            Err(why) => {
                unknown.insert(why);
            }
        }
    }
    let mut text = "Savings Plans that cover everything".to_owned();
    if !known.is_empty() {
        text.push_str(&format!(" take off {}", known.join("; ")));
    }
    if !unknown.is_empty() {
        let unknown: Vec<String> = unknown.into_iter().collect();
        text.push_str(&format!(
            "{} are in no tornado of a side that needs them: {}",
            if known.is_empty() { "" } else { "; others" },
            unknown.join("; ")
        ));
    }
    text
}

/// The types that are on a bill on-demand.
fn bought(sides: &[SideAnswer]) -> BTreeSet<&str> {
    let nodes = [LineKind::Node.name(), LineKind::StandingNode.name()];
    sides
        .iter()
        .flat_map(|side| &side.lines)
        .filter(|line| nodes.contains(&line.kind))
        .filter_map(|line| line.instance_type.as_deref())
        .collect()
}

/// `for 1 year 28 % of EC2 and 20 % of Fargate, as given`.
fn of_term(plans: Plans<'_>, term: PlanTerm, types: &BTreeSet<&str>) -> Result<String, String> {
    let off_fargate = plans.of_fargate(term).map_err(|why| why.reason)?;
    let off_types: Vec<i64> = types
        .iter()
        .map(|name| plans.of_type(name, term).map_err(|why| why.reason))
        .collect::<Result<_, _>>()?;
    let mut text = format!("for {}", term.title());
    if let (Some(least), Some(most)) = (off_types.iter().min(), off_types.iter().max()) {
        let (least, most) = (percent(*least), percent(*most));
        let range = if least == most { most } else { format!("{least} to {most}") };
        text.push_str(&format!(" {range} % of the nodes on these bills and"));
    }
    text.push_str(&format!(" {} % of Fargate", percent(off_fargate)));
    if plans.own.contains_key(&term) {
        text.push_str(", as given");
        return Ok(text);
    }
    let region = plans.region.name();
    let days = types
        .iter()
        .filter_map(|name| plans.book.plan_for_type(region, name, term).ok())
        .chain(plans.book.plan_for_fargate(region, term).ok())
        .map(|discount| discount.provenance.as_of);
    let days: BTreeSet<_> = days.collect();
    match (days.first(), days.last()) {
        (Some(one), Some(other)) if one == other => text.push_str(&format!(", rates of {one}")),
        (Some(one), Some(other)) => text.push_str(&format!(", rates of {one} to {other}")),
        _ => {}
    }
    Ok(text)
}

/// Ten-thousandths as per cent, with places only where there are some.
fn percent(ten_thousandths: i64) -> String {
    let (whole, rest) = (ten_thousandths / 100, ten_thousandths % 100);
    if rest == 0 {
        whole.to_string()
    } else {
        format!("{whole}.{rest:02}").trim_end_matches('0').to_owned()
    }
}
