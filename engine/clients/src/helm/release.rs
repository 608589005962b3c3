//! What a release is, read from the Secret in which Helm keeps it.
//!
//! Each revision is a Secret `sh.helm.release.v1.NAME.vN` with `data.release` = base64 of base64 of
//! gzip of JSON (the outer base64 is the Secret's own). Old releases are not compressed. The
//! highest revision counts, whatever its status.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::kubernetes::{Connection, Kind, Reference, Selection};

/// The largest release that is unpacked: many times what a Secret can hold.
const UNPACKED_LIMIT: u64 = 64 << 20;
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

/// A release.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Which revision this is.
    pub revision: u64,
    /// How it is.
    pub status: Status,
    /// What the last change said about itself.
    pub description: String,
    /// The chart's name.
    pub chart: String,
    /// The chart's version.
    pub chart_version: String,
    /// The version of what the chart installs.
    pub app_version: Option<String>,
    /// The values that the user gave; keys are sorted.
    pub values: Value,
    /// When this revision was made.
    pub deployed_at: Option<Timestamp>,
}

/// How a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nobody knows.
    Unknown,
    /// Installed.
    Deployed,
    /// Removed, its history kept.
    Uninstalled,
    /// Replaced by a newer revision.
    Superseded,
    /// The last change failed; the next one starts over.
    Failed,
    /// Being removed.
    Uninstalling,
    /// An installation runs, or was cut off.
    PendingInstall,
    /// An upgrade runs, or was cut off.
    PendingUpgrade,
    /// A rollback runs, or was cut off.
    PendingRollback,
}

impl Status {
    fn from_helm(text: &str) -> Self {
        match text {
            "deployed" => Self::Deployed,
            "uninstalled" => Self::Uninstalled,
            "superseded" => Self::Superseded,
            "failed" => Self::Failed,
            "uninstalling" => Self::Uninstalling,
            "pending-install" => Self::PendingInstall,
            "pending-upgrade" => Self::PendingUpgrade,
            "pending-rollback" => Self::PendingRollback,
            _ => Self::Unknown,
        }
    }

    /// Helm's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
        }
    }

    /// Whether another helm works on it, or was cut off while it did. Helm refuses to touch it.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback)
    }
}

/// Why a release could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The cluster did not give it.
    #[error("{0}")]
    Request(#[from] Error),
    /// It is there and makes no sense.
    #[error("the release in Secret `{namespace}/{secret}` cannot be read: {problem}")]
    Damaged {
        /// The Secret's namespace.
        namespace: String,
        /// The Secret.
        secret: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The newest revision of a release; `None` when there is none.
pub async fn observe(
    connection: &Connection,
    namespace: &str,
    name: &str,
) -> Result<Option<Release>, ReadError> {
    let selection = Selection::namespace(namespace).labels(format!("owner=helm,name={name}"));
    let Some((_, secret)) = newest_revision(connection, &selection).await? else {
        return Ok(None);
    };
    let reference = Reference::new(secret_kind(), Some(namespace), &secret);
    let Some(object) = connection.get(&reference).await? else { return Ok(None) };
    decode(&object).map(Some).map_err(|problem| ReadError::Damaged {
        namespace: namespace.to_owned(),
        secret,
        problem,
    })
}

/// The Secret of the revision that is in the way when [`Status::is_pending`], for its deletion.
pub async fn newest_secret(
    connection: &Connection,
    namespace: &str,
    name: &str,
) -> Result<Option<Reference>, ReadError> {
    let selection = Selection::namespace(namespace).labels(format!("owner=helm,name={name}"));
    let newest = newest_revision(connection, &selection).await?;
    Ok(newest.map(|(_, secret)| Reference::new(secret_kind(), Some(namespace), secret)))
}

/// A release carries up to ten revisions of some hundred kilobytes each, so their names are read
/// first.
async fn newest_revision(
    connection: &Connection,
    selection: &Selection,
) -> Result<Option<(u64, String)>, Error> {
    let secrets = connection.list_metadata(&secret_kind(), selection).await?;
    Ok(secrets
        .iter()
        .filter_map(|secret| {
            let name = secret.pointer("/metadata/name")?.as_str()?;
            let revision = name.rsplit_once(".v")?.1.parse().ok()?;
            name.starts_with("sh.helm.release.v1.").then(|| (revision, name.to_owned()))
        })
        .max())
}

fn secret_kind() -> Kind {
    Kind::new("v1", "Secret")
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    version: u64,
    #[serde(default)]
    info: StoredInfo,
    chart: StoredChart,
    #[serde(default)]
    config: Value,
}

#[derive(Default, Deserialize)]
struct StoredInfo {
    #[serde(default)]
    status: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    last_deployed: String,
}

#[derive(Deserialize)]
struct StoredChart {
    metadata: StoredMetadata,
}

#[derive(Deserialize)]
struct StoredMetadata {
    name: String,
    version: String,
    #[serde(default, rename = "appVersion")]
    app_version: Option<String>,
}

/// The release in a Secret.
pub fn decode(secret: &Value) -> Result<Release, String> {
    let data = secret
        .pointer("/data/release")
        .and_then(Value::as_str)
        .ok_or("it has no `data.release`")?;
    let inner = STANDARD.decode(data.trim()).map_err(|error| format!("no base64: {error}"))?;
    let packed = STANDARD
        .decode(inner.trim_ascii())
        .map_err(|error| format!("no base64 within the base64: {error}"))?;
    let json = if packed.starts_with(&GZIP) {
        let mut unpacked = Vec::new();
        GzDecoder::new(packed.as_slice())
            .take(UNPACKED_LIMIT + 1)
            .read_to_end(&mut unpacked)
            .map_err(|error| format!("no gzip: {error}"))?;
        if unpacked.len() as u64 > UNPACKED_LIMIT {
            return Err(format!("it unpacks to more than {} MiB", UNPACKED_LIMIT >> 20));
        }
        unpacked
    } else {
        packed
    };
    let stored: Stored =
        serde_json::from_slice(&json).map_err(|error| format!("no release: {error}"))?;
    let values = match stored.config {
        Value::Null => Value::Object(serde_json::Map::new()),
        values => values,
    };
    Ok(Release {
        name: stored.name,
        namespace: stored.namespace,
        revision: stored.version,
        status: Status::from_helm(&stored.info.status),
        description: stored.info.description,
        chart: stored.chart.metadata.name,
        chart_version: stored.chart.metadata.version,
        app_version: stored.chart.metadata.app_version,
        values: crate::canonical(values),
        deployed_at: stored.info.last_deployed.parse().ok(),
    })
}
