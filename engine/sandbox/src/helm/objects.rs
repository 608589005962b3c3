//! A release's objects: their order, the manifest they are kept in, and whose they are.

use serde_json::{Value, json};

use super::failure::Failure;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const RELEASE_NAME: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// What comes before what when a release is installed; other kinds come last, as does what uses
/// all the rest.
const ORDER: [&str; 27] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "DaemonSet",
    "Deployment",
    "StatefulSet",
    "Job",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) api_version: String,
    pub(super) kind: String,
    /// Empty for objects of the cluster.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Identity {
    pub(super) fn of(object: &Value) -> Self {
        let text = |pointer: &str| {
            object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Self {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        }
    }

    /// Whether both are the same object, whatever the version of its kind.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let group = |version: &str| version.split_once('/').map(|(group, _)| group.to_owned());
        self.kind == other.kind
            && self.namespace == other.namespace
            && self.name == other.name
            && group(&self.api_version) == group(&other.api_version)
    }

    /// As helm names an object that is in the way.
    pub(super) fn described(&self) -> String {
        format!("{} \"{}\" in namespace \"{}\"", self.kind, self.name, self.namespace)
    }
}

/// An object of a chart, and the template it stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rendered {
    pub(super) source: &'static str,
    pub(super) object: Value,
}

/// In the order in which they are installed.
pub(super) fn sort(objects: &mut [Rendered]) {
    objects.sort_by_key(|one| {
        let kind = one.object["kind"].as_str().unwrap_or_default();
        ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len())
    });
}

/// The manifest that a release keeps: YAML, one document per object.
pub(super) fn manifest(chart: &str, objects: &[Rendered]) -> Result<String, Failure> {
    let mut text = String::new();
    for Rendered { source, object } in objects {
        let yaml = serde_saphyr::to_string(object)
            .map_err(|error| Failure::told(format!("failed to write the manifest: {error}")))?;
        text.push_str(&format!("---\n# Source: {chart}/{source}\n{}\n", yaml.trim_end()));
    }
    Ok(text)
}

/// The objects of a manifest.
pub(super) fn parse(manifest: &str) -> Result<Vec<Value>, Failure> {
    let mut documents = vec![String::new()];
    for line in manifest.lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    let has_content = |document: &String| {
        document.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    };
    documents
        .iter()
        .filter(|document| has_content(document))
        .map(|document| {
            serde_saphyr::from_str(document).map_err(|error| {
                Failure::told(format!("the release's manifest cannot be read: {error}"))
            })
        })
        .collect()
}

/// Marks an object as one of a release.
pub(super) fn mark(object: &mut Value, release: &str, namespace: &str) {
    object["metadata"]["labels"][MANAGED_BY] = json!("Helm");
    object["metadata"]["annotations"][RELEASE_NAME] = json!(release);
    object["metadata"]["annotations"][RELEASE_NAMESPACE] = json!(namespace);
}

/// Whether an object that is there belongs to the release; in helm's words why it does not.
pub(super) fn check_owner(there: &Value, release: &str, namespace: &str) -> Result<(), String> {
    let wanted = [
        ("label", &there["metadata"]["labels"], MANAGED_BY, "Helm"),
        ("annotation", &there["metadata"]["annotations"], RELEASE_NAME, release),
        ("annotation", &there["metadata"]["annotations"], RELEASE_NAMESPACE, namespace),
    ];
    let problems: Vec<String> = wanted
        .into_iter()
        .filter_map(|(word, map, key, value)| match map[key].as_str() {
            Some(found) if found == value => None,
            Some(found) => Some(format!(
                "{word} validation error: key \"{key}\" must equal \"{value}\": current value is \"{found}\""
            )),
            None => Some(format!(
                "{word} validation error: missing key \"{key}\": must be set to \"{value}\""
            )),
        })
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} exists and cannot be imported into the current release: invalid ownership metadata; {}",
        Identity::of(there).described(),
        problems.join("; ")
    ))
}

/// Whether an object stays when its release goes.
pub(super) fn is_kept(object: &Value) -> bool {
    object["metadata"]["annotations"][RESOURCE_POLICY] == "keep"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "n"}})
    }

    #[test]
    fn a_manifest_keeps_texts_that_look_like_something_else() {
        let texts =
            ["true", "0", "1.14.1", "", "a: b", "- a", "~", "2026-11-25", "0x1f", "a #b", "n"];
        let mut odd = object("ConfigMap", "odd");
        odd["data"] = texts.iter().map(|text| ((*text).to_owned(), json!(text))).collect();
        odd["more"] =
            json!({"lines": "a\n---\nb\n", "list": [], "map": {}, "number": 1, "yes": true});
        let rendered = [
            Rendered { source: "templates/odd.yaml", object: odd },
            Rendered { source: "templates/account.yaml", object: object("ServiceAccount", "a") },
        ];
        let text = manifest("odd", &rendered).unwrap();
        assert!(text.starts_with("---\n# Source: odd/templates/odd.yaml\n"), "{text}");
        let objects: Vec<Value> = rendered.iter().map(|one| one.object.clone()).collect();
        assert_eq!(parse(&text).unwrap(), objects, "{text}");
    }

    #[test]
    fn what_others_need_comes_first() {
        let kinds = ["IngressClassParams", "Deployment", "Service", "Secret", "ServiceAccount"];
        let mut objects: Vec<Rendered> =
            kinds.iter().map(|kind| Rendered { source: "", object: object(kind, "a") }).collect();
        sort(&mut objects);
        let sorted: Vec<&str> =
            objects.iter().filter_map(|one| one.object["kind"].as_str()).collect();
        assert_eq!(
            sorted,
            ["ServiceAccount", "Secret", "Service", "Deployment", "IngressClassParams"]
        );
    }

    #[test]
    fn what_is_somebody_elses_is_told_in_helms_words() {
        let mut there = object("ServiceAccount", "a");
        there["metadata"]["labels"] = json!({MANAGED_BY: "eksctl"});
        there["metadata"]["annotations"] = json!({RELEASE_NAME: "r"});
        assert_eq!(
            check_owner(&there, "r", "n").unwrap_err(),
            "ServiceAccount \"a\" in namespace \"n\" exists and cannot be imported into the \
             current release: invalid ownership metadata; label validation error: key \
             \"app.kubernetes.io/managed-by\" must equal \"Helm\": current value is \"eksctl\"; \
             annotation validation error: missing key \"meta.helm.sh/release-namespace\": must be \
             set to \"n\""
        );
        mark(&mut there, "r", "n");
        assert_eq!(check_owner(&there, "r", "n"), Ok(()));
    }
}
