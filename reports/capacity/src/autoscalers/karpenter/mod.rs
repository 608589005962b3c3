//! Karpenter: pods in batches to claims, and nodes that are given up again.
//!
//! A pod that waits opens a batch; it is closed when no pod came for the idle time, or at its longest.
//! All pending pods are then put on nodes that are there or on their way, and on new ones by the
//! scheduler of [`crate::karpenter`] ([`planner`]). Every ten seconds Karpenter looks for nodes to
//! give up ([`disruption`]), looks again fifteen seconds later, and acts when that still holds.

mod disruption;
mod plain;
mod planner;
mod thorough;
mod view;

use super::cluster::{NodeId, Origin};
use super::world::{Autoscaler, Wake, World};
use crate::karpenter::InstanceOption;
use crate::manifest::NodePool;
use crate::pod::Pod;
use crate::prices::Coverage;
use disruption::{Disruption, Replacing};
use planner::Planner;
use view::View;

/// Its settings and its choice of machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KarpenterSettings {
    /// `BATCH_IDLE_DURATION`, in seconds.
    pub batch_idle: i64,
    /// `BATCH_MAX_DURATION`, in seconds.
    pub batch_longest: i64,
    /// How often it looks for nodes to give up, in seconds.
    pub look_interval: i64,
    /// After how long it looks again before it acts, in seconds.
    pub validation: i64,
    /// The pools; without any, [`crate::karpenter::default_pool`].
    pub node_pools: Vec<NodePool>,
    /// The types it may launch.
    pub instance_types: Vec<InstanceOption>,
    /// Whether consolidation asks [`crate::consolidation`] where sizes and prices alone would do: the
    /// same decisions, far more slowly.
    pub is_thorough: bool,
}

impl Default for KarpenterSettings {
    /// Its own defaults, and no types.
    fn default() -> Self {
        Self {
            batch_idle: 1,
            batch_longest: 10,
            look_interval: 10,
            validation: 15,
            node_pools: Vec::new(),
            instance_types: Vec::new(),
            is_thorough: false,
        }
    }
}

/// What of Karpenter is left out.
pub(crate) const NOT_MODELLED: [&str; 3] = [
    "Karpenter: CreateFleet answers at once and never lacks capacity; drift, expiration, interruption of spot nodes, and the time its own scheduling takes",
    "Karpenter: where it takes a zone by chance, this takes the lowest name",
    "trace: a pod's removal is at its own second, whatever else happens; rules between pods, zones and taints are not in a trace",
];

#[derive(Debug, Clone, Copy)]
struct OpenBatch {
    since: i64,
    last: i64,
}

/// Karpenter at work.
#[derive(Debug)]
pub(crate) struct Karpenter<'a> {
    settings: &'a KarpenterSettings,
    planner: Planner,
    drain_time: i64,
    batch: Option<OpenBatch>,
    disruption: Disruption,
    replacing: Vec<Replacing>,
}

impl<'a> Karpenter<'a> {
    pub(crate) fn new(
        settings: &'a KarpenterSettings,
        daemonsets: &[Pod],
        drain_time: i64,
    ) -> Self {
        Self {
            settings,
            planner: Planner::new(settings, daemonsets),
            drain_time,
            batch: None,
            disruption: Disruption::default(),
            replacing: Vec::new(),
        }
    }

    /// Which of the types that its pools allow have a price.
    pub(crate) fn coverage(&self) -> Coverage {
        self.planner.coverage()
    }

    /// Why a pod of that size gets no node; none when it would get one.
    pub(crate) fn why_not(&mut self, world: &World<'_>, pod: usize) -> Option<String> {
        let asked = world.cluster.asked[pod];
        self.planner.plan(world, &[asked]).refused.first().map(|(_, reason)| reason.clone())
    }

    /// Whether the batch is complete, and when to look again if not.
    fn close_batch(&mut self, world: &mut World<'_>) {
        let Some(batch) = self.batch else { return };
        let due =
            (batch.last + self.settings.batch_idle).min(batch.since + self.settings.batch_longest);
        if world.now < due {
            world.wake_in(due - world.now, Wake::Batch);
            return;
        }
        self.batch = None;
        self.provision(world, batch);
    }

    /// Launches nodes for all pods that wait and have no place on a node that is on its way.
    fn provision(&mut self, world: &mut World<'_>, batch: OpenBatch) {
        let waiting = View::of(world).waiting;
        if waiting.is_empty() {
            return;
        }
        let plan = self.planner.plan(world, &waiting);
        for claim in &plan.claims {
            let what = format!(
                "NodeClaim of pool {} for pods: {}; CreateFleet: {} in {}",
                claim.pool, claim.pods, claim.machine.instance_type, claim.machine.zone
            );
            let origin = Origin { seen: batch.since, decided: world.now, what };
            world.launch(claim.machine.clone(), &claim.pool, origin);
        }
    }
}

impl Autoscaler for Karpenter<'_> {
    fn begin(&mut self, world: &mut World<'_>) {
        world.wake_in(self.settings.look_interval, Wake::Look);
    }

    fn pod_waits(&mut self, world: &mut World<'_>) {
        if let Some(batch) = &mut self.batch {
            batch.last = world.now;
        } else {
            self.batch = Some(OpenBatch { since: world.now, last: world.now });
            let shortest = self.settings.batch_idle.min(self.settings.batch_longest);
            world.wake_in(shortest, Wake::Batch);
        }
    }

    fn node_ready(&mut self, world: &mut World<'_>, node: NodeId) {
        self.replaced(world, node);
    }

    fn wake(&mut self, world: &mut World<'_>, wake: Wake) {
        match wake {
            Wake::Batch => self.close_batch(world),
            Wake::Look => self.look(world),
            Wake::Validate => self.validate(world),
            Wake::Scan | Wake::Drain(_) => {}
        }
    }
}
