//! IAM: roles, customer policies, OIDC providers, service-linked roles.
//!
//! Names are global in the account and reads lag behind writes. What IAM calls an attachment
//! cannot carry a mark; it belongs to its role.

pub(super) mod oidc_provider;
pub(super) mod policy;
pub(super) mod role;
pub(super) mod service_linked_role;

use std::time::Duration;

use runbook_core::module::Patience;

/// IAM shows a write within seconds; a minute is a lot.
const PATIENCE: Patience =
    Patience { interval: Duration::from_secs(2), timeout: Duration::from_mins(2) };
