//! Validation of the kinds that are served: what is wrong with an object, in the apiserver's words.

mod jobs;

use std::collections::BTreeSet;

use runbook_capacity::quantity::Quantity;
use serde_json::Value;

use super::kinds::Kind;
use super::{object, rules, selector, structural};

/// What is wrong: field, message, reason.
pub(super) type Problem = (String, String, &'static str);

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn required(field: impl Into<String>) -> Problem {
    (field.into(), "Required value".to_owned(), "FieldValueRequired")
}

fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Problem {
    (field.into(), format!("Invalid value: {value}: {why}"), "FieldValueInvalid")
}

fn unsupported(field: impl Into<String>, value: &Value, known: &[&str]) -> Problem {
    let known: Vec<String> = known.iter().map(|one| format!("\"{one}\"")).collect();
    let message = format!("Unsupported value: {value}: supported values: {}", known.join(", "));
    (field.into(), message, "FieldValueNotSupported")
}

fn duplicate(field: impl Into<String>, value: &Value) -> Problem {
    (field.into(), format!("Duplicate value: {value}"), "FieldValueDuplicate")
}

fn forbidden(field: impl Into<String>, why: &str) -> Problem {
    (field.into(), format!("Forbidden: {why}"), "FieldValueForbidden")
}

/// What is wrong with an object that is to be stored.
pub(super) fn problems(kind: &Kind, wanted: &Value, before: Option<&Value>) -> Vec<Problem> {
    let mut found = Vec::new();
    metadata(kind, wanted, before, &mut found);
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("apps", "deployments" | "replicasets" | "daemonsets" | "statefulsets") => {
            workload(wanted, before, &mut found);
        }
        ("batch", "jobs") => jobs::job(wanted, before, &mut found),
        ("batch", "cronjobs") => jobs::cron_job(wanted, before, &mut found),
        ("", "pods") => {
            pod(&wanted["spec"], "spec", &mut found);
            pod_update(wanted, before, &mut found);
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            role_of(wanted, before, &mut found);
        }
        ("", "services") => service(wanted, &mut found),
        ("", "configmaps" | "secrets") => immutable(wanted, before, &mut found),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            found.extend(rules::definition_problems(wanted));
        }
        _ => {}
    }
    if let Some(definition) = &kind.definition {
        let schema = &definition["schema"]["openAPIV3Schema"];
        structural::validate(wanted, schema, "", &mut found);
        scale(wanted, &definition["subresources"]["scale"], &mut found);
        rules::problems(wanted, before, schema, &mut found);
    }
    found
}

fn metadata(kind: &Kind, wanted: &Value, before: Option<&Value>, found: &mut Vec<Problem>) {
    let name = wanted["metadata"]["name"].as_str().unwrap_or_default();
    if !is_subdomain(name) && kind.group != "rbac.authorization.k8s.io" {
        found.push(invalid("metadata.name", &wanted["metadata"]["name"], SUBDOMAIN));
    }
    let Some(before) = before.filter(|before| object::is_deleting(before)) else { return };
    let held = |one: &Value| -> BTreeSet<String> {
        let finalizers = one["metadata"]["finalizers"].as_array().into_iter().flatten();
        finalizers.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let new: Vec<String> =
        held(wanted).difference(&held(before)).map(|one| format!("\"{one}\"")).collect();
    if !new.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            new.join(", ")
        );
        found.push(forbidden("metadata.finalizers", &why));
    }
}

fn is_subdomain(text: &str) -> bool {
    let fits =
        |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || matches!(one, '-' | '.');
    !text.is_empty()
        && text.len() <= 253
        && text.chars().all(fits)
        && !text.starts_with(['-', '.'])
        && !text.ends_with(['-', '.'])
}

fn workload(wanted: &Value, before: Option<&Value>, found: &mut Vec<Problem>) {
    let spec = &wanted["spec"];
    not_negative(spec, "replicas", found);
    if !spec["selector"].is_object() {
        found.push(required("spec.selector"));
    }
    if !spec["selector"].is_object() || !selector::matches(&spec["template"], &spec["selector"]) {
        let labels = &spec["template"]["metadata"]["labels"];
        let why = "`selector` does not match template `labels`";
        found.push(invalid("spec.template.metadata.labels", labels, why));
    }
    let template = &spec["template"]["spec"];
    pod(template, "spec.template.spec", found);
    if template["restartPolicy"].as_str().is_some_and(|policy| policy != "Always") {
        let field = "spec.template.spec.restartPolicy";
        found.push(unsupported(field, &template["restartPolicy"], &["Always"]));
    }
    if before.is_some_and(|before| before["spec"]["selector"] != spec["selector"]) {
        found.push(invalid("spec.selector", &spec["selector"], "field is immutable"));
    }
}

/// A pod that is there is changed in few things only. The scheduler binds it by another way.
fn pod_update(wanted: &Value, before: Option<&Value>, found: &mut Vec<Problem>) {
    let Some(before) = before else { return };
    let fixed = |pod: &Value| -> Value {
        let mut spec = pod["spec"].clone();
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
            {
                container["image"] = Value::Null;
            }
        }
        for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            spec[field] = Value::Null;
        }
        spec
    };
    if fixed(wanted) != fixed(before) {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        found.push(forbidden("spec", why));
    }
}

fn role_of(wanted: &Value, before: Option<&Value>, found: &mut Vec<Problem>) {
    let role = &wanted["roleRef"];
    if before.is_some_and(|before| before["roleRef"] != *role) {
        let message = format!(
            "Invalid value: {{\"APIGroup\":{},\"Kind\":{},\"Name\":{}}}: cannot change roleRef",
            role["apiGroup"], role["kind"], role["name"]
        );
        found.push(("roleRef".to_owned(), message, "FieldValueInvalid"));
    }
}

fn not_negative(spec: &Value, field: &str, found: &mut Vec<Problem>) {
    if spec[field].as_i64().is_some_and(|number| number < 0) {
        let why = "must be greater than or equal to 0";
        found.push(invalid(format!("spec.{field}"), &spec[field], why));
    }
}

fn service(wanted: &Value, found: &mut Vec<Problem>) {
    for (index, port) in wanted["spec"]["ports"].as_array().into_iter().flatten().enumerate() {
        for field in ["port", "targetPort"] {
            let out = |number: i64| !(1..=65_535).contains(&number);
            if port[field].as_i64().is_some_and(out) {
                let why = "must be between 1 and 65535, inclusive";
                found.push(invalid(format!("spec.ports[{index}].{field}"), &port[field], why));
            }
        }
    }
}

/// What was said to be immutable stays as it is.
fn immutable(wanted: &Value, before: Option<&Value>, found: &mut Vec<Problem>) {
    let Some(before) = before.filter(|before| before["immutable"] == true) else { return };
    let why = "field is immutable when `immutable` is set";
    for field in ["immutable", "data", "binaryData"] {
        if before[field] != wanted[field] {
            found.push(forbidden(field, why));
        }
    }
}

/// What is wrong with a pod, or with a template of pods.
fn pod(spec: &Value, path: &str, found: &mut Vec<Problem>) {
    containers(spec, path, found);
    let policies = ["Always", "OnFailure", "Never"];
    if spec["restartPolicy"].as_str().is_some_and(|policy| !policies.contains(&policy)) {
        let field = format!("{path}.restartPolicy");
        found.push(unsupported(field, &spec["restartPolicy"], &policies));
    }
}

fn containers(spec: &Value, path: &str, found: &mut Vec<Problem>) {
    let list = spec["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        found.push(required(format!("{path}.containers")));
    }
    let mut names = BTreeSet::new();
    for (index, container) in list.iter().enumerate() {
        let path = format!("{path}.containers[{index}]");
        for field in ["name", "image"] {
            if container[field].as_str().unwrap_or_default().is_empty() {
                found.push(required(format!("{path}.{field}")));
            }
        }
        if container["name"].as_str().is_some_and(|name| !names.insert(name.to_owned())) {
            found.push(duplicate(format!("{path}.name"), &container["name"]));
        }
        resources(&container["resources"], &path, found);
    }
}

/// Nothing may ask for more than its limit.
fn resources(resources: &Value, path: &str, found: &mut Vec<Problem>) {
    let quantity = |value: &Value| -> Option<Quantity> {
        Quantity::parse(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)).ok()
    };
    for (name, request) in resources["requests"].as_object().into_iter().flatten() {
        let limit = &resources["limits"][name];
        if let (Some(asked), Some(most)) = (quantity(request), quantity(limit))
            && asked > most
        {
            let shown =
                |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let why = format!("must be less than or equal to {name} limit of {}", shown(limit));
            let asked = Value::from(shown(request));
            found.push(invalid(format!("{path}.resources.requests"), &asked, &why));
        }
    }
}

/// A custom resource that can be scaled says how far as a number.
fn scale(wanted: &Value, scale: &Value, found: &mut Vec<Problem>) {
    let Some(path) = scale["specReplicasPath"].as_str() else { return };
    let pointer = path.replace('.', "/");
    if let Some(Value::String(text)) = wanted.pointer(&pointer) {
        let why = format!("{path} accessor error: {text} is of the type string, expected int64");
        found.push(invalid(path, &Value::from(0), &why));
    }
}
