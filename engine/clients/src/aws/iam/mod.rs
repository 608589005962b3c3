//! IAM: roles, policies and their versions, OIDC providers, service-linked roles.
//!
//! IAM is global and eventually consistent: what was written a moment ago may not be read yet, and
//! its consumers may refuse it for some seconds ([`Error::iam_propagation`]). None of its writes
//! takes a client token, so a write whose reply was lost is ambiguous. Documents are returned as
//! JSON text, decoded.

mod oidc;
mod policies;
mod roles;

use aws_sdk_iam::types::Tag;

use super::Tags;
use super::call::Calls;
use crate::error::Error;

pub use oidc::OidcProvider;
pub use policies::{CreatePolicy, Policy, PolicyEntities, PolicyVersion};
pub use roles::{AttachedPolicy, CreateRole, Role};

/// Calls IAM.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_iam::Client,
    calls: Calls,
}

impl Client {
    pub(super) fn new(sdk: aws_sdk_iam::Client, calls: Calls) -> Self {
        Self { sdk, calls }
    }

    fn tags(&self, name: &'static str, tags: &Tags) -> Result<Vec<Tag>, Error> {
        tags.iter()
            .map(|(key, value)| {
                let tag = Tag::builder().key(key).value(value).build();
                tag.map_err(|problem| self.calls.unbuilt(name, &problem))
            })
            .collect()
    }
}

fn plain_tags(tags: Option<Vec<Tag>>) -> Tags {
    tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()
}
