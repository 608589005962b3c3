//! Getting and listing, as objects or as Tables.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::controllers::leases;
use super::super::kinds::Kind;
use super::super::{selector, table};
use super::{Answer, Request, Status, Target, options};
use crate::store::{Document, Form, State};
use crate::world::World;

/// The kind whose renewal is not stored but read into it.
const LEASE: &str = "Lease";

/// How an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Plain,
    Table,
    /// Metadata only.
    Partial,
}

/// What `Accept` asks for.
pub(super) fn shape(accept: &str) -> Shape {
    let first = accept
        .split(',')
        .map(str::trim)
        .find(|one| one.starts_with("application/json") || *one == "*/*")
        .unwrap_or_default();
    if first.contains("as=Table") {
        Shape::Table
    } else if first.contains("as=PartialObjectMetadata") {
        Shape::Partial
    } else {
        Shape::Plain
    }
}

/// Writes the revision into an object's answer.
pub(super) fn with_revision(value: &Value, revision: u64) -> Value {
    let mut value = value.clone();
    value["metadata"]["resourceVersion"] = json!(revision.to_string());
    value
}

/// Metadata only.
pub(super) fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// Whether an object is what a list or a watch asks for.
pub(super) fn selected(object: &Value, target: &Target, request: &Request) -> Result<bool, Status> {
    if target
        .namespace
        .as_deref()
        .is_some_and(|namespace| object["metadata"]["namespace"] != namespace)
    {
        return Ok(false);
    }
    if target.name.as_deref().is_some_and(|name| object["metadata"]["name"] != name) {
        return Ok(false);
    }
    if request.get("labelSelector").is_some_and(|selector| !selector::labels(object, selector)) {
        return Ok(false);
    }
    match request.get("fieldSelector") {
        Some(selector) => selector::fields(object, selector).map_err(Status::bad_request),
        None => Ok(true),
    }
}

pub(super) fn read(
    world: &World,
    cluster: &str,
    kind: &Kind,
    target: &Target,
    request: &Request,
) -> Answer {
    if target.name.is_some()
        && let Some(text) = request.get("resourceVersion")
        && text.parse::<u64>().is_err()
    {
        return Status::new(500, "", options::no_version(text)).into();
    }
    if shape(&request.accept) == Shape::Table
        && let Some(other) = request.get("includeObject")
        && !matches!(other, "Metadata" | "Object" | "None")
    {
        return Status::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: \"{other}\": must be 'Metadata', 'Object', 'None', or empty"
        ))
        .into();
    }
    let asked = Asked { cluster, kind, target, request, now: world.now() };
    world.store.read(|state| match &target.name {
        Some(name) => asked.one(state, name),
        None => asked.list(state).unwrap_or_else(Answer::from),
    })
}

/// What is asked, of whom, and when.
struct Asked<'a> {
    cluster: &'a str,
    kind: &'a Kind,
    target: &'a Target,
    request: &'a Request,
    now: jiff::Timestamp,
}

impl Asked<'_> {
    fn one(&self, state: &State, name: &str) -> Answer {
        let key = self
            .target
            .namespace
            .as_ref()
            .map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
        let Some(found) = state.get(&self.kind.collection(self.cluster), &key) else {
            return Status::not_found(self.kind, name).into();
        };
        let (shape, subresource) =
            (shape(&self.request.accept), self.target.subresource.as_deref());
        if shape == Shape::Plain && subresource != Some("scale") && self.is_told_as_stored() {
            return text_answer(whole_text(found).to_owned());
        }
        let object = self.value(state, found);
        match (shape, subresource) {
            (_, Some("scale")) => Answer::ok(scale(self.kind, &object)),
            (Shape::Table, _) => Answer::ok(table::of(
                self.kind,
                std::slice::from_ref(&object),
                self.now,
                state.revision(),
                self.request.get("includeObject"),
            )),
            (Shape::Partial, _) => Answer::ok(partial(&object)),
            _ => Answer::ok(object),
        }
    }

    fn list(&self, state: &State) -> Result<Answer, Status> {
        let start = options::page_after(self.request)?;
        let limit = self
            .request
            .get("limit")
            .and_then(|limit| limit.parse::<usize>().ok())
            .filter(|limit| *limit > 0);
        let mut items: Vec<(&Arc<str>, &Document)> = Vec::new();
        let mut next = None;
        for (name, found) in state.list(&self.kind.collection(self.cluster)) {
            let is_before = start.as_deref().is_some_and(|start| &**name <= start);
            if is_before || !selected(&found.value, self.target, self.request)? {
                continue;
            }
            if limit.is_some_and(|limit| items.len() == limit) {
                next = items.last().map(|(name, _)| *name);
                break;
            }
            items.push((name, found));
        }
        let mut metadata = json!({"resourceVersion": state.revision().to_string()});
        if let Some(next) = next {
            metadata["continue"] = json!(options::next_page(state.revision(), next));
        }
        let items = items.into_iter().map(|(_, found)| found);
        if shape(&self.request.accept) == Shape::Plain && self.is_told_as_stored() {
            return Ok(text_answer(list_text(self.kind, items, &metadata)));
        }
        let items = items.map(|found| self.value(state, found)).collect();
        Ok(list_answer(self.kind, items, &metadata, self.now, self.request))
    }

    /// Whether nothing is added to a document when it is read, besides its revision.
    fn is_told_as_stored(&self) -> bool {
        self.kind.kind != LEASE
    }

    fn value(&self, state: &State, found: &Document) -> Value {
        let mut object = with_revision(&found.value, found.revision);
        if object["kind"] == LEASE {
            leases::renewed(state, self.cluster, &mut object, self.now);
        }
        object
    }
}

fn text_answer(text: String) -> Answer {
    Answer::Bytes { content_type: "application/json", body: text.into_bytes() }
}

/// An object by itself, as text.
pub(super) fn whole_text(document: &Document) -> &str {
    document
        .texts
        .in_form(Form::Whole, || with_revision(&document.value, document.revision).to_string())
}

/// An object as an item of a list, as text.
fn item_text<'a>(kind: &Kind, document: &'a Document) -> &'a str {
    document.texts.in_form(Form::Item, || {
        let mut item = with_revision(&document.value, document.revision);
        without_type(kind, &mut item);
        item.to_string()
    })
}

fn list_text<'a>(
    kind: &Kind,
    items: impl Iterator<Item = &'a Document>,
    metadata: &Value,
) -> String {
    let version = Value::from(kind.api_version());
    let name = Value::from(format!("{}List", kind.kind));
    let mut text =
        format!("{{\"kind\":{name},\"apiVersion\":{version},\"metadata\":{metadata},\"items\":[");
    for (number, item) in items.enumerate() {
        if number > 0 {
            text.push(',');
        }
        text.push_str(item_text(kind, item));
    }
    text.push_str("]}");
    text
}

/// The items of a list say their kind only where it is a definition's.
pub(super) fn without_types(kind: &Kind, mut items: Vec<Value>) -> Vec<Value> {
    for item in &mut items {
        without_type(kind, item);
    }
    items
}

fn without_type(kind: &Kind, item: &mut Value) {
    if let Some(entries) = item.as_object_mut().filter(|_| kind.definition.is_none()) {
        entries.remove("apiVersion");
        entries.remove("kind");
    }
}

fn list_answer(
    kind: &Kind,
    items: Vec<Value>,
    metadata: &Value,
    now: jiff::Timestamp,
    request: &Request,
) -> Answer {
    match shape(&request.accept) {
        Shape::Table => {
            let revision = metadata["resourceVersion"]
                .as_str()
                .and_then(|text| text.parse().ok())
                .unwrap_or_default();
            let mut body = table::of(kind, &items, now, revision, request.get("includeObject"));
            body["metadata"] = metadata.clone();
            Answer::ok(body)
        }
        Shape::Partial => {
            let items: Vec<Value> = items.iter().map(partial).collect();
            Answer::ok(
                json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items}),
            )
        }
        Shape::Plain => {
            let items = without_types(kind, items);
            Answer::ok(
                json!({"kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": metadata, "items": items}),
            )
        }
    }
}

/// Where a kind keeps the replicas that are wanted, and those that are there.
pub(super) fn scale_paths(kind: &Kind) -> (String, String) {
    let declared = kind.definition.as_ref().map(|version| &version["subresources"]["scale"]);
    let path = |name: &str, default: &str| {
        let given = declared.and_then(|scale| scale[name].as_str()).unwrap_or(default);
        given.replace('.', "/")
    };
    (path("specReplicasPath", ".spec.replicas"), path("statusReplicasPath", ".status.replicas"))
}

/// The scale of a workload.
pub(super) fn scale(kind: &Kind, object: &Value) -> Value {
    let labels = object["spec"]["selector"]["matchLabels"].as_object().cloned().unwrap_or_default();
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let (wanted, there) = scale_paths(kind);
    let count = |path: &str| object.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let meta = &object["metadata"];
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"], "resourceVersion": meta["resourceVersion"], "creationTimestamp": meta["creationTimestamp"]},
        "spec": {"replicas": count(&wanted)},
        "status": {"replicas": count(&there), "selector": pairs.join(",")},
    })
}
