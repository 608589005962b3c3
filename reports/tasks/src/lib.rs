//! Reports as tasks of a runbook, and what they have to do with the engine.
//!
//! The engine knows nothing of reports and the reports nothing of the engine; this crate is the only one
//! that sees both. It holds the `report.*` modules, the outbox from which messages are delivered, and the
//! cost of a plan.

pub mod plan_cost;
