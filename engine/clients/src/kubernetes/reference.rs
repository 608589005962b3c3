//! What names an object: apiVersion, kind, namespace, name.

use std::fmt;

use serde_json::Value;

/// A kind of object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// For example `v1` or `karpenter.sh/v1`.
    pub api_version: String,
    /// For example `Pod` or `NodePool`.
    pub kind: String,
}

impl Kind {
    /// A kind.
    pub fn new(api_version: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { api_version: api_version.into(), kind: kind.into() }
    }

    /// The group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The version within the group.
    pub fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(&self.api_version, |(_, version)| version)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.api_version, self.kind)
    }
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; `None` for kinds without one, and for `default` otherwise.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// Why a manifest names no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the manifest has no `{field}`")]
pub struct ReferenceError {
    /// The field that is missing or no text.
    pub field: &'static str,
}

impl Reference {
    /// An object.
    pub fn new(kind: Kind, namespace: Option<&str>, name: impl Into<String>) -> Self {
        Self { kind, namespace: namespace.map(str::to_owned), name: name.into() }
    }

    /// What a manifest or a live object names.
    pub fn of(manifest: &Value) -> Result<Self, ReferenceError> {
        let text = |pointer: &str, field: &'static str| {
            let value = manifest.pointer(pointer).and_then(Value::as_str);
            value.filter(|text| !text.is_empty()).ok_or(ReferenceError { field })
        };
        Ok(Self {
            kind: Kind::new(text("/apiVersion", "apiVersion")?, text("/kind", "kind")?),
            namespace: text("/metadata/namespace", "metadata.namespace").ok().map(str::to_owned),
            name: text("/metadata/name", "metadata.name")?.to_owned(),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", self.kind.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "{namespace}/")?;
        }
        formatter.write_str(&self.name)
    }
}
