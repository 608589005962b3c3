//! Tasks that need no connection.
//!
//! | file | module |
//! |---|---|
//! | `fetch` | `http.fetch`: one file by HTTPS, held against its SHA-256 |
//! | `shell` | `shell`: a command, honest about what cannot be planned |
//! | `process` | how a process is started, bounded and, when nobody waits any more, ended |
//! | `wait` | `wait`: world time passes |
//! | `assert` | `assert`: something is true, or the run stops here |
//! | `machine` | what a process may know of the machine that it runs on |

mod assert;
mod fetch;
mod machine;
mod process;
mod shell;
mod wait;

use std::sync::Arc;

use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Applied, Context};
use runbook_core::registry::Registry;

pub use machine::Machine;

/// Adds the modules of this folder.
pub(crate) fn register(registry: &mut Registry, machine: &Machine) {
    registry.add(Arc::new(assert::Assert::new()));
    registry.add(Arc::new(fetch::Fetch::new()));
    registry.add(Arc::new(shell::Shell::new(machine.clone())));
    registry.add(Arc::new(wait::Wait::new()));
}

/// What `apply` of a module answers that has nothing to write: the engine never asks.
fn nothing_to_apply() -> Applied {
    Applied::Rejected(Failure::new(Class::Bug, "a task that writes nothing was asked to write"))
}

/// What is kept of a task between two calls is kept under this name.
fn task_key(context: &Context) -> String {
    format!("{} {}", context.owner, context.address)
}
