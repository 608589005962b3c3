//! The instance types of a batch, prepared for being asked many times.
//!
//! Which types hold a request is an intersection of precomputed sets: per resource, the types are
//! ranked by what they offer, and for each rank there is the set of types with at least that much.
//! Which types can satisfy a set of requirements with an offering of theirs is computed once per set.
//!
//! A type that is offered without a price has a second row behind all others: nothing is compared
//! with it, but what fits nowhere else can still be said to fit there.

use super::amounts::{Amounts, Columns};
use super::input::{InstanceOption, OfferingOption};
use super::requirement::{Key, Labels, Requirement, Value};
use super::requirement_sets::{RequirementSet, RequirementSets, SetId};
use super::type_set::TypeSet;
use crate::launch::CapacityType;
use crate::money::Price;

/// A type in a zone, bought one way.
#[derive(Debug, Clone)]
pub(crate) struct Offering {
    pub(crate) zone: Value,
    pub(crate) capacity_type: Value,
    /// 10⁻¹⁰ $ per hour.
    pub(crate) price: i64,
    /// What a claim must allow to use it.
    requirements: RequirementSet,
}

#[derive(Debug)]
pub(crate) struct TypeRow {
    pub(crate) name: String,
    pub(crate) requirements: RequirementSet,
    pub(crate) capacity: Amounts,
    pub(crate) allocatable: Amounts,
    /// Those with a price; of a row without prices, those without one.
    pub(crate) offerings: Vec<Offering>,
    pub(crate) is_priced: bool,
}

/// Types ranked by one resource.
#[derive(Debug)]
struct Ranking {
    /// Distinct amounts, ascending.
    amounts: Vec<i64>,
    /// For each of them the types that offer at least it.
    at_least: Vec<TypeSet>,
}

/// All types of a batch.
#[derive(Debug)]
pub(crate) struct TypeTable {
    pub(crate) rows: Vec<TypeRow>,
    rankings: Vec<Ranking>,
    /// Types that can hold something at all: nothing they offer is below zero.
    usable: TypeSet,
    none: TypeSet,
    can_satisfy: Vec<Option<TypeSet>>,
    price_lists: Vec<Option<PriceList>>,
    spot: Value,
}

/// What types cost for a claim with certain requirements.
#[derive(Debug, Clone)]
pub(crate) struct PriceList {
    /// Types that it may be, the cheapest first, of equal prices by name.
    order: Vec<usize>,
    /// By type, its cheapest offering.
    cheapest: Vec<i64>,
    /// By type, what it costs at worst: spot in its dearest zone if it may be spot, else on-demand.
    /// A type without a price costs more than anything.
    worst: Vec<i64>,
}

impl PriceList {
    /// Which of these types is cheapest, at what price.
    pub(crate) fn cheapest_first<'a>(
        &'a self,
        of: &'a TypeSet,
    ) -> impl Iterator<Item = (i64, usize)> + 'a {
        let listed = self.order.iter().copied().filter(|index| of.contains(*index));
        listed.map(|index| (self.cheapest[index], index))
    }

    /// What a type costs at worst.
    pub(crate) fn worst(&self, index: usize) -> i64 {
        self.worst[index]
    }
}

impl TypeTable {
    pub(crate) fn new(options: &[InstanceOption], columns: &Columns, labels: &mut Labels) -> Self {
        let zone = labels.key("topology.kubernetes.io/zone");
        let capacity_type = labels.key("karpenter.sh/capacity-type");
        let mut rows: Vec<TypeRow> = options
            .iter()
            .map(|option| row(option, columns, labels, (zone, capacity_type), true))
            .collect();
        let lacking = options
            .iter()
            .filter(|option| option.offerings.iter().any(|offering| offering.price.is_none()));
        rows.extend(
            lacking.map(|option| row(option, columns, labels, (zone, capacity_type), false)),
        );
        let count = rows.len();
        let mut usable = TypeSet::all(count);
        for (index, row) in rows.iter().enumerate() {
            if row.allocatable.iter().any(|amount| *amount < 0) {
                usable.remove(index);
            }
        }
        let rankings = (0..columns.len()).map(|column| rank(&rows, column)).collect();
        Self {
            rows,
            rankings,
            usable,
            none: TypeSet::none(count),
            can_satisfy: Vec::new(),
            price_lists: Vec::new(),
            spot: labels.value(CapacityType::Spot.label()),
        }
    }

    /// Keeps the rows with prices, or those without.
    pub(crate) fn keep_priced(&self, types: &mut TypeSet, is_priced: bool) {
        for (index, row) in self.rows.iter().enumerate() {
            if row.is_priced != is_priced {
                types.remove(index);
            }
        }
    }

    /// The empty set over these types.
    pub(crate) fn none(&self) -> TypeSet {
        self.none.clone()
    }

    /// Keeps the types that hold the request.
    pub(crate) fn keep_holding(&self, types: &mut TypeSet, request: &[i64]) {
        types.keep(&self.usable);
        for (ranking, amount) in self.rankings.iter().zip(request) {
            if *amount <= 0 {
                continue;
            }
            let rank = ranking.amounts.partition_point(|offered| offered < amount);
            types.keep(ranking.at_least.get(rank).unwrap_or(&self.none));
        }
    }

    /// The largest amount of each resource that any of the types offers.
    pub(crate) fn largest(&self, types: &TypeSet, into: &mut Amounts) {
        for (largest, ranking) in into.iter_mut().zip(&self.rankings) {
            let ranks = ranking.amounts.iter().zip(&ranking.at_least).rev();
            let highest = ranks.into_iter().find(|(_, at_least)| at_least.meets(types));
            *largest = highest.map_or(0, |(amount, _)| (*amount).max(0));
        }
    }

    /// The types that can satisfy the requirements with an offering of theirs.
    pub(crate) fn satisfying(
        &mut self,
        id: SetId,
        sets: &RequirementSets,
        labels: &Labels,
    ) -> &TypeSet {
        let index = usize::try_from(id).unwrap_or(usize::MAX);
        if self.can_satisfy.len() <= index {
            self.can_satisfy.resize(sets.len().max(index + 1), None);
        }
        if self.can_satisfy[index].is_none() {
            let set = sets.get(id);
            let mut types = self.none.clone();
            for (position, row) in self.rows.iter().enumerate() {
                if row.is_compatible(set, labels)
                    && row.compatible_offerings(set, labels).next().is_some()
                {
                    types.insert(position);
                }
            }
            self.can_satisfy[index] = Some(types);
        }
        self.can_satisfy[index].as_ref().unwrap_or(&self.none)
    }

    /// The prices of types for a claim with these requirements.
    pub(crate) fn price_list(
        &mut self,
        id: SetId,
        sets: &RequirementSets,
        labels: &Labels,
    ) -> &PriceList {
        let index = usize::try_from(id).unwrap_or(usize::MAX);
        if self.price_lists.len() <= index {
            self.price_lists.resize(sets.len().max(index + 1), None);
        }
        if self.price_lists[index].is_none() {
            self.price_lists[index] = Some(self.listed(sets.get(id), labels));
        }
        self.price_lists[index].get_or_insert_with(|| PriceList {
            order: Vec::new(),
            cheapest: Vec::new(),
            worst: Vec::new(),
        })
    }

    fn listed(&self, set: &RequirementSet, labels: &Labels) -> PriceList {
        let (mut cheapest, mut worst) = (Vec::new(), Vec::new());
        for row in &self.rows {
            let dearest = |is_spot: bool| {
                row.compatible_offerings(set, labels)
                    .filter(|one| (one.capacity_type == self.spot) == is_spot)
                    .map(|one| one.price)
                    .max()
            };
            let priced =
                if row.is_priced { dearest(true).or_else(|| dearest(false)) } else { None };
            worst.push(priced.unwrap_or(i64::MAX));
            cheapest.push(row.cheapest(set, labels));
        }
        let mut order: Vec<usize> =
            (0..self.rows.len()).filter(|index| cheapest[*index].is_some()).collect();
        order.sort_by_key(|index| (cheapest[*index], &self.rows[*index].name));
        let cheapest = cheapest.into_iter().map(|price| price.unwrap_or(i64::MAX)).collect();
        PriceList { order, cheapest, worst }
    }

    /// Whether the types keep as many values of each label as a `minValues` asks; else the label, and
    /// how many they keep.
    pub(crate) fn first_lacking_values(
        &self,
        types: &TypeSet,
        set: &RequirementSet,
    ) -> Option<(Key, usize)> {
        let asked = set
            .iter()
            .filter_map(|(key, requirement)| requirement.min_values.map(|least| (key, least)));
        asked.into_iter().find_map(|(key, least)| {
            let mut values: Vec<Value> = types
                .iter()
                .flat_map(|index| self.rows[index].named_values(key))
                .copied()
                .collect();
            values.sort_unstable();
            values.dedup();
            (values.len() < usize::try_from(least).unwrap_or(usize::MAX))
                .then_some((key, values.len()))
        })
    }
}

impl TypeRow {
    /// Whether the type's labels go with the requirements.
    pub(crate) fn is_compatible(&self, set: &RequirementSet, labels: &Labels) -> bool {
        self.requirements.first_conflict(set, labels).is_none()
    }

    /// The offerings a claim with these requirements may use.
    pub(crate) fn compatible_offerings<'a>(
        &'a self,
        set: &'a RequirementSet,
        labels: &'a Labels,
    ) -> impl Iterator<Item = &'a Offering> {
        self.offerings
            .iter()
            .filter(move |offering| set.first_conflict(&offering.requirements, labels).is_none())
    }

    /// The cheapest of them.
    pub(crate) fn cheapest(&self, set: &RequirementSet, labels: &Labels) -> Option<i64> {
        self.compatible_offerings(set, labels).map(|offering| offering.price).min()
    }

    fn named_values(&self, key: Key) -> &[Value] {
        self.requirements.get(key).map_or(&[], Requirement::named)
    }
}

fn row(
    option: &InstanceOption,
    columns: &Columns,
    labels: &mut Labels,
    (zone, capacity_type): (Key, Key),
    is_priced: bool,
) -> TypeRow {
    let mut requirements = RequirementSet::default();
    for (key, values) in &option.labels {
        let values = values.iter().map(|value| labels.value(value)).collect();
        let key = labels.key(key);
        requirements.add(key, Requirement::one_of(values), labels);
    }
    let offerings: Vec<Offering> = option
        .offerings
        .iter()
        .filter(|one| one.price.is_some() == is_priced)
        .map(|one| offering(one, labels, zone, capacity_type))
        .collect();
    // The labels name every zone and capacity type it is offered in, priced or not.
    let zones = option.offerings.iter().map(|one| labels.value(&one.zone)).collect();
    requirements.add(zone, Requirement::one_of(zones), labels);
    let capacity_types =
        option.offerings.iter().map(|one| labels.value(one.capacity_type.label())).collect();
    requirements.add(capacity_type, Requirement::one_of(capacity_types), labels);
    TypeRow {
        name: option.name.clone(),
        requirements,
        capacity: columns.row(&option.capacity, i64::from(option.pods)),
        allocatable: columns.row(&option.allocatable, i64::from(option.pods)),
        offerings,
        is_priced,
    }
}

fn offering(
    option: &OfferingOption,
    labels: &mut Labels,
    zone: Key,
    capacity_type: Key,
) -> Offering {
    // Rows without prices are never compared by price.
    let price = option.price.map_or(0, Price::ten_billionths);
    let (zone_value, capacity_value) =
        (labels.value(&option.zone), labels.value(option.capacity_type.label()));
    let mut requirements = RequirementSet::default();
    requirements.add(zone, Requirement::one_of(vec![zone_value]), labels);
    requirements.add(capacity_type, Requirement::one_of(vec![capacity_value]), labels);
    Offering { zone: zone_value, capacity_type: capacity_value, price, requirements }
}

fn rank(rows: &[TypeRow], column: usize) -> Ranking {
    let mut amounts: Vec<i64> = rows.iter().map(|row| row.allocatable[column]).collect();
    amounts.sort_unstable();
    amounts.dedup();
    let mut at_least = vec![TypeSet::none(rows.len()); amounts.len()];
    for (index, row) in rows.iter().enumerate() {
        let rank = amounts.partition_point(|amount| *amount < row.allocatable[column]);
        at_least[rank].insert(index);
    }
    for rank in (1..at_least.len()).rev() {
        let (lower, higher) = at_least.split_at_mut(rank);
        lower[rank - 1].add(&higher[0]);
    }
    Ranking { amounts, at_least }
}
