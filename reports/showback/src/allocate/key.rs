//! The key of a row, from what is known of a pod.
//!
//! Equal names in two clusters are two things. Where a report has several clusters and its key has none,
//! the first of namespace, controller, pod and node carries it: `myeks/payments`, with account and region
//! where two clusters have one name. For the same reason a controller or a pod carries its namespace
//! (`shop/Deployment/web`) where that is not in the key. Teams, labels and annotations are meant to reach
//! over clusters and do not.
//!
//! Rows that are kept apart have only what they have: the cluster, the node of idle cost and of overhead,
//! the name of a shared cost in the first part of the key that is neither.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Dimension;
use super::rules::plain;
use super::stay::Holder;
use crate::observed::ClusterId;

/// What a label or an annotation says, made safe to show as owners' names are.
fn told(said: &BTreeMap<String, String>, key: &str) -> String {
    said.get(key).map(|value| plain(value)).unwrap_or_default()
}

pub(super) struct Keys<'a> {
    by: &'a [Dimension],
    /// The clusters as they are written.
    clusters: Vec<String>,
    /// Which part carries the cluster.
    carrier: Option<usize>,
    has_namespace: bool,
}

impl<'a> Keys<'a> {
    pub(super) fn new(by: &'a [Dimension], clusters: &[Arc<ClusterId>]) -> Self {
        let is_twice =
            |id: &ClusterId| clusters.iter().filter(|one| one.name == id.name).count() > 1;
        let written = clusters
            .iter()
            .map(|id| if is_twice(id) { id.to_string() } else { id.name.clone() })
            .collect();
        let needs_carrier = clusters.len() > 1 && !by.contains(&Dimension::Cluster);
        let carries = |dimension: &Dimension| {
            matches!(
                dimension,
                Dimension::Namespace | Dimension::Controller | Dimension::Pod | Dimension::Node
            )
        };
        let carrier = by.iter().position(carries).filter(|_| needs_carrier);
        Self { by, clusters: written, carrier, has_namespace: by.contains(&Dimension::Namespace) }
    }

    /// The row of a holder's pod.
    pub(super) fn of_holder(&self, holder: &Holder) -> Vec<String> {
        let pod = &holder.pod;
        let within = |name: String| {
            if self.has_namespace { name } else { format!("{}/{name}", pod.namespace) }
        };
        let value = |dimension: &Dimension| match dimension {
            Dimension::Team => pod.owner.to_string(),
            Dimension::Namespace => pod.namespace.clone(),
            Dimension::Cluster => self.clusters[holder.cluster].clone(),
            Dimension::Controller => within(match &pod.controller {
                Some(owner) => format!("{}/{}", owner.kind, owner.name),
                None => format!("Pod/{}", pod.name),
            }),
            Dimension::Pod => within(pod.name.clone()),
            Dimension::Node => holder.node.to_string(),
            Dimension::Label(key) => told(&pod.labels, key),
            Dimension::Annotation(key) => told(&holder.annotations, key),
        };
        let mut key: Vec<String> = self.by.iter().map(value).collect();
        if let Some(carrier) = self.carrier {
            key[carrier] = format!("{}/{}", self.clusters[holder.cluster], key[carrier]);
        }
        key
    }

    /// A row that is kept apart.
    pub(super) fn apart(
        &self,
        cluster: usize,
        node: Option<&str>,
        name: Option<&str>,
    ) -> Vec<String> {
        let is_place =
            |dimension: &Dimension| matches!(dimension, Dimension::Cluster | Dimension::Node);
        let named = self.by.iter().position(|dimension| !is_place(dimension));
        let value = |(index, dimension): (usize, &Dimension)| match dimension {
            Dimension::Cluster => self.clusters[cluster].clone(),
            Dimension::Node => node.unwrap_or_default().to_owned(),
            _ if Some(index) == named => name.unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        let mut key: Vec<String> = self.by.iter().enumerate().map(value).collect();
        if let (Some(carrier), Some(_)) = (self.carrier, node)
            && self.by[carrier] == Dimension::Node
        {
            key[carrier] = format!("{}/{}", self.clusters[cluster], key[carrier]);
        }
        key
    }

    /// Whether rows tell owners apart.
    pub(super) fn has_team(&self) -> bool {
        self.by.contains(&Dimension::Team)
    }

    /// The row of an owner without any pod; none where rows do not tell owners apart.
    pub(super) fn of_owner(&self, owner: &str) -> Option<Vec<String>> {
        let value = |dimension: &Dimension| match dimension {
            Dimension::Team => owner.to_owned(),
            _ => String::new(),
        };
        self.has_team().then(|| self.by.iter().map(value).collect())
    }
}
