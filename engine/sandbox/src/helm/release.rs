//! Releases in Helm's own format: one Secret per revision.
//!
//! `data.release` is base64 (the Secret's own) of base64 of gzip of JSON. A revision is kept as the
//! JSON it is, so that what another helm has written loses nothing when only its status changes.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::{Cluster, encoded};
use super::failure::Failure;

/// Revisions of a release that are kept.
pub(super) const HISTORY: usize = 10;
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];
const SECRET_TYPE: &str = "helm.sh/release.v1";

/// One revision of a release.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Release(Value);

impl Release {
    pub(super) fn new(document: Value) -> Self {
        Self(document)
    }

    pub(super) fn document(&self) -> &Value {
        &self.0
    }

    pub(super) fn name(&self) -> &str {
        self.0["name"].as_str().unwrap_or_default()
    }

    pub(super) fn namespace(&self) -> &str {
        self.0["namespace"].as_str().unwrap_or_default()
    }

    pub(super) fn revision(&self) -> u64 {
        self.0["version"].as_u64().unwrap_or_default()
    }

    pub(super) fn status(&self) -> &str {
        self.0["info"]["status"].as_str().unwrap_or_default()
    }

    pub(super) fn is_pending(&self) -> bool {
        self.status().starts_with("pending-")
    }

    pub(super) fn first_deployed(&self) -> Value {
        self.0["info"]["first_deployed"].clone()
    }

    pub(super) fn config(&self) -> &Value {
        &self.0["config"]
    }

    pub(super) fn manifest(&self) -> &str {
        self.0["manifest"].as_str().unwrap_or_default()
    }

    /// Sets the status; the description, when one is given.
    pub(super) fn set_status(&mut self, status: &str, description: Option<&str>) {
        self.0["info"]["status"] = json!(status);
        if let Some(description) = description {
            self.0["info"]["description"] = json!(description);
        }
    }

    /// Says when the release was removed.
    pub(super) fn set_deleted(&mut self, at: Timestamp) {
        self.0["info"]["deleted"] = json!(at.to_string());
    }

    fn secret_name(&self) -> String {
        format!("sh.helm.release.v1.{}.v{}", self.name(), self.revision())
    }

    fn secret(&self, labels: Value) -> Result<Value, Failure> {
        let mut secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": SECRET_TYPE,
            "metadata": {"name": self.secret_name(), "namespace": self.namespace(), "labels": labels},
            "data": {"release": encode(&self.0)?},
        });
        let labels = &mut secret["metadata"]["labels"];
        labels["owner"] = json!("helm");
        labels["name"] = json!(self.name());
        labels["status"] = json!(self.status());
        labels["version"] = json!(self.revision().to_string());
        Ok(secret)
    }
}

/// All revisions of a release, the oldest first.
pub(super) async fn history(
    cluster: &mut Cluster,
    namespace: &str,
    name: &str,
) -> Result<Vec<Release>, Failure> {
    let selector = encoded(&format!("owner=helm,name={name}"));
    let list = cluster.get(&format!("{}?labelSelector={selector}", secrets(namespace))).await?;
    let mut releases = Vec::new();
    for secret in list["items"].as_array().into_iter().flatten() {
        let secret_name = secret["metadata"]["name"].as_str().unwrap_or_default();
        let document = decode(secret).map_err(|problem| {
            Failure::told(format!("release in Secret \"{secret_name}\" cannot be read: {problem}"))
        })?;
        releases.push(Release(document));
    }
    releases.sort_by_key(Release::revision);
    Ok(releases)
}

/// Writes a new revision, after it has made room for it among `history`.
pub(super) async fn create(
    cluster: &mut Cluster,
    release: &Release,
    history: &[Release],
    now: Timestamp,
) -> Result<(), Failure> {
    let excess = (history.len() + 1).saturating_sub(HISTORY);
    // What is deployed is never forgotten, however old it is.
    let old = history.iter().filter(|one| one.status() != "deployed").take(excess);
    for one in old {
        remove(cluster, one).await?;
    }
    let secret = release.secret(json!({"createdAt": now.as_second().to_string()}))?;
    let created = cluster.post(&secrets(release.namespace()), &secret).await;
    created.map(drop).map_err(|failure| {
        if failure.already_exists() {
            return Failure::told("release: already exists");
        }
        failure.about("create: failed to create")
    })
}

/// Writes a revision again, with another status.
pub(super) async fn update(
    cluster: &mut Cluster,
    release: &Release,
    now: Timestamp,
) -> Result<(), Failure> {
    let path = format!("{}/{}", secrets(release.namespace()), encoded(&release.secret_name()));
    let there = cluster.get(&path).await;
    let there = there.map_err(|failure| failure.about("update: failed to update"))?;
    let mut labels = there["metadata"]["labels"].clone();
    labels["modifiedAt"] = json!(now.as_second().to_string());
    let mut secret = release.secret(labels)?;
    secret["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"].clone();
    let updated = cluster.put(&path, &secret).await;
    updated.map(drop).map_err(|failure| failure.about("update: failed to update"))
}

/// Forgets a revision.
pub(super) async fn remove(cluster: &mut Cluster, release: &Release) -> Result<(), Failure> {
    let path = format!("{}/{}", secrets(release.namespace()), encoded(&release.secret_name()));
    match cluster.delete(&path).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.is_not_found() => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn secrets(namespace: &str) -> String {
    format!("/api/v1/namespaces/{}/secrets", encoded(namespace))
}

fn encode(document: &Value) -> Result<String, Failure> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder
        .write_all(document.to_string().as_bytes())
        .and_then(|()| encoder.finish())
        .map_err(|error| Failure::told(format!("failed to pack the release: {error}")))?;
    Ok(STANDARD.encode(STANDARD.encode(packed)))
}

fn decode(secret: &Value) -> Result<Value, String> {
    let data = secret["data"]["release"].as_str().ok_or("it has no data.release")?;
    let inner = STANDARD.decode(data).map_err(|error| error.to_string())?;
    let packed = STANDARD.decode(inner.trim_ascii()).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    if packed.starts_with(&GZIP) {
        let mut decoder = GzDecoder::new(packed.as_slice());
        decoder.read_to_end(&mut text).map_err(|error| error.to_string())?;
    } else {
        text = packed;
    }
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}
