//! What a showback of a month costs in CPU time and memory: 5,000 pods at a time with churn, 200 nodes, 40
//! teams. Prints figures; asserts nothing, since machines differ.
//!
//! The month is that of [`month`], with one place in 25 held by Jobs. Its figures are those of an allocation alone,
//! from what was observed to the answer; reading samples comes before.
//!
//! `cargo bench -p runbook-showback --bench showback`, with `-- before` to compare with such a month, with
//! `-- jobs` for five times as many Jobs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

#[path = "focus/month.rs"]
mod month;

use std::io::Write as _;

use runbook_capacity::prices::PriceBook;
use runbook_showback::allocate::showback::Basis;
use runbook_showback::allocate::{PriceOptions, Request, Rules, charges, dimensions, showback};

use month::{DAY, DAYS, Month, at};

/// CPU time of this thread so far, in milliseconds.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
        / 1_000_000
}

/// The most memory this process had so far, in MB.
fn peak() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1000
}

const RULES: &str = "
owners: [{label: team}]
idle: {rule: proportional}
shared: {system_layer: {namespaces: [space-0], rule: even}, control_plane: {rule: even}}
";

fn main() {
    let mut out = std::io::stdout();
    let said = |word: &str| std::env::args().any(|argument| argument == word);
    let (has_before, jobs) = (said("before"), if said("jobs") { 5 } else { 25 });
    let observed = Month::new(jobs).fill();
    let before = has_before.then(|| Month::new(jobs).fill());
    let (pods, nodes) = (observed.pods.len(), observed.nodes.len());
    let read = peak();
    let request = Request {
        window: observed.window,
        basis: Basis::Period,
        by: dimensions("team,namespace").unwrap(),
        weight: None,
        as_of: at(40 * DAY),
        from: "a bench".to_owned(),
        is_provisional: false,
        rules: Rules::read("rules.yaml", RULES).unwrap(),
        prices: PriceOptions::default(),
    };
    let book = PriceBook::embedded();
    let begin = cpu();
    let answer = showback(&observed, before.as_ref(), book, &request).unwrap();
    let took = cpu() - begin;
    let with = peak();
    let (rows, total) = (answer.groups.len(), answer.total.parts());
    drop(answer);
    let begin = cpu();
    let all = charges(&observed, book, &request).unwrap().charges.len();
    let charging = cpu() - begin;
    writeln!(
        out,
        "showback of {pods} pods on {nodes} nodes over {DAYS} days{}: {took} ms, {rows} rows; {read} MB observed, {with} MB with the answer",
        if has_before { " against another such month" } else { "" }
    )
    .unwrap();
    writeln!(out, "charges: {all} in {charging} ms, {} MB at most", peak()).unwrap();
    for (name, amount) in total {
        writeln!(out, "  {name} {} $", amount.dollars(2)).unwrap();
    }
}
