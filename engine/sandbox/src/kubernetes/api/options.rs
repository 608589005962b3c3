//! Options of requests: which values they may have, and which of them together.
//!
//! They are judged before anything is looked up, as the apiserver does, and in its words.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::super::selector;
use super::{Request, Status, Target, delete};

/// Characters of a manager's name.
const MOST_MANAGER: usize = 128;
/// Kinds that can be selected by fields of their own; the others by name and namespace only.
const OWN_FIELDS: [&str; 8] = [
    "pods",
    "nodes",
    "events",
    "secrets",
    "namespaces",
    "replicasets",
    "replicationcontrollers",
    "jobs",
];

/// (field, what is wrong, reason)
type Cause = (String, String, &'static str);

/// What is wrong with the options of a request.
pub(super) fn check(kind: &Kind, target: &Target, request: &Request) -> Result<(), Status> {
    match (request.method.as_str(), &target.name) {
        ("GET", _) => {
            if request.is("watch") {
                check_list(kind, request, true)
            } else if target.name.is_none() {
                check_list(kind, request, false)
            } else {
                Ok(())
            }
        }
        ("POST", _) => check_write(request, "CreateOptions"),
        ("PUT", _) => check_write(request, "UpdateOptions"),
        ("PATCH", _) => check_write(request, "PatchOptions"),
        ("DELETE", _) => check_delete(request),
        _ => Ok(()),
    }
}

fn refuse(options: &str, causes: &[Cause]) -> Result<(), Status> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(Status::invalid_review(&format!("{options}.meta.k8s.io"), causes))
}

fn forbidden(field: &str, why: &str) -> Cause {
    (field.to_owned(), format!("Forbidden: {why}"), "FieldValueForbidden")
}

fn unsupported(field: &str, value: &str, supported: &[&str]) -> Cause {
    let supported: Vec<String> = supported.iter().map(|one| format!("\"{one}\"")).collect();
    let why = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
    (field.to_owned(), why, "FieldValueNotSupported")
}

fn check_list(kind: &Kind, request: &Request, is_watch: bool) -> Result<(), Status> {
    for name in ["limit", "timeoutSeconds"] {
        if let Some(text) = request.get(name).filter(|text| text.parse::<i64>().is_err()) {
            let why = format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
            return Err(Status::bad_request(why));
        }
    }
    if let Some(problem) = request.get("labelSelector").and_then(selector::problem) {
        return Err(Status::bad_request(problem));
    }
    if let Some(selector) = request.get("fieldSelector") {
        check_fields(kind, selector)?;
    }
    refuse("ListOptions", &matching(request, is_watch))?;
    if let Some(text) = request.get("resourceVersion").filter(|text| text.parse::<u64>().is_err()) {
        return Err(if is_watch {
            Status::new(500, "", no_version(text))
        } else {
            Status::bad_request(format!("invalid resource version: {}", no_version(text)))
        });
    }
    Ok(())
}

/// What the apiserver's language says of a text that is no version.
pub(super) fn no_version(text: &str) -> String {
    format!(
        "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
    )
}

/// Version, match and initial events, which have to agree.
fn matching(request: &Request, is_watch: bool) -> Vec<Cause> {
    let (version, matched) = (request.get("resourceVersion"), request.get("resourceVersionMatch"));
    let initial = request.query.contains_key("sendInitialEvents");
    let mut causes = Vec::new();
    match (is_watch, initial) {
        (true, true) => {
            if matched != Some("NotOlderThan") {
                causes.push(forbidden(
                    "resourceVersionMatch",
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                ));
            }
            if let Some(other) = matched.filter(|one| *one != "NotOlderThan") {
                let value = format!("\"{other}\"");
                causes.push(unsupported("resourceVersionMatch", &value, &["NotOlderThan"]));
            }
        }
        (true, false) => {
            if matched.is_some() {
                causes.push(forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                ));
            }
        }
        (false, true) => {
            causes.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        }
        (false, false) => {
            let Some(matched) = matched else { return causes };
            if version.is_none() {
                causes.push(forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                ));
            }
            if request.get("continue").is_some() {
                causes.push(forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
            if !matches!(matched, "Exact" | "NotOlderThan") {
                let value = format!("\"{matched}\"");
                let known = ["Exact", "NotOlderThan", ""];
                causes.push(unsupported("resourceVersionMatch", &value, &known));
            }
            if matched == "Exact" && version == Some("0") {
                causes.push(forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                ));
            }
        }
    }
    causes
}

fn check_fields(kind: &Kind, selector: &str) -> Result<(), Status> {
    if kind.definition.is_some() || OWN_FIELDS.contains(&kind.plural.as_str()) {
        return selector::fields(&Value::Null, selector).map(drop).map_err(Status::bad_request);
    }
    for requirement in selector.split(',').filter(|part| !part.is_empty()) {
        let name = requirement.split(['=', '!']).next().unwrap_or_default();
        if !matches!(name, "metadata.name" | "metadata.namespace") {
            return Err(Status::bad_request(format!(
                "\"{name}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            )));
        }
    }
    Ok(())
}

fn check_write(request: &Request, options: &str) -> Result<(), Status> {
    let patch_type = request.content_type.split(';').next().unwrap_or_default().trim();
    let is_patch = options == "PatchOptions";
    let is_apply = patch_type == "application/apply-patch+yaml";
    let mut causes = Vec::new();
    if is_patch && is_apply && request.get("fieldManager").is_none() {
        let why = "Required value: is required for apply patch".to_owned();
        causes.push(("fieldManager".to_owned(), why, "FieldValueRequired"));
    }
    if is_patch && !is_apply && request.get("force").is_some() {
        causes.push(forbidden("force", "may not be specified for non-apply patch"));
    }
    if request.get("fieldManager").is_some_and(|name| name.len() > MOST_MANAGER) {
        let why = format!("Too long: may not be more than {MOST_MANAGER} bytes");
        causes.push(("fieldManager".to_owned(), why, "FieldValueTooLong"));
    }
    causes.extend(dry_run(request.get("dryRun")));
    let known = ["", "Ignore", "Strict", "Warn"];
    if let Some(other) = request.get("fieldValidation").filter(|one| !known.contains(one)) {
        causes.push(unsupported("fieldValidation", &format!("\"{other}\""), &known));
    }
    refuse(options, &causes)
}

fn dry_run(asked: Option<&str>) -> Option<Cause> {
    let other = asked.filter(|one| *one != "All")?;
    Some(unsupported("dryRun", &format!("[\"{other}\"]"), &["All"]))
}

fn check_delete(request: &Request) -> Result<(), Status> {
    // What cannot be read is refused where it is read for good.
    let body = delete::options(request).unwrap_or_default();
    let policy = request.get("propagationPolicy").or_else(|| body["propagationPolicy"].as_str());
    let mut causes = Vec::new();
    if let Some(policy) = policy {
        if !body["orphanDependents"].is_null() {
            let why = format!(
                "Invalid value: \"{policy}\": orphanDependents and deletionPropagation cannot be both set"
            );
            causes.push(("propagationPolicy".to_owned(), why, "FieldValueInvalid"));
        }
        if !matches!(policy, "Foreground" | "Background" | "Orphan") {
            let known = ["Foreground", "Background", "Orphan", "nil"];
            causes.push(unsupported("propagationPolicy", &format!("\"{policy}\""), &known));
        }
    }
    causes.extend(dry_run(request.get("dryRun").or_else(|| body["dryRun"][0].as_str())));
    refuse("DeleteOptions", &causes)
}

/// The token of the page after an object, as the apiserver writes it.
pub(super) fn next_page(revision: u64, after: &str) -> String {
    let token = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": after});
    URL_SAFE_NO_PAD.encode(token.to_string())
}

/// After which object the asked page begins.
pub(super) fn page_after(request: &Request) -> Result<Option<String>, Status> {
    let Some(token) = request.get("continue") else { return Ok(None) };
    let invalid = |why: String| {
        Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"))
    };
    let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).map_err(|error| {
        let place = match error {
            base64::DecodeError::InvalidByte(place, _)
            | base64::DecodeError::InvalidLastSymbol(place, _) => place,
            _ => token.len(),
        };
        invalid(format!("illegal base64 data at input byte {place}"))
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let value: Value = serde_json::from_str(&text).map_err(|_| {
        // Go's decoder names the byte that it did not expect.
        let first = bytes.first().copied().map_or_else(String::new, |byte| {
            if byte.is_ascii_graphic() {
                char::from(byte).to_string()
            } else {
                format!("\\u{byte:04x}")
            }
        });
        invalid(format!("invalid character '{first}' looking for beginning of value"))
    })?;
    Ok(value["start"].as_str().map(str::to_owned))
}

/// Types that an answer can have.
const ANSWERS: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// Refuses to answer in a form that nobody has.
pub(super) fn check_accept(accept: &str) -> Result<(), Status> {
    let mut is_of_known_type = accept.trim().is_empty();
    for one in accept.split(',').map(str::trim) {
        let (base, parameters) = one.split_once(';').unwrap_or((one, ""));
        let is_known = matches!(
            base.trim(),
            "*/*"
                | "application/*"
                | "application/json"
                | "application/yaml"
                | "application/vnd.kubernetes.protobuf"
                | "application/cbor"
        );
        let is_shape_known =
            match parameters.split(';').find_map(|one| one.trim().strip_prefix("v=")) {
                Some(version) => !parameters.contains("as=") || matches!(version, "v1" | "v1beta1"),
                None => true,
            };
        is_of_known_type |= is_known;
        if is_known && is_shape_known {
            return Ok(());
        }
    }
    if accept.trim().is_empty() {
        return Ok(());
    }
    if is_of_known_type {
        let why = format!("only the following media types are accepted: {ANSWERS}");
        return Err(Status::new(406, "NotAcceptable", why));
    }
    let why = format!("406: Not Acceptable\n\nAvailable representations: {ANSWERS}");
    Err(Status::new(406, "NotAcceptable", why).with_no_details())
}
