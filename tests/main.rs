//! End to end: through the command, over real sockets, in one test binary.
//!
//! Each test has a folder of its own, with its state in it, and an environment without anything of
//! the person who runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod allocation;
mod asked;
mod bad_input;
mod bills;
mod charts;
mod commands;
mod damage;
mod delivered;
mod delivery;
mod docs;
mod faults;
mod focus_check;
mod foreign;
mod kills;
mod load;
mod mistakes;
mod month;
mod nodeless;
mod outputs;
mod owed;
mod plans;
mod prices;
mod reconcile;
mod reports;
mod restated;
mod samples;
mod schedules;
mod showback;
mod stopped;
mod stream;
mod support;
