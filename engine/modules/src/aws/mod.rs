//! Tasks in an AWS account.
//!
//! | place | modules |
//! |---|---|
//! | [`mod@caller_identity`] | `sts.caller_identity` |
//! | [`mod@ec2`] | `ec2.vpc`, `ec2.subnets`, `ec2.tags` |
//! | [`mod@iam`] | `iam.role`, `iam.policy`, `iam.oidc_provider`, `iam.service_linked_role` |
//! | [`mod@eks`] | `eks.cluster`, `eks.authentication_mode`, `eks.access_entry`, `eks.addon`, `eks.fargate_profile`, `eks.nodes` |
//! | [`mod@queue`] | `sqs.queue` |
//! | [`mod@rule`] | `events.rule` |
//!
//! What is made carries the mark in its tags from the create call on ([`mod@tagged`]). Every service
//! here is eventually consistent, so no write counts as done before a look has shown it
//! ([`mod@settling`]). Policy documents are compared by what they mean ([`mod@documents`]).

mod caller_identity;
mod documents;
mod ec2;
mod eks;
mod iam;
mod queue;
mod rule;
mod settling;
mod tagged;

use std::sync::Arc;

use runbook_core::change::Action;
use runbook_core::connection::Kind;
use runbook_core::module::{Nature, Observation, Observed, Schema, Values};
use runbook_core::owner::Ownership;
use runbook_core::registry::Registry;

/// Adds the modules of this folder.
pub(crate) fn register(registry: &mut Registry) {
    registry.add(Arc::new(caller_identity::CallerIdentity::new()));
    registry.add(Arc::new(ec2::vpc::Vpc::new()));
    registry.add(Arc::new(ec2::subnets::Subnets::new()));
    registry.add(Arc::new(ec2::tags::ResourceTags::new()));
    registry.add(Arc::new(iam::role::Role::new()));
    registry.add(Arc::new(iam::policy::Policy::new()));
    registry.add(Arc::new(iam::oidc_provider::OidcProvider::new()));
    registry.add(Arc::new(iam::service_linked_role::ServiceLinkedRole::new()));
    registry.add(Arc::new(eks::cluster::Cluster::new()));
    registry.add(Arc::new(eks::authentication_mode::AuthenticationMode::new()));
    registry.add(Arc::new(eks::access_entry::AccessEntry::new()));
    registry.add(Arc::new(eks::addon::Addon::new()));
    registry.add(Arc::new(eks::fargate_profile::FargateProfile::new()));
    registry.add(Arc::new(eks::nodes::Nodes::new()));
    registry.add(Arc::new(queue::Queue::new()));
    registry.add(Arc::new(rule::Rule::new()));
}

/// The schema of something that is made, changed and deleted; the caller adds the rest.
fn observable(name: &'static str, summary: &'static str) -> Schema {
    Schema {
        name,
        summary,
        nature: Nature::Observable,
        follows: false,
        connection: Some(Kind::Aws),
        arguments: Vec::new(),
        outputs: Vec::new(),
        // Neither a replacement nor a deletion: what nobody has seen is not destroyed.
        may: &[Action::Create, Action::Update],
        iam_actions: &[],
        kubernetes_verbs: &[],
        bills: None,
    }
}

/// The schema of a lookup.
fn lookup(name: &'static str, summary: &'static str) -> Schema {
    Schema { nature: Nature::Pure, may: &[], ..observable(name, summary) }
}

/// What a lookup found.
fn found(outputs: Values) -> Observed {
    Observed::Present(Observation {
        projection: outputs.clone(),
        ownership: Ownership::Setting,
        outputs,
        private: serde_json::Value::Null,
    })
}
