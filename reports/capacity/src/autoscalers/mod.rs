//! The Cluster Autoscaler beside Karpenter: one trace of pods, two autoscalers, the same rest.
//!
//! A discrete-event model in whole seconds, pure and deterministic: the same question gives the same
//! answer on every machine. [`trace`] is what pods do, read from a file or made by [`made`];
//! [`cluster`] holds nodes and pods and binds pods as kube-scheduler does; [`world`] lets time pass;
//! [`cluster_autoscaler`] and [`karpenter`] decide about nodes; [`mod@run`] is what came of it, [`steps`] the
//! way of the first pod that waited. Launches
//! take what [`launch_time`] says, the same in both runs.
//!
//! It is a model: what it leaves out is named in every answer ([`not_modelled`]).

mod cluster;
pub mod cluster_autoscaler;
pub mod karpenter;
pub mod launch_time;
pub mod machine;
pub mod made;
pub mod node_group;
mod random;
pub mod run;
pub mod standard;
pub mod steps;
#[cfg(test)]
mod tests;
pub mod trace;
mod world;

use std::collections::BTreeMap;

use crate::manifest::NodePool;
use crate::pod::Pod;
use crate::prices::Coverage;
use cluster_autoscaler::{ClusterAutoscaler, ClusterAutoscalerSettings};
use karpenter::{Karpenter, KarpenterSettings};
use launch_time::LaunchTime;
use machine::Room;
use node_group::NodeGroup;
use run::Run;
use steps::Way;
use trace::Trace;
pub use world::Sample;
use world::{Autoscaler, World};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// What pods do.
    pub trace: Trace,
    /// The Cluster Autoscaler's node groups.
    pub node_groups: Vec<NodeGroup>,
    /// Its flags.
    pub cluster_autoscaler: ClusterAutoscalerSettings,
    /// Karpenter's settings and types.
    pub karpenter: KarpenterSettings,
    /// One pod of each daemonset; each of them is on every node.
    pub daemonsets: Vec<Pod>,
    /// How long a launch takes.
    pub launch_time: LaunchTime,
    /// Of all chance.
    pub seed: u64,
    /// How long a drained node stays, in seconds: the grace of its pods.
    pub drain_time: i64,
    /// For how long the clock runs on after the last event, in seconds.
    pub after_the_end: i64,
}

/// Pods have thirty seconds to end, as in Kubernetes.
pub const DRAIN_TIME: i64 = 30;
/// Long enough for both to give up what the last event made superfluous.
pub const AFTER_THE_END: i64 = 1800;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Under the Cluster Autoscaler.
    pub cluster_autoscaler: Run,
    /// Under Karpenter.
    pub karpenter: Run,
    /// Which types that either could launch had a price.
    pub prices: Coverage,
}

/// Runs the trace under both.
pub fn simulate(question: &Question) -> Outcome {
    let until = question.trace.end() + question.after_the_end;
    let mut by_groups = ClusterAutoscaler::new(
        &question.cluster_autoscaler,
        &question.node_groups,
        question.drain_time,
        question.seed,
    );
    let mut by_claims =
        Karpenter::new(&question.karpenter, &question.daemonsets, question.drain_time);
    let cluster_autoscaler =
        run(question, &mut by_groups, until, Way::ClusterAutoscaler, |_, _, pod| {
            no_group_holds(question, pod)
        });
    let karpenter = run(question, &mut by_claims, until, Way::Karpenter, Karpenter::why_not);
    Outcome { cluster_autoscaler, karpenter, prices: by_claims.coverage() }
}

fn run<A: Autoscaler>(
    question: &Question,
    autoscaler: &mut A,
    until: i64,
    way: Way,
    why_not: impl Fn(&mut A, &World<'_>, usize) -> Option<String>,
) -> Run {
    let mut world = World::new(&question.trace, &question.launch_time, question.seed);
    world.run(autoscaler, until);
    // Pods of one size have one reason.
    let mut reasons: BTreeMap<Room, Option<String>> = BTreeMap::new();
    let mut refused = Vec::new();
    for (pod, record) in world.cluster.pods.iter().enumerate() {
        if record.first_bound.is_none() {
            let asked = world.cluster.asked[pod];
            let reason = reasons.entry(asked).or_insert_with(|| why_not(autoscaler, &world, pod));
            let name = &question.trace.pods[pod].name;
            refused.extend(reason.clone().map(|reason| (name.clone(), reason)));
        }
    }
    Run::of(world, until, refused, way)
}

fn no_group_holds(question: &Question, pod: usize) -> Option<String> {
    let pod = &question.trace.pods[pod];
    let asked = Room::of_pod(pod.cpu.0, pod.memory.0);
    let fits = question.node_groups.iter().any(|group| group.machine.free().holds(asked));
    (!fits).then(|| {
        format!(
            "no node of a node group has room for cpu {}, memory {} besides its daemonsets",
            pod.cpu, pod.memory
        )
    })
}

/// What is left out of the model.
pub fn not_modelled(node_pools: &[NodePool]) -> Vec<String> {
    let mut all: Vec<String> = cluster_autoscaler::NOT_MODELLED
        .iter()
        .chain(&karpenter::NOT_MODELLED)
        .map(|one| (*one).to_owned())
        .collect();
    let budgets = node_pools.iter().flat_map(|pool| &pool.disruption.budgets);
    if budgets.into_iter().any(|budget| budget.is_scheduled) {
        all.push(
            "Karpenter: schedules of disruption budgets; a scheduled budget holds always"
                .to_owned(),
        );
    }
    all
}
