//! A plan is bound to the accounts and clusters it was made with: nothing else is touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use runbook_core::connection::{Access, Connection, Connector, Kind};
use runbook_core::failure::{Class, Failure};
use runbook_core::value::Value;

/// Refuses connections to accounts that a plan does not know.
pub(crate) struct Bound {
    inner: Arc<dyn Connector>,
    /// Identities of the plan's connections; empty binds to nothing.
    accounts: Vec<String>,
}

impl Bound {
    /// Binds a connector to the connections of a plan.
    pub(crate) fn new(inner: Arc<dyn Connector>, connections: &[String]) -> Self {
        // A cluster that is made by the run was not there when it was planned; the account was.
        let accounts = connections.iter().filter(|one| one.starts_with("aws ")).cloned().collect();
        Self { inner, accounts }
    }
}

#[async_trait]
impl Connector for Bound {
    async fn connect(
        &self,
        kind: Kind,
        settings: &BTreeMap<String, Value>,
        aws: Option<&Connection>,
        access: Access,
    ) -> Result<Connection, Failure> {
        let connection = self.inner.connect(kind, settings, aws, access).await?;
        let found = connection.identity_text();
        if kind == Kind::Aws && !self.accounts.is_empty() && !self.accounts.contains(&found) {
            return Err(Failure::new(
                Class::Denied,
                format!(
                    "the plan was made for `{}`; behind the connection is `{found}`",
                    self.accounts.join("`, `")
                ),
            )
            .hint("use the credentials that the plan was made with, or plan again"));
        }
        Ok(connection)
    }
}
