//! A reconciliation for programs; [`SCHEMA`] describes it.
//!
//! Amounts are dollars with cents: read as decimals every row adds up.

use runbook_capacity::answer::schema::Shape::{
    self, Flag, List, Maybe, Number, Object, Text, Word,
};
use runbook_capacity::answer::schema::{NAMES, field};
use runbook_capacity::answer::written;
use serde::Serialize;

use super::{Rounded, Row, money, scope, title};
use crate::bill::{Category, Class};
use crate::observed::{Finding, Window};
use crate::reconcile::{Cause, Reconciliation, Side};

/// Names this form; it changes when a reader of the old one would be wrong.
const FORMAT: &str = "runbook/reconcile/v1";

const CLASS: &[&str] = &[
    "ec2_compute",
    "ebs",
    "fargate_vcpu",
    "fargate_memory",
    "fargate_storage",
    "control_plane",
    "auto_mode_fee",
    "nat",
    "load_balancer",
    "transfer",
    "other",
];

const CAUSES: Shape = Object(&[
    field("no_samples", Number, "nobody looked"),
    field(
        "price",
        Number,
        "the bill's list rate is another than the book's, or a spot price moved",
    ),
    field("discount", Number, "the account pays less than list"),
    field("outside_scope", Number, "nothing of ours, or nothing that is observed"),
    field("estimated", Number, "AWS may still change it"),
    field("unexplained", Number, "none of these"),
]);

const SIDES: [runbook_capacity::answer::schema::Field; 6] = [
    field("list", Number, "what we say, at list prices"),
    field("effective", Number, "the same at the rate that the bill had"),
    field("billed", Number, "what the bill says"),
    field("difference", Number, "list less billed: the sum of the causes"),
    field("causes", CAUSES, "what makes up the difference"),
    field("is_reconciled", Flag, "unexplained is at most 2 % of the larger side, or a cent"),
];

/// The fields.
pub const SCHEMA: Shape = Object(&[
    field("format", Text, "names this form"),
    field("title", Text, "one line that can stand alone"),
    field("from", Text, "sandbox or aws"),
    field("source", Text, "Cost Explorer, or the names of the bill's files"),
    field("scope", Text, "how far the bill reaches: the tag, or account scope"),
    field("as_of", Text, "when it was made, as a moment of the world"),
    field(
        "window",
        Object(&[
            field("start", Text, "its first moment, UTC"),
            field("end", Text, "the first moment after it"),
        ]),
        "what was asked for",
    ),
    field("days", NAMES, "the UTC days that were compared"),
    field("unsettled", NAMES, "days that had not settled, and were not"),
    field("unit", Word(&["USD"]), "of every amount"),
    field("is_reconciled", Flag, "whether every class is"),
    field(
        "classes",
        List(&Object(&[
            field("class", Word(CLASS), "which"),
            SIDES[0],
            SIDES[1],
            SIDES[2],
            SIDES[3],
            SIDES[4],
            SIDES[5],
            field("is_account_scope", Flag, "the bill's lines of it are the whole account's"),
            field("remarks", NAMES, "what explains the causes"),
        ])),
        "class by class",
    ),
    field("total", Object(&SIDES), "their sum"),
    field(
        "not_compared",
        List(&Object(&[
            field("category", Word(&["commitment_fee", "credit", "refund", "tax"]), "what it is"),
            field("amount", Number, "how much, of the whole account"),
        ])),
        "what is no use of anything",
    ),
    field("by_resource", Flag, "resources were compared by their ids"),
    field(
        "resources",
        List(&Object(&[
            field("side", Word(&["billed", "seen"]), "the only side that has it"),
            field("class", Word(CLASS), "of what class"),
            field("id", Text, "its id on the bill, or its name in the cluster"),
            field("kind", Maybe(&Text), "the usage type"),
            field("amount", Number, "what it cost there"),
        ])),
        "resources of one side only, dearest first",
    ),
    field("asking", Number, "what asking for the bill cost"),
    field(
        "findings",
        List(&Object(&[
            field("severity", Word(&["note", "warning", "loss"]), "how much it matters"),
            field("code", Text, "a stable name"),
            field("subject", Text, "what it is about"),
            field("message", Text, "what was found, and what to do"),
        ])),
        "the rest that a reader has to know",
    ),
]);

#[derive(Serialize)]
struct Answer<'a> {
    format: &'static str,
    title: String,
    from: &'a str,
    source: &'a str,
    scope: String,
    as_of: String,
    window: Window,
    days: Vec<String>,
    unsettled: Vec<String>,
    unit: &'static str,
    is_reconciled: bool,
    classes: Vec<ClassAnswer<'a>>,
    total: SidesAnswer,
    not_compared: Vec<Other>,
    by_resource: bool,
    resources: Vec<ResourceAnswer<'a>>,
    asking: f64,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct ClassAnswer<'a> {
    class: Class,
    #[serde(flatten)]
    sides: SidesAnswer,
    is_account_scope: bool,
    remarks: &'a [String],
}

#[derive(Serialize)]
struct SidesAnswer {
    list: f64,
    effective: f64,
    billed: f64,
    difference: f64,
    causes: CausesAnswer,
    is_reconciled: bool,
}

#[derive(Serialize)]
struct CausesAnswer {
    no_samples: f64,
    price: f64,
    discount: f64,
    outside_scope: f64,
    estimated: f64,
    unexplained: f64,
}

#[derive(Serialize)]
struct Other {
    category: Category,
    amount: f64,
}

#[derive(Serialize)]
struct ResourceAnswer<'a> {
    side: &'static str,
    class: Class,
    id: &'a str,
    kind: Option<&'a str>,
    amount: f64,
}

/// For programs.
pub fn json(of: &Reconciliation, from: &str) -> Result<String, serde_json::Error> {
    let rounded = Rounded::of(of);
    let words = |days: &[jiff::civil::Date]| days.iter().map(ToString::to_string).collect();
    let answer = Answer {
        format: FORMAT,
        title: title(of, from),
        from,
        source: &of.source,
        scope: scope(of),
        as_of: of.as_of.to_string(),
        window: of.window,
        days: words(&of.days),
        unsettled: words(&of.unsettled),
        unit: "USD",
        is_reconciled: of.is_reconciled(),
        classes: rounded
            .rows
            .iter()
            .map(|row| ClassAnswer {
                class: row.of.class,
                sides: sides(row),
                is_account_scope: row.of.is_account_scope,
                remarks: &row.of.remarks,
            })
            .collect(),
        total: sides(&rounded.total),
        not_compared: of
            .not_compared
            .iter()
            .map(|one| Other { category: one.category, amount: dollars(&one.amount.dollars(2)) })
            .collect(),
        by_resource: of.by_resource,
        resources: of
            .resources
            .iter()
            .map(|one| ResourceAnswer {
                side: if one.side == Side::Billed { "billed" } else { "seen" },
                class: one.class,
                id: &one.id,
                kind: Some(one.kind.as_str()).filter(|kind| !kind.is_empty()),
                amount: dollars(&one.amount.dollars(2)),
            })
            .collect(),
        asking: dollars(&of.asking.dollars(2)),
        findings: &of.findings,
    };
    Ok(format!("{}\n", written::json(&answer)?))
}

fn sides(row: &Row<'_>) -> SidesAnswer {
    let of = |cause: Cause| cents(row.causes[cause as usize]);
    SidesAnswer {
        list: cents(row.list),
        effective: cents(row.effective),
        billed: cents(row.billed),
        difference: cents(row.difference()),
        causes: CausesAnswer {
            no_samples: of(Cause::NoSamples),
            price: of(Cause::Price),
            discount: of(Cause::Discount),
            outside_scope: of(Cause::OutsideScope),
            estimated: of(Cause::Estimated),
            unexplained: of(Cause::Unexplained),
        },
        is_reconciled: row.of.is_reconciled,
    }
}

fn cents(cents: i128) -> f64 {
    dollars(&money(cents).replace(',', "").replace('−', "-"))
}

/// The number that the written digits are; nothing is added up in it.
fn dollars(text: &str) -> f64 {
    text.parse().unwrap_or_default()
}
