//! The wire protocols: query, EC2's query, REST-JSON, JSON 1.0 and 1.1.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use quick_xml::escape::escape;
use serde_json::{Value, json};

use super::AwsError;

/// How a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Form in, XML with a result wrapper out, lists `member.N`.
    Query { version: &'static str },
    /// Form in, XML without a wrapper out, lists `.N` and `<item>`.
    Ec2 { version: &'static str },
    /// Paths and JSON bodies.
    RestJson,
    /// A target header and JSON bodies.
    Json { version: &'static str, prefix: &'static str },
}

/// An operation of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) service: String,
    pub(crate) name: String,
}

/// What an operation was given, in whichever shape its protocol has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    /// Form fields, or query parameters of REST.
    pub(crate) form: BTreeMap<String, String>,
    /// JSON body.
    pub(crate) json: Value,
    /// Labels of a REST path, decoded, in order.
    pub(crate) path: Vec<String>,
}

impl Input {
    /// A form field.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(String::as_str)
    }

    /// A form field that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, AwsError> {
        self.text(name).filter(|text| !text.is_empty()).ok_or_else(|| {
            AwsError::bad("ValidationError", format!("1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must not be null"))
        })
    }

    /// A text of the JSON body.
    pub(crate) fn string(&self, name: &str) -> Option<&str> {
        self.json.get(name)?.as_str()
    }

    /// `prefix.1`, `prefix.2`, …
    pub(crate) fn list(&self, prefix: &str) -> Vec<String> {
        (1..).map_while(|number| self.form.get(&format!("{prefix}.{number}")).cloned()).collect()
    }

    /// A label of the path.
    pub(crate) fn label(&self, index: usize) -> &str {
        self.path.get(index).map_or("", String::as_str)
    }
}

/// Decodes a request of a service.
pub(crate) fn decode(
    service: &str,
    protocol: Protocol,
    method: &Method,
    uri: &http::Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(Operation, Input), AwsError> {
    let operation = |name: &str| Operation { service: service.to_owned(), name: name.to_owned() };
    let query = form(uri.query().unwrap_or_default().as_bytes());
    match protocol {
        Protocol::Query { .. } | Protocol::Ec2 { .. } => {
            let mut fields = query;
            fields.extend(form(body));
            let name = fields.get("Action").cloned().ok_or_else(|| AwsError::bad("MissingAction", "The request must contain the parameter Action"))?;
            Ok((operation(&name), Input { form: fields, ..Input::default() }))
        }
        Protocol::Json { prefix, .. } => {
            let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let name = target.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')).ok_or_else(|| AwsError::bad("UnknownOperationException", format!("unknown target {target}")))?;
            let json = serde_json::from_slice(body).map_err(|error| AwsError::bad("SerializationException", format!("not JSON: {error}")))?;
            Ok((operation(name), Input { json, ..Input::default() }))
        }
        Protocol::RestJson => {
            let (name, path) = super::eks::route(method, uri.path()).ok_or_else(|| AwsError::new(404, "UnknownOperationException", format!("no operation of eks at {method} {}", uri.path())))?;
            let json = if body.is_empty() {
                json!({})
            } else {
                serde_json::from_slice(body).map_err(|error| AwsError::bad("SerializationException", format!("not JSON: {error}")))?
            };
            Ok((operation(name), Input { form: query, json, path }))
        }
    }
}

fn form(bytes: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(bytes).into_owned().collect()
}

/// Labels of a path, decoded.
pub(crate) fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty()).map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
}

/// The answer of an operation as bytes on the wire.
pub(crate) fn encode(protocol: Protocol, operation: &Operation, request_id: &str, answer: &Result<Value, AwsError>) -> Response<Vec<u8>> {
    let (status, content_type, body) = match (protocol, answer) {
        (Protocol::Query { version }, Ok(value)) => (200, "text/xml", query_answer(operation, version, request_id, value)),
        (Protocol::Query { version }, Err(error)) => (error.status, "text/xml", query_error(operation, version, request_id, error)),
        (Protocol::Ec2 { version }, Ok(value)) => (200, "text/xml;charset=UTF-8", ec2_answer(operation, version, request_id, value)),
        (Protocol::Ec2 { .. }, Err(error)) => (error.status, "text/xml;charset=UTF-8", ec2_error(request_id, error)),
        (Protocol::RestJson, Ok(value)) => (200, "application/json", value.to_string()),
        (Protocol::RestJson, Err(error)) => (error.status, "application/json", json!({"message": error.message}).to_string()),
        (Protocol::Json { version: "1.0", .. }, Ok(value)) => (200, "application/x-amz-json-1.0", value.to_string()),
        (Protocol::Json { version: "1.0", .. }, Err(error)) => (error.status, "application/x-amz-json-1.0", json_error("com.amazonaws.sqs#", error)),
        (Protocol::Json { .. }, Ok(value)) => (200, "application/x-amz-json-1.1", value.to_string()),
        (Protocol::Json { .. }, Err(error)) => (error.status, "application/x-amz-json-1.1", json_error("", error)),
    };
    let mut response = Response::new(body.into_bytes());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put("content-type", content_type);
    put("x-amzn-requestid", request_id);
    if let Err(error) = answer {
        put("x-amzn-errortype", &error.code);
        if operation.service == "sqs" {
            put("x-amzn-query-error", &format!("{};Sender", query_code(&error.code)));
        }
    }
    response
}

/// The code that SQS had when it spoke the query protocol.
fn query_code(code: &str) -> String {
    match code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
        "QueueNameExists" => "QueueAlreadyExists".to_owned(),
        "QueueDeletedRecently" => "AWS.SimpleQueueService.QueueDeletedRecently".to_owned(),
        other => other.to_owned(),
    }
}

fn json_error(prefix: &str, error: &AwsError) -> String {
    json!({"__type": format!("{prefix}{}", error.code), "message": error.message}).to_string()
}

fn namespace(operation: &Operation, version: &str) -> String {
    let host = if operation.service == "elasticloadbalancing" { "elasticloadbalancing" } else { operation.service.as_str() };
    match host {
        "autoscaling" => format!("http://autoscaling.amazonaws.com/doc/{version}/"),
        other => format!("https://{other}.amazonaws.com/doc/{version}/"),
    }
}

fn query_answer(operation: &Operation, version: &str, request_id: &str, value: &Value) -> String {
    let name = &operation.name;
    let mut body = String::new();
    members(&mut body, value, "member");
    format!(
        "<{name}Response xmlns=\"{}\"><{name}Result>{body}</{name}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>",
        namespace(operation, version)
    )
}

fn query_error(operation: &Operation, version: &str, request_id: &str, error: &AwsError) -> String {
    let kind = if error.status < 500 { "Sender" } else { "Receiver" };
    format!(
        "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        namespace(operation, version),
        escape(&error.code),
        escape(&error.message)
    )
}

fn ec2_answer(operation: &Operation, version: &str, request_id: &str, value: &Value) -> String {
    let name = &operation.name;
    let mut body = String::new();
    members(&mut body, value, "item");
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{name}Response xmlns=\"http://ec2.amazonaws.com/doc/{version}/\"><requestId>{request_id}</requestId>{body}</{name}Response>")
}

fn ec2_error(request_id: &str, error: &AwsError) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>",
        escape(&error.code),
        escape(&error.message)
    )
}

/// A JSON value as XML: maps are elements, lists repeat `item`.
fn members(out: &mut String, value: &Value, item: &str) {
    match value {
        Value::Object(entries) => {
            for (name, inner) in entries.iter().filter(|(_, inner)| !inner.is_null()) {
                out.push_str(&format!("<{name}>"));
                members(out, inner, item);
                out.push_str(&format!("</{name}>"));
            }
        }
        Value::Array(items) => {
            for inner in items {
                out.push_str(&format!("<{item}>"));
                members(out, inner, item);
                out.push_str(&format!("</{item}>"));
            }
        }
        Value::String(text) => out.push_str(&escape(text.as_str())),
        Value::Null => {}
        other => out.push_str(&other.to_string()),
    }
}
