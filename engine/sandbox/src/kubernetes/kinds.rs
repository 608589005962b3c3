//! The kinds a cluster serves: those of the tables, and those that its definitions add.

use std::sync::LazyLock;

use serde_json::Value;

use crate::store::Transaction;

const TABLE: &str = include_str!("../../data/kubernetes_resources.csv");

/// A kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) singular: String,
    pub(super) kind: String,
    pub(super) namespaced: bool,
    pub(super) verbs: Vec<String>,
    pub(super) short_names: Vec<String>,
    pub(super) categories: Vec<String>,
    /// Subresources beside the object itself.
    pub(super) subresources: Vec<String>,
    /// The schema of a custom resource.
    pub(super) definition: Option<Value>,
}

impl Kind {
    /// `apps/v1`, or `v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    pub(super) fn collection(&self, cluster: &str) -> String {
        super::collection(cluster, &self.group, &self.plural)
    }

    /// `deployments.apps`, as errors name it.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

/// The kinds of the tables.
pub(super) fn built_in() -> &'static [Kind] {
    static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(read);
    &KINDS
}

/// Versions that are not served: what a stock cluster has switched off, or nobody asks for here.
fn served(group_version: &str) -> bool {
    group_version == "api/v1" || (group_version.ends_with("/v1") || group_version.ends_with("/v2"))
}

fn read() -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    let rows = TABLE.lines().skip(2).map(|line| line.split(',').collect::<Vec<_>>());
    let words = |text: Option<&&str>| -> Vec<String> {
        text.unwrap_or(&"").split_whitespace().map(str::to_owned).collect()
    };
    for row in rows.filter(|row| row.len() >= 8 && served(row[0])) {
        let group_version = row[0].trim_start_matches("api/").trim_start_matches("apis/");
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        if let Some((plural, sub)) = row[1].split_once('/') {
            if let Some(kind) =
                kinds.iter_mut().find(|kind| kind.group == group && kind.plural == plural)
            {
                kind.subresources.push(sub.to_owned());
            }
            continue;
        }
        kinds.push(Kind {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: row[1].to_owned(),
            singular: row[2].to_owned(),
            kind: row[3].to_owned(),
            namespaced: row[4] == "True",
            verbs: words(row.get(5)),
            short_names: words(row.get(6)),
            categories: words(row.get(7)),
            subresources: Vec::new(),
            definition: None,
        });
    }
    for kind in &mut kinds {
        let subs: &[&str] = match kind.plural.as_str() {
            "deployments" | "replicasets" | "statefulsets" => &["status", "scale"],
            "pods" => &["status", "eviction", "log", "exec", "portforward"],
            "serviceaccounts" => &["token"],
            "namespaces" => &["status", "finalize"],
            _ => &["status"],
        };
        for sub in subs {
            if !kind.subresources.iter().any(|one| one == sub) {
                kind.subresources.push((*sub).to_owned());
            }
        }
    }
    kinds
}

/// All kinds of a cluster.
pub(super) fn all(transaction: &Transaction<'_>, cluster: &str) -> Vec<Kind> {
    let mut kinds = built_in().to_vec();
    for definition in
        super::list(transaction, cluster, "apiextensions.k8s.io", "customresourcedefinitions")
    {
        kinds.extend(defined(&definition));
    }
    kinds
}

/// A kind of a cluster, by its place in the API.
pub(super) fn find(
    transaction: &Transaction<'_>,
    cluster: &str,
    group: &str,
    version: &str,
    plural: &str,
) -> Option<Kind> {
    let built_in = built_in()
        .iter()
        .find(|kind| kind.group == group && kind.version == version && kind.plural == plural);
    if let Some(kind) = built_in {
        return Some(kind.clone());
    }
    let definition = super::get(
        transaction,
        cluster,
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        &format!("{plural}.{group}"),
    )?;
    defined(&definition).into_iter().find(|kind| kind.version == version)
}

/// The kinds of an established definition, one per served version.
fn defined(definition: &Value) -> Vec<Kind> {
    let established = definition["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Established" && one["status"] == "True");
    if !established {
        return Vec::new();
    }
    let spec = &definition["spec"];
    let names = &spec["names"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts =
        |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    spec["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|version| version["served"] != false)
        .map(|version| Kind {
            group: text(&spec["group"]),
            version: text(&version["name"]),
            plural: text(&names["plural"]),
            singular: names["singular"]
                .as_str()
                .map_or_else(|| text(&names["kind"]).to_lowercase(), str::to_owned),
            kind: text(&names["kind"]),
            namespaced: spec["scope"] == "Namespaced",
            verbs: [
                "create",
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "update",
                "watch",
            ]
            .map(str::to_owned)
            .to_vec(),
            short_names: texts(&names["shortNames"]),
            categories: texts(&names["categories"]),
            subresources: version["subresources"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone())
                .collect(),
            definition: Some(version.clone()),
        })
        .collect()
}
