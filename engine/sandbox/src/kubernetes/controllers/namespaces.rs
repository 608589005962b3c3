//! What every namespace holds: its default service account, and the authority that pods trust.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::object;
use super::Cluster;
use crate::store::Transaction;

const AUTHORITY: &str = "kube-root-ca.crt";

pub(super) fn react(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    for namespace in cluster.see(transaction, "", "namespaces") {
        if object::is_deleting(&namespace) {
            continue;
        }
        let name = namespace["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if cluster.get(transaction, "", "serviceaccounts", &format!("{name}/default")).is_none() {
            let metadata = json!({"name": "default", "namespace": name});
            let account =
                json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
            cluster.put(transaction, "", "serviceaccounts", account);
        }
        if cluster.get(transaction, "", "configmaps", &format!("{name}/{AUTHORITY}")).is_none() {
            let pem = STANDARD.decode(&cluster.context.authority).unwrap_or_default();
            let map = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": AUTHORITY, "namespace": name},
                "data": {"ca.crt": String::from_utf8_lossy(&pem)},
            });
            cluster.put(transaction, "", "configmaps", map);
        }
    }
}
