//! From looks, in the order of their moments, to intervals.
//!
//! A pod is one interval from the first look that saw it to the last, and two where it gave way to
//! itself (other requests, labels, place): the earlier one has ended, and the later one is first seen, at
//! the look that saw it so. The state as it was when the window opened counts as a look at its start,
//! unless a hole lies in between.

mod open;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use self::open::{OpenNode, OpenPod};
use super::look::{Labels, UsageSample};
use super::record::{Changes, State};
use crate::observed::{
    ClusterId, ClusterObserved, Finding, NodeInterval, PodInterval, Severity, Source, Window,
};

/// So many holes are named one by one.
const NAMED_HOLES: usize = 20;

/// How a look was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) at: Timestamp,
    pub(super) source: Source,
    pub(super) every: i64,
    pub(super) is_after_gap: bool,
}

/// Whether too much time lies between two looks: more than two and a half times what was announced.
fn is_hole(before: Step, at: Timestamp, is_after_gap: bool) -> bool {
    let apart = at.duration_since(before.at).as_millis();
    is_after_gap || apart * 2 > i128::from(before.every) * 1_000 * 5
}

/// What becomes of the looks at one cluster.
pub(super) struct Fold {
    cluster: Arc<ClusterId>,
    window: Window,
    state: State,
    /// The last look so far.
    last: Option<Step>,
    /// Looks within the window.
    looks: u64,
    open_pods: BTreeMap<String, OpenPod>,
    open_nodes: BTreeMap<String, OpenNode>,
    pods: Vec<PodInterval>,
    nodes: Vec<(NodeInterval, bool)>,
    /// Where the last closed interval of a pod is.
    closed: BTreeMap<String, usize>,
    covered: Vec<Window>,
    run: Option<Window>,
    resolution_seconds: i64,
    holes: Vec<Window>,
    sources: BTreeSet<Source>,
    is_over: bool,
    no_labels: Labels,
}

/// What came of it.
pub(super) struct Folded {
    pub(super) cluster: ClusterObserved,
    pub(super) nodes: Vec<NodeInterval>,
    pub(super) pods: Vec<PodInterval>,
    pub(super) findings: Vec<Finding>,
}

impl Fold {
    pub(super) fn new(cluster: Arc<ClusterId>, window: Window) -> Self {
        Self {
            cluster,
            window,
            state: State::default(),
            last: None,
            looks: 0,
            open_pods: BTreeMap::new(),
            open_nodes: BTreeMap::new(),
            pods: Vec::new(),
            nodes: Vec::new(),
            closed: BTreeMap::new(),
            covered: Vec::new(),
            run: None,
            resolution_seconds: 0,
            holes: Vec::new(),
            sources: BTreeSet::new(),
            is_over: false,
            no_labels: Labels::default(),
        }
    }

    /// The moment of the last look.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.last.map(|last| last.at)
    }

    /// Whether looks after the window have begun: nothing more is wanted.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// A look that says everything.
    pub(super) fn whole(&mut self, step: Step, state: &State, usage: &[UsageSample]) {
        let changes = self.state.changes_to(state);
        self.look(step, &changes, usage);
    }

    /// A look that says what changed.
    pub(super) fn look(&mut self, step: Step, changes: &Changes, usage: &[UsageSample]) {
        if step.at >= self.window.end {
            self.beyond(step.at, step.is_after_gap);
            return;
        }
        if step.at < self.window.start {
            self.state.apply(changes);
            self.last = Some(step);
            return;
        }
        self.carry_in(step.at, step.is_after_gap);
        let is_first = self.looks == 0;
        self.cover(step);
        if is_first {
            self.state.apply(changes);
            self.open_all(step);
        } else {
            self.change(step, changes);
        }
        self.sources.insert(step.source);
        self.looks += 1;
        self.last = Some(step);
        for sample in usage {
            if let Some(open) = self.open_pods.get_mut(&sample.uid) {
                open.used(sample);
            }
        }
    }

    /// The first look after the window: what was covered up to it was covered to the window's end.
    pub(super) fn beyond(&mut self, at: Timestamp, is_after_gap: bool) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        self.carry_in(at, is_after_gap);
        if let Some(last) = self.last.filter(|_| self.looks > 0)
            && !is_hole(last, at, is_after_gap)
        {
            self.resolution_seconds = self.resolution_seconds.max(seconds(last.at, at));
            if let Some(run) = &mut self.run {
                run.end = self.window.end;
            }
        }
    }

    /// The state when the window opened, as a look.
    fn carry_in(&mut self, at: Timestamp, is_after_gap: bool) {
        let Some(last) = self.last.filter(|_| self.looks == 0) else { return };
        if last.at >= self.window.start || self.window.is_empty() || is_hole(last, at, is_after_gap)
        {
            return;
        }
        self.resolution_seconds = self.resolution_seconds.max(seconds(last.at, at));
        let step = Step { at: self.window.start, ..last };
        self.run = Some(Window { start: step.at, end: step.at });
        self.open_all(step);
        self.sources.insert(step.source);
        self.looks = 1;
        // How long ago the look really was decides about the hole, and has been asked.
        self.last = Some(step);
    }

    fn cover(&mut self, step: Step) {
        let is_connected = match self.last.filter(|_| self.looks > 0) {
            None => false,
            Some(last) => {
                let apart = seconds(last.at, step.at);
                let is_connected = !is_hole(last, step.at, step.is_after_gap);
                if is_connected {
                    self.resolution_seconds = self.resolution_seconds.max(apart);
                } else {
                    self.holes.push(Window { start: last.at, end: step.at });
                }
                is_connected
            }
        };
        match &mut self.run {
            Some(run) if is_connected => run.end = step.at,
            run => {
                let ended = run.replace(Window { start: step.at, end: step.at });
                self.covered.extend(ended.filter(|run| !run.is_empty()));
            }
        }
    }

    fn open_all(&mut self, step: Step) {
        let pods: Vec<_> = self.state.pods.values().cloned().collect();
        for pod in pods {
            let labels = self.labels_of(&pod.namespace);
            self.open_pods.insert(pod.uid.clone(), OpenPod::new(pod, labels, step, self.looks));
        }
        for node in self.state.nodes.values() {
            self.open_nodes.insert(node.uid.clone(), OpenNode::new(node.clone(), step, self.looks));
        }
    }

    fn change(&mut self, step: Step, changes: &Changes) {
        for uid in &changes.gone_pods {
            self.close_pod(uid, step);
        }
        for uid in &changes.gone_nodes {
            self.close_node(uid, Some(step.at));
        }
        self.state.apply(changes);
        for node in &changes.nodes {
            if let Some(open) = self.open_nodes.get_mut(&node.uid) {
                open.goes_on_as(node);
            } else {
                let open = OpenNode::new(node.clone(), step, self.looks);
                self.open_nodes.insert(node.uid.clone(), open);
            }
        }
        for pod in &changes.pods {
            let gives_way =
                self.open_pods.get(&pod.uid).is_some_and(|open| open.state.gives_way_to(pod));
            if gives_way {
                self.close_pod(&pod.uid, step);
            }
            match self.open_pods.get_mut(&pod.uid) {
                Some(open) => open.goes_on_as(pod),
                None => self.open_pod(&pod.uid, step),
            }
        }
        if !(changes.namespaces.is_empty() && changes.gone_namespaces.is_empty()) {
            self.relabel(step);
        }
    }

    /// Pods whose namespace has other labels now belong to somebody else, perhaps.
    fn relabel(&mut self, step: Step) {
        let moved: Vec<String> = self
            .open_pods
            .iter()
            .filter(|(_, open)| open.namespace_labels != self.labels_of(&open.state.namespace))
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in moved {
            self.close_pod(&uid, step);
            self.open_pod(&uid, step);
        }
    }

    fn labels_of(&self, namespace: &str) -> Labels {
        self.state.namespaces.get(namespace).unwrap_or(&self.no_labels).clone()
    }

    fn open_pod(&mut self, uid: &str, step: Step) {
        let Some(pod) = self.state.pods.get(uid).cloned() else { return };
        let labels = self.labels_of(&pod.namespace);
        let mut open = OpenPod::new(pod, labels, step, self.looks);
        if let Some(earlier) = self.closed.get(uid).and_then(|index| self.pods.get_mut(*index)) {
            earlier.is_part = true;
            open.is_part = true;
        }
        self.open_pods.insert(uid.to_owned(), open);
    }

    fn close_pod(&mut self, uid: &str, step: Step) {
        let (Some(open), Some(last)) = (self.open_pods.remove(uid), self.last) else { return };
        let seen = Window { start: open.since, end: last.at.max(open.since) };
        let looks = self.looks - open.first_look;
        self.closed.insert(uid.to_owned(), self.pods.len());
        self.pods.push(open.interval(&self.cluster, seen, looks, Some(step.at), last.source));
    }

    fn close_node(&mut self, uid: &str, ended: Option<Timestamp>) {
        let (Some(open), Some(last)) = (self.open_nodes.remove(uid), self.last) else { return };
        let seen = Window { start: open.since, end: last.at.max(open.since) };
        let looks = self.looks - open.first_look;
        let is_claim = open.state.is_claim;
        let interval = open.interval(&self.cluster, seen, looks, ended, last.source);
        self.nodes.push((interval, is_claim));
    }

    /// What is there as of the last look before a moment, as one look.
    pub(super) fn snapshot(mut self, at: Timestamp) -> Folded {
        if let Some(last) = self.last {
            self.looks = 0;
            self.open_all(last);
            self.looks = 1;
            self.sources.insert(Source::Snapshot);
            let mut folded = self.finish();
            if is_hole(last, at, false) {
                folded.findings.push(Finding {
                    severity: Severity::Warning,
                    code: "sample_old",
                    subject: folded.cluster.id.to_string(),
                    message: format!("the last look before {at} was at {}", last.at),
                });
            }
            return folded;
        }
        self.finish()
    }

    /// What came of all looks.
    pub(super) fn finish(mut self) -> Folded {
        let last = self.last;
        for uid in self.open_nodes.keys().cloned().collect::<Vec<_>>() {
            self.close_node(&uid, None);
        }
        let source = last.map_or(Source::Poll, |last| last.source);
        for (_, open) in std::mem::take(&mut self.open_pods) {
            let end = last.map_or(open.since, |last| last.at.max(open.since));
            let seen = Window { start: open.since, end };
            let looks = self.looks - open.first_look;
            self.pods.push(open.interval(&self.cluster, seen, looks, None, source));
        }
        self.covered.extend(self.run.filter(|run| !run.is_empty()));
        let findings = self.hole_findings();
        let mut nodes = open::join_claims(self.nodes);
        // Of one look nothing can be said but a rate.
        if self.looks == 1 {
            self.sources = BTreeSet::from([Source::Snapshot]);
            self.pods.iter_mut().for_each(|pod| pod.source = Source::Snapshot);
            nodes.iter_mut().for_each(|node| node.source = Source::Snapshot);
        }
        Folded {
            cluster: ClusterObserved {
                id: self.cluster,
                covered: self.covered,
                resolution_seconds: self.resolution_seconds,
                looks: self.looks,
                is_in_extended_support: self.state.is_in_extended_support,
                created: self.state.created,
                sources: self.sources,
            },
            nodes,
            pods: self.pods,
            findings,
        }
    }

    /// Each hole between two looks, the longest ones by name, and what was not looked at before the
    /// first and after the last.
    fn hole_findings(&self) -> Vec<Finding> {
        let finding = |message: String| Finding {
            severity: Severity::Loss,
            code: "sample_hole",
            subject: self.cluster.to_string(),
            message,
        };
        let told = |hole: &Window| {
            finding(format!("nobody looked for {} seconds, {hole}", hole.seconds()))
        };
        let mut holes = self.holes.clone();
        let covered_from = self.covered.first().map(|first| first.start);
        let covered_to = self.covered.last().map(|last| last.end);
        if self.looks > 1
            && let (Some(from), Some(to)) = (covered_from, covered_to)
        {
            holes.push(Window { start: self.window.start, end: from });
            holes.push(Window { start: to, end: self.window.end });
            holes.retain(|hole| hole.seconds() > 0);
        }
        holes.sort_by_key(|hole| (std::cmp::Reverse(hole.seconds()), hole.start));
        let mut findings: Vec<_> = holes.iter().take(NAMED_HOLES).map(told).collect();
        if let Some(rest @ [_, ..]) = holes.get(NAMED_HOLES..) {
            let seconds: i64 = rest.iter().map(|hole| hole.seconds()).sum();
            findings.push(finding(format!(
                "nobody looked for {seconds} seconds more, in {} shorter holes",
                rest.len()
            )));
        }
        findings
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    // Up: what was not looked at for half a second was not looked at.
    let apart = to.duration_since(from);
    apart.as_secs() + i64::from(apart.subsec_nanos() > 0)
}
