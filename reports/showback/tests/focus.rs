//! FOCUS files: written from charges and from bills, held to our own rules and to the Foundation's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "focus/bills.rs"]
mod bills;
#[path = "focus/charges.rs"]
mod charges;
#[path = "focus/estimates.rs"]
mod estimates;
#[path = "focus/files.rs"]
mod files;
#[path = "focus/mistakes.rs"]
mod mistakes;
#[path = "focus/tables.rs"]
mod tables;
#[path = "focus/validator.rs"]
mod validator;
