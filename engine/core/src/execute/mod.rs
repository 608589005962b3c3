//! Applying a plan: a reducer, and a loop that does what it says.
//!
//! [`state::State`] takes what happened and says which events to record and which effects to start;
//! no I/O, no clock, no lock is inside it. [`run()`] is the loop around it: it performs effects, puts
//! every event into the journal before anybody else sees it, and starts a write only when its
//! `intended` is durable. A run that was killed is taken up by the same reducer from the events
//! that are there ([`resume`]).

mod ahead;
mod attempt;
mod bounds;
mod cancel;
mod driver;
mod effects;
mod happened;
mod inbox;
mod locks;
mod outcomes;
mod relay;
mod report;
pub mod resume;
mod run;
pub mod state;
mod threads;
mod waits;
mod write;

pub use cancel::Cancel;
pub use report::{RunReport, TaskReport};
pub use run::{RunError, RunInput, run};
