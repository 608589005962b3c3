//! Why a window cost more or less than the one before it.
//!
//! Both windows are compared workload by workload: a controller of a namespace of a cluster, a pod that
//! has none, and each row that is kept apart. For a workload of both windows,
//!
//! - *price* is what this window costs less what it would have cost at the prices of the window before
//!   (none where both were priced from one book);
//! - *volume* is what the window before cost times the growth of what was asked for or used (vCPU and GiB
//!   together by the weight, Fargate by what is billed, idle by what was idle, shared cost by seconds);
//! - *mix* is the rest: other types, sizes, spot, and other shares of idle, overhead and shared cost.
//!
//! A workload of one window alone is *new* or *gone* with all it cost. The causes add up to the
//! difference, exactly, which is checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use runbook_capacity::money::Amount;

use super::Refused;
use super::ledger::{Books, RowId, sum};
use super::share::scaled;
use super::showback::{Cause, Change};
use super::world::World;
use crate::observed::{ClusterId, Window};

/// As many rows are named.
const LARGEST: usize = 10;
const CAUSES: [Cause; 5] = [Cause::Volume, Cause::Price, Cause::Mix, Cause::New, Cause::Gone];

/// What is compared: of the cluster, its namespace, its controller; or a row that is kept apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Workload {
    Of(Arc<ClusterId>, String, String),
    Row(RowId),
}

#[derive(Debug, Clone, Copy, Default)]
struct Unit {
    cost: Amount,
    volume: i128,
}

impl Unit {
    fn add(&mut self, other: Self) {
        self.cost += other.cost;
        self.volume = self.volume.saturating_add(other.volume);
    }
}

/// What a window cost, by workload.
pub(super) struct Tally {
    rows: BTreeMap<(RowId, Workload), Unit>,
    window: Window,
    total: Amount,
}

impl Tally {
    pub(super) fn new(world: &World, books: &Books, window: Window) -> Self {
        let mut rows: BTreeMap<(RowId, Workload), Unit> = BTreeMap::new();
        let mut rest: Vec<Amount> = books.rows.iter().map(|row| sum(&row.cost)).collect();
        for (holder, row) in books.row_of.iter().enumerate() {
            let Some(row) = *row else { continue };
            let pod = &world.holders[holder].pod;
            let controller = match &pod.controller {
                Some(owner) => format!("{}/{}", owner.kind, owner.name),
                None => format!("Pod/{}", pod.name),
            };
            let workload =
                Workload::Of(Arc::clone(&pod.cluster), pod.namespace.clone(), controller);
            let unit = Unit { cost: sum(&books.costs[holder]), volume: books.volumes[holder] };
            rest[row] = rest[row] - unit.cost;
            rows.entry((books.rows[row].id.clone(), workload)).or_default().add(unit);
        }
        for (row, rest) in books.rows.iter().zip(rest) {
            if rest != Amount::ZERO || row.volume != 0 {
                let unit = Unit { cost: rest, volume: row.volume };
                let workload = Workload::Row(row.id.clone());
                rows.entry((row.id.clone(), workload)).or_default().add(unit);
            }
        }
        Self { rows, window, total: books.total }
    }

    /// What each row cost.
    pub(super) fn by_row(&self) -> BTreeMap<RowId, Amount> {
        let mut by_row: BTreeMap<RowId, Amount> = BTreeMap::new();
        for ((row, _), unit) in &self.rows {
            *by_row.entry(row.clone()).or_default() += unit.cost;
        }
        by_row
    }

    fn by_workload(&self) -> BTreeMap<&Workload, Unit> {
        let mut by_workload: BTreeMap<&Workload, Unit> = BTreeMap::new();
        for ((_, workload), unit) in &self.rows {
            by_workload.entry(workload).or_default().add(*unit);
        }
        by_workload
    }

    fn by_both(&self) -> BTreeMap<(&RowId, &Workload), Unit> {
        self.rows.iter().map(|((row, workload), unit)| ((row, workload), *unit)).collect()
    }
}

/// By cause, in the order of [`CAUSES`].
type Causes = [Amount; CAUSES.len()];

/// The change; `repriced` is this window at the prices of the one before, where those were others.
pub(super) fn change(
    now: &Tally,
    repriced: Option<&Tally>,
    before: &Tally,
) -> Result<Change, Refused> {
    let repriced = repriced.unwrap_or(now);
    let mut causes = [Amount::ZERO; CAUSES.len()];
    let (old, same, new) = (before.by_workload(), repriced.by_workload(), now.by_workload());
    let workloads: std::collections::BTreeSet<&Workload> =
        old.keys().chain(new.keys()).copied().collect();
    for workload in workloads {
        let one = causes_of(old.get(workload), same.get(workload), new.get(workload));
        causes.iter_mut().zip(one).for_each(|(all, one)| *all += one);
    }
    let moved = now.total - before.total;
    let found = causes.iter().copied().sum();
    Refused::unless_conserved(|| "explaining the change".to_owned(), moved, found)?;
    Ok(Change {
        before: before.window,
        total_before: before.total,
        causes: CAUSES.into_iter().zip(causes).collect(),
        largest: largest(now, repriced, before),
    })
}

fn causes_of(old: Option<&Unit>, same: Option<&Unit>, new: Option<&Unit>) -> Causes {
    let mut causes = [Amount::ZERO; CAUSES.len()];
    let [volume, price, mix, is_new, is_gone] = &mut causes;
    match (old, new) {
        (Some(old), Some(new)) => {
            let same = same.unwrap_or(new);
            let growth = new.volume.saturating_sub(old.volume);
            *price = new.cost - same.cost;
            *volume =
                scaled(old.cost.raw(), growth, old.volume).map_or(Amount::ZERO, Amount::from_raw);
            *mix = same.cost - old.cost - *volume;
        }
        (None, Some(new)) => *is_new = new.cost,
        (Some(old), None) => *is_gone = Amount::ZERO - old.cost,
        (None, None) => {}
    }
    causes
}

/// The rows that moved most, and what moved each of them most.
fn largest(now: &Tally, repriced: &Tally, before: &Tally) -> Vec<(Vec<String>, Amount, Cause)> {
    let (old, same, new) = (before.by_both(), repriced.by_both(), now.by_both());
    let both: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let mut rows: BTreeMap<&RowId, Causes> = BTreeMap::new();
    for key in both {
        let one = causes_of(old.get(&key), same.get(&key), new.get(&key));
        let row = rows.entry(key.0).or_insert([Amount::ZERO; CAUSES.len()]);
        row.iter_mut().zip(one).for_each(|(all, one)| *all += one);
    }
    let mut moved: Vec<(i128, &RowId, Causes)> = rows
        .into_iter()
        .map(|(row, causes)| (causes.iter().copied().sum::<Amount>().raw(), row, causes))
        .filter(|(difference, _, _)| *difference != 0)
        .collect();
    moved.sort_by(|left, right| right.0.abs().cmp(&left.0.abs()).then(left.1.cmp(right.1)));
    moved.truncate(LARGEST);
    moved
        .into_iter()
        .map(|(difference, (kind, key), causes)| {
            // The cause that moved it most in the direction in which it moved.
            let main = causes
                .iter()
                .zip(CAUSES)
                .max_by_key(|(amount, _)| amount.raw() * difference.signum())
                .map_or(Cause::Mix, |(_, cause)| cause);
            (named(*kind, key), Amount::from_raw(difference), main)
        })
        .collect()
}

/// The key of a row; of one that is kept apart, with what it is where nothing of the key says it.
fn named(kind: super::showback::RowKind, key: &[String]) -> Vec<String> {
    use super::showback::RowKind;
    let word = match kind {
        RowKind::Owned | RowKind::Unowned => return key.to_vec(),
        RowKind::Idle => "idle",
        RowKind::NodeOverhead => "node overhead",
        RowKind::Shared => "shared",
    };
    let mut key = key.to_vec();
    if let Some(empty) = key.iter_mut().find(|part| part.is_empty()) {
        word.clone_into(empty);
    }
    key
}
