//! Tasks in an AWS account.

use runbook_core::registry::Registry;

/// Adds the modules of this folder.
pub(crate) fn register(registry: &mut Registry) {
    let _ = registry;
}
