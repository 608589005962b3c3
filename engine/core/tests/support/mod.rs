//! A small world with modules of its own, for tests of the engine.
//!
//! `fake.thing` is observable: it has a name (identity), a colour (immutable), a size, and takes
//! some world time to converge. `fake.lookup` is pure. Faults are scripted by name. The clock is
//! simulated as the sandbox's is: it jumps when everything waits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]
#![allow(dead_code, reason = "each test binary uses its part")]

mod blind;
mod clock;
mod journals;
mod things;
mod workshop;

use std::sync::Arc;

use runbook_core::event::{Body, Event, Step};
use runbook_core::registry::Registry;

use blind::BlindModule;
#[allow(unused_imports, reason = "each test binary uses its part")]
pub(crate) use clock::{JumpingClock, TestClock};
#[allow(unused_imports, reason = "each test binary uses its part")]
pub(crate) use journals::{Asking, Instead};
#[allow(unused_imports, reason = "each test binary uses its part")]
pub(crate) use things::{Fault, Thing, World};
use things::{LookupModule, ThingModule};
#[allow(unused_imports, reason = "each test binary uses its part")]
pub(crate) use workshop::{MemoryLoader, Workshop};

pub(crate) fn registry(world: &Arc<World>) -> Registry {
    let mut registry = Registry::new();
    registry.add(Arc::new(ThingModule::new(world.clone())));
    registry.add(Arc::new(LookupModule::new(world.clone())));
    registry.add(Arc::new(BlindModule::new(world.clone())));
    registry
}

/// Events in short: one line each, durable steps and ends only.
pub(crate) fn steps(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| {
            let address = event.address.clone().unwrap_or_default();
            match &event.body {
                Body::Step(Step::Intended { action, .. }) => {
                    Some(format!("{address} intended {action:?}"))
                }
                Body::Step(Step::Acknowledged) => Some(format!("{address} acknowledged")),
                Body::Step(Step::Rejected { .. }) => Some(format!("{address} rejected")),
                Body::Step(Step::Withdrawn) => Some(format!("{address} withdrawn")),
                Body::Step(Step::Ambiguous { .. }) => Some(format!("{address} ambiguous")),
                Body::Step(Step::Converged { .. }) => Some(format!("{address} converged")),
                Body::Step(Step::NotConverged { .. }) => Some(format!("{address} not converged")),
                Body::TaskFinished { state, because, .. } => Some(
                    format!(
                        "{address} {state:?}{}",
                        because.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
                    )
                    .to_lowercase(),
                ),
                _ => None,
            }
        })
        .collect()
}
