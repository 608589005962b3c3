//! A Kubernetes cluster, spoken to in JSON objects.
//!
//! | file | what it is |
//! |---|---|
//! | `open` | from an EKS cluster's name or a kubeconfig to a [`Connection`] |
//! | `token` | the EKS token, made natively: a presigned question to STS |
//! | `request`, `transport` | pure request builders, and the one place that sends them |
//! | `discovery` | from apiVersion and kind to the path of a resource |
//! | `objects`, [`watch`] | get, list, watch, apply, patch, delete, evict |
//! | [`managed_fields`], [`difference`] | who owns which field, and what declared fields differ from the live object |
//! | [`rollout`], [`placement`], [`events`] | whether a rollout is done, where pods run, what happened last |
//!
//! Objects are [`serde_json::Value`]s: the modules declare, compare and report fields of kinds that
//! this crate does not know. A request's class comes from the operation: a server-side apply with
//! `dryRun=All` is a dry run although it is a PATCH.

pub mod difference;
pub mod events;
pub mod managed_fields;
pub mod placement;
pub mod quantity;
pub mod rollout;
pub mod token;
pub mod watch;

mod discovery;
mod objects;
mod open;
mod reference;
mod request;
#[cfg(test)]
mod tests;
mod transport;

pub use discovery::Resource;
pub use objects::{ApplyConflicts, Deletion, Page, Propagation, Selection};
pub use open::{Connection, Eks, Kubeconfig, OpenError, Server};
pub use reference::{Kind, Reference, ReferenceError};

/// How this service is called in errors and tries.
pub(crate) const SERVICE: &str = "kubernetes";

/// Our name as a manager of fields.
pub const FIELD_MANAGER: &str = "runbook";
