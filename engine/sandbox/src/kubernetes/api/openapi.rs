//! `/openapi/v3`: what `kubectl apply` and `kubectl explain` read, made from the table of fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::kinds::{self, Kind};
use super::{Answer, Request, Status};
use crate::world::World;

const TABLE: &str = include_str!("../../../data/kubernetes_fields.csv");

/// `/openapi/v2`, without a schema: those are in version 3. `kubectl` reads it for a `List` and
/// for a kind that nobody knows, finds nothing to hold them to, and goes on to each item.
pub(super) fn older(request: &Request) -> Answer {
    if request.accept.contains("protobuf") {
        // gnostic's Document: swagger (1), info (2) with title (1) and version (2).
        let info = [b"\x0a\x0aKubernetes".as_slice(), b"\x12\x02v1"].concat();
        let mut body = b"\x0a\x032.0\x12".to_vec();
        body.extend(u8::try_from(info.len()));
        body.extend(info);
        let content_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
        return Answer::Bytes { content_type, body };
    }
    Answer::ok(json!({
        "swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1"}, "paths": {}, "definitions": {},
    }))
}

pub(super) fn answer(world: &World, cluster: &str, path: &str) -> Option<Answer> {
    let kinds = world
        .rehearse(|transaction| -> Result<Vec<Kind>, std::convert::Infallible> {
            Ok(kinds::all(transaction, cluster))
        })
        .unwrap_or_default();
    let group_path = |kind: &Kind| {
        if kind.group.is_empty() {
            format!("api/{}", kind.version)
        } else {
            format!("apis/{}/{}", kind.group, kind.version)
        }
    };
    let rest = path.trim_start_matches("/openapi/v3").trim_matches('/');
    if rest.is_empty() {
        let paths: BTreeMap<String, Value> = kinds
            .iter()
            .map(|kind| {
                (
                    group_path(kind),
                    json!({"serverRelativeURL": format!("/openapi/v3/{}", group_path(kind))}),
                )
            })
            .collect();
        return Some(Answer::ok(json!({"paths": paths})));
    }
    let own: Vec<&Kind> = kinds.iter().filter(|kind| group_path(kind) == rest).collect();
    if own.is_empty() {
        return Some(Status::no_path().into());
    }
    let mut paths = serde_json::Map::new();
    let mut schemas = serde_json::Map::new();
    let mut wanted = BTreeSet::new();
    for kind in own {
        let name = schema_name(kind);
        let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation", "force"].iter().map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}})).collect();
        let gvk = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
        let operation = json!({"operationId": format!("patch{}", kind.kind), "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": gvk, "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}}}}});
        let scope = if kind.namespaced { "namespaces/{namespace}/" } else { "" };
        paths.insert(format!("/{rest}/{scope}{}/{{name}}", kind.plural), json!({"patch": operation, "get": {"x-kubernetes-action": "get", "x-kubernetes-group-version-kind": gvk, "responses": {}}}));
        if let Some(definition) = &kind.definition {
            let mut schema = definition["schema"]["openAPIV3Schema"].clone();
            schema["x-kubernetes-group-version-kind"] = json!([gvk]);
            schemas.insert(name, schema);
        } else {
            wanted.insert(name);
        }
    }
    collect(wanted, &mut schemas);
    Some(Answer::ok(
        json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1"}, "paths": paths, "components": {"schemas": schemas}}),
    ))
}

fn schema_name(kind: &Kind) -> String {
    if kind.definition.is_some() {
        let reversed: Vec<&str> = kind.group.split('.').rev().collect();
        return format!("{}.{}.{}", reversed.join("."), kind.version, kind.kind);
    }
    let root = format!("kind {}/{}", kind.api_version(), kind.kind);
    rows()
        .find(|row| row.kind == root && row.field.is_empty())
        .map_or_else(|| kind.kind.clone(), |row| row.schema.to_owned())
}

struct Row {
    schema: &'static str,
    field: &'static str,
    kind: &'static str,
    format: &'static str,
    required: bool,
    list: &'static str,
    keys: &'static str,
    patch_key: &'static str,
    strategy: &'static str,
    map: &'static str,
}

fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().skip(2).map(|line| {
        let mut cells = line.splitn(12, ',');
        let mut next = || cells.next().unwrap_or_default();
        let (schema, field, kind, format, required, _default) =
            (next(), next(), next(), next(), next(), next());
        Row {
            schema,
            field,
            kind,
            format,
            required: required == "yes",
            list: next(),
            keys: next(),
            patch_key: next(),
            strategy: next(),
            map: next(),
        }
    })
}

/// The schemas of some names, and of all that they refer to.
fn collect(mut wanted: BTreeSet<String>, schemas: &mut serde_json::Map<String, Value>) {
    let mut by_schema: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for row in rows() {
        by_schema.entry(row.schema).or_default().push(row);
    }
    while let Some(name) = wanted.pop_first() {
        if schemas.contains_key(&name) {
            continue;
        }
        let mut schema = json!({"type": "object"});
        for row in by_schema.get(name.as_str()).into_iter().flatten() {
            if row.field.is_empty() {
                if let Some(root) = row.kind.strip_prefix("kind ") {
                    let (api_version, kind) = root.rsplit_once('/').unwrap_or(("", root));
                    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
                    schema["x-kubernetes-group-version-kind"] =
                        json!([{"group": group, "version": version, "kind": kind}]);
                }
                continue;
            }
            schema["properties"][row.field] = property(row, &mut wanted, &by_schema);
            if row.required {
                let mut required = schema["required"].as_array().cloned().unwrap_or_default();
                required.push(json!(row.field));
                schema["required"] = json!(required);
            }
        }
        schemas.insert(name, schema);
    }
}

fn property(row: &Row, wanted: &mut BTreeSet<String>, known: &BTreeMap<&str, Vec<Row>>) -> Value {
    let mut property = type_of(row.kind, row.format, wanted, known);
    let mut put = |name: &str, value: Value| property[name] = value;
    if !row.list.is_empty() {
        put("x-kubernetes-list-type", json!(row.list));
    }
    if !row.keys.is_empty() {
        put("x-kubernetes-list-map-keys", json!(row.keys.split_whitespace().collect::<Vec<_>>()));
    }
    if !row.patch_key.is_empty() {
        put("x-kubernetes-patch-merge-key", json!(row.patch_key));
    }
    if !row.strategy.is_empty() {
        put("x-kubernetes-patch-strategy", json!(row.strategy));
    }
    if !row.map.is_empty() {
        put("x-kubernetes-map-type", json!(row.map));
    }
    property
}

fn type_of(
    kind: &str,
    format: &str,
    wanted: &mut BTreeSet<String>,
    known: &BTreeMap<&str, Vec<Row>>,
) -> Value {
    if let Some(inner) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        return json!({"type": "array", "items": type_of(inner, "", wanted, known)});
    }
    if let Some(inner) = kind.strip_prefix('{').and_then(|kind| kind.strip_suffix('}')) {
        return json!({"type": "object", "additionalProperties": type_of(inner, "", wanted, known)});
    }
    match kind {
        "string" | "integer" | "boolean" | "number" | "object" if format.is_empty() => {
            json!({"type": kind})
        }
        "string" | "integer" | "boolean" | "number" | "object" => {
            json!({"type": kind, "format": format})
        }
        name if known.contains_key(name) => {
            wanted.insert(name.to_owned());
            json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}]})
        }
        name if name.ends_with("IntOrString") || name.ends_with("Quantity") => {
            json!({"x-kubernetes-int-or-string": true})
        }
        _ => json!({}),
    }
}
