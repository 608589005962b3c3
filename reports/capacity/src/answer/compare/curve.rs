//! What the workloads cost on nodes as these get fuller, beside what they cost on Fargate.

use serde::Serialize;

use super::rows::WorkloadRow;
use super::{number, percent};
use crate::money::Amount;
use crate::plural::counted;

/// The break-even curve of the workloads that can run on both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// From emptier to fuller nodes.
    pub points: Vec<Point>,
    /// Where both cost the same; above 100 Fargate is cheaper than full nodes.
    pub break_even_percent: Option<f64>,
    /// How full the first side's nodes are.
    pub used_percent: Option<f64>,
    /// What it is about.
    pub note: String,
}

/// A point of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// How full the nodes are.
    pub utilisation_percent: i64,
    /// What the workloads cost on them.
    pub karpenter_usd_per_month: f64,
    /// What they cost on Fargate, however full.
    pub fargate_usd_per_month: f64,
}

/// None when no workload can run on both.
pub(super) fn curve(rows: &[WorkloadRow], used_percent: Option<f64>) -> Option<Curve> {
    let both: Vec<_> = rows.iter().filter_map(|row| row.both).collect();
    if both.is_empty() {
        return None;
    }
    let fargate: Amount = both.iter().map(|one| one.fargate).sum();
    let full: Amount = both.iter().map(|one| one.full_nodes).sum();
    let points = (10..=100)
        .step_by(5)
        .map(|utilisation_percent| Point {
            utilisation_percent,
            karpenter_usd_per_month: number(Amount::from_raw(
                full.raw() * 100 / i128::from(utilisation_percent),
            )),
            fargate_usd_per_month: number(fargate),
        })
        .collect();
    Some(Curve {
        points,
        break_even_percent: percent(full, fargate),
        used_percent,
        note: format!(
            "{} of {}, which can run on both, each on the node that is cheapest when it is full of them; Fargate does not depend on it",
            both.len(),
            counted(rows.len(), "workload", "workloads")
        ),
    })
}
