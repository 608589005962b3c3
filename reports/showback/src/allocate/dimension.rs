//! What a row of the table stands for: `team`, `namespace`, `label:app` …

use std::fmt;
use std::str::FromStr;

/// A part of a row's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The owner, by the rules of owners.
    Team,
    /// The namespace.
    Namespace,
    /// The cluster.
    Cluster,
    /// The top owner in Kubernetes, `Deployment/web`.
    Controller,
    /// The pod.
    Pod,
    /// The node it ran on.
    Node,
    /// The value of a label; of a pod without it the empty text.
    Label(String),
    /// The value of an annotation.
    Annotation(String),
}

/// Why a text names no dimension.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is nothing to group by: {}", Dimension::KNOWN)]
pub struct DimensionError {
    text: String,
}

impl Dimension {
    /// The names there are.
    pub const KNOWN: &'static str =
        "team, namespace, cluster, controller, pod, node, label:KEY, annotation:KEY";
}

impl FromStr for Dimension {
    type Err = DimensionError;

    fn from_str(text: &str) -> Result<Self, DimensionError> {
        Ok(match text.split_once(':') {
            Some(("label", key)) if !key.is_empty() => Self::Label(key.to_owned()),
            Some(("annotation", key)) if !key.is_empty() => Self::Annotation(key.to_owned()),
            Some(_) => return Err(DimensionError { text: text.to_owned() }),
            None => match text {
                "team" => Self::Team,
                "namespace" => Self::Namespace,
                "cluster" => Self::Cluster,
                "controller" => Self::Controller,
                "pod" => Self::Pod,
                "node" => Self::Node,
                _ => return Err(DimensionError { text: text.to_owned() }),
            },
        })
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Team => f.write_str("team"),
            Self::Namespace => f.write_str("namespace"),
            Self::Cluster => f.write_str("cluster"),
            Self::Controller => f.write_str("controller"),
            Self::Pod => f.write_str("pod"),
            Self::Node => f.write_str("node"),
            Self::Label(key) => write!(f, "label:{key}"),
            Self::Annotation(key) => write!(f, "annotation:{key}"),
        }
    }
}

/// Reads `team,namespace`; one that is named twice is taken once.
pub fn dimensions(text: &str) -> Result<Vec<Dimension>, DimensionError> {
    let mut read = Vec::new();
    for part in text.split(',') {
        let dimension: Dimension = part.trim().parse()?;
        if !read.contains(&dimension) {
            read.push(dimension);
        }
    }
    Ok(read)
}
