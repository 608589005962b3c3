//! What other programs need in order to talk to a served world: variables and kubeconfig files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Variables for clients of AWS, from the description of a world.
pub fn of(world: &Value) -> Vec<(String, String)> {
    let text = |name: &str| world[name].as_str().unwrap_or_default().to_owned();
    [
        ("AWS_ENDPOINT_URL", text("aws_endpoint")),
        ("AWS_ACCESS_KEY_ID", text("access_key_id")),
        ("AWS_SECRET_ACCESS_KEY", text("secret_access_key")),
        ("AWS_REGION", text("region")),
        ("AWS_DEFAULT_REGION", text("region")),
        // Without these a client with no network asks the machine it runs on, and waits.
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_PAGER", String::new()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// A kubeconfig in the making.
pub(crate) struct Kubeconfig<'a> {
    pub(crate) name: &'a str,
    pub(crate) server: &'a str,
    /// The authority's certificate, PEM.
    pub(crate) authority: &'a str,
    pub(crate) cluster: &'a str,
    pub(crate) region: &'a str,
}

impl Kubeconfig<'_> {
    /// The file's text: JSON, which is YAML too.
    pub(crate) fn text(&self) -> String {
        let exec = json!({
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "runbook",
            "args": ["eks-token", "--cluster", self.cluster, "--region", self.region],
            "interactiveMode": "Never",
        });
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": {
                "server": self.server,
                "certificate-authority-data": STANDARD.encode(self.authority),
            }}],
            "users": [{"name": self.name, "user": {"exec": exec}}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": self.name}}],
            "current-context": self.name,
        });
        format!("{config:#}\n")
    }
}
