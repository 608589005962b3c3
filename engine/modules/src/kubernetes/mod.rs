//! Tasks in a Kubernetes cluster.

mod helm_release;
mod verify;

use std::sync::Arc;

use runbook_core::registry::Registry;

/// Adds the modules of this folder.
pub(crate) fn register(registry: &mut Registry) {
    registry.add(Arc::new(helm_release::HelmRelease::new()));
    registry.add(Arc::new(verify::Verify::new()));
}
