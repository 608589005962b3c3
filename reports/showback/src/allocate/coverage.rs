//! How much of what was billed was seen, and when a report is an estimate.

use super::showback::{Basis, Coverage};
use super::world::World;
use super::{Refused, Request};
use crate::observed::{ClusterObserved, Observed, Source, Window};

/// Below so much in a hundred the title says *estimate*.
const ENOUGH_PERCENT: i64 = 95;

/// Refuses a past period of which there is one look, and a window of which there is nothing.
pub(super) fn admit(observed: &Observed, request: &Request) -> Result<(), Refused> {
    // A store knows its clusters also where nobody looked; a table of zeros would say they cost nothing.
    let has_covered = observed.clusters.iter().any(|cluster| !cluster.covered.is_empty());
    if !has_covered && observed.nodes.is_empty() && observed.pods.is_empty() {
        return Err(Refused::NothingSeen { window: request.window });
    }
    if request.basis == Basis::HourlyRate {
        return Ok(());
    }
    let looks = |source: &Source| matches!(source, Source::Snapshot | Source::Poll | Source::Watch);
    let is_one_look =
        |cluster: &&ClusterObserved| cluster.looks == 1 && cluster.sources.iter().all(looks);
    let once: Vec<String> = observed
        .clusters
        .iter()
        .filter(is_one_look)
        .map(|cluster| cluster.id.to_string())
        .collect();
    if once.is_empty() {
        return Ok(());
    }
    Err(Refused::OneLook { clusters: once.join(", "), window: request.window })
}

/// What was seen, and whether that makes figures an estimate.
pub(super) fn coverage(observed: &Observed, world: &World) -> (Coverage, bool) {
    let mut coverage = Coverage {
        node_seconds_seen: 0,
        node_seconds_billed: 0,
        largest_hole: None,
        pods_seen_once: world.pod_remarks.seen_once,
        pods: world.pod_remarks.pods,
        resolution_seconds: 0,
    };
    let view = &world.view;
    let clip = |window: &Window| {
        let (start, end) = (window.start.as_second(), window.end.as_second());
        let clipped = (start.max(view.start), end.min(view.end));
        (clipped.0 < clipped.1).then_some(clipped)
    };
    let (mut cluster_seen, mut cluster_time) = (0, 0);
    for (index, id) in world.clusters.iter().enumerate() {
        let known = observed.clusters.iter().find(|cluster| cluster.id == *id);
        let covered: Vec<(i64, i64)> = if view.is_rate() {
            vec![(view.start, view.end)]
        } else {
            let mut covered: Vec<_> =
                known.map_or(&[][..], |known| &known.covered).iter().filter_map(clip).collect();
            covered.sort_unstable();
            covered
        };
        for life in world.lives.iter().filter(|life| life.cluster == index) {
            coverage.node_seconds_billed += life.end - life.start;
            coverage.node_seconds_seen += seconds_within(&covered, life.start, life.end);
        }
        let created =
            known.and_then(|known| known.created).map_or(i64::MIN, jiff::Timestamp::as_second);
        let begin = created.clamp(view.start, view.end);
        cluster_time += view.end - begin;
        cluster_seen += seconds_within(&covered, begin, view.end);
        for hole in holes(&covered, begin, view.end) {
            let hole = super::view::window(hole.0, hole.1);
            if coverage.largest_hole.is_none_or(|largest| hole.seconds() > largest.seconds()) {
                coverage.largest_hole = Some(hole);
            }
        }
        let resolution = known.map_or(0, |known| known.resolution_seconds);
        coverage.resolution_seconds = coverage.resolution_seconds.max(resolution);
    }
    // A cluster without nodes is covered by the time in which it was looked at.
    let (seen, billed) = if coverage.node_seconds_billed > 0 {
        (coverage.node_seconds_seen, coverage.node_seconds_billed)
    } else {
        (cluster_seen, cluster_time)
    };
    let is_estimate = i128::from(seen) * 100 < i128::from(billed) * i128::from(ENOUGH_PERCENT);
    (coverage, is_estimate)
}

/// How much of a stretch lies in some others, ordered, which may touch or overlap.
fn seconds_within(covered: &[(i64, i64)], start: i64, end: i64) -> i64 {
    let holes: i64 = holes(covered, start, end).map(|(from, until)| until - from).sum();
    (end - start).max(0) - holes
}

/// What is left of a stretch without some others.
fn holes(covered: &[(i64, i64)], start: i64, end: i64) -> impl Iterator<Item = (i64, i64)> {
    let mut at = start;
    covered.iter().copied().chain([(end, end)]).filter_map(move |(from, until)| {
        let hole = (at, from.min(end));
        at = at.max(until).min(end.max(at));
        (hole.0 < hole.1).then_some(hole)
    })
}
