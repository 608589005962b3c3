//! What a claim may be launched as, and the node that comes of it.
//!
//! Consolidation narrows a claim further than packing does: to types that are certainly cheaper, to
//! spot. Of what is left the cheapest offering is launched, of equal prices the lowest type name and
//! then the lowest zone.

use std::collections::BTreeMap;

use super::Batch;
use super::cluster::Cluster;
use super::input::ExistingNode;
use super::outcome::{MOST_TYPES, SPOT_DEPTH};
use super::requirement::{HOSTNAME, Requirement};
use super::requirement_sets::{RequirementSet, SetId, Undefined};
use super::type_set::TypeSet;
use super::type_table::{Offering, PriceList, TypeRow};
use crate::launch::CapacityType;

const ZONE: &str = "topology.kubernetes.io/zone";
const CAPACITY_TYPE: &str = crate::launch::CAPACITY_TYPE;

/// What may be launched.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    template: usize,
    set: SetId,
    types: TypeSet,
}

/// A node that was launched.
#[derive(Debug, Clone)]
pub(crate) struct Launched {
    /// The node, without pods.
    pub(crate) node: ExistingNode,
    pub(crate) node_pool: String,
    pub(crate) instance_type: String,
    /// The type's number.
    pub(crate) type_number: usize,
    pub(crate) zone: String,
    pub(crate) capacity_type: String,
    /// 10⁻¹⁰ $ per hour.
    pub(crate) price: Option<i64>,
    /// What it may cost when spot capacity is taken elsewhere.
    pub(crate) price_at_most: Option<i64>,
    /// How many types it might have been.
    pub(crate) candidates: usize,
}

impl Cluster {
    /// What a claim of the trial may be launched as; none when, cut to what a launch may list, too few
    /// values of a label are left.
    pub(crate) fn launch_of(&mut self, claim: usize) -> Option<Launch> {
        let claim = &self.scheduler.claims[claim];
        let mut launch =
            Launch { template: claim.template, set: claim.set, types: claim.types.clone() };
        if launch.types.count() > MOST_TYPES {
            self.keep_cheapest(&mut launch, MOST_TYPES);
            if self.lacks_values(&launch) {
                return None;
            }
        }
        Some(launch)
    }

    /// How many types are left.
    pub(crate) fn types_left(&self, launch: &Launch) -> usize {
        launch.types.count()
    }

    /// Whether it may be bought that way.
    pub(crate) fn allows(&mut self, launch: &Launch, how: CapacityType) -> bool {
        let batch = &mut self.scheduler.batch;
        let (key, value) = (batch.labels.key(CAPACITY_TYPE), batch.labels.value(how.label()));
        let asked = batch.sets.get(launch.set).get(key);
        asked.is_none_or(|asked| asked.has(value, &batch.labels))
    }

    /// Lets it be spot only.
    pub(crate) fn only_spot(&mut self, launch: &mut Launch) {
        let batch = &mut self.scheduler.batch;
        let key = batch.labels.key(CAPACITY_TYPE);
        let value = batch.labels.value(CapacityType::Spot.label());
        let mut spot = RequirementSet::default();
        spot.add(key, Requirement::one_of(vec![value]), &batch.labels);
        let spot = batch.sets.intern(spot);
        let narrowed =
            batch.sets.tighten(launch.set, spot, Undefined::AllowWellKnown, &batch.labels);
        if let Ok(set) = narrowed {
            launch.set = set;
        }
    }

    /// Keeps the types that cost less than this, wherever they are launched: of spot, if it may be
    /// had, the dearest zone counts, else of on-demand. A type without a price is never cheaper.
    pub(crate) fn keep_below(&mut self, launch: &mut Launch, most: i64) {
        let list = self.price_list(launch);
        let dearer: Vec<usize> =
            launch.types.iter().filter(|index| list.worst(*index) >= most).collect();
        for index in dearer {
            launch.types.remove(index);
        }
    }

    fn price_list(&mut self, launch: &Launch) -> &PriceList {
        let Batch { types, sets, labels, .. } = &mut self.scheduler.batch;
        types.price_list(launch.set, sets, labels)
    }

    /// Whether too few values of a label are left for its `minValues`.
    pub(crate) fn lacks_values(&self, launch: &Launch) -> bool {
        let batch = &self.scheduler.batch;
        batch.types.first_lacking_values(&launch.types, batch.sets.get(launch.set)).is_some()
    }

    /// Keeps so many of the cheapest.
    pub(crate) fn keep_cheapest(&mut self, launch: &mut Launch, count: usize) {
        let mut kept = self.scheduler.batch.types.none();
        let list = self.price_list(launch);
        for (_, index) in list.cheapest_first(&launch.types).take(count) {
            kept.insert(index);
        }
        launch.types = kept;
    }

    /// Whether a type is among them.
    pub(crate) fn lists(launch: &Launch, instance_type: usize) -> bool {
        launch.types.contains(instance_type)
    }

    /// The number of a type.
    pub(crate) fn type_number(&self, name: &str) -> Option<usize> {
        self.option_of.get(name).copied()
    }

    /// How many of the cheapest types, at least so many, it takes to keep every `minValues`.
    pub(crate) fn least_types(&mut self, launch: &Launch, least: usize) -> usize {
        let all = self.types_left(launch);
        let mut enough = |count: &usize| {
            let mut fewer = launch.clone();
            self.keep_cheapest(&mut fewer, *count);
            !self.lacks_values(&fewer)
        };
        (least..=all).find(&mut enough).unwrap_or(all)
    }

    /// The node it becomes; none when no type is left.
    pub(crate) fn launched(&mut self, launch: &Launch, name: String) -> Option<Launched> {
        let candidates = self.types_left(launch);
        let list = self.price_list(launch);
        let (price, index) = list.cheapest_first(&launch.types).next()?;
        let deep = list.cheapest_first(&launch.types).take(SPOT_DEPTH).last();
        let deep = deep.map_or(price, |(price, _)| price);
        let labels = &self.scheduler.batch.labels;
        let set = self.scheduler.batch.sets.get(launch.set);
        let row = &self.scheduler.batch.types.rows[index];
        let offering = row
            .compatible_offerings(set, labels)
            .filter(|one| one.price == price)
            .min_by_key(|one| labels.value_name(one.zone))?
            .clone();
        let is_spot = labels.value_name(offering.capacity_type) == CapacityType::Spot.label();
        let at_most = if is_spot { deep } else { price };
        let (is_priced, instance_type) = (row.is_priced, row.name.clone());
        let node = self.node(launch, index, &offering, name)?;
        let labels = &self.scheduler.batch.labels;
        Some(Launched {
            node,
            node_pool: self.scheduler.templates[launch.template].pool.name.clone(),
            type_number: *self.option_of.get(&instance_type)?,
            instance_type,
            zone: labels.value_name(offering.zone).to_owned(),
            capacity_type: labels.value_name(offering.capacity_type).to_owned(),
            price: is_priced.then_some(price),
            price_at_most: is_priced.then_some(at_most),
            candidates,
        })
    }

    fn node(
        &self,
        launch: &Launch,
        index: usize,
        offering: &Offering,
        name: String,
    ) -> Option<ExistingNode> {
        let batch = &self.scheduler.batch;
        let text = |value| batch.labels.value_name(value).to_owned();
        let of_set = |set: &RequirementSet| -> Vec<(String, String)> {
            let listed = set.iter().filter(|(_, asked)| asked.is_in());
            let lowest = listed.filter_map(|(key, asked)| {
                let value = asked.named().iter().copied().map(text).min()?;
                Some((batch.labels.key_name(key).to_owned(), value))
            });
            lowest.collect()
        };
        let row: &TypeRow = &batch.types.rows[index];
        // What the claim asks, then what the type has, then where it is: the later, the truer.
        let mut labels: BTreeMap<String, String> =
            of_set(batch.sets.get(launch.set)).into_iter().collect();
        let option = &self.options[*self.option_of.get(&row.name)?];
        for (key, values) in &option.labels {
            match values.as_slice() {
                [] => {
                    labels.remove(key);
                }
                [one] => {
                    labels.insert(key.clone(), one.clone());
                }
                _ => {}
            }
        }
        labels.insert(ZONE.to_owned(), text(offering.zone));
        labels.insert(CAPACITY_TYPE.to_owned(), text(offering.capacity_type));
        labels.insert(HOSTNAME.to_owned(), name.clone());
        let pool = &self.scheduler.templates[launch.template].pool;
        Some(ExistingNode {
            name,
            node_pool: Some(pool.name.clone()),
            labels,
            taints: pool.taints.clone(),
            capacity: option.capacity.clone(),
            allocatable: option.allocatable.clone(),
            max_pods: option.pods,
            is_initialized: true,
            pods: Vec::new(),
        })
    }

    /// What a node of this type costs there, bought that way. The outer answer is whether the type is
    /// known at all.
    pub(crate) fn offering_price(
        &self,
        instance_type: &str,
        zone: &str,
        how: &str,
    ) -> Option<Option<i64>> {
        let option = &self.options[*self.option_of.get(instance_type)?];
        let offering = option
            .offerings
            .iter()
            .find(|one| one.zone == zone && one.capacity_type.label() == how);
        Some(offering.and_then(|one| one.price).map(crate::money::Price::ten_billionths))
    }
}
