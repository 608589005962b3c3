//! Why a window cost more than the one before, and how owners stand against their budgets.

use std::sync::Arc;

use runbook_showback::allocate::showback;
use runbook_showback::allocate::showback::{Cause, Showback};
use runbook_showback::observed::{NodeInterval, Observed, PodInterval, Window};

use crate::scene::{at, codes, node, nodes_only, observed, on, pod, request, rows};

const MIDNIGHT: &str = "T00:00:00Z";

fn day(date: &str) -> Window {
    Window::day(date.parse().unwrap())
}

/// A day of nodes that are there all the time, and pods.
fn on_day(date: &str, nodes: &[(&str, &str)], pods: &[(&str, &str, &str)]) -> Observed {
    let from = format!("{date}{MIDNIGHT}");
    let nodes = nodes
        .iter()
        .map(|(name, kind)| NodeInterval {
            instance_type: Some((*kind).to_owned()),
            ..node(name, &from, None)
        })
        .collect();
    let pods: Vec<PodInterval> = pods
        .iter()
        .map(|(name, node, cpu)| {
            let memory = format!("{}Gi", cpu.parse::<i64>().unwrap() * 4);
            pod(name, on(node), (cpu, &memory), (&from, None))
        })
        .collect();
    observed(day(date), nodes, pods)
}

fn causes(showback: &Showback) -> Vec<String> {
    let change = showback.change.as_ref().unwrap();
    change.causes.iter().map(|(cause, amount)| format!("{cause:?} {}", amount.dollars(2))).collect()
}

fn compared(before: &Observed, now: &Observed, by: &str) -> Showback {
    showback(now, Some(before), &nodes_only(), &request(now.window, by, "")).unwrap()
}

#[test]
fn growth_is_volume_other_machines_are_mix_and_the_rest_is_new_or_gone() {
    let before = on_day(
        "2026-10-01",
        &[("a", "m5.xlarge"), ("b", "m5.xlarge")],
        &[("shop/web", "a", "1"), ("shop/old", "a", "2"), ("shop/moved", "b", "4")],
    );
    // web doubles, old goes, fresh comes; moved is on a machine of half the price (and half of b is idle).
    let now = on_day(
        "2026-10-02",
        &[("a", "m5.xlarge"), ("b", "m5.large")],
        &[("shop/web", "a", "2"), ("jobs/fresh", "a", "1"), ("shop/moved", "b", "4")],
    );
    let showback = compared(&before, &now, "namespace");
    let change = showback.change.as_ref().unwrap();
    assert_eq!(
        (change.total_before.dollars(2), change.before),
        ("48.00".to_owned(), before.window)
    );
    assert_eq!(
        causes(&showback),
        ["Volume 6.00", "Price 0.00", "Mix -12.00", "New 6.00", "Gone -12.00"]
    );
    let largest: Vec<String> = change
        .largest
        .iter()
        .map(|(key, amount, cause)| format!("{} {} {cause:?}", key.join(","), amount.dollars(2)))
        .collect();
    assert_eq!(largest, ["shop -18.00 Gone", "jobs 6.00 New"]);
    let before: Vec<String> = showback
        .groups
        .iter()
        .map(|group| format!("{} {}", group.key[0], group.before.unwrap().dollars(2)))
        .collect();
    assert_eq!(before, ["shop 42.00", "jobs 0.00", " 6.00"]);
}

#[test]
fn another_book_is_the_price() {
    let scene = |date: &str| on_day(date, &[("a", "m5.xlarge")], &[("shop/web", "a", "4")]);
    let (before, now) = (scene("2026-10-01"), scene("2026-10-02"));
    let mut request = request(now.window, "namespace", "");
    request.prices.before = Some(Arc::new(nodes_only().scaled(1, 2)));
    let showback = showback(&now, Some(&before), &nodes_only(), &request).unwrap();
    assert_eq!(
        causes(&showback),
        ["Volume 0.00", "Price 12.00", "Mix 0.00", "New 0.00", "Gone 0.00"]
    );
    assert_eq!(showback.change.unwrap().largest[0].2, Cause::Price);
}

#[test]
fn a_team_that_is_gone_keeps_its_row() {
    let before = on_day("2026-10-01", &[("a", "m5.xlarge")], &[("gone/web", "a", "4")]);
    let now = on_day("2026-10-02", &[("a", "m5.xlarge")], &[("shop/web", "a", "4")]);
    let showback = compared(&before, &now, "namespace");
    assert_eq!(
        rows(&showback),
        ["shop = 24.0000 [cpu 16.6154, memory 7.3846] 1 pods", "gone = 0.0000 [] 0 pods"]
    );
    assert_eq!(showback.groups[1].before.unwrap().dollars(2), "24.00");
    // Of a window before of which nothing is known, nothing is compared, and that is said.
    let nothing = observed(before.window, Vec::new(), Vec::new());
    let showback = compared(&nothing, &now, "namespace");
    assert_eq!((&showback.change, showback.groups[0].before), (&None, None));
    assert!(codes(&showback).contains(&"window_before"));
}

const BUDGETS: &str = "
owners: [{namespace: shop, owner: shop}, {namespace: jobs, owner: jobs}]
budgets:
  - {owner: shop, monthly: 100, thresholds: [40, 80]}
  - {owner: jobs, monthly: 10}
  - {owner: spare, monthly: 10}
";

fn budgets(window: Window, as_of: &str, by: &str) -> (Vec<String>, Vec<&'static str>) {
    let mut seen = on_day(
        "2026-10-01",
        &[("a", "m5.xlarge")],
        &[("shop/web", "a", "1"), ("jobs/cron", "a", "1")],
    );
    seen.window = window;
    let mut request = request(window, by, BUDGETS);
    request.as_of = at(as_of);
    let showback = showback(&seen, None, &nodes_only(), &request).unwrap();
    let lines = showback.budgets.iter().map(|line| {
        let breach = line.breach.map_or("-".to_owned(), |day| day.to_string());
        format!(
            "{} {}: {} spent, {} projected, {breach}, {:?}",
            line.owner,
            line.budget.dollars(2),
            line.spent.dollars(2),
            line.projected.dollars(2),
            line.passed_percent
        )
    });
    (lines.collect(), codes(&showback))
}

#[test]
fn budgets_are_projected_to_the_end_of_the_month() {
    // A quarter of 24 $ a day each, for seven days; the figures are those of owners whatever the rows are.
    let week = Window { end: at("2026-10-08T00:00:00Z"), ..day("2026-10-01") };
    for by in ["team", "pod"] {
        let (lines, codes) = budgets(week, "2026-10-10T00:00:00Z", by);
        assert_eq!(
            lines,
            [
                "shop 100.00: 42.00 spent, 186.00 projected, 2026-10-17, Some(40)",
                "jobs 10.00: 42.00 spent, 186.00 projected, 2026-10-02, Some(100)",
                "spare 10.00: 0.00 spent, 0.00 projected, -, None",
            ]
        );
        assert!(codes.contains(&"budget_without_pods"));
        assert!(!codes.contains(&"budget_month_begins_earlier"));
    }
}

#[test]
fn a_window_in_the_middle_of_a_month_says_that_it_knows_no_more() {
    let (lines, codes) = budgets(day("2026-10-11"), "2026-10-20T00:00:00Z", "team");
    assert_eq!(lines[0], "shop 100.00: 6.00 spent, 186.00 projected, 2026-10-17, None");
    assert!(codes.contains(&"budget_month_begins_earlier"));
}
