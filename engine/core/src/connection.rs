//! What a task talks to. The engine knows the kind, the settings and the identity of a connection;
//! what is behind it belongs to the modules.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::failure::Failure;
use crate::value::Value;

/// The kind of connection that a module needs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An AWS account and region. Settings: `region`, `profile`, `role_arn`, `expected_account`.
    Aws,
    /// A Kubernetes cluster. Settings: `eks_cluster` (through the `aws` connection of the same
    /// scope), or `kubeconfig` and `context`.
    Kubernetes,
}

/// What a connection may be used for. A plan is made with reading connections only, whose clients
/// refuse to send a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads, and server-side dry runs where the service allows them.
    Read,
    /// Everything.
    Write,
}

/// A live connection.
#[derive(Clone)]
pub struct Connection {
    /// Its kind.
    pub kind: Kind,
    /// What it is bound to, stable over time and machines: `{"account": …, "region": …}` or
    /// `{"cluster": …, "account": …, "region": …}`. Facts, plans and resume compare this.
    pub identity: BTreeMap<String, String>,
    /// What the modules use; they know its type.
    pub handle: Arc<dyn Any + Send + Sync>,
}

impl Connection {
    /// The identity in one line: `aws 111122223333 ap-northeast-2`.
    pub fn identity_text(&self) -> String {
        let kind = match self.kind {
            Kind::Aws => "aws",
            Kind::Kubernetes => "kubernetes",
        };
        let mut text = kind.to_owned();
        for value in self.identity.values() {
            text.push(' ');
            text.push_str(value);
        }
        text
    }
}

/// Makes connections. The command hands one in; what stands behind it (AWS, the sandbox) is the
/// target's business and invisible here.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Opens a connection with these settings, all known. `aws` is the scope's AWS connection for
    /// a `kubernetes` connection with `eks_cluster`. Checks who is behind it before anything else:
    /// another account than `expected_account` is a failure.
    async fn connect(
        &self,
        kind: Kind,
        settings: &BTreeMap<String, Value>,
        aws: Option<&Connection>,
        access: Access,
    ) -> Result<Connection, Failure>;
}
