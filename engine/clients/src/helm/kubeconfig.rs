//! The kubeconfig that a helm process gets: one cluster, one user, nothing of the person's own.
//!
//! Tokens do not stand in it. The user is a credential plugin, which helm runs whenever it needs a
//! token: an installation may last longer than one.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::kubernetes::Server;

/// A command that prints an `ExecCredential`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exec {
    /// The executable.
    pub command: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables for its environment.
    pub environment: Vec<(String, String)>,
}

/// How a helm process reaches the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// By a kubeconfig that we write.
    Written {
        /// Its content.
        content: Value,
    },
    /// By the person's own, which the connection came from.
    Existing {
        /// The file; kubectl's own rules when `None`.
        path: Option<PathBuf>,
        /// The context.
        context: Option<String>,
    },
}

impl Access {
    /// To the server of a connection; `exec` makes the tokens of an EKS cluster.
    pub fn to(server: &Server, exec: &Exec) -> Self {
        match server {
            Server::Eks { cluster, endpoint, certificate_authority } => Self::Written {
                content: kubeconfig(cluster, endpoint, certificate_authority, exec),
            },
            Server::Kubeconfig { path, context, .. } => {
                Self::Existing { path: path.clone(), context: context.clone() }
            }
        }
    }

    /// The arguments that lead helm there.
    pub(super) fn arguments(&self, written: &Path) -> Vec<String> {
        match self {
            Self::Written { .. } => {
                vec!["--kubeconfig".to_owned(), written.display().to_string()]
            }
            Self::Existing { path, context } => {
                let mut arguments = Vec::new();
                if let Some(path) = path {
                    arguments.extend(["--kubeconfig".to_owned(), path.display().to_string()]);
                }
                if let Some(context) = context {
                    arguments.extend(["--kube-context".to_owned(), context.clone()]);
                }
                arguments
            }
        }
    }
}

fn kubeconfig(cluster: &str, endpoint: &str, authority: &str, exec: &Exec) -> Value {
    let environment: Vec<Value> = exec
        .environment
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [{"name": cluster, "cluster": {
            "server": endpoint, "certificate-authority-data": authority,
        }}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "users": [{"name": cluster, "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": exec.command,
            "args": exec.arguments,
            "env": environment,
            "interactiveMode": "Never",
            "provideClusterInfo": false,
        }}}],
    })
}
