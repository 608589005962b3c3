//! A simulated AWS account with an EKS cluster that speaks the real wire protocols on loopback.
//!
//! One [`world`] with its own clock, kept in a durable [`store`]; front ends decode a request,
//! change the world in one transaction, and encode the answer. [`Sandbox::open`] takes the world of
//! a state folder (one process at a time), [`Sandbox::serve`] serves it: AWS on one port, each
//! cluster on one with TLS, and a [`control`](ControlClient) endpoint by which clients take part in
//! its clock.
//!
//! What it does not simulate it refuses by name; [`coverage()`] lists both.

mod addresses;
mod aws;
mod billing;
mod control;
mod coverage;
mod environment;
mod faults;
pub mod helm;
mod kubernetes;
mod lock;
mod notice;
mod requests;
mod sandbox;
mod scenario;
mod serve;
mod server;
mod store;
mod world;

pub use billing::{
    BillFormat, SettingsError as BillingError, Window as BillWindow, WindowError as BillWindowError,
};
pub use control::{ControlClient, ControlError, Elsewhere, Registration};
pub use coverage::{Covered, Item, coverage};
pub use environment::of as environment_of;
pub use faults::{Fault, FaultKind, ScriptError, parse as parse_faults};
pub use lock::Holder;
pub use notice::{Listener, Notice};
pub use requests::{Class, LogError, Query, Request};
pub use sandbox::{KubeconfigError, OpenError, OpenOptions, RealClock, Sandbox, ServeError};
pub use scenario::ScenarioError;
pub use serve::Served;
