//! Connections: what the modules talk to the world through.
//!
//! | part | what it is |
//! |---|---|
//! | [`aws`] | an account and region: credentials, endpoints, paging, a thin typed function per operation |
//! | [`kubernetes`] | a cluster: a natively made EKS token, requests on JSON objects, rollout and placement facts |
//! | [`helm`] | releases: read natively from their Secrets, changed by executing a helm command line |
//! | [`download`] | one file by HTTPS, bounded in size, held against its SHA-256 |
//! | [`post`] | one message by HTTPS, with a key, to an address that may be a secret |
//! | [`get`] | answers of a service that is asked by GET, with a token or without |
//!
//! # One retry policy
//! The transports never retry (the SDK's retries are off, kube's retry layer is off). Above them
//! stands one policy ([`retry`]) that repeats by class: reads and dry runs on throttling, server
//! errors and broken connections; a write only when it carries our token or the answer says that
//! it was not processed. Whatever else happens to a write is [`Undone::Ambiguous`]: it may have
//! happened, and only another look can tell. Every try is reported to an [`Observer`].
//!
//! # Read only means read only
//! A connection opened with [`Access::Read`] refuses writes by operation before anything is sent.
//! That is what proves that a plan changes nothing.
//!
//! This crate knows nothing of tasks, plans or runs. Time and the observer of tries come in through
//! two small traits, [`Clock`] and [`Observer`].

pub mod aws;
pub mod download;
pub mod get;
pub mod helm;
pub mod kubernetes;
pub mod post;
pub mod retry;

mod clock;
mod error;
mod https;
mod request;
#[cfg(test)]
mod scripted;

pub use clock::Clock;
pub use error::{Class, Error, FieldConflict, Outcome, Undone};
pub use request::{Access, Observer, RequestClass, SilentObserver, Try};

/// The same JSON with the keys of every object in order, so that equal values are equal texts.
pub(crate) fn canonical(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            let sorted: std::collections::BTreeMap<_, _> =
                fields.into_iter().map(|(name, value)| (name, canonical(value))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        other => other,
    }
}
