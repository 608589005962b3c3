//! Creating, replacing, patching, applying, deleting.

use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::super::schema;
use super::super::{defaults, managed_fields, object, patch, validate};
use super::body::{self, parse, parse_object, takes_patch};
use super::delete::{delete_all, delete_one};
use super::fields;
use super::read::{self, Shape, partial, shape, with_revision};
use super::reviews;
use super::{Answer, Request, Status, Target};
use crate::store::Transaction;
use crate::world::{Context, LogError, World, ids};

const OTHER_NAMESPACE: &str =
    "the namespace of the provided object does not match the namespace sent on the request";

/// The answer of a write, and warnings of it.
pub(super) type Written = Result<(u16, Value, Vec<String>), Status>;

pub(super) fn write(
    world: &World,
    cluster: &str,
    kind: &Kind,
    target: &Target,
    request: &Request,
) -> Result<Answer, LogError> {
    // Built-in kinds are served by a router that knows their types, and answers before anybody else.
    let patch_type = request.content_type.split(';').next().unwrap_or_default().trim();
    if request.method == "PATCH" && kind.definition.is_none() && !takes_patch(kind, patch_type) {
        let why = "415: Unsupported Media Type";
        return Ok(Status::new(415, "UnsupportedMediaType", why).with_no_details().into());
    }
    let revision_of = |key: &str| {
        world
            .store
            .read(|state| state.get(&kind.collection(cluster), key).map(|found| found.revision))
    };
    let body = |transaction: &mut Transaction<'_>| {
        carry_out(&world.context, transaction, cluster, kind, target, request)
    };
    let written = if request.is_dry_run() { world.rehearse(body) } else { world.transact(body)? };
    let (status, value, warnings) = match written {
        Ok(written) => written,
        Err(status) => return Ok(status.into()),
    };
    // What only a dry run has made has no revision; what is gone bears that of its going.
    let revision = revision_of(&object::key(&value)).or_else(|| {
        (!request.is_dry_run()).then(|| world.store.read(crate::store::State::revision))
    });
    let body = match revision {
        Some(revision) if has_revision(&value) => with_revision(&value, revision),
        _ => value,
    };
    let body = match shape(&request.accept) {
        Shape::Partial if body["kind"] != "Status" => partial(&body),
        Shape::Table if body["kind"] != "Status" => super::super::table::of(
            kind,
            std::slice::from_ref(&body),
            world.now(),
            revision.unwrap_or_default(),
            request.get("includeObject"),
        ),
        _ => body,
    };
    Ok(Answer::Json { status, content_type: "application/json".to_owned(), body, warnings })
}

/// What is posted for its answer alone has no version.
fn has_revision(value: &Value) -> bool {
    let kind = value["kind"].as_str().unwrap_or_default();
    !matches!(kind, "Status" | "Scale" | "TokenRequest") && !kind.ends_with("Review")
}

fn carry_out(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    target: &Target,
    request: &Request,
) -> Written {
    match (request.method.as_str(), &target.name, target.subresource.as_deref()) {
        ("POST", None, _) => create(context, transaction, cluster, kind, target, request),
        ("POST", Some(name), Some("eviction")) => {
            delete_one(context, transaction, cluster, kind, &key_of(target, name), request)
        }
        ("POST", Some(_), Some("token")) => {
            let token = reviews::token(context, transaction, cluster, kind, target, request)?;
            Ok((201, token, Vec::new()))
        }
        ("PUT", Some(name), _) => {
            replace(context, transaction, cluster, kind, target, name, request)
        }
        ("PATCH", Some(name), _) => {
            patch_one(context, transaction, cluster, kind, target, name, request)
        }
        ("DELETE", Some(name), _) => {
            delete_one(context, transaction, cluster, kind, &key_of(target, name), request)
        }
        ("DELETE", None, _) => delete_all(context, transaction, cluster, kind, target, request),
        _ => Err(Status::no_method()),
    }
}

fn key_of(target: &Target, name: &str) -> String {
    target
        .namespace
        .as_ref()
        .map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"))
}

fn create(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    target: &Target,
    request: &Request,
) -> Written {
    if request.body.is_empty() {
        return Err(body::nothing(&kind.kind));
    }
    let mut wanted = parse_object(request, &kind.kind)?;
    if kind.group == "authorization.k8s.io" || kind.group == "authentication.k8s.io" {
        return Ok((201, reviews::review(kind, wanted, request), Vec::new()));
    }
    if let Some(given) = wanted["kind"].as_str().filter(|given| *given != kind.kind) {
        return Err(Status::bad_request(format!(
            "{given} in version \"{}\" cannot be handled as a {}: no kind \"{given}\" is registered",
            kind.version, kind.kind
        )));
    }
    if let Some(given) = wanted["apiVersion"].as_str().filter(|_| kind.definition.is_none())
        && given.rsplit('/').next() != Some(kind.version.as_str())
    {
        return Err(Status::bad_request(format!(
            "{} in version \"{given}\" cannot be handled as a {}: no kind \"{}\" is registered for version \"{given}\" in scheme \"pkg/runtime/scheme.go:111\"",
            kind.kind, kind.kind, kind.kind
        )));
    }
    wanted["apiVersion"] = json!(kind.api_version());
    wanted["kind"] = json!(kind.kind);
    if let Some(namespace) = target.namespace.as_deref().filter(|_| kind.namespaced) {
        let given = wanted["metadata"]["namespace"].as_str().unwrap_or_default();
        if !given.is_empty() && given != namespace {
            return Err(Status::bad_request(OTHER_NAMESPACE));
        }
        wanted["metadata"]["namespace"] = json!(namespace);
        if transaction
            .get(&super::super::collection(cluster, "", "namespaces"), namespace)
            .is_none()
        {
            return Err(Status::new(
                404,
                "NotFound",
                format!("namespaces \"{namespace}\" not found"),
            ));
        }
    } else if kind.namespaced {
        return Err(Status::bad_request("an empty namespace may not be set during creation"));
    }
    if wanted["metadata"]["name"].as_str().unwrap_or_default().is_empty() {
        let Some(prefix) = wanted["metadata"]["generateName"].as_str().map(str::to_owned) else {
            return Err(Status::invalid(
                kind,
                "",
                &[(
                    "metadata.name".to_owned(),
                    "Required value: name or generateName is required".to_owned(),
                    "FieldValueRequired",
                )],
            ));
        };
        let revision = transaction.next_revision().to_string();
        wanted["metadata"]["name"] =
            json!(format!("{prefix}{}", ids::suffix(context, &[cluster, &prefix, &revision], 5)));
    }
    let key = object::key(&wanted);
    let name = wanted["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if transaction.get(&kind.collection(cluster), &key).is_some() {
        return Err(Status::already_exists(kind, &name));
    }
    let warnings = fields::check(kind, &mut wanted, request)?;
    let stored = store(context, transaction, cluster, kind, wanted, None, request, target)?;
    Ok((201, stored, warnings))
}

/// Defaults, validates, tracks managers and stores.
#[expect(
    clippy::too_many_arguments,
    reason = "everything a write depends on; grouping would only rename the list"
)]
fn store(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    mut wanted: Value,
    before: Option<&Value>,
    request: &Request,
    target: &Target,
) -> Result<Value, Status> {
    let key = object::key(&wanted);
    let name = wanted["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let sub = target.subresource.as_deref().unwrap_or_default();
    keep_apart(kind, &mut wanted, before, sub);
    // Who writes an object owns its defaults too; admission's part is nobody's.
    let is_admitted = kind.plural == "pods" && kind.group.is_empty();
    if !is_admitted {
        defaults::apply(context, transaction, cluster, kind, &mut wanted, before);
    }
    if !request.content_type.contains("apply-patch") {
        let time = object::timestamp(transaction);
        managed_fields::track_update(
            before,
            &mut wanted,
            &schema::root(kind),
            &request.manager(),
            sub,
            &time,
        );
    }
    if is_admitted {
        defaults::apply(context, transaction, cluster, kind, &mut wanted, before);
    }
    let causes = validate::problems(kind, &wanted, before);
    if !causes.is_empty() {
        return Err(Status::invalid(kind, &name, &causes));
    }
    let collection = kind.collection(cluster);
    object::complete(context, transaction, &collection, &mut wanted, before);
    // The last finalizer of what is being deleted lets it go.
    let free = wanted["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
    if object::is_deleting(&wanted)
        && free
        && wanted["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
    {
        transaction.delete(&collection, &key);
        return Ok(wanted);
    }
    transaction.put(&collection, &key, wanted.clone());
    Ok(wanted)
}

/// Spec and status are written through their own endpoints where a kind has a status endpoint.
fn keep_apart(kind: &Kind, wanted: &mut Value, before: Option<&Value>, sub: &str) {
    let has_status = kind.subresources.iter().any(|one| one == "status");
    if sub == "status" {
        if let Some(before) = before {
            let mut kept = before.clone();
            kept["status"] = wanted["status"].clone();
            kept["metadata"]["managedFields"] = wanted["metadata"]["managedFields"].clone();
            *wanted = kept;
        }
    } else if has_status {
        match before.map(|before| before["status"].clone()).filter(|status| !status.is_null()) {
            Some(status) => wanted["status"] = status,
            None => {
                if let Some(entries) = wanted.as_object_mut() {
                    entries.remove("status");
                }
            }
        }
    }
}

fn replace(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    target: &Target,
    name: &str,
    request: &Request,
) -> Written {
    let key = key_of(target, name);
    let mut wanted = parse_object(request, &kind.kind)?;
    belongs(&mut wanted, target, name)?;
    let Some(before) = transaction.get(&kind.collection(cluster), &key) else {
        return Err(Status::not_found(kind, name));
    };
    check_revision(transaction, cluster, kind, &key, name, &wanted)?;
    if target.subresource.as_deref() == Some("scale") {
        return scale(context, transaction, cluster, kind, &before, &wanted, request, target);
    }
    wanted["apiVersion"] = json!(kind.api_version());
    wanted["kind"] = json!(kind.kind);
    let warnings = fields::check(kind, &mut wanted, request)?;
    let stored =
        store(context, transaction, cluster, kind, wanted, Some(&before), request, target)?;
    Ok((200, stored, warnings))
}

/// The namespace that a body leaves out the path says; neither it nor the name may differ.
fn belongs(wanted: &mut Value, target: &Target, name: &str) -> Result<(), Status> {
    if let Some(namespace) = &target.namespace {
        let given = &mut wanted["metadata"]["namespace"];
        if given.as_str().unwrap_or_default().is_empty() {
            *given = json!(namespace);
        } else if *given != namespace.as_str() {
            return Err(Status::bad_request(OTHER_NAMESPACE));
        }
    }
    match wanted["metadata"]["name"].as_str().unwrap_or_default() {
        "" => Err(Status::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        ))),
        _ => is_named(wanted, name),
    }
}

/// A name that an object has must be the path's.
fn is_named(object: &Value, name: &str) -> Result<(), Status> {
    match object["metadata"]["name"].as_str() {
        Some(given) if given != name => Err(Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        ))),
        _ => Ok(()),
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "everything a write depends on; grouping would only rename the list"
)]
fn scale(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    before: &Value,
    wanted: &Value,
    request: &Request,
    target: &Target,
) -> Written {
    let mut after = before.clone();
    let replicas = json!(wanted["spec"]["replicas"].as_i64().unwrap_or(0));
    let (path, _) = read::scale_paths(kind);
    patch::set(&mut after, &path, replicas);
    let whole = Target { subresource: None, ..target.clone() };
    let stored = store(context, transaction, cluster, kind, after, Some(before), request, &whole)?;
    Ok((200, read::scale(kind, &stored), Vec::new()))
}

/// A version that was given must be the current one.
fn check_revision(
    transaction: &Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    key: &str,
    name: &str,
    wanted: &Value,
) -> Result<(), Status> {
    let Some(given) =
        wanted["metadata"]["resourceVersion"].as_str().filter(|given| !given.is_empty())
    else {
        return Ok(());
    };
    let current = transaction
        .committed(&kind.collection(cluster), key)
        .map(|found| found.revision.to_string());
    if current.as_deref().is_some_and(|current| current != given) {
        return Err(Status::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        ));
    }
    Ok(())
}

fn patch_one(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    target: &Target,
    name: &str,
    request: &Request,
) -> Written {
    let key = key_of(target, name);
    let collection = kind.collection(cluster);
    let before = transaction.get(&collection, &key);
    let patch_type = request.content_type.split(';').next().unwrap_or_default().trim();
    if !takes_patch(kind, patch_type) {
        return Err(body::no_custom_patch());
    }
    if patch_type == "application/apply-patch+yaml" {
        return apply(context, transaction, cluster, kind, target, name, request);
    }
    let Some(before) = before else { return Err(Status::not_found(kind, name)) };
    let body = parse(request, &kind.kind)?;
    let is_scale = target.subresource.as_deref() == Some("scale");
    let mut after = if is_scale { read::scale(kind, &before) } else { (*before).clone() };
    // A patch may test or set the version: the copy it works on carries the current one.
    if let Some(current) = transaction.committed(&collection, &key) {
        after["metadata"]["resourceVersion"] = json!(current.revision.to_string());
    }
    match patch_type {
        "application/merge-patch+json" => patch::merge(&mut after, &body),
        "application/strategic-merge-patch+json" => {
            fields::check_patch(kind, &body)?;
            patch::strategic(&mut after, &body, &schema::root(kind));
        }
        _ => {
            patch::json_patch(&mut after, &body).map_err(|_| Status::rejected())?;
        }
    }
    is_named(&after, name)?;
    check_revision(transaction, cluster, kind, &key, name, &after)?;
    if is_scale {
        return scale(context, transaction, cluster, kind, &before, &after, request, target);
    }
    let warnings = fields::check(kind, &mut after, request)?;
    let stored = store(context, transaction, cluster, kind, after, Some(&before), request, target)?;
    Ok((200, stored, warnings))
}

fn apply(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    target: &Target,
    name: &str,
    request: &Request,
) -> Written {
    let mut declared = parse_object(request, &kind.kind)?;
    let Some(manager) = request.get("fieldManager").map(str::to_owned) else {
        return Err(Status::new(
            422,
            "Invalid",
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ));
    };
    if !declared["metadata"]["managedFields"].is_null() {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    is_named(&declared, name)?;
    declared["apiVersion"] = json!(kind.api_version());
    declared["kind"] = json!(kind.kind);
    declared["metadata"]["name"] = json!(name);
    if let Some(namespace) = target.namespace.as_deref().filter(|_| kind.namespaced) {
        declared["metadata"]["namespace"] = json!(namespace);
        if transaction
            .get(&super::super::collection(cluster, "", "namespaces"), namespace)
            .is_none()
        {
            return Err(Status::new(
                404,
                "NotFound",
                format!("namespaces \"{namespace}\" not found"),
            ));
        }
    }
    let warnings = fields::check(kind, &mut declared, request)?;
    let key = key_of(target, name);
    let before = transaction.get(&kind.collection(cluster), &key);
    let time = object::timestamp(transaction);
    let merged = managed_fields::apply(
        before.as_deref(),
        &declared,
        &schema::root(kind),
        &manager,
        request.is("force"),
        &time,
    );
    let mut merged = merged.map_err(|conflicts| {
        let pairs: Vec<(String, String)> =
            conflicts.into_iter().map(|one| (one.manager, one.field)).collect();
        Status::apply_conflict(&pairs)
    })?;
    // An application that changes nothing keeps its time, and so the object's version.
    if let Some(before) = &before {
        let same = |value: &Value| {
            let mut bare = value.clone();
            for entry in bare["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
                entry["time"] = Value::Null;
            }
            bare
        };
        if same(&merged) == same(before) {
            merged = (**before).clone();
        }
    }
    let stored =
        store(context, transaction, cluster, kind, merged, before.as_deref(), request, target)?;
    let status = if before.is_some() { 200 } else { 201 };
    Ok((status, stored, warnings))
}
