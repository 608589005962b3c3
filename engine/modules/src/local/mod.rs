//! Tasks that need no connection.

use runbook_core::registry::Registry;

/// Adds the modules of this folder.
pub(crate) fn register(registry: &mut Registry) {
    let _ = registry;
}
