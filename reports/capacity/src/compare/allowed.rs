//! Which types of nodes a pod may be put on: by the pools, by what is known of images, by its own
//! words.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::catalogue::{Architecture, InstanceType};
use crate::karpenter::default_pool;
use crate::launch::{CAPACITY_TYPE, CapacityType, ZONE, labels, passes};
use crate::manifest::NodePool;
use crate::node_requirement::NodeRequirement;
use crate::pod::{Effect, PodTemplate, Taint, Toleration, untolerated};
use crate::region::Region;

use super::workload::{ARCH, Images, OLD_ARCH, chooses_architecture};

const POOL: &str = "karpenter.sh/nodepool";

/// What a pod says about its node.
type Words = (BTreeMap<String, String>, Vec<Vec<NodeRequirement>>, Vec<Toleration>);
/// Of each type whether it will do.
type Chosen = Rc<[bool]>;

/// Pools and images; on-demand only, as the columns have it.
#[derive(Debug, Clone)]
pub(super) struct Allowed {
    pools: Vec<NodePool>,
    images: Images,
    region: Region,
    known: RefCell<BTreeMap<Words, Chosen>>,
}

/// The value of a label.
enum Value {
    /// This, or that there is none.
    Is(Option<String>),
    /// Whatever is asked for.
    Any,
}

impl Allowed {
    pub(super) fn new(pools: &[NodePool], images: Images, region: Region) -> Self {
        let mut pools = if pools.is_empty() { vec![default_pool()] } else { pools.to_vec() };
        pools.retain(|pool| pool.replicas.is_none());
        Self { pools, images, region, known: RefCell::default() }
    }

    /// Of each of these types whether a pod may be put on it; they are the same in every question.
    pub(super) fn of<'t>(
        &self,
        template: &PodTemplate,
        types: impl Iterator<Item = &'t InstanceType>,
    ) -> Chosen {
        let words: Words = (
            template.node_selector.clone(),
            template.node_affinity.clone(),
            template.tolerations.clone(),
        );
        if let Some(known) = self.known.borrow().get(&words) {
            return Rc::clone(known);
        }
        let chosen: Chosen = types.map(|one| self.may_run(template, one)).collect();
        self.known.borrow_mut().insert(words, Rc::clone(&chosen));
        chosen
    }

    fn may_run(&self, template: &PodTemplate, one: &InstanceType) -> bool {
        let is_bound = self.images == Images::Amd64 && !chooses_architecture(template);
        if is_bound && one.architecture != Architecture::Amd64 {
            return false;
        }
        let Some(labels) = labels(one, self.region) else { return false };
        self.pools.iter().any(|pool| {
            let taints: Vec<Taint> =
                pool.taints.iter().filter(|one| keeps_away(one)).cloned().collect();
            let on_demand = Some(CapacityType::OnDemand.label());
            let value = |key: &str| value(key, pool, &labels);
            let passes_one = |one: &NodeRequirement| match value(&one.key) {
                Value::Is(value) => one.allows(value.as_deref()),
                Value::Any => true,
            };
            let is_selected = |(key, wanted): (&String, &String)| match value(key) {
                Value::Is(value) => value.as_ref() == Some(wanted),
                Value::Any => true,
            };
            let affinity = &template.node_affinity;
            passes(&pool.requirements, &labels)
                && pool
                    .requirements
                    .iter()
                    .all(|one| one.key != CAPACITY_TYPE || one.allows(on_demand))
                && untolerated(&taints, &template.tolerations).is_none()
                && template.node_selector.iter().all(is_selected)
                && (affinity.is_empty() || affinity.iter().any(|term| term.iter().all(passes_one)))
        })
    }
}

fn keeps_away(taint: &Taint) -> bool {
    taint.effect != Effect::PreferNoSchedule
}

fn value(key: &str, pool: &NodePool, labels: &BTreeMap<&'static str, Option<String>>) -> Value {
    let key = if key == OLD_ARCH { ARCH } else { key };
    if let Some(value) = labels.get(key) {
        return Value::Is(value.clone());
    }
    match key {
        CAPACITY_TYPE => Value::Is(Some(CapacityType::OnDemand.label().to_owned())),
        POOL => Value::Is(Some(pool.name.clone())),
        // Where a node stands is chosen when it is made, and so is what a pool leaves open.
        ZONE => Value::Any,
        _ if pool.requirements.iter().any(|one| one.key == key) => Value::Any,
        _ => Value::Is(pool.labels.get(key).cloned()),
    }
}
