//! The kubeconfig: which cluster, and who asks.
//!
//! Users are known by a token, or by a credential plugin that prints one. Certificates of clients
//! are refused by name: no cluster of the sandbox knows any.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

use super::arguments::Access;
use super::failure::{Failure, chain};

/// What a credential plugin is told by.
const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";

/// How to reach a cluster.
#[derive(Debug, Clone)]
pub(super) struct Kubeconfig {
    /// `https://127.0.0.1:4321`.
    pub(super) server: String,
    /// The authority's certificate, PEM.
    pub(super) authority: Vec<u8>,
    /// The context's namespace, `default` when it names none.
    pub(super) namespace: String,
    user: User,
}

#[derive(Debug, Deserialize)]
struct File {
    #[serde(rename = "current-context", default)]
    current: String,
    #[serde(default)]
    clusters: Vec<Named>,
    #[serde(default)]
    contexts: Vec<Named>,
    #[serde(default)]
    users: Vec<Named>,
}

/// An entry of any of the lists: its name, and the rest by the list's own word.
#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    content: Value,
}

#[derive(Debug, Clone, Deserialize)]
struct User {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    exec: Option<Exec>,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct Exec {
    #[serde(rename = "apiVersion")]
    api_version: String,
    command: String,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<Vec<Variable>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Variable {
    name: String,
    value: String,
}

impl Kubeconfig {
    /// Reads the file that the arguments name, else the one that kubectl would read.
    pub(super) fn read(
        access: &Access,
        environment: &(dyn Fn(&str) -> Option<String> + Sync),
    ) -> Result<Self, Failure> {
        let path = path(access, environment)?;
        let text = std::fs::read_to_string(&path)
            .map_err(|error| broken(&path, &format!("cannot be read: {error}")))?;
        let file: File = serde_saphyr::from_str(&text)
            .map_err(|error| broken(&path, &format!("is no kubeconfig: {error}")))?;
        let wanted = access.context.as_deref().unwrap_or(&file.current);
        let context = entry(&file.contexts, wanted, "context")
            .ok_or_else(|| broken(&path, &format!("context \"{wanted}\" does not exist")))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (cluster_name, user_name) = (text(&context["cluster"]), text(&context["user"]));
        let cluster = entry(&file.clusters, &cluster_name, "cluster")
            .ok_or_else(|| broken(&path, &format!("cluster \"{cluster_name}\" does not exist")))?;
        let user = entry(&file.users, &user_name, "user")
            .ok_or_else(|| broken(&path, &format!("user \"{user_name}\" does not exist")))?;
        let namespace = text(&context["namespace"]);
        Ok(Self {
            server: text(&cluster["server"]),
            authority: authority(&path, cluster)?,
            namespace: if namespace.is_empty() { "default".to_owned() } else { namespace },
            user: read_user(&path, &user_name, user)?,
        })
    }

    /// A token; a credential plugin is run for it each time.
    pub(super) async fn token(&self) -> Result<String, Failure> {
        if let Some(token) = &self.user.token {
            return Ok(token.clone());
        }
        match &self.user.exec {
            Some(exec) => exec.run().await,
            None => Err(Failure::Unreachable("the kubeconfig's user has no token".to_owned())),
        }
    }
}

fn broken(path: &Path, problem: &str) -> Failure {
    Failure::Unreachable(format!("kubeconfig `{}`: {problem}", path.display()))
}

fn entry<'a>(list: &'a [Named], name: &str, word: &str) -> Option<&'a Value> {
    list.iter().find(|one| one.name == name).map(|one| &one.content[word])
}

/// The file that is meant.
fn path(
    access: &Access,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<PathBuf, Failure> {
    if let Some(path) = &access.kubeconfig {
        return Ok(path.clone());
    }
    match environment("KUBECONFIG").filter(|value| !value.is_empty()) {
        Some(list) if list.contains(':') => Err(Failure::Unreachable(format!(
            "KUBECONFIG lists several files ({list}); the sandbox's helm reads one"
        ))),
        Some(path) => Ok(PathBuf::from(path)),
        None => environment("HOME")
            .map(|home| Path::new(&home).join(".kube/config"))
            .ok_or_else(|| Failure::Unreachable("no kubeconfig is given".to_owned())),
    }
}

fn authority(path: &Path, cluster: &Value) -> Result<Vec<u8>, Failure> {
    if cluster["insecure-skip-tls-verify"] == true {
        return Err(broken(
            path,
            "insecure-skip-tls-verify is not supported by the sandbox's helm",
        ));
    }
    if let Some(data) = cluster["certificate-authority-data"].as_str() {
        return STANDARD
            .decode(data.trim())
            .map_err(|error| broken(path, &format!("certificate-authority-data: {error}")));
    }
    let Some(file) = cluster["certificate-authority"].as_str() else {
        return Err(broken(path, "the cluster has no certificate authority"));
    };
    let file = path.parent().unwrap_or(Path::new(".")).join(file);
    std::fs::read(&file).map_err(|error| broken(&file, &format!("cannot be read: {error}")))
}

fn read_user(path: &Path, name: &str, user: &Value) -> Result<User, Failure> {
    let user: User = serde_json::from_value(user.clone())
        .map_err(|error| broken(path, &format!("user \"{name}\": {error}")))?;
    if let Some(other) = user.others.keys().next() {
        return Err(broken(
            path,
            &format!("user \"{name}\": {other} is not supported by the sandbox's helm"),
        ));
    }
    Ok(user)
}

impl Exec {
    async fn run(&self) -> Result<String, Failure> {
        let failed = |problem: &str| {
            Failure::Unreachable(format!("getting credentials: exec: `{}` {problem}", self.command))
        };
        let info = json!({
            "apiVersion": self.api_version, "kind": "ExecCredential", "spec": {"interactive": false},
        });
        let variables = self.env.iter().flatten();
        let output = Command::new(&self.command)
            .args(self.args.iter().flatten())
            .envs(variables.map(|one| (&one.name, &one.value)))
            .env(EXEC_INFO, info.to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| failed(&format!("cannot be run: {}", chain(&error))))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(failed(&format!("failed with {}: {}", output.status, stderr.trim())));
        }
        let credential: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| failed(&format!("printed no ExecCredential: {error}")))?;
        credential["status"]["token"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| failed("printed no token"))
    }
}
