//! A node to come: what its pods ask together, and the types that could still be it.
//!
//! No type is chosen while packing. A claim keeps all types that hold its pods, and a pod is taken as
//! long as one is left; so a claim grows until only the largest types are left.

use super::Batch;
use super::amounts::{self, Amounts};
use super::batch::HostName;
use super::daemons::DaemonGroup;
use super::requirement::Key;
use super::requirement_sets::{Clash, SetId, Undefined};
use super::shape::Shape;
use super::topology::{GroupKind, Place, Topology};
use super::type_set::TypeSet;
use crate::manifest::NodePool;
use crate::pod::HostPort;

/// A pool, prepared.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) pool: NodePool,
    pub(crate) set: SetId,
    pub(crate) types: TypeSet,
    pub(crate) daemons: Vec<DaemonGroup>,
    /// The most that any of its types offers, by resource.
    pub(crate) largest: Amounts,
}

impl Template {
    pub(crate) fn new(
        pool: NodePool,
        set: SetId,
        types: TypeSet,
        daemons: Vec<DaemonGroup>,
        batch: &Batch,
    ) -> Self {
        let mut largest = vec![0; batch.columns.len()];
        batch.types.largest(&types, &mut largest);
        Self { pool, set, types, daemons, largest }
    }
}

/// A node to come.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// Index of its template.
    pub(crate) template: usize,
    pub(crate) set: SetId,
    pub(crate) types: TypeSet,
    /// What its pods ask, daemonsets not counted.
    pub(crate) requests: Amounts,
    /// The most that any type left offers, by resource.
    largest: Amounts,
    pub(crate) pods: Vec<usize>,
    pub(crate) host: usize,
    host_ports: Vec<HostPort>,
}

/// What a claim becomes with a pod.
#[derive(Debug)]
pub(crate) struct Fit {
    set: SetId,
    types: TypeSet,
}

/// Why a claim does not take a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A taint of its pool.
    Taint,
    /// The pod wants a node of another name.
    Hostname,
    /// They want different values of a label.
    Conflict(Key),
    /// The pod wants a value of a label that the claim will not have.
    Undefined(Key),
    /// A spread, affinity or anti-affinity.
    Topology(GroupKind, Key),
    /// A port of the node is taken.
    HostPort,
    /// No type left.
    Types,
    /// Too few values of a label left.
    MinValues(Key),
}

/// A refusal, and whether it is for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub(crate) why: Refusal,
    pub(crate) is_lasting: bool,
}

fn lasting(why: Refusal) -> Refused {
    Refused { why, is_lasting: true }
}

impl Claim {
    /// A claim without pods.
    pub(crate) fn new(
        template: usize,
        of: &Template,
        types: TypeSet,
        host: usize,
        batch: &Batch,
    ) -> Self {
        let mut largest = of.largest.clone();
        if types != of.types {
            batch.types.largest(&types, &mut largest);
        }
        Self {
            template,
            set: of.set,
            types,
            requests: vec![0; batch.columns.len()],
            largest,
            pods: Vec::new(),
            host,
            host_ports: Vec::new(),
        }
    }

    /// Whether it would take a pod of this shape, and what it would become. The cheapest tests come
    /// first; their order does not show in the answer.
    pub(crate) fn try_shape(
        &self,
        shape: &Shape,
        template: &Template,
        topology: &Topology,
        strict_min_values: bool,
        batch: &mut Batch,
    ) -> Result<Fit, Refused> {
        if !shape.tolerates[self.template] {
            return Err(lasting(Refusal::Taint));
        }
        let over =
            |((asked, pod), largest): ((&i64, &i64), &i64)| *pod > 0 && asked + pod > *largest;
        if self.requests.iter().zip(&shape.requests).zip(&self.largest).any(over) {
            return Err(lasting(Refusal::Types));
        }
        if !HostName::ToCome.passes(shape.hostname.as_ref(), &batch.labels) {
            return Err(lasting(Refusal::Hostname));
        }
        let set = batch
            .sets
            .tighten(self.set, shape.set, Undefined::AllowWellKnown, &batch.labels)
            .map_err(|clash| match clash {
                Clash::Conflict(key) => lasting(Refusal::Conflict(key)),
                // Another pod may yet define the label by asking it not to be there.
                Clash::Undefined(key) => {
                    Refused { why: Refusal::Undefined(key), is_lasting: false }
                }
            })?;
        let place = Place {
            taints: &template.pool.taints,
            set,
            host: self.host,
            name: HostName::ToCome,
            undefined: Undefined::AllowWellKnown,
        };
        let strict = (shape.strict, shape.strict_hostname.as_ref());
        let set = topology.narrow(&shape.groups, shape.class, strict, place, batch).map_err(
            |forbidden| Refused {
                why: Refusal::Topology(forbidden.kind, forbidden.key),
                is_lasting: forbidden.is_lasting,
            },
        )?;
        let types = self
            .remaining_types(shape, template, set, batch)
            .map_err(|why| Refused { why, is_lasting: shape.is_steady })?;
        if strict_min_values
            && let Some((key, _)) = batch.types.first_lacking_values(&types, batch.sets.get(set))
        {
            return Err(Refused { why: Refusal::MinValues(key), is_lasting: shape.is_steady });
        }
        Ok(Fit { set, types })
    }

    fn remaining_types(
        &self,
        shape: &Shape,
        template: &Template,
        set: SetId,
        batch: &mut Batch,
    ) -> Result<TypeSet, Refusal> {
        let conflicts = |taken: &[HostPort]| {
            shape.host_ports.iter().any(|port| taken.iter().any(|one| one.conflicts(port)))
        };
        if conflicts(&self.host_ports) {
            return Err(Refusal::HostPort);
        }
        let mut asked = self.requests.clone();
        amounts::add(&mut asked, &shape.requests);
        let mut open = self.types.clone();
        open.keep(batch.types.satisfying(set, &batch.sets, &batch.labels));
        let mut types = batch.types.none();
        let mut ports_are_taken = false;
        for group in &template.daemons {
            if !group.types.meets(&open) {
                continue;
            }
            if conflicts(&group.host_ports) {
                ports_are_taken = true;
                continue;
            }
            let mut here = open.clone();
            here.keep(&group.types);
            let mut with_daemons = asked.clone();
            amounts::add(&mut with_daemons, &group.overhead);
            batch.types.keep_holding(&mut here, &with_daemons);
            types.add(&here);
        }
        match (types.is_empty(), ports_are_taken) {
            (false, _) => Ok(types),
            (true, true) => Err(Refusal::HostPort),
            (true, false) => Err(Refusal::Types),
        }
    }

    /// Takes the pod.
    pub(crate) fn take(&mut self, pod: usize, shape: &Shape, fit: Fit, batch: &Batch) {
        self.pods.push(pod);
        amounts::add(&mut self.requests, &shape.requests);
        self.host_ports.extend(&shape.host_ports);
        self.set = fit.set;
        if self.types != fit.types {
            self.types = fit.types;
            batch.types.largest(&self.types, &mut self.largest);
        }
    }
}
