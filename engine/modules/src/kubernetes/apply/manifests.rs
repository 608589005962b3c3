//! The manifests of a task: read from its arguments, named, and written as they are sent.
//!
//! A manifest may hold unknown and secret values anywhere. Where it is compared they stand as
//! placeholders, so that a field is known to be unknown or secret by where its placeholder turns
//! up, however the server understands the lists on the way there.

use std::collections::BTreeSet;

use runbook_clients::kubernetes::Reference;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::Values;
use runbook_core::owner::{ADDRESS_KEY, Mark, OWNER_KEY};
use runbook_core::value::Value;
use serde_json::{Map, Value as Json};

use crate::arguments;

/// The label by which a person finds what we made.
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Stands where a value is not known yet.
const UNKNOWN: &str = "\u{0}(known after apply)";
/// Stands where a value is secret.
const SECRET: &str = "\u{0}(secret)";

/// How secrets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    /// As they are: for the cluster.
    Exposed,
    /// As a placeholder.
    Hidden,
}

/// One manifest.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    /// What it names.
    pub(super) object: Reference,
    value: Value,
}

impl Manifest {
    /// What is declared, with placeholders; what only the server writes is left out.
    pub(super) fn declared(&self, secrets: Secrets) -> Json {
        let mut declared = json(&self.value, secrets);
        if let Json::Object(fields) = &mut declared {
            fields.remove("status");
        }
        declared
    }

    /// The same as one of ours.
    pub(super) fn marked(&self, secrets: Secrets, marks: &Marks) -> Json {
        let mut declared = self.declared(secrets);
        marks.put_on(&mut declared);
        declared
    }

    /// Whether something in it is secret.
    pub(super) fn has_secret(&self) -> bool {
        self.value.has_secret()
    }

    /// Whether all of the field is secret by the kind of the object.
    pub(super) fn hides(&self, path: &str) -> bool {
        self.object.kind.kind == "Secret"
            && (path.starts_with(".data") || path.starts_with(".stringData"))
    }
}

/// What marks an object as ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Marks {
    owner: String,
    address: String,
}

impl From<&Mark> for Marks {
    fn from(mark: &Mark) -> Self {
        Self { owner: mark.owner.to_string(), address: mark.address_tag() }
    }
}

impl Marks {
    fn put_on(&self, declared: &mut Json) {
        let metadata = entry(declared, "metadata");
        let labels = entry(metadata, "labels");
        // One who says that Helm manages it wants Helm to find it.
        if labels.get(MANAGED_BY_LABEL).is_none() {
            put(labels, MANAGED_BY_LABEL, "runbook");
        }
        let annotations = entry(metadata, "annotations");
        put(annotations, OWNER_KEY, &self.owner);
        put(annotations, ADDRESS_KEY, &self.address);
    }
}

fn entry<'a>(parent: &'a mut Json, name: &str) -> &'a mut Json {
    if !parent.is_object() {
        *parent = Json::Object(Map::new());
    }
    &mut parent[name]
}

fn put(parent: &mut Json, name: &str, text: &str) {
    if !parent.is_object() {
        *parent = Json::Object(Map::new());
    }
    parent[name] = text.into();
}

/// The manifests that the arguments declare, in their order.
pub(super) fn manifests(arguments: &Values) -> Result<Vec<Manifest>, Failure> {
    let declared = declared(arguments);
    if declared.is_empty() {
        let message = "neither `manifest` nor `manifests` declares an object";
        return Err(Failure::new(Class::Invalid, message));
    }
    declared
        .iter()
        .enumerate()
        .map(|(position, value)| {
            manifest(value).map_err(|wrong| {
                Failure::new(Class::Invalid, format!("{} {wrong}", which(position, value)))
            })
        })
        .collect()
}

/// The same, as far as they name an object.
pub(super) fn named(arguments: &Values) -> Vec<Manifest> {
    declared(arguments).into_iter().filter_map(|value| manifest(value).ok()).collect()
}

/// Whether it is not known yet which objects the arguments declare.
pub(super) fn are_unnamed(arguments: &Values) -> bool {
    let unknown = |value: &Value, name: &str| {
        value.as_map().and_then(|fields| fields.get(name)).is_some_and(Value::has_unknown)
    };
    let given = ["manifest", "manifests"].iter().filter_map(|name| arguments.get(*name));
    given.clone().any(|value| matches!(value, Value::Unknown(_)))
        || given.flat_map(items).any(|value| {
            let metadata = value.as_map().and_then(|fields| fields.get("metadata"));
            matches!(value, Value::Unknown(_))
                || ["apiVersion", "kind"].iter().any(|name| unknown(value, name))
                || metadata.is_some_and(|metadata| {
                    matches!(metadata, Value::Unknown(_))
                        || ["name", "namespace"].iter().any(|name| unknown(metadata, name))
                })
        })
}

/// What is wrong with the arguments, each with its name.
pub(super) fn problems(arguments: &Values) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    let given = |name: &str| arguments.get(name).is_some_and(|value| *value != Value::Null);
    if given("manifest") && given("manifests") {
        let wrong = "stands beside `manifests`; give one of them";
        problems.push(("manifest".to_owned(), wrong.to_owned()));
    }
    let mut seen = BTreeSet::new();
    let argument = if given("manifest") { "manifest" } else { "manifests" };
    for (position, value) in declared(arguments).iter().enumerate() {
        let wrong = match manifest(value) {
            Err(wrong) => Some(wrong),
            Ok(manifest) => (!seen.insert(manifest.object.clone()))
                .then(|| format!("is declared twice: {}", manifest.object)),
        };
        if let Some(wrong) = wrong {
            let wrong = format!("cannot be applied: {} {wrong}", which(position, value));
            problems.push((argument.to_owned(), wrong));
        }
    }
    problems
}

/// Empty documents of a rendered file are no objects.
fn declared(arguments: &Values) -> Vec<&Value> {
    let given = ["manifest", "manifests"].iter().filter_map(|name| arguments.get(*name));
    given.flat_map(items).filter(|value| **value != Value::Null).collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    match value.as_list() {
        Some(items) => items.iter(),
        None => std::slice::from_ref(value).iter(),
    }
}

fn manifest(value: &Value) -> Result<Manifest, String> {
    if value.as_map().is_none() {
        return Err(format!("is {}, not a manifest", value.kind()));
    }
    let written = json(value, Secrets::Exposed);
    let object = Reference::of(&written).map_err(|error| format!("has no `{}`", error.field))?;
    if written.pointer("/metadata/managedFields").is_some() {
        return Err("declares `metadata.managedFields`, which only the server writes".to_owned());
    }
    Ok(Manifest { object, value: value.clone() })
}

/// A manifest for a person, also when it is not one.
fn which(position: usize, value: &Value) -> String {
    let fields = value.as_map();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let kind = text(fields.and_then(|fields| fields.get("kind")));
    let metadata = fields.and_then(|fields| fields.get("metadata")).and_then(Value::as_map);
    let name = text(metadata.and_then(|metadata| metadata.get("name")));
    match (kind, name) {
        (Some(kind), Some(name)) => format!("manifest {} ({kind} {name})", position + 1),
        (Some(kind), None) => format!("manifest {} ({kind})", position + 1),
        _ => format!("manifest {}", position + 1),
    }
}

/// As JSON with placeholders. A null asks for nothing and is left out: the server would own it.
fn json(value: &Value, secrets: Secrets) -> Json {
    match value {
        Value::Unknown(_) => UNKNOWN.into(),
        Value::Secret(_) if secrets == Secrets::Hidden => SECRET.into(),
        Value::Secret(secret) => json(secret.expose(), secrets),
        Value::List(items) => items.iter().map(|item| json(item, secrets)).collect(),
        Value::Map(entries) => entries
            .iter()
            .filter(|(_, value)| **value != Value::Null)
            .map(|(name, value)| (name.clone(), json(value, secrets)))
            .collect::<Map<_, _>>()
            .into(),
        known => known.to_json_exposing(),
    }
}

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placeholder {
    /// Something that is not known yet.
    Unknown,
    /// Something secret.
    Secret,
}

/// Whether such a placeholder stands in it.
pub(super) fn holds(value: &Json, placeholder: Placeholder) -> bool {
    match value {
        Json::String(_) => placeholder_of(value) == Some(placeholder),
        Json::Array(items) => items.iter().any(|item| holds(item, placeholder)),
        Json::Object(entries) => entries.values().any(|value| holds(value, placeholder)),
        _ => false,
    }
}

/// The placeholder that a value is, also where the server keeps it encoded.
fn placeholder_of(value: &Json) -> Option<Placeholder> {
    // The two texts in base64, as a Secret's `stringData` is compared.
    const UNKNOWN_ENCODED: &str = "AChrbm93biBhZnRlciBhcHBseSk=";
    const SECRET_ENCODED: &str = "AChzZWNyZXQp";
    match value.as_str()? {
        UNKNOWN | UNKNOWN_ENCODED => Some(Placeholder::Unknown),
        SECRET | SECRET_ENCODED => Some(Placeholder::Secret),
        _ => None,
    }
}

/// Back to a value: unknown where its placeholder stands.
pub(super) fn value(json: &Json) -> Value {
    match json {
        Json::Array(items) => Value::list(items.iter().map(value)),
        Json::Object(entries) => {
            Value::map(entries.iter().map(|(name, one)| (name.clone(), value(one))))
        }
        Json::String(_) if placeholder_of(json) == Some(Placeholder::Unknown) => {
            Value::Unknown(std::sync::Arc::new(runbook_core::value::Type::Any))
        }
        other => Value::from_json(other),
    }
}

/// What is declared, in a few words: for the plan of an object that is not there.
pub(super) fn summary(manifest: &Manifest) -> String {
    let declared = manifest.declared(Secrets::Hidden);
    let words = match manifest.object.kind.kind.as_str() {
        "ConfigMap" | "Secret" => keys(&declared),
        "CustomResourceDefinition" => definition(&declared),
        "Namespace" | "ServiceAccount" => return "new".to_owned(),
        _ => workload(&declared),
    };
    let fields = || format!("{} fields", leaves(&declared));
    words.filter(|words| !words.is_empty()).unwrap_or_else(fields).replace('\u{0}', "")
}

fn keys(declared: &Json) -> Option<String> {
    let maps = ["data", "stringData", "binaryData"].iter();
    let names: Vec<&str> = maps
        .filter_map(|name| declared.get(*name)?.as_object())
        .flat_map(|map| map.keys().map(String::as_str))
        .collect();
    Some(names.join(", "))
}

fn definition(declared: &Json) -> Option<String> {
    let kind = declared.pointer("/spec/names/kind")?.as_str()?;
    let versions = declared.pointer("/spec/versions")?.as_array()?;
    let versions: Vec<&str> = versions.iter().filter_map(|one| one.get("name")?.as_str()).collect();
    Some(format!("{kind} {}", versions.join(", ")))
}

fn workload(declared: &Json) -> Option<String> {
    let pod = declared.pointer("/spec/template/spec").or_else(|| declared.get("spec"))?;
    let images: Vec<&str> = pod
        .get("containers")?
        .as_array()?
        .iter()
        .filter_map(|container| container.get("image")?.as_str())
        .collect();
    let replicas = declared.pointer("/spec/replicas").and_then(Json::as_i64);
    Some(match replicas {
        Some(1) => format!("1 replica, {}", images.join(", ")),
        Some(replicas) => format!("{replicas} replicas, {}", images.join(", ")),
        None => images.join(", "),
    })
}

fn leaves(value: &Json) -> usize {
    match value {
        Json::Object(entries) => entries.values().map(leaves).sum(),
        Json::Array(items) => items.iter().map(leaves).sum(),
        _ => 1,
    }
}

/// The objects in one line: the first one, and how many more.
pub(super) fn subject(arguments: &Values) -> String {
    let manifests = named(arguments);
    match manifests.as_slice() {
        [] => "(known after apply)".to_owned(),
        [only] => only.object.to_string(),
        [first, more @ ..] => format!("{}, +{} more", first.object, more.len()),
    }
}

/// All objects in one line.
pub(super) fn identity(arguments: &Values) -> String {
    let objects: Vec<String> =
        named(arguments).iter().map(|manifest| manifest.object.to_string()).collect();
    objects.join(", ")
}

/// Whether the owners of other fields are overridden.
pub(super) fn is_forced(arguments: &Values) -> bool {
    arguments::boolean(arguments, "force")
}
