//! What was seen, what makes an estimate, what is refused, and the rate of a moment.

use runbook_showback::allocate::showback::{Basis, Showback};
use runbook_showback::allocate::{Refused, Request, charges, showback};
use runbook_showback::observed::{Observed, Source, Window};

use crate::scene::{
    at, book, cluster, codes, fargate, looked_at, node, observed, on, pod, request, rows, window,
};

fn seen(covered: &[(&str, &str)]) -> Observed {
    let mut seen = observed(
        window("00:00", "10:00"),
        vec![node("a", "00:00", None)],
        vec![pod("shop/web", on("a"), ("4", "16Gi"), ("00:00", None))],
    );
    let covered = covered.iter().map(|(from, until)| window(from, until)).collect();
    seen.clusters = vec![looked_at(cluster("myeks"), covered)];
    seen
}

fn of(seen: &Observed) -> Showback {
    showback(seen, None, &book(), &request(seen.window, "namespace", "")).unwrap()
}

#[test]
fn coverage_is_node_time_seen_over_node_time_billed() {
    let whole = of(&seen(&[("00:00", "10:00")]));
    assert!(!whole.is_estimate);
    assert_eq!(
        (whole.coverage.node_seconds_seen, whole.coverage.node_seconds_billed),
        (36_000, 36_000)
    );
    assert_eq!(whole.coverage.largest_hole, None);
    assert_eq!(whole.coverage.resolution_seconds, 300);

    let holed = of(&seen(&[("00:00", "04:00"), ("04:20", "09:50")]));
    assert!(!holed.is_estimate, "95 % is enough");
    assert_eq!(holed.coverage.node_seconds_seen, 36_000 * 95 / 100);
    assert_eq!(holed.coverage.largest_hole, Some(window("04:00", "04:20")));

    let less = of(&seen(&[("00:00", "04:00"), ("04:21", "09:50")]));
    assert!(less.is_estimate);
    // What costs is not what was seen: the node and its pod go on through the hole.
    assert_eq!(rows(&less)[0], "shop = 11.0000 [cpu 6.9231, memory 3.0769, shared 1.0000] 1 pods");
}

#[test]
fn without_nodes_the_time_in_which_somebody_looked_decides() {
    let mut seen = seen(&[("00:00", "09:00")]);
    seen.nodes.clear();
    seen.pods = vec![pod("shop/web", fargate("1vCPU 2GB"), ("1", "1Gi"), ("00:00", None))];
    seen.pods[0].looks = 1;
    let showback = of(&seen);
    assert!(showback.is_estimate);
    assert_eq!((showback.coverage.pods, showback.coverage.pods_seen_once), (1, 1));
    assert!(codes(&showback).contains(&"seen_once"));
}

#[test]
fn nothing_costs_after_the_moment_of_asking() {
    let seen = seen(&[("00:00", "10:00")]);
    let mut request = request(seen.window, "namespace", "");
    request.as_of = at("2026-10-01T05:00:00Z");
    let showback = showback(&seen, None, &book(), &request).unwrap();
    assert_eq!(
        rows(&showback),
        ["shop = 5.5000 [cpu 3.4615, memory 1.5385, shared 0.5000] 1 pods"]
    );
}

#[test]
fn a_control_plane_costs_while_its_cluster_stands() {
    let mut seen = seen(&[("00:00", "10:00")]);
    seen.clusters[0].created = Some(at("2026-10-01T08:00:00Z"));
    seen.clusters[0].is_in_extended_support = Some(true);
    seen.nodes.clear();
    seen.pods.clear();
    assert_eq!(rows(&of(&seen)), ["(shared) control plane = 1.2000 [shared 1.2000] 0 pods"]);
    // Nobody knows of a beginning: from the first look, and to the last, for nothing of it goes on.
    seen.clusters[0].created = None;
    seen.clusters[0].covered = vec![window("01:00", "03:00")];
    assert_eq!(rows(&of(&seen)), ["(shared) control plane = 1.2000 [shared 1.2000] 0 pods"]);
}

fn refused(seen: &Observed, request: &Request) -> String {
    let why = showback(seen, None, &book(), request).expect_err("refused");
    // Charges are refused for the same reasons, but need no table.
    if why != Refused::NoDimension {
        assert_eq!(charges(seen, &book(), request).expect_err("refused"), why);
    }
    why.to_string()
}

#[test]
fn what_cannot_be_answered_is_refused_by_name() {
    let mut one = seen(&[("00:00", "00:01")]);
    one.clusters[0].looks = 1;
    let request = request(one.window, "namespace", "");
    let expected = "cluster us-east-1/myeks was looked at once: that is a rate per hour (`--window now`) and says nothing about 2026-10-01T00:00:00Z to 2026-10-01T10:00:00Z; `runbook collect --every 5m` looks again and again";
    assert_eq!(refused(&one, &request), expected);
    one.clusters[0].sources = [Source::Snapshot].into();
    assert_eq!(refused(&one, &request), expected);
    one.clusters[0].looks = 3;
    assert!(showback(&one, None, &book(), &request).is_ok());
    one.clusters[0].looks = 1;
    // A bill's rows know seconds, whoever looked.
    one.clusters[0].sources.insert(Source::FargateBill);
    assert!(showback(&one, None, &book(), &request).is_ok());

    let nothing = observed(one.window, Vec::new(), Vec::new());
    assert!(
        refused(&nothing, &request).starts_with("nothing was observed in 2026-10-01T00:00:00Z")
    );
    let with = |change: &dyn Fn(&mut Request)| {
        let mut changed = request.clone();
        change(&mut changed);
        refused(&seen(&[("00:00", "10:00")]), &changed)
    };
    assert_eq!(
        with(&|request| request.as_of = request.window.start),
        "the window 2026-10-01T00:00:00Z to 2026-10-01T10:00:00Z has not begun at 2026-10-01T00:00:00Z"
    );
    assert_eq!(
        with(&|request| request.window.end = request.window.start),
        "the window at 2026-10-01T00:00:00Z is empty; a moment can only be asked for as a rate per hour (`now`)"
    );
    assert_eq!(
        with(&|request| request.by.clear()),
        "`--by` names nothing to group by: team, namespace, cluster, controller, pod, node, label:KEY, annotation:KEY"
    );
}

#[test]
fn a_moment_is_a_rate_per_hour() {
    let mut seen = seen(&[]);
    let moment = at("2026-10-01T23:59:00Z");
    seen.window = Window { start: moment, end: moment };
    seen.clusters[0].looks = 1;
    seen.clusters[0].sources = [Source::Snapshot].into();
    seen.nodes.push(node("gone", "00:00", Some("05:00")));
    seen.nodes.push(node("later", "2026-10-02T00:00:00Z", None));
    let mut booting = node("booting", "2026-10-01T23:58:00Z", None);
    booting.ready = None;
    seen.nodes.push(booting);
    let mut done = pod("jobs/done", fargate("1vCPU 2GB"), ("1", "1Gi"), ("00:00", None));
    done.finished = Some(at("2026-10-01T01:00:00Z"));
    seen.pods.push(done);
    let mut request = request(seen.window, "namespace", "node_overhead: {rule: apart}");
    request.basis = Basis::HourlyRate;
    request.as_of = moment;
    let showback = showback(&seen, None, &book(), &request).unwrap();
    assert_eq!(
        rows(&showback),
        [
            "shop = 1.0901 [cpu 0.6923, memory 0.3077, shared 0.0901] 1 pods",
            "jobs = 0.1199 [fargate 0.1100, shared 0.0099] 1 pods",
            "(overhead)  = 1.0000 [node_overhead 1.0000] 0 pods",
        ]
    );
    assert!(!showback.is_estimate);
    assert_eq!(showback.window, seen.window);
    let days: Vec<String> = showback.days.iter().map(ToString::to_string).collect();
    assert_eq!(days, ["2026-10-01"]);
    let lingering: Vec<i64> = showback.pods.iter().map(|line| line.lingering_seconds).collect();
    assert_eq!(lingering, [0, 3600]);
}
