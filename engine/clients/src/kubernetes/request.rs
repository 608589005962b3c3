//! Requests as values: method, path and query, body and class, built without sending anything.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::discovery::Resource;
use super::objects::{ApplyConflicts, Deletion, Selection};
use super::{FIELD_MANAGER, SERVICE};
use crate::request::{Operation, RequestClass};

const JSON: &str = "application/json";
/// Everything but the unreserved characters of RFC 3986 is encoded.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Objects a page: what kubectl asks for.
const PAGE: &str = "500";
/// How long a watch lasts: less than a connection may be silent.
const WATCH_SECONDS: &str = "50";

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    /// Path with query.
    pub(crate) path: String,
    pub(crate) accept: &'static str,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Option<Vec<u8>>,
}

/// How a patch says what it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patch {
    Apply(ApplyConflicts),
    Merge,
    Json,
}

impl Patch {
    fn content_type(self) -> &'static str {
        match self {
            Self::Apply(_) => "application/apply-patch+yaml",
            Self::Merge => "application/merge-patch+json",
            Self::Json => "application/json-patch+json",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Apply(_) => "APPLY",
            Self::Merge | Self::Json => "PATCH",
        }
    }
}

/// The form of a list's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Whole objects.
    Objects,
    /// Their metadata, where the server can; whole objects where not.
    Metadata,
    /// As kubectl prints them.
    Table,
}

impl Form {
    fn accept(self) -> &'static str {
        match self {
            Self::Objects => JSON,
            Self::Metadata => {
                "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
            }
            Self::Table => "application/json;as=Table;v=v1;g=meta.k8s.io",
        }
    }
}

/// GET of a path that is no resource: `/version`, `/readyz`, discovery.
pub(crate) fn get_path(path: &str) -> Request {
    bare(Method::GET, format!("GET {path}"), RequestClass::Read, path.to_owned())
}

/// GET of one object.
pub(crate) fn get(resource: &Resource, namespace: Option<&str>, name: &str) -> Request {
    let path = object_path(resource, namespace, name);
    bare(Method::GET, title("GET", resource, namespace, Some(name)), RequestClass::Read, path)
}

/// One page of a list.
pub(crate) fn list(
    resource: &Resource,
    selection: &Selection,
    form: Form,
    page: Option<&str>,
) -> Request {
    let namespace = selection.namespace.as_deref();
    let mut query = Query::default();
    query.add_some("labelSelector", selection.labels.as_deref());
    query.add_some("fieldSelector", selection.fields.as_deref());
    query.add("limit", PAGE);
    query.add_some("continue", page);
    let path = query.after(collection_path(resource, namespace));
    let operation = title("LIST", resource, namespace, None);
    let mut request = bare(Method::GET, operation, RequestClass::Read, path);
    request.accept = form.accept();
    request
}

/// A watch from a version on, which the server ends after a while.
pub(crate) fn watch(resource: &Resource, selection: &Selection, from: &str) -> Request {
    let namespace = selection.namespace.as_deref();
    let mut query = Query::default();
    query.add_some("labelSelector", selection.labels.as_deref());
    query.add_some("fieldSelector", selection.fields.as_deref());
    query.add("watch", "true");
    query.add("allowWatchBookmarks", "true");
    query.add("timeoutSeconds", WATCH_SECONDS);
    query.add("resourceVersion", from);
    let path = query.after(collection_path(resource, namespace));
    bare(Method::GET, title("WATCH", resource, namespace, None), RequestClass::Read, path)
}

/// POST of a new object.
pub(crate) fn create(
    resource: &Resource,
    namespace: Option<&str>,
    manifest: &Value,
    class: RequestClass,
) -> Request {
    let mut query = Query::written(class);
    query.add("fieldManager", FIELD_MANAGER);
    let path = query.after(collection_path(resource, namespace));
    let name = manifest.pointer("/metadata/name").and_then(Value::as_str);
    let operation = title("CREATE", resource, namespace, name);
    with_body(bare(Method::POST, operation, class, path), JSON, manifest)
}

/// PATCH of an object.
pub(crate) fn patch(
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
    kind: Patch,
    (body, class): (&Value, RequestClass),
) -> Request {
    let mut query = Query::written(class);
    query.add("fieldManager", FIELD_MANAGER);
    if let Patch::Apply(conflicts) = kind {
        query.add("force", if conflicts == ApplyConflicts::Force { "true" } else { "false" });
    }
    let path = query.after(object_path(resource, namespace, name));
    let operation = title(kind.verb(), resource, namespace, Some(name));
    with_body(bare(Method::PATCH, operation, class, path), kind.content_type(), body)
}

/// DELETE of an object.
pub(crate) fn delete(
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
    deletion: &Deletion,
) -> Request {
    let mut preconditions = serde_json::Map::new();
    if let Some(uid) = &deletion.uid {
        preconditions.insert("uid".to_owned(), uid.clone().into());
    }
    if let Some(version) = &deletion.resource_version {
        preconditions.insert("resourceVersion".to_owned(), version.clone().into());
    }
    let mut options = serde_json::json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": deletion.propagation.as_str(),
    });
    if !preconditions.is_empty() {
        options["preconditions"] = preconditions.into();
    }
    let path = object_path(resource, namespace, name);
    let operation = title("DELETE", resource, namespace, Some(name));
    with_body(bare(Method::DELETE, operation, RequestClass::Write, path), JSON, &options)
}

/// POST of an eviction.
pub(crate) fn evict(namespace: &str, pod: &str) -> Request {
    let pods = Resource::core("pods", "Pod", true);
    let path = format!("{}/eviction", object_path(&pods, Some(namespace), pod));
    let eviction = serde_json::json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    });
    let operation = title("EVICT", &pods, Some(namespace), Some(pod));
    with_body(bare(Method::POST, operation, RequestClass::Write, path), JSON, &eviction)
}

/// POST of a review: a question that is put as an object. It changes nothing.
pub(crate) fn review(path: &str, body: &Value) -> Request {
    let request = bare(Method::POST, format!("REVIEW {path}"), RequestClass::Read, path.to_owned());
    with_body(request, JSON, body)
}

fn bare(method: Method, name: String, class: RequestClass, path: String) -> Request {
    Request {
        operation: Operation { service: SERVICE, name, class },
        method,
        path,
        accept: JSON,
        content_type: None,
        body: None,
    }
}

fn with_body(request: Request, content_type: &'static str, body: &Value) -> Request {
    Request {
        content_type: Some(content_type),
        body: Some(body.to_string().into_bytes()),
        ..request
    }
}

/// `PATCH deployments.apps/kube-system/coredns`.
fn title(verb: &str, resource: &Resource, namespace: Option<&str>, name: Option<&str>) -> String {
    let mut title = format!("{verb} {}", resource.plural);
    if !resource.group.is_empty() {
        title.push('.');
        title.push_str(&resource.group);
    }
    for part in [namespace, name].into_iter().flatten() {
        title.push('/');
        title.push_str(part);
    }
    title
}

fn collection_path(resource: &Resource, namespace: Option<&str>) -> String {
    let mut path = resource.group_version_path();
    if let Some(namespace) = namespace.filter(|_| resource.namespaced) {
        path.push_str("/namespaces/");
        path.extend(utf8_percent_encode(namespace, COMPONENT));
    }
    path.push('/');
    path.push_str(&resource.plural);
    path
}

fn object_path(resource: &Resource, namespace: Option<&str>, name: &str) -> String {
    let namespace = resource.namespaced.then(|| namespace.unwrap_or("default"));
    let mut path = collection_path(resource, namespace);
    path.push('/');
    path.extend(utf8_percent_encode(name, COMPONENT));
    path
}

#[derive(Default)]
struct Query(String);

impl Query {
    /// What every write and dry run says: no unknown or duplicate field is dropped silently.
    fn written(class: RequestClass) -> Self {
        let mut query = Self::default();
        query.add("fieldValidation", "Strict");
        if class == RequestClass::DryRun {
            query.add("dryRun", "All");
        }
        query
    }

    fn add(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, COMPONENT));
    }

    fn add_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn after(self, path: String) -> String {
        path + &self.0
    }
}
