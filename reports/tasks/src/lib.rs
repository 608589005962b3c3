//! Reports as tasks of a runbook, and what they have to do with the engine.
//!
//! The engine knows nothing of reports and the reports nothing of the engine; this crate is the only one
//! that sees both.
//!
//! | module | what it is |
//! |---|---|
//! | [`message`] | a report for a window, rendered once, and the keys of its deliveries |
//! | [`outbox`] | what is to be delivered, and what came of it, durably |
//! | [`destinations`] | folder, S3, webhook, mail |
//! | [`comparison`] | what was seen against a bill |
//! | [`plan_cost`] | what a plan adds to the month |
//! | [`owed`] | deliveries that are owed, sent by whoever serves |
//! | [`restate`] | when a report is sent again with other figures |
//! | [`modules`] | `report.*` |
//! | [`surroundings`] | what only the command knows: folders, prices, clusters |

pub mod comparison;
pub mod destinations;
pub mod message;
pub mod modules;
pub mod outbox;
pub mod owed;
pub mod plan_cost;
pub mod restate;
pub mod surroundings;
