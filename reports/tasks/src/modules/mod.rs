//! The tasks of this crate.
//!
//! | file | module |
//! |---|---|
//! | `collect` | `report.collect`: one look at a cluster, once per slot |
//! | `showback` | `report.showback`: who pays for a window, delivered once per revision |
//! | `notify` | `report.notify`: a short message, delivered once per slot |
//! | `cost_allocation_tag` | `ce.cost_allocation_tag`: a tag counts in bills from now on |
//! | `reconcile` | `report.reconcile`: the samples against a bill, of files or of Cost Explorer |
//! | `prices` | `report.prices`: a region's prices, asked once per slot |
//! | `report` | the module that the three of them are that deliver |
//! | `sending` | what they share: from a rendered message to deliveries and a verdict |

mod collect;
mod cost_allocation_tag;
mod notify;
mod prices;
mod reconcile;
mod report;
mod schema;
mod sending;
mod showback;

use std::sync::Arc;

use runbook_core::registry::Registry;

use self::report::Delivered;
use crate::surroundings::Surroundings;

/// Adds the modules of this crate.
pub fn register(registry: &mut Registry, surroundings: &Arc<dyn Surroundings>) {
    registry.add(Arc::new(cost_allocation_tag::CostAllocationTag::new()));
    registry.add(Arc::new(collect::Collect::new(surroundings.clone())));
    registry.add(Arc::new(prices::Prices::new(surroundings.clone())));
    registry.add(Arc::new(Delivered::new(notify::Notify::new(surroundings.clone()))));
    registry.add(Arc::new(Delivered::new(reconcile::Reconcile::new(surroundings.clone()))));
    registry.add(Arc::new(Delivered::new(showback::Showbacks::new(surroundings.clone()))));
}
