//! Amounts of all resources of a batch as a short row of integers.
//!
//! CPU in millicores, memory and disk in bytes, pods and everything else in units. Which column is
//! which is fixed at the start: the four that every node has, then the others by name.

use std::collections::BTreeSet;

use crate::pod_resources::Resources;

/// The column of CPU.
pub(crate) const CPU: usize = 0;
/// The column of memory.
pub(crate) const MEMORY: usize = 1;
/// The column of the number of pods.
pub(crate) const PODS: usize = 2;
/// The column of disk.
pub(crate) const STORAGE: usize = 3;

/// A row.
pub(crate) type Amounts = Vec<i64>;

/// The columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    extended: Vec<String>,
}

impl Columns {
    /// Columns for everything these mention.
    pub(crate) fn of<'a>(resources: impl Iterator<Item = &'a Resources>) -> Self {
        let names: BTreeSet<&String> = resources.flat_map(|one| one.extended.keys()).collect();
        Self { extended: names.into_iter().cloned().collect() }
    }

    pub(crate) fn len(&self) -> usize {
        4 + self.extended.len()
    }

    /// The column of a resource by its Kubernetes name.
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        match name {
            "cpu" => Some(CPU),
            "memory" => Some(MEMORY),
            "pods" => Some(PODS),
            "ephemeral-storage" => Some(STORAGE),
            other => self
                .extended
                .binary_search_by(|known| known.as_str().cmp(other))
                .ok()
                .map(|index| index + 4),
        }
    }

    /// The name of a column.
    pub(crate) fn name(&self, column: usize) -> &str {
        match column {
            CPU => "cpu",
            MEMORY => "memory",
            PODS => "pods",
            STORAGE => "ephemeral-storage",
            other => self.extended.get(other - 4).map_or("", String::as_str),
        }
    }

    /// A row of these resources and so many pods.
    pub(crate) fn row(&self, resources: &Resources, pods: i64) -> Amounts {
        let mut row = vec![0; self.len()];
        row[CPU] = resources.cpu.unwrap_or_default().0;
        row[MEMORY] = resources.memory.unwrap_or_default().0;
        row[PODS] = pods;
        row[STORAGE] = resources.ephemeral_storage.unwrap_or_default().0;
        for (name, amount) in &resources.extended {
            if let Some(column) = self.index(name) {
                row[column] = *amount;
            }
        }
        row
    }
}

/// Adds a row to another.
pub(crate) fn add(to: &mut Amounts, row: &[i64]) {
    for (sum, amount) in to.iter_mut().zip(row) {
        *sum = sum.saturating_add(*amount);
    }
}

/// Whether a request fits into what is left. With anything below zero nothing fits any more.
pub(crate) fn fits(request: &[i64], left: &[i64]) -> bool {
    left.iter().all(|amount| *amount >= 0)
        && request.iter().zip(left).all(|(wanted, left)| wanted <= left)
}
