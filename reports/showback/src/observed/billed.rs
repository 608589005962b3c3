//! What samples saw, and what a bill of the same window knows better.
//!
//! A bill has the exact seconds of each pod on Fargate, which samples know between two bounds only, and
//! pods that lived and died between two looks. Samples know whose a pod is: its labels, its owner, and
//! that it had ended long before it was deleted. So a Fargate pod that both know keeps what samples say of
//! it and costs for the seconds that were billed; one that only the bill knows comes from the bill.
//!
//! Split rows are hours of averages. They count where samples have nothing: for pods that nobody saw, and
//! for nodes that nobody saw. Of an instance that both know, the bill says when it was there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{
    ClusterId, ClusterObserved, NodeInterval, Observed, Place, PodInterval, Source, Window,
};

/// A pod of a cluster.
type PodKey = (Arc<ClusterId>, String);

impl Observed {
    /// The same, made exact and whole by the pods of a bill.
    #[must_use]
    pub fn with_bill(self, bill: Self) -> Self {
        let Self { window, clusters, nodes, pods, findings } = self;
        let mut merged = Merge { clusters, known: BTreeSet::new(), fargate: BTreeMap::new() };
        let ids = merged.clusters(bill.clusters);
        let in_ours = |id: &Arc<ClusterId>| ids.get(id).unwrap_or(id).clone();

        let names: BTreeMap<(Arc<ClusterId>, String), String> = nodes
            .iter()
            .filter_map(|node| {
                let instance = node.instance_id.clone()?;
                Some(((Arc::clone(&node.cluster), instance), node.name.clone()))
            })
            .collect();
        let mut nodes = nodes;
        for mut billed in bill.nodes {
            billed.cluster = in_ours(&billed.cluster);
            let is_it = |node: &&mut NodeInterval| {
                node.cluster == billed.cluster && node.instance_id == billed.instance_id
            };
            let mut seen: Vec<&mut NodeInterval> = nodes.iter_mut().filter(is_it).collect();
            match seen.as_mut_slice() {
                [] => nodes.push(billed),
                [node] => bounded(node, &billed, window),
                // Several rows of it follow on each other, each with what was known at its time.
                _ => {}
            }
        }

        merged.known = pods.iter().map(key).collect();
        let mut split = Vec::new();
        for mut pod in bill.pods {
            pod.cluster = in_ours(&pod.cluster);
            match &mut pod.place {
                Place::Fargate { .. } => merged.fargate.entry(key(&pod)).or_default().push(pod),
                Place::Node(node) => {
                    if let Some(name) = names.get(&(Arc::clone(&pod.cluster), node.clone())) {
                        node.clone_from(name);
                    }
                    split.push(pod);
                }
                Place::Nowhere => {}
            }
        }
        split.retain(|pod| !merged.known.contains(&key(pod)));
        let mut pods = merged.pods(pods);
        pods.append(&mut split);
        let findings = findings.into_iter().chain(bill.findings).collect();
        Self { window, clusters: merged.clusters, nodes, pods, findings }
    }
}

/// When an instance came and went inside the window, its bill knows exactly.
fn bounded(node: &mut NodeInterval, billed: &NodeInterval, window: Window) {
    if billed.launched > window.start {
        node.launched = billed.launched;
    }
    if billed.ended.is_some_and(|ended| ended < window.end) {
        node.ended = billed.ended;
    }
}

fn key(pod: &PodInterval) -> PodKey {
    (Arc::clone(&pod.cluster), pod.uid.clone())
}

struct Merge {
    clusters: Vec<ClusterObserved>,
    /// Pods that samples know.
    known: BTreeSet<PodKey>,
    /// What was billed of pods on Fargate, in the order of time.
    fargate: BTreeMap<PodKey, Vec<PodInterval>>,
}

impl Merge {
    /// Takes in the bill's clusters; which of ours each of them is.
    fn clusters(
        &mut self,
        billed: Vec<ClusterObserved>,
    ) -> BTreeMap<Arc<ClusterId>, Arc<ClusterId>> {
        let mut ids = BTreeMap::new();
        for theirs in billed {
            let Some(ours) = self.clusters.iter_mut().find(|ours| is_same(&ours.id, &theirs.id))
            else {
                self.clusters.push(theirs);
                continue;
            };
            ids.insert(theirs.id, Arc::clone(&ours.id));
            ours.resolution_seconds = ours.resolution_seconds.max(theirs.resolution_seconds);
            // Fargate rows say nothing of nodes; split rows know what was on them in each hour.
            if theirs.sources.contains(&Source::SplitCostAllocation) {
                ours.covered.extend(theirs.covered);
                ours.covered = Window::joined(std::mem::take(&mut ours.covered));
            }
            ours.sources.extend(theirs.sources);
        }
        self.clusters.sort_by(|one, other| one.id.cmp(&other.id));
        ids
    }

    /// Pods of samples with the times of the bill, and those that only the bill knows.
    fn pods(&mut self, sampled: Vec<PodInterval>) -> Vec<PodInterval> {
        let mut pods = Vec::with_capacity(sampled.len());
        let mut both: BTreeMap<PodKey, Vec<PodInterval>> = BTreeMap::new();
        for pod in sampled {
            if self.fargate.contains_key(&key(&pod)) {
                both.entry(key(&pod)).or_default().push(pod);
            } else {
                pods.push(pod);
            }
        }
        for (key, billed) in std::mem::take(&mut self.fargate) {
            match both.remove(&key) {
                Some(seen) => pods.extend(exact(seen, &billed)),
                None => pods.extend(billed),
            }
        }
        pods
    }
}

/// Equal but for an account that one of them does not know.
fn is_same(one: &ClusterId, other: &ClusterId) -> bool {
    let accounts = one.account.as_ref().zip(other.account.as_ref());
    one.name == other.name
        && one.region == other.region
        && accounts.is_none_or(|(one, other)| one == other)
}

/// What samples say of a pod, over the times that were billed.
fn exact(mut seen: Vec<PodInterval>, billed: &[PodInterval]) -> Vec<PodInterval> {
    seen.sort_by_key(|pod| pod.seen.start);
    if seen.iter().any(|pod| matches!(pod.place, Place::Fargate { .. })) {
        // Before it was bound it cost nothing.
        seen.retain(|pod| matches!(pod.place, Place::Fargate { .. }));
    }
    let mut made = Vec::new();
    for (index, pod) in seen.iter().enumerate() {
        let from = if index == 0 { Timestamp::MIN } else { pod.seen.start };
        let until = seen.get(index + 1).map_or(Timestamp::MAX, |next| next.seen.start);
        for part in billed {
            let span = Window { start: part.seen.start.max(from), end: part.seen.end.min(until) };
            if span.start < span.end {
                made.push(over(pod, part, span));
            }
        }
    }
    made
}

fn over(pod: &PodInterval, billed: &PodInterval, span: Window) -> PodInterval {
    let is_known = matches!(pod.place, Place::Fargate { size: Some(_), .. });
    PodInterval {
        place: if is_known { pod.place.clone() } else { billed.place.clone() },
        scheduled: Some(span.start),
        started: Some(span.start),
        ended: Some(span.end),
        is_part: true,
        seen: span,
        source: Source::FargateBill,
        ..pod.clone()
    }
}

#[cfg(test)]
mod tests {
    use runbook_capacity::fargate::Size;
    use runbook_capacity::pod_resources::Resources;
    use runbook_capacity::quantity::{Bytes, Millicores};

    use super::*;
    use crate::observed::CapacityType;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 / 60 * 60 + minute * 60).unwrap()
    }

    fn span(start: i64, end: i64) -> Window {
        Window { start: at(start), end: at(end) }
    }

    fn cluster(account: Option<&str>) -> Arc<ClusterId> {
        Arc::new(ClusterId {
            account: account.map(str::to_owned),
            region: "ap-northeast-2".to_owned(),
            name: "myeks".to_owned(),
        })
    }

    fn on_fargate() -> Place {
        let size = Size { vcpu: Millicores(250), memory: Bytes(512 << 20) };
        Place::Fargate {
            node: "fargate-ip-1".to_owned(),
            size: Some(size),
            storage: None,
            is_annotated: true,
        }
    }

    fn pod(
        id: &Arc<ClusterId>,
        uid: &str,
        place: Place,
        seen: Window,
        source: Source,
    ) -> PodInterval {
        PodInterval {
            cluster: Arc::clone(id),
            uid: uid.to_owned(),
            namespace: "batch".to_owned(),
            name: uid.to_owned(),
            controller: None,
            labels: Arc::default(),
            annotations: Arc::default(),
            namespace_labels: Arc::default(),
            place,
            requests: Resources::default(),
            usage: None,
            phase: "Running".to_owned(),
            scheduled: Some(seen.start),
            started: None,
            finished: None,
            ended: None,
            is_part: false,
            seen,
            looks: 2,
            source,
        }
    }

    fn node(id: &Arc<ClusterId>, name: &str, instance: &str, source: Source) -> NodeInterval {
        NodeInterval {
            cluster: Arc::clone(id),
            name: name.to_owned(),
            uid: name.to_owned(),
            instance_id: Some(instance.to_owned()),
            instance_type: Some("m7g.large".to_owned()),
            capacity_type: CapacityType::OnDemand,
            zone: None,
            pool: None,
            is_auto_mode: false,
            capacity: Resources::default(),
            allocatable: Resources::default(),
            volume: None,
            launched: at(0),
            ready: None,
            drained: None,
            ended: None,
            seen: span(0, 60),
            looks: 2,
            source,
        }
    }

    fn observed(
        id: &Arc<ClusterId>,
        nodes: Vec<NodeInterval>,
        pods: Vec<PodInterval>,
        covered: Window,
        source: Source,
    ) -> Observed {
        let cluster = ClusterObserved {
            id: Arc::clone(id),
            covered: vec![covered],
            resolution_seconds: 300,
            looks: 2,
            is_in_extended_support: None,
            created: None,
            sources: BTreeSet::from([source]),
        };
        let findings = Vec::new();
        Observed { window: span(0, 120), clusters: vec![cluster], nodes, pods, findings }
    }

    fn labelled(mut pod: PodInterval, team: &str) -> PodInterval {
        let team = ("team".to_owned(), team.to_owned());
        pod.labels = Arc::new(BTreeMap::from([team]));
        pod
    }

    fn told(observed: &Observed) -> Vec<(String, String, Window, Source)> {
        let mut told: Vec<_> = observed
            .pods
            .iter()
            .map(|pod| {
                let team = pod.labels.get("team").cloned().unwrap_or_default();
                (pod.uid.clone(), team, pod.seen, pod.source)
            })
            .collect();
        told.sort_by(|one, other| (&one.0, one.2.start).cmp(&(&other.0, other.2.start)));
        told
    }

    #[test]
    fn fargate_pods_keep_what_samples_say_and_cost_what_was_billed() {
        let (ours, theirs) = (cluster(None), cluster(Some("111122223333")));
        let waiting = pod(&ours, "a", Place::Nowhere, span(0, 1), Source::Poll);
        let first = labelled(pod(&ours, "a", on_fargate(), span(5, 10), Source::Poll), "red");
        let second = labelled(pod(&ours, "a", on_fargate(), span(15, 40), Source::Poll), "blue");
        let elsewhere = pod(&ours, "n", Place::Node("node".to_owned()), span(0, 60), Source::Poll);
        let samples = vec![second, waiting, first, elsewhere];
        let billed = vec![
            pod(&theirs, "a", on_fargate(), span(3, 43), Source::FargateBill),
            pod(&theirs, "unseen", on_fargate(), span(50, 52), Source::FargateBill),
        ];
        let merged = observed(&ours, Vec::new(), samples, span(0, 60), Source::Poll)
            .with_bill(observed(&theirs, Vec::new(), billed, span(0, 120), Source::FargateBill));
        let row =
            |uid: &str, team: &str, seen, source| (uid.to_owned(), team.to_owned(), seen, source);
        assert_eq!(
            told(&merged),
            [
                row("a", "red", span(3, 15), Source::FargateBill),
                row("a", "blue", span(15, 43), Source::FargateBill),
                row("n", "", span(0, 60), Source::Poll),
                row("unseen", "", span(50, 52), Source::FargateBill),
            ]
        );
        assert!(merged.pods.iter().all(|pod| pod.cluster == ours));
        // A bill's Fargate rows say nothing of nodes: what was covered is as before.
        assert_eq!(merged.clusters.len(), 1);
        assert_eq!(merged.clusters[0].covered, [span(0, 60)]);
        assert_eq!(merged.clusters[0].sources, BTreeSet::from([Source::Poll, Source::FargateBill]));
    }

    #[test]
    fn split_rows_count_where_nobody_looked() {
        let id = cluster(Some("111122223333"));
        let split = Source::SplitCostAllocation;
        let mut seen_node = node(&id, "ip-1.internal", "i-1", Source::Poll);
        seen_node.ended = Some(at(60));
        let mut billed_node = node(&id, "i-1", "i-1", split);
        billed_node.ended = Some(at(57));
        let seen =
            pod(&id, "seen", Place::Node("ip-1.internal".to_owned()), span(0, 60), Source::Poll);
        let nodes = vec![billed_node, node(&id, "i-2", "i-2", split)];
        let on =
            |uid: &str, node: &str| pod(&id, uid, Place::Node(node.to_owned()), span(0, 60), split);
        let billed = vec![on("seen", "i-1"), on("between", "i-1"), on("later", "i-2")];
        let merged = observed(&id, vec![seen_node], vec![seen], span(0, 60), Source::Poll)
            .with_bill(observed(&id, nodes, billed, span(40, 120), split));
        let names: Vec<&str> = merged.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["ip-1.internal", "i-2"]);
        assert_eq!(merged.nodes[0].ended, Some(at(57)));
        let mut places: Vec<(&str, &Place)> =
            merged.pods.iter().map(|pod| (pod.uid.as_str(), &pod.place)).collect();
        places.sort_by_key(|(uid, _)| *uid);
        let node = |name: &str| Place::Node(name.to_owned());
        assert_eq!(
            places,
            [
                ("between", &node("ip-1.internal")),
                ("later", &node("i-2")),
                ("seen", &node("ip-1.internal")),
            ]
        );
        assert_eq!(merged.clusters[0].covered, [span(0, 120)]);
    }
}
