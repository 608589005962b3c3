//! From apiVersion and kind to a resource: its path, and whether it has namespaces.
//!
//! The server is asked once per group version and the answer kept. What is not found is never kept:
//! a custom resource appears some seconds after its definition was made.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

use super::reference::Kind;

/// A resource that the server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its group; empty for the core group.
    pub group: String,
    /// Its version.
    pub version: String,
    /// Its kind.
    pub kind: String,
    /// Its name in paths.
    pub plural: String,
    /// Whether its objects have a namespace.
    pub namespaced: bool,
}

impl Resource {
    pub(crate) fn core(plural: &str, kind: &str, namespaced: bool) -> Self {
        Self {
            group: String::new(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespaced,
        }
    }

    /// `/api/v1`, `/apis/apps/v1`.
    pub(crate) fn group_version_path(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }
}

/// The path that lists a kind's group version.
pub(crate) fn path_of(kind: &Kind) -> String {
    if kind.group().is_empty() {
        format!("/api/{}", kind.version())
    } else {
        format!("/apis/{}", kind.api_version)
    }
}

/// The resources of one group version, from its `APIResourceList`. Subresources are left out.
pub(crate) fn resources(api_version: &str, list: &Value) -> Vec<Resource> {
    let group_version = Kind::new(api_version, "");
    let entries = list.get("resources").and_then(Value::as_array);
    entries
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let plural = entry.get("name")?.as_str().filter(|name| !name.contains('/'))?;
            Some(Resource {
                group: group_version.group().to_owned(),
                version: group_version.version().to_owned(),
                kind: entry.get("kind")?.as_str()?.to_owned(),
                plural: plural.to_owned(),
                namespaced: entry.get("namespaced").and_then(Value::as_bool).unwrap_or_default(),
            })
        })
        .collect()
}

/// What has been learnt so far.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<BTreeMap<Kind, Resource>>);

impl Known {
    pub(crate) fn get(&self, kind: &Kind) -> Option<Resource> {
        self.lock().get(kind).cloned()
    }

    pub(crate) fn learn(&self, api_version: &str, resources: Vec<Resource>) {
        let mut known = self.lock();
        for resource in resources {
            known.insert(Kind::new(api_version, resource.kind.clone()), resource);
        }
    }

    /// Forgets a kind that turned out not to be served any more.
    pub(crate) fn forget(&self, kind: &Kind) {
        self.lock().remove(kind);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Kind, Resource>> {
        // The map is whole after every statement, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
