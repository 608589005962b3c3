//! Where every amount ends: with a pod's row, or in a row that is kept apart.
//!
//! A [`Ledger`] takes divisions one by one. What a pod holds itself is booked at once; idle, overhead and
//! shared cost go into pools by cluster and day, unless a rule hands them on within their node or keeps
//! them apart. When all is taken, the pools are handed on by their rules: in proportion to what pods of
//! the cluster cost themselves on that day, or to owners first and inside an owner in proportion to what
//! its pods cost in the window. What has nobody to go to is kept apart. Taken and booked are compared at
//! the end, in all and by day.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runbook_capacity::money::Amount;

use super::Refused;
use super::charge::Part;
use super::division::{Division, Piece, To, Two, weighed};
use super::key::Keys;
use super::rules::{Handing, Per, Rules, Spread, UNOWNED};
use super::share::shares;
use super::showback::{Breakdown, RowKind};
use super::world::{SYSTEM_LAYER, World};
use crate::bill::Class;

/// A row's kind and key.
pub(super) type RowId = (RowKind, Vec<String>);

/// A part of a breakdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Cpu,
    Memory,
    Fargate,
    NodeOverhead,
    Idle,
    Shared,
}

/// A cost that is nobody's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pool {
    Idle,
    NodeOverhead,
    Shared(usize),
}

impl Pool {
    fn slot(self) -> Slot {
        match self {
            Self::Idle => Slot::Idle,
            Self::NodeOverhead => Slot::NodeOverhead,
            Self::Shared(_) => Slot::Shared,
        }
    }

    fn kind(self) -> RowKind {
        match self {
            Self::Idle => RowKind::Idle,
            Self::NodeOverhead => RowKind::NodeOverhead,
            Self::Shared(_) => RowKind::Shared,
        }
    }
}

fn part(cost: &mut Breakdown, slot: Slot) -> &mut Amount {
    match slot {
        Slot::Cpu => &mut cost.cpu,
        Slot::Memory => &mut cost.memory,
        Slot::Fargate => &mut cost.fargate,
        Slot::NodeOverhead => &mut cost.node_overhead,
        Slot::Idle => &mut cost.idle,
        Slot::Shared => &mut cost.shared,
    }
}

/// All parts of a breakdown together.
pub(super) fn sum(cost: &Breakdown) -> Amount {
    cost.parts().iter().map(|(_, amount)| *amount).sum()
}

/// A row as it is booked.
pub(super) struct Booked {
    pub(super) id: RowId,
    pub(super) cost: Breakdown,
    pub(super) by_day: Vec<Amount>,
    pub(super) asked: Two,
    /// What a kept-apart row had of it, weighed; of rows of pods see [`Ledger::volumes`].
    pub(super) volume: i128,
}

/// The books under one weight.
pub(super) struct Ledger<'w> {
    world: &'w World,
    keys: Keys<'w>,
    rules: &'w Rules,
    ratios: Vec<(i128, i128)>,
    days: usize,
    rows: Vec<Booked>,
    index: BTreeMap<RowId, usize>,
    /// By holder: its row; none for the system layer, whose cost is everybody's.
    row_of: Vec<Option<usize>>,
    costs: Vec<Breakdown>,
    volumes: Vec<i128>,
    owner_of: Vec<usize>,
    owners: Vec<Arc<str>>,
    owner_days: Vec<Vec<Amount>>,
    pools: BTreeMap<(Pool, usize, usize), Amount>,
    /// By cluster and day: who cost how much itself.
    direct: Vec<Vec<(usize, i128)>>,
    classes: BTreeMap<Class, Amount>,
    taken_by_day: Vec<Amount>,
    /// Owners with a fixed share and without a pod.
    without_pods: BTreeSet<String>,
}

/// Everything booked.
pub(super) struct Books {
    pub(super) rows: Vec<Booked>,
    pub(super) row_of: Vec<Option<usize>>,
    pub(super) costs: Vec<Breakdown>,
    pub(super) volumes: Vec<i128>,
    /// What each owner cost by day.
    pub(super) owners: BTreeMap<Arc<str>, Vec<Amount>>,
    pub(super) classes: BTreeMap<Class, Amount>,
    pub(super) total: Amount,
    pub(super) without_pods: BTreeSet<String>,
}

impl<'w> Ledger<'w> {
    pub(super) fn new(
        world: &'w World,
        keys: Keys<'w>,
        rules: &'w Rules,
        ratios: Vec<(i128, i128)>,
    ) -> Self {
        let days = world.days().len();
        let count = world.holders.len();
        let mut ledger = Self {
            world,
            keys,
            rules,
            ratios,
            days,
            rows: Vec::new(),
            index: BTreeMap::new(),
            row_of: Vec::with_capacity(count),
            costs: vec![Breakdown::default(); count],
            volumes: vec![0; count],
            owner_of: Vec::with_capacity(count),
            owners: Vec::new(),
            owner_days: Vec::new(),
            pools: BTreeMap::new(),
            direct: vec![Vec::new(); world.clusters.len() * days],
            classes: BTreeMap::new(),
            taken_by_day: vec![Amount::ZERO; days],
            without_pods: BTreeSet::new(),
        };
        ledger.open();
        ledger
    }

    /// A row for every holder, an account for every owner.
    fn open(&mut self) {
        let mut owners: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for holder in &self.world.holders {
            let next = owners.len();
            let owner = *owners.entry(Arc::clone(&holder.pod.owner)).or_insert(next);
            if owner == next {
                self.owners.push(Arc::clone(&holder.pod.owner));
                self.owner_days.push(vec![Amount::ZERO; self.days]);
            }
            self.owner_of.push(owner);
            let row = if !holder.is_system {
                let is_unowned = self.keys.has_team() && *holder.pod.owner == *UNOWNED;
                let kind = if is_unowned { RowKind::Unowned } else { RowKind::Owned };
                Some(self.row((kind, self.keys.of_holder(holder))))
            } else if self.world.shared[SYSTEM_LAYER].1 == Spread::Apart {
                Some(self.apart(Pool::Shared(SYSTEM_LAYER), holder.cluster, None))
            } else {
                None
            };
            self.row_of.push(row);
        }
        let is_there = self.index.keys().any(|(kind, _)| *kind == RowKind::Unowned);
        if let Some(key) = self.keys.of_owner(UNOWNED).filter(|_| !is_there) {
            self.row((RowKind::Unowned, key));
        }
    }

    fn row(&mut self, id: RowId) -> usize {
        if let Some(known) = self.index.get(&id) {
            return *known;
        }
        let row = self.rows.len();
        self.index.insert(id.clone(), row);
        self.rows.push(Booked {
            id,
            cost: Breakdown::default(),
            by_day: vec![Amount::ZERO; self.days],
            asked: [0; 2],
            volume: 0,
        });
        row
    }

    fn apart(&mut self, pool: Pool, cluster: usize, node: Option<&str>) -> usize {
        let name = match pool {
            Pool::Shared(shared) => Some(&*self.world.shared[shared].0),
            Pool::Idle | Pool::NodeOverhead => None,
        };
        let key = self.keys.apart(cluster, node, name);
        self.row((pool.kind(), key))
    }

    fn book(&mut self, row: usize, day: usize, slot: Slot, amount: Amount) {
        let row = &mut self.rows[row];
        *part(&mut row.cost, slot) += amount;
        row.by_day[day] += amount;
    }

    fn book_holder(&mut self, holder: usize, day: usize, slot: Slot, amount: Amount) {
        *part(&mut self.costs[holder], slot) += amount;
        if let Some(row) = self.row_of[holder] {
            self.book(row, day, slot, amount);
            self.owner_days[self.owner_of[holder]][day] += amount;
        }
    }

    /// Books a division.
    pub(super) fn take(&mut self, division: &Division<'_>) -> Result<(), Refused> {
        let ratio = self.ratios[division.cluster];
        let day = division.day;
        let mut direct: BTreeMap<usize, i128> = BTreeMap::new();
        let mut pools: BTreeMap<Pool, Amount> = BTreeMap::new();
        for piece in division.pieces(ratio)? {
            *self.classes.entry(piece.class).or_default() += piece.amount;
            self.taken_by_day[day] += piece.amount;
            match piece.to {
                To::Holder(holder) if self.world.holders[holder].is_system => {
                    *pools.entry(Pool::Shared(SYSTEM_LAYER)).or_default() += piece.amount;
                    if self.row_of[holder].is_some() {
                        self.costs[holder].shared += piece.amount;
                    }
                }
                To::Holder(holder) => {
                    *direct.entry(holder).or_default() += piece.amount.raw();
                    self.book_holder(holder, day, slot(&piece), piece.amount);
                }
                To::Node(_) => *pools.entry(Pool::NodeOverhead).or_default() += piece.amount,
                To::Idle => *pools.entry(Pool::Idle).or_default() += piece.amount,
                To::Shared(shared) => {
                    *pools.entry(Pool::Shared(shared)).or_default() += piece.amount;
                }
            }
        }
        let volumes = self.volumes(division, ratio);
        for (pool, amount) in pools {
            let volume = match pool {
                Pool::Idle => volumes[0],
                Pool::NodeOverhead => volumes[1],
                Pool::Shared(_) => i128::from(division.period.seconds()),
            };
            self.pool(pool, division, (amount, volume), &direct);
        }
        self.direct[division.cluster * self.days + day].extend(direct);
        Ok(())
    }

    /// Books what was asked for, and returns the volume of idle and of overhead.
    fn volumes(&mut self, division: &Division<'_>, ratio: (i128, i128)) -> [i128; 2] {
        let mut volumes = [0; 2];
        for share in &division.shares {
            match share.to {
                To::Holder(holder) => {
                    self.volumes[holder] += weighed(ratio, share.asked);
                    if let Some(row) = self.row_of[holder] {
                        let asked = &mut self.rows[row].asked;
                        asked[0] += share.asked[0];
                        asked[1] += share.asked[1];
                    }
                }
                To::Idle => volumes[0] += weighed(ratio, share.given),
                To::Node(_) => volumes[1] += weighed(ratio, share.given),
                To::Shared(_) => {}
            }
        }
        volumes
    }

    fn spread(&self, pool: Pool) -> (&'w Spread, Per) {
        let of = |handing: &'w Handing| (&handing.spread, handing.per);
        match pool {
            Pool::Idle => of(&self.rules.idle),
            Pool::NodeOverhead => of(&self.rules.node_overhead),
            Pool::Shared(shared) => (&self.world.shared[shared].1, Per::Cluster),
        }
    }

    /// Hands a cost on within its node, keeps it apart, or puts it into the pool of its cluster and day.
    fn pool(
        &mut self,
        pool: Pool,
        division: &Division<'_>,
        (amount, volume): (Amount, i128),
        direct: &BTreeMap<usize, i128>,
    ) {
        let (cluster, day) = (division.cluster, division.day);
        match self.spread(pool) {
            (Spread::Apart, _) => {
                let node =
                    (!matches!(pool, Pool::Shared(_))).then_some(division.origin.name.as_str());
                let row = self.apart(pool, cluster, node);
                self.rows[row].volume += volume;
                self.book(row, day, pool.slot(), amount);
            }
            (Spread::Proportional, Per::Node) if direct.values().any(|cost| *cost > 0) => {
                let weights: Vec<i128> = direct.values().copied().collect();
                for (holder, share) in direct.keys().zip(shares(amount.raw(), &weights)) {
                    self.book_holder(*holder, day, pool.slot(), Amount::from_raw(share));
                }
            }
            _ => *self.pools.entry((pool, cluster, day)).or_default() += amount,
        }
    }

    /// Hands the pools on, and checks that nothing was lost.
    pub(super) fn close(mut self) -> Result<Books, Refused> {
        let own: Vec<i128> =
            self.costs.iter().map(|cost| (cost.cpu + cost.memory + cost.fargate).raw()).collect();
        let mut members: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (holder, one) in self.world.holders.iter().enumerate().filter(|(_, one)| !one.is_system)
        {
            members.entry((self.owner_of[holder], one.cluster)).or_default().push(holder);
        }
        let own = Own { own, members };
        for ((pool, cluster, day), amount) in std::mem::take(&mut self.pools) {
            self.hand_on(pool, (cluster, day), amount, &own);
        }
        let total: Amount = self.classes.values().copied().sum();
        let booked = self.rows.iter().map(|row| sum(&row.cost)).sum();
        Refused::unless_conserved(|| "adding up the rows".to_owned(), total, booked)?;
        for (day, taken) in self.taken_by_day.iter().enumerate() {
            let booked = self.rows.iter().map(|row| row.by_day[day]).sum();
            let step = || format!("adding up the rows of {}", self.world.view.date(day));
            Refused::unless_conserved(step, *taken, booked)?;
        }
        Ok(Books {
            rows: self.rows,
            row_of: self.row_of,
            costs: self.costs,
            volumes: self.volumes,
            owners: self.owners.into_iter().zip(self.owner_days).collect(),
            classes: self.classes,
            total,
            without_pods: self.without_pods,
        })
    }

    fn hand_on(&mut self, pool: Pool, at: (usize, usize), amount: Amount, own: &Own) {
        let (cluster, day) = at;
        let shared_among: Vec<(String, usize, i128)> = match self.spread(pool).0 {
            Spread::Apart => Vec::new(),
            Spread::Proportional => {
                let direct = std::mem::take(&mut self.direct[cluster * self.days + day]);
                let weights: Vec<i128> = direct.iter().map(|(_, cost)| *cost).collect();
                let has_weight = weights.iter().any(|weight| *weight > 0);
                if has_weight {
                    for ((holder, _), share) in direct.iter().zip(shares(amount.raw(), &weights)) {
                        self.book_holder(*holder, day, pool.slot(), Amount::from_raw(share));
                    }
                }
                self.direct[cluster * self.days + day] = direct;
                if has_weight {
                    return;
                }
                Vec::new()
            }
            Spread::Even => {
                let owners = own.members.keys().filter(|(_, one)| *one == cluster);
                owners.map(|(owner, _)| (self.owners[*owner].to_string(), *owner, 1)).collect()
            }
            Spread::Fixed(fixed) => fixed
                .iter()
                .map(|(name, share)| {
                    let owner = self.owners.iter().position(|owner| **owner == **name);
                    (name.clone(), owner.unwrap_or(usize::MAX), i128::from(*share))
                })
                .collect(),
        };
        if shared_among.is_empty() {
            let row = self.apart(pool, cluster, None);
            self.book(row, day, pool.slot(), amount);
            return;
        }
        let weights: Vec<i128> = shared_among.iter().map(|(_, _, share)| *share).collect();
        for ((name, owner, _), share) in shared_among.iter().zip(shares(amount.raw(), &weights)) {
            self.hand_to(pool, at, (name, *owner), (share, own));
        }
    }

    /// Hands an amount to an owner: to its pods of the cluster, else of any cluster, else to its row.
    fn hand_to(
        &mut self,
        pool: Pool,
        (cluster, day): (usize, usize),
        (name, owner): (&str, usize),
        (amount, own): (i128, &Own),
    ) {
        let everywhere = || {
            let all = own.members.iter().filter(|((one, _), _)| *one == owner);
            all.flat_map(|(_, holders)| holders.iter().copied()).collect()
        };
        let holders: Vec<usize> =
            own.members.get(&(owner, cluster)).cloned().unwrap_or_else(everywhere);
        if holders.is_empty() {
            self.without_pods.insert(name.to_owned());
            let kind = if name == UNOWNED { RowKind::Unowned } else { RowKind::Owned };
            let row = match self.keys.of_owner(name) {
                Some(key) => self.row((kind, key)),
                None => self.apart(pool, cluster, None),
            };
            self.book(row, day, pool.slot(), Amount::from_raw(amount));
            let account = self.owners.iter().position(|owner| **owner == *name);
            let account = account.unwrap_or_else(|| {
                self.owners.push(Arc::from(name));
                self.owner_days.push(vec![Amount::ZERO; self.days]);
                self.owners.len() - 1
            });
            self.owner_days[account][day] += Amount::from_raw(amount);
            return;
        }
        let weights: Vec<i128> = holders.iter().map(|holder| own.own[*holder]).collect();
        for (holder, share) in holders.iter().zip(shares(amount, &weights)) {
            if share != 0 {
                self.book_holder(*holder, day, pool.slot(), Amount::from_raw(share));
            }
        }
    }
}

/// What holders cost themselves in the window, and who belongs to an owner in a cluster.
struct Own {
    own: Vec<i128>,
    members: BTreeMap<(usize, usize), Vec<usize>>,
}

fn slot(piece: &Piece) -> Slot {
    match (piece.class, piece.part) {
        (Class::FargateVcpu | Class::FargateMemory | Class::FargateStorage, _) => Slot::Fargate,
        (_, Part::Memory) => Slot::Memory,
        (_, Part::Cpu | Part::Whole) => Slot::Cpu,
    }
}
