//! Bodies of requests: what types there are, and what is in one.

use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::super::protobuf;
use super::{Request, Status};

const UNKNOWN_FORMAT: &str =
    "the body of the request was in an unknown format - accepted media types include: ";
const BODIES: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const CUSTOM_PATCHES: [&str; 3] =
    ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// The refusal of a patch that custom resources cannot take.
pub(super) fn no_custom_patch() -> Status {
    let why = format!("{UNKNOWN_FORMAT}{}", CUSTOM_PATCHES.join(", "));
    Status::new(415, "UnsupportedMediaType", why)
}

/// Whether a kind can be patched by a body of that type.
pub(super) fn takes_patch(kind: &Kind, patch_type: &str) -> bool {
    let is_strategic = patch_type == STRATEGIC && kind.definition.is_none();
    is_strategic || CUSTOM_PATCHES.contains(&patch_type)
}

/// Whether a body of that type can be read; one of no type is JSON.
fn is_known(content_type: &str) -> bool {
    let plain = content_type.split(';').next().unwrap_or_default().trim();
    plain.is_empty() || BODIES.contains(&plain)
}

/// What is in a body that is to be of a kind.
pub(super) fn parse(request: &Request, kind: &str) -> Result<Value, Status> {
    // What a patch may be is for the patch to say.
    if request.method != "PATCH" && !is_known(&request.content_type) {
        let why = format!("{UNKNOWN_FORMAT}{}", BODIES.join(", "));
        return Err(Status::new(415, "UnsupportedMediaType", why));
    }
    let failed = |why: String| unrecognized(kind, &why, &request.body);
    if protobuf::is(&request.content_type) && !request.body.is_empty() {
        return protobuf::decode(&request.body).map_err(failed);
    }
    let text = std::str::from_utf8(&request.body).map_err(|error| failed(error.to_string()))?;
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    // YAML is a superset, and an application may come as either.
    let is_yaml = request.content_type.contains("yaml");
    let looks_like_json = text.trim_start().starts_with(['{', '[']);
    let is_json = request.content_type.contains("json") || !is_yaml && looks_like_json;
    if is_json {
        return serde_json::from_str(text).map_err(|error| {
            // What Go says of a text that ends too early; of other faults our parser says its own.
            let why = if error.is_eof() {
                "unexpected end of JSON input".to_owned()
            } else {
                error.to_string()
            };
            if request.method == "PATCH" {
                return Status::bad_request(format!("error decoding patch: {why}"));
            }
            failed(format!("couldn't get version/kind; json parse error: {why}"))
        });
    }
    serde_saphyr::from_str(text).map_err(|error| failed(format!("yaml: {error}")))
}

/// The refusal of a body in which nothing is.
pub(super) fn nothing(kind: &str) -> Status {
    let why = "couldn't get version/kind; json parse error: unexpected end of JSON input";
    unrecognized(kind, why, &[])
}

/// A body that cannot be read, with its beginning: as text when it looks like JSON, else in
/// hexadecimal digits.
fn unrecognized(kind: &str, why: &str, body: &[u8]) -> Status {
    const SHOWN: usize = 30;
    let start = &body[..body.len().min(SHOWN)];
    let mut shown = match start.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(start).into_owned(),
        Some(_) => hex::encode(start),
    };
    if body.len() > SHOWN {
        shown.push_str(" ...");
    }
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): {why} ({shown})"
    ))
}

/// The object in a body.
pub(super) fn parse_object(request: &Request, kind: &str) -> Result<Value, Status> {
    let object = parse(request, kind)?;
    let metadata = &object["metadata"];
    let go = match &object {
        Value::Object(_) if metadata.is_object() || metadata.is_null() => return Ok(object),
        Value::Object(_) => {
            return Err(Status::bad_request("metadata is not an object"));
        }
        Value::Array(_) => "array",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        _ => "string",
    };
    let why = format!(
        "couldn't get version/kind; json parse error: json: cannot unmarshal {go} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
    );
    Err(unrecognized(kind, &why, &request.body))
}
