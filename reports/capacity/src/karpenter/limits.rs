//! Limits of pools.
//!
//! A new claim is charged with the most any of its types has, by resource, before one is chosen; so
//! a limited pool stops long before its nodes reach the limit. Nodes that are there count with what
//! they have. The limit on `nodes` is checked before a claim is made, but claims of the same batch
//! are not charged to it, as in Karpenter.

use std::collections::BTreeMap;

use super::Batch;
use super::type_set::TypeSet;
use crate::manifest::NodePool;
use crate::pod_resources::Resources;
use crate::quantity::Quantity;

/// What a pool may still have, by column; `nodes` apart.
#[derive(Debug, Clone)]
pub(crate) struct Remaining {
    columns: Vec<(usize, i64)>,
    nodes: Option<i64>,
    /// Limits on resources that no type of the batch has are never reached.
    pub(crate) is_limited: bool,
}

impl Remaining {
    pub(crate) fn new(pool: &NodePool, batch: &Batch) -> Self {
        Self::of(&pool.limits, batch)
    }

    fn of(limits: &BTreeMap<String, Quantity>, batch: &Batch) -> Self {
        let columns: Vec<(usize, i64)> = limits
            .iter()
            .filter_map(|(name, quantity)| {
                let column = batch.columns.index(name)?;
                Some((column, if name == "cpu" { quantity.millis() } else { quantity.whole() }))
            })
            .collect();
        let nodes = limits.get("nodes").map(|nodes| nodes.whole());
        Self { is_limited: !columns.is_empty() || nodes.is_some(), columns, nodes }
    }

    /// Charges a node that is there.
    pub(crate) fn charge_node(&mut self, capacity: &Resources, max_pods: u32, batch: &Batch) {
        self.charge_row(&batch.columns.row(capacity, i64::from(max_pods)), true);
    }

    /// Charges what a node has, or gives it back.
    pub(crate) fn charge_row(&mut self, row: &[i64], is_there: bool) {
        let sign = if is_there { 1 } else { -1 };
        for (column, left) in &mut self.columns {
            *left -= sign * row[*column];
        }
        self.nodes = self.nodes.map(|nodes| nodes - sign);
    }

    /// Whether no node may be added at all.
    pub(crate) fn is_out_of_nodes(&self) -> bool {
        self.nodes == Some(0)
    }

    /// Drops the types that alone would exceed what is left.
    pub(crate) fn keep_affordable(&self, types: &mut TypeSet, batch: &Batch) {
        if self.nodes.is_some_and(|nodes| nodes < 0) {
            *types = batch.types.none();
        }
        for (column, left) in &self.columns {
            let over: Vec<usize> = types
                .iter()
                .filter(|index| batch.types.rows[*index].capacity[*column] > *left)
                .collect();
            for index in over {
                types.remove(index);
            }
        }
    }

    /// Charges a claim with the most any of its types has.
    pub(crate) fn charge_claim(&mut self, types: &TypeSet, batch: &Batch) {
        for (column, left) in &mut self.columns {
            let most = types.iter().map(|index| batch.types.rows[index].capacity[*column]).max();
            *left -= most.unwrap_or(0);
        }
    }
}
