//! What explains the causes of a class, in sentences: the days without samples, the usage types whose
//! price is another, the ratio to list, how far the bill reaches.

use std::collections::BTreeMap;

use jiff::civil::Date;
use runbook_capacity::money::Amount;

use super::answer::{Cause, ClassLine};
use super::causes::Judge;
use super::cells::{Cell, Of};
use crate::bill::Class;

/// How many usage types or days are named.
const NAMED: usize = 3;
/// A price that differs by less than this, in millionths, is not worth a word.
const NEAR: i128 = 1_000;

/// Sums of a usage type.
#[derive(Default)]
struct Used {
    at_book: Amount,
    quantity: i128,
    price: Amount,
    is_priced: bool,
    is_spot: bool,
}

/// The remarks on a class.
pub(super) fn of(line: &ClassLine, judge: &Judge<'_>, days: &[Date]) -> Vec<String> {
    let mut remarks = Vec::new();
    if line.causes.of(Cause::NoSamples) != Amount::ZERO {
        remarks.extend(unseen(line.class, judge, days));
    }
    let used = used(line.class, judge);
    remarks.extend(priced(&used));
    remarks.extend(discount(line, judge));
    if line.causes.of(Cause::OutsideScope) != Amount::ZERO {
        remarks.push(outside(line, judge));
    }
    remarks
}

fn unseen(class: Class, judge: &Judge<'_>, days: &[Date]) -> Option<String> {
    let regions: Vec<Option<&str>> = judge
        .cells
        .cells
        .iter()
        .filter(|(place, _)| place.class == class)
        .map(|(_, cell)| cell.region.as_deref())
        .collect();
    let holes: Vec<(Date, i64)> = days
        .iter()
        .map(|day| {
            let most = regions.iter().map(|region| judge.unseen_seconds(*day, *region)).max();
            (*day, most.unwrap_or_default())
        })
        .filter(|(_, seconds)| *seconds > 0)
        .collect();
    if holes.is_empty() {
        return None;
    }
    let named: Vec<String> = holes
        .iter()
        .take(NAMED)
        .map(|(day, seconds)| {
            if *seconds == 86_400 {
                format!("all of {day}")
            } else {
                format!("{} of {day}", hours(*seconds))
            }
        })
        .collect();
    let more = holes.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and parts of {more} more days") } else { String::new() };
    Some(format!("nobody looked for {}{more}", named.join(", ")))
}

fn hours(seconds: i64) -> String {
    let minutes = (seconds + 59) / 60;
    if minutes < 60 {
        format!("{minutes} min")
    } else {
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    }
}

fn used(class: Class, judge: &Judge<'_>) -> BTreeMap<String, Used> {
    let mut all: BTreeMap<String, Used> = BTreeMap::new();
    let cells = judge.cells.cells.iter().filter(|(place, _)| place.class == class);
    for (place, cell) in cells.filter(|(_, cell)| !cell.usage.is_empty()) {
        let region = match (&cell.region, &place.of) {
            (Some(region), _) | (None, Of::Kind { region, .. }) => region.as_str(),
            _ => "",
        };
        let name = format!("{} in {region}", cell.usage);
        let used = all.entry(name).or_insert_with(|| Used { is_priced: true, ..Used::default() });
        used.at_book += cell.at_book;
        used.quantity += cell.quantity;
        used.price += price_of(judge, class, &place.of, cell);
        used.is_priced &= cell.is_priced;
        used.is_spot |= cell.is_spot;
    }
    all
}

/// What of a cell is price.
fn price_of(judge: &Judge<'_>, class: Class, of: &Of, cell: &Cell) -> Amount {
    match cell.list {
        _ if cell.is_spot => cell.at_book - cell.billed,
        Some(list) => cell.at_book - list,
        None => judge.rates.parts(class, of, &cell.usage, (cell.at_book, cell.billed)).price,
    }
}

/// Usage types whose price on the bill is another than the book's, those with most money first.
fn priced(used: &BTreeMap<String, Used>) -> Vec<String> {
    let mut differing: Vec<(&String, &Used)> = used
        .iter()
        .filter(|(_, one)| {
            let ratio = one.price.raw().saturating_mul(1_000_000) / one.at_book.raw().max(1);
            one.is_priced && one.quantity > 0 && ratio.abs() > NEAR
        })
        .collect();
    differing.sort_by_key(|(name, one)| (-one.price.raw().abs(), (*name).clone()));
    let mut remarks: Vec<String> = differing
        .iter()
        .take(NAMED)
        .map(|(name, one)| {
            let (book, bill) =
                (each(one.at_book, one.quantity), each(one.at_book - one.price, one.quantity));
            let why = if one.is_spot { ", the market's" } else { "" };
            format!("{name}: {book} $ in the book, {bill} $ on the bill{why}")
        })
        .collect();
    if differing.len() > NAMED {
        remarks.push(format!("{} more usage types have another price", differing.len() - NAMED));
    }
    let unknown: Vec<&str> =
        used.iter().filter(|(_, one)| !one.is_priced).map(|(name, _)| name.as_str()).collect();
    if let Some(first) = unknown.first() {
        let more = match unknown.len() {
            1 => String::new(),
            many => format!(" and {} more", many - 1),
        };
        remarks
            .push(format!("{first}{more}: not in the price book, so the bill's own price stands"));
    }
    remarks
}

/// The price of one, with six places.
fn each(amount: Amount, billionths: i128) -> String {
    const ONE: i128 = 1_000_000_000;
    let by = billionths.max(1);
    let (whole, rest) = (amount.raw() / by, amount.raw() % by);
    let one = whole.saturating_mul(ONE).saturating_add(rest.saturating_mul(ONE) / by);
    Amount::from_raw(one).dollars(6)
}

fn discount(line: &ClassLine, judge: &Judge<'_>) -> Option<String> {
    let discount = line.causes.of(Cause::Discount);
    if discount == Amount::ZERO {
        return None;
    }
    let cells = judge.cells.cells.iter().filter(|(place, _)| place.class == line.class);
    let list: Amount = cells
        .filter(|(_, cell)| !cell.is_spot)
        .map(|(_, cell)| cell.list.unwrap_or(cell.at_book))
        .sum();
    let tenths = discount.raw().saturating_mul(1_000) / list.raw().max(1);
    let way = if tenths < 0 { "above" } else { "below" };
    Some(format!("the account pays {}.{} % {way} list", tenths.abs() / 10, tenths.abs() % 10))
}

fn outside(line: &ClassLine, judge: &Judge<'_>) -> String {
    if judge.cells.foreign.contains_key(&line.class) {
        return "clusters of accounts that the bill is not for are in our figures".to_owned();
    }
    if line.is_account_scope && judge.cells.observed.contains(&line.class) {
        return "account scope: the bill has more of it than we saw, which may be anybody's in the account"
            .to_owned();
    }
    format!("nothing of {} is observed", line.class.title())
}
