//! The engine: text becomes a document, a graph, a plan, and a journalled run. It knows no cloud.
//!
//! ```text
//! Source → Document → Graph → Plan → events → Journal → RunState
//! ```
//!
//! Each of these types is truer than the one before, has one constructor that can fail, and none
//! carries an "is it valid yet" flag. [`document`] finds every problem of a file in one pass,
//! [`graph`] inlines calls and derives the edges from references, [`plan`] observes the world and
//! says what would change, [`execute`] carries a plan out by a reducer that performs no I/O of its
//! own, and [`journal`] is the only truth about a run. What talks to the world are modules
//! ([`module`]), handed in through a [`registry`]; time, identity and randomness are injected
//! ([`clock`]).

pub mod address;
pub mod change;
pub mod clock;
pub mod connection;
pub mod diagnostic;
mod digest;
pub mod document;
pub mod event;
pub mod execute;
pub mod expression;
pub mod fact;
pub mod failure;
pub mod graph;
pub mod journal;
pub mod lease;
pub mod module;
pub mod owner;
pub mod plan;
pub mod registry;
pub mod schedule;
pub mod shape;
pub mod source;
pub mod task;
pub mod thread;
pub mod turn;
pub mod value;
pub mod yaml;
