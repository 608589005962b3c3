//! Pods that are alike are one shape, and what is true of one is true of all.
//!
//! A shape knows what its pods require, to which rules they belong, and which claims will never take
//! one of them. A pod that gives up a preference changes its shape.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::amounts::Amounts;
use super::batch::Batch;
use super::input::Preferences;
use super::quick_hash::QuickHash;
use super::relax::relax;
use super::requirement::Requirement;
use super::requirement_sets::SetId;
use super::topology::{ClassId, GroupId, Topology};
use crate::node_requirement::NodeRequirement;
use crate::pod::{HostPort, Pod, PodTemplate, Taint, untolerated};

/// A shape.
pub(crate) type ShapeId = usize;

#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) namespace: Arc<str>,
    pub(crate) template: Arc<PodTemplate>,
    pub(crate) requests: Amounts,
    pub(crate) class: ClassId,
    /// What it requires, the heaviest preference included.
    pub(crate) set: SetId,
    pub(crate) hostname: Option<Requirement>,
    /// What it requires without preferences.
    pub(crate) strict: SetId,
    pub(crate) strict_hostname: Option<Requirement>,
    pub(crate) groups: Vec<GroupId>,
    pub(crate) inverse: Vec<GroupId>,
    /// For each pool, whether it tolerates its taints.
    pub(crate) tolerates: Vec<bool>,
    pub(crate) host_ports: Vec<HostPort>,
    /// Whether a refusal by what types are left is for ever: none of its rules chooses domains that
    /// may be others tomorrow.
    pub(crate) is_steady: bool,
    refused: Vec<u64>,
    relaxed: Relaxed,
    room: Room,
}

/// From which node on there may be room for it: nodes only fill while pods are placed.
#[derive(Debug, Clone, Copy, Default)]
struct Room {
    /// Between trials, in this state of the cluster.
    version: u32,
    between: usize,
    /// In this trial.
    trial: u32,
    during: usize,
}

/// What is known of a shape with its first preference given up.
#[derive(Debug, Clone, Copy)]
enum Relaxed {
    NotAsked,
    /// Nothing is left to give up.
    Never,
    To(ShapeId),
}

impl Shape {
    /// Whether a claim will never take it.
    pub(crate) fn is_refused_by(&self, claim: usize) -> bool {
        self.refused.get(claim / 64).is_some_and(|word| word & (1 << (claim % 64)) != 0)
    }

    /// The first node worth trying.
    pub(crate) fn first_room(&self, version: u32, trial: u32) -> usize {
        if self.room.trial == trial {
            self.room.during
        } else if self.room.version == version {
            self.room.between
        } else {
            0
        }
    }

    /// Notes that no node before this one has room in this trial.
    pub(crate) fn note_room(&mut self, trial: u32, first: usize) {
        (self.room.trial, self.room.during) = (trial, first);
    }

    /// The first node with room for it in this state of the cluster, if that was looked up.
    pub(crate) fn standing_room(&self, version: u32) -> Option<usize> {
        (self.room.version == version).then_some(self.room.between)
    }

    /// Notes it.
    pub(crate) fn note_standing_room(&mut self, version: u32, first: usize) {
        (self.room.version, self.room.between) = (version, first);
    }

    fn refuse(&mut self, claim: usize) {
        if self.refused.len() <= claim / 64 {
            self.refused.resize(claim / 64 + 1, 0);
        }
        self.refused[claim / 64] |= 1 << (claim % 64);
    }
}

/// All shapes of a batch.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    known: IndexMap<(Arc<str>, Arc<PodTemplate>), (), QuickHash>,
    by_address: BTreeMap<(usize, Arc<str>), ShapeId>,
    pub(crate) all: Vec<Shape>,
    /// Shapes that some claim refuses.
    refused: Vec<ShapeId>,
    pool_taints: Vec<Vec<Taint>>,
    a_pool_prefers: bool,
}

impl Shapes {
    pub(crate) fn new(pool_taints: Vec<Vec<Taint>>, a_pool_prefers: bool) -> Self {
        Self { pool_taints, a_pool_prefers, ..Self::default() }
    }

    /// Notes that a claim will never take a shape.
    pub(crate) fn refuse(&mut self, shape: ShapeId, claim: usize) {
        if self.all[shape].refused.is_empty() {
            self.refused.push(shape);
        }
        self.all[shape].refuse(claim);
    }

    /// The claims are gone.
    pub(crate) fn forget_claims(&mut self) {
        for shape in self.refused.drain(..) {
            self.all[shape].refused.clear();
        }
    }

    /// The shape of a pod.
    pub(crate) fn of(&mut self, pod: &Pod, topology: &mut Topology, batch: &mut Batch) -> ShapeId {
        let address = (Arc::as_ptr(&pod.template) as usize, Arc::clone(&pod.namespace));
        if let Some(known) = self.by_address.get(&address) {
            return *known;
        }
        let shape = self.intern(&pod.namespace, &pod.template, topology, batch);
        self.by_address.insert(address, shape);
        shape
    }

    /// The shape with one wish less.
    pub(crate) fn relaxed(
        &mut self,
        shape: ShapeId,
        topology: &mut Topology,
        batch: &mut Batch,
    ) -> Option<ShapeId> {
        match self.all[shape].relaxed {
            Relaxed::NotAsked => {}
            Relaxed::Never => return None,
            Relaxed::To(known) => return Some(known),
        }
        let template = relax(&self.all[shape].template, self.a_pool_prefers);
        let namespace = Arc::clone(&self.all[shape].namespace);
        let relaxed =
            template.map(|template| self.intern(&namespace, &Arc::new(template), topology, batch));
        self.all[shape].relaxed = relaxed.map_or(Relaxed::Never, Relaxed::To);
        relaxed
    }

    fn intern(
        &mut self,
        namespace: &Arc<str>,
        template: &Arc<PodTemplate>,
        topology: &mut Topology,
        batch: &mut Batch,
    ) -> ShapeId {
        let (index, previous) =
            self.known.insert_full((Arc::clone(namespace), Arc::clone(template)), ());
        if previous.is_none() {
            let shape = self.shape(namespace, template, topology, batch);
            self.all.push(shape);
        }
        index
    }

    fn shape(
        &self,
        namespace: &Arc<str>,
        template: &Arc<PodTemplate>,
        topology: &mut Topology,
        batch: &mut Batch,
    ) -> Shape {
        let inverse = topology.inverse_of(namespace, template, None, batch);
        let groups = topology.groups_of(namespace, template, batch);
        let required: &[NodeRequirement] =
            template.node_affinity.first().map_or(&[], Vec::as_slice);
        let (strict, strict_hostname) = batch.requirements_of(&template.node_selector, &[required]);
        let preferred = match topology.preferences {
            // Of equal weights the first, as Go's sort leaves short lists.
            Preferences::Respect => {
                template.preferred_node_affinity.iter().rev().max_by_key(|(weight, _)| *weight)
            }
            Preferences::Ignore => None,
        };
        let (set, hostname) = match preferred {
            Some((_, term)) => batch.requirements_of(&template.node_selector, &[term, required]),
            None => (strict, strict_hostname.clone()),
        };
        let is_steady = groups
            .iter()
            .all(|group| topology.groups[usize::try_from(*group).unwrap_or(0)].refusal_lasts());
        Shape {
            namespace: Arc::clone(namespace),
            template: Arc::clone(template),
            requests: batch.columns.row(&template.resources.kubernetes_requests(), 1),
            class: topology.class(namespace, &template.labels),
            set,
            hostname,
            strict,
            strict_hostname,
            groups,
            inverse,
            tolerates: self
                .pool_taints
                .iter()
                .map(|taints| untolerated(taints, &template.tolerations).is_none())
                .collect(),
            host_ports: template.host_ports.clone(),
            is_steady,
            refused: Vec::new(),
            relaxed: Relaxed::NotAsked,
            room: Room::default(),
        }
    }
}
