//! The clock and the queue: events in the order of time, and what an autoscaler may do.
//!
//! At one second the trace comes first, then nodes that are gone, nodes that are ready, and at last
//! the autoscaler's own appointments. Calls take no time; launches take what the distribution says.

use std::collections::BTreeMap;

use super::cluster::{Cluster, NodeId, Origin, PodId};
use super::launch_time::LaunchTime;
use super::machine::Machine;
use super::trace::{Action, Trace};

/// What an autoscaler asked to be woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wake {
    /// The Cluster Autoscaler's next loop.
    Scan,
    /// Karpenter's batch may be complete.
    Batch,
    /// Karpenter's next look for nodes to give up.
    Look,
    /// Karpenter's second look at what it decided.
    Validate,
    /// A node's time between taint and drain is over.
    Drain(NodeId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Trace(usize),
    Gone(NodeId),
    Ready(NodeId),
    Wake(Wake),
}

/// One of the two.
pub(crate) trait Autoscaler {
    /// The beginning: nodes that are there, first appointments.
    fn begin(&mut self, world: &mut World<'_>);
    /// kube-scheduler found no node for a pod.
    fn pod_waits(&mut self, world: &mut World<'_>);
    /// A node is ready.
    fn node_ready(&mut self, world: &mut World<'_>, node: NodeId);
    /// An appointment.
    fn wake(&mut self, world: &mut World<'_>, wake: Wake);
}

/// How many nodes and pending pods there are from a second on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// From then on.
    pub at: i64,
    /// Nodes that are launched and not terminated.
    pub nodes: usize,
    /// Of them, those that are ready.
    pub ready: usize,
    /// Pods that wait.
    pub pending: usize,
    /// Pods that run.
    pub bound: usize,
}

/// Time, cluster and queue.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) now: i64,
    pub(crate) cluster: Cluster<'a>,
    pub(crate) samples: Vec<Sample>,
    queue: BTreeMap<(i64, u8, u64), Event>,
    number: u64,
    launches: u64,
    launch_time: &'a LaunchTime,
    seed: u64,
}

impl<'a> World<'a> {
    pub(crate) fn new(trace: &'a Trace, launch_time: &'a LaunchTime, seed: u64) -> Self {
        let mut world = Self {
            now: 0,
            cluster: Cluster::new(trace),
            samples: Vec::new(),
            queue: BTreeMap::new(),
            number: 0,
            launches: 0,
            launch_time,
            seed,
        };
        for (index, event) in trace.events.iter().enumerate() {
            world.put(event.at, Event::Trace(index));
        }
        world
    }

    fn put(&mut self, at: i64, event: Event) {
        let rank = match event {
            Event::Trace(_) => 0,
            Event::Gone(_) => 1,
            Event::Ready(_) => 2,
            Event::Wake(_) => 3,
        };
        self.number += 1;
        self.queue.insert((at, rank, self.number), event);
    }

    /// Asks to be woken in so many seconds.
    pub(crate) fn wake_in(&mut self, seconds: i64, wake: Wake) {
        self.put(self.now + seconds.max(0), Event::Wake(wake));
    }

    /// Launches a node; it will be ready after the next time of the distribution.
    pub(crate) fn launch(&mut self, machine: Machine, group: &str, origin: Origin) -> NodeId {
        let node = self.cluster.launch(self.now, machine, group, origin);
        let takes = self.launch_time.draw(self.seed, self.launches);
        self.launches += 1;
        self.put(self.now + takes, Event::Ready(node));
        node
    }

    /// A node that is there from the beginning.
    pub(crate) fn stand(&mut self, machine: Machine, group: &str) -> NodeId {
        let what = "there from the beginning".to_owned();
        let origin = Origin { seen: self.now, decided: self.now, what };
        let node = self.cluster.launch(self.now, machine, group, origin);
        self.cluster.become_ready(self.now, node);
        node
    }

    /// Drains a node; it is gone after so many seconds. Answers the pods that have to wait now.
    pub(crate) fn drain(&mut self, node: NodeId, seconds: i64) -> Vec<PodId> {
        let waiting = self.cluster.drain(self.now, node);
        self.put(self.now + seconds.max(0), Event::Gone(node));
        waiting
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, autoscaler: &mut impl Autoscaler, until: i64) {
        autoscaler.begin(self);
        self.sample();
        while let Some(((at, _, _), event)) = self.queue.pop_first() {
            if at > until {
                break;
            }
            self.now = at;
            self.happen(event, autoscaler);
            self.sample();
        }
        self.now = until;
        self.cluster.close(until);
    }

    fn happen(&mut self, event: Event, autoscaler: &mut impl Autoscaler) {
        match event {
            Event::Trace(index) => {
                let event = self.cluster.trace.events[index];
                match event.action {
                    Action::Add => {
                        if self.cluster.add(self.now, event.pod) {
                            autoscaler.pod_waits(self);
                        }
                    }
                    Action::Remove => self.cluster.remove(self.now, event.pod),
                }
            }
            Event::Gone(node) => self.cluster.terminate(self.now, node),
            Event::Ready(node) => {
                self.cluster.become_ready(self.now, node);
                autoscaler.node_ready(self, node);
            }
            Event::Wake(wake) => autoscaler.wake(self, wake),
        }
    }

    /// Notes how many there are, once for each second in which that changes.
    fn sample(&mut self) {
        let counts = self.cluster.counts();
        let sample = Sample { at: self.now, ..counts };
        while self.samples.last().is_some_and(|last| last.at == self.now) {
            self.samples.pop();
        }
        let same = |last: &Sample| Sample { at: self.now, ..*last } == sample;
        if !self.samples.last().is_some_and(same) {
            self.samples.push(sample);
        }
    }
}
