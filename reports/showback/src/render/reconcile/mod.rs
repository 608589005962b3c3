//! A reconciliation in every form: text, CSV, JSON, Markdown and a page, all made of one rounding.
//!
//! What we say of a class is rounded first; what the bill says and the causes are its parts, so every row
//! adds up to the cent: `ours = bill + causes`. The total is the sum of the rows that are shown.

mod forms;
mod json;
mod page;

use runbook_capacity::money::{Amount, Price, Unit};

use super::figures::Cents;
use super::showback::apportion;
use crate::bill::Scope;
use crate::reconcile::{Cause, ClassLine, Reconciliation};

pub use forms::{csv, markdown, text};
pub use json::{SCHEMA, json};
pub use page::html;

/// A class in cents.
struct Row<'a> {
    of: &'a ClassLine,
    title: &'static str,
    list: i128,
    effective: i128,
    billed: i128,
    causes: [i128; 6],
}

impl Row<'_> {
    fn difference(&self) -> i128 {
        self.list - self.billed
    }
}

/// All of it in cents.
struct Rounded<'a> {
    of: &'a Reconciliation,
    rows: Vec<Row<'a>>,
    total: Row<'a>,
}

impl<'a> Rounded<'a> {
    fn of(of: &'a Reconciliation) -> Self {
        let lists: Vec<Amount> = of.classes.iter().map(|one| one.list).collect();
        let lists = apportion::parts(Cents::of(of.total.list).count(), &lists, cent());
        let parts: Vec<Vec<Amount>> = of
            .classes
            .iter()
            .map(|one| {
                let causes = Cause::ALL.map(|cause| one.causes.of(cause));
                std::iter::once(one.billed).chain(causes).collect()
            })
            .collect();
        let cells = apportion::table(&lists, &parts, cent());
        let rows: Vec<Row<'a>> = of
            .classes
            .iter()
            .zip(lists.iter().zip(cells))
            .map(|(class, (list, cells))| Row {
                of: class,
                title: class.class.title(),
                list: *list,
                effective: Cents::of(class.effective).count(),
                billed: cells.first().copied().unwrap_or_default(),
                causes: std::array::from_fn(|at| cells.get(at + 1).copied().unwrap_or_default()),
            })
            .collect();
        let sum = |of: fn(&Row<'_>) -> i128| rows.iter().map(of).sum();
        let total = Row {
            of: &of.total,
            title: "total",
            list: sum(|row| row.list),
            effective: sum(|row| row.effective),
            billed: sum(|row| row.billed),
            causes: std::array::from_fn(|at| rows.iter().map(|row| row.causes[at]).sum()),
        };
        Self { of, rows, total }
    }
}

/// A cent in units of an amount.
fn cent() -> i128 {
    Price::new(100_000_000, Unit::Piece).amount(1, 0).raw()
}

/// `1,690.12`, `−48.72`.
fn money(cents: i128) -> String {
    Cents::of(Amount::from_raw(cents.saturating_mul(cent()))).text()
}

/// One line that can stand alone.
pub fn title(of: &Reconciliation, from: &str) -> String {
    let verdict = if of.is_reconciled() { "reconciled" } else { "not reconciled" };
    format!("{verdict}: {} against {} · {} · {from}", window(of), visible(&of.source), scope(of))
}

fn window(of: &Reconciliation) -> String {
    match (of.days.first(), of.days.last()) {
        (Some(first), Some(last)) if first == last => first.to_string(),
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => of.window.to_string(),
    }
}

fn scope(of: &Reconciliation) -> String {
    match &of.scope {
        Scope::Tag(owner) => format!("tag runbook/owner {}", visible(owner)),
        Scope::Accounts(accounts) if accounts.is_empty() => "account scope".to_owned(),
        Scope::Accounts(accounts) => format!("account scope {}", visible(&accounts.join(", "))),
        Scope::Clusters(clusters) => format!("clusters {}", visible(&clusters.join(", "))),
    }
}

fn visible(text: &str) -> String {
    super::text::visible(text).into_owned()
}

/// What a reader has to know beside the table: a label and a sentence.
fn remarks(rounded: &Rounded<'_>) -> Vec<(String, String)> {
    let of = rounded.of;
    let mut remarks = Vec::new();
    for row in &rounded.rows {
        if row.of.is_account_scope && matches!(of.scope, Scope::Tag(_)) {
            let words = "account scope: its lines never carry the tag, and the bill names no pods";
            remarks.push((row.title.to_owned(), words.to_owned()));
        }
        remarks.extend(row.of.remarks.iter().map(|one| (row.title.to_owned(), visible(one))));
    }
    for one in &of.not_compared {
        let what = match one.category {
            crate::bill::Category::Usage => "use",
            crate::bill::Category::CommitmentFee => "commitment fees, what of them was not used",
            crate::bill::Category::Credit => "credits",
            crate::bill::Category::Refund => "refunds and corrections",
            crate::bill::Category::Tax => "tax",
        };
        let words = format!("{what}: {} $, of the whole account", Cents::of(one.amount).text());
        remarks.push(("not compared".to_owned(), words));
    }
    if let (Some(first), Some(last)) = (of.unsettled.first(), of.unsettled.last()) {
        let words = format!("{first} to {last}: less than 48 h over, so AWS may still change them");
        remarks.push(("not settled".to_owned(), words));
    }
    for finding in &of.findings {
        remarks.push((visible(&finding.subject), visible(&finding.message)));
    }
    let asking = if of.asking == Amount::ZERO {
        "nothing".to_owned()
    } else {
        format!("{} $", of.asking.dollars(2))
    };
    remarks.push(("asking".to_owned(), format!("this bill cost {asking} to ask for")));
    remarks
}
