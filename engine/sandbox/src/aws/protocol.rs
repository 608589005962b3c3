//! The wire protocols: query, EC2's query, REST-JSON, JSON 1.0 and 1.1.
//!
//! Decoding finds the operation's name and its [`Input`]; encoding writes an answer or a refusal in
//! the protocol's own shape and with the protocol's own word for what means the same everywhere.

mod xml;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::refusal::Code;
use super::{Answer, Input, Refusal, eks};

/// How a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Form in, XML with a result wrapper out, lists `member`.
    Query { namespace: &'static str },
    /// Form in, XML without a wrapper out, lists `item`.
    Ec2 { namespace: &'static str },
    /// Paths and JSON bodies.
    RestJson,
    /// A target header and JSON bodies; `kind` is what stands before an error's name.
    Json { version: &'static str, prefix: &'static str, kind: &'static str },
}

/// A request on the wire.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a http::Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Protocol {
    /// Finds the operation's name and its input.
    pub(crate) fn decode(self, request: &Request<'_>) -> Result<(String, Input), Refusal> {
        match self {
            Self::Query { .. } | Self::Ec2 { .. } => {
                let mut fields = form(request.uri.query().unwrap_or_default().as_bytes());
                fields.extend(form(request.body));
                let input = Input::from_form(fields.into_iter())?;
                let missing = || {
                    Refusal::bad("MissingAction", "The request must contain the parameter Action")
                };
                let name = input.text("Action").ok_or_else(missing)?.to_owned();
                self.check_version(&name, input.text("Version"))?;
                Ok((name, input))
            }
            Self::Json { prefix, .. } => {
                let target = request.headers.get("x-amz-target");
                let target = target.and_then(|value| value.to_str().ok()).unwrap_or_default();
                let name = target.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
                let unknown = || {
                    Refusal::of(400, Code::UnknownOperation, format!("unknown target `{target}`"))
                };
                Ok((name.ok_or_else(unknown)?.to_owned(), Input::from_json(body(request.body)?)))
            }
            Self::RestJson => decode_rest(request),
        }
    }

    /// An operation of the query protocol is one of a version. EC2 has had many, and takes all.
    fn check_version(self, operation: &str, version: Option<&str>) -> Result<(), Refusal> {
        let Self::Query { namespace } = self else { return Ok(()) };
        let is_known = version.is_some_and(|version| {
            namespace.contains(version)
                // The older load balancers share the scope of the newer ones.
                || (namespace.contains("elasticloadbalancing") && version == "2012-06-01")
        });
        if is_known {
            return Ok(());
        }
        let version = version.unwrap_or("NO_VERSION_SPECIFIED");
        let why = format!("Could not find operation {operation} for version {version}");
        Err(Refusal::of(400, Code::UnknownOperation, why))
    }

    /// The answer on the wire.
    pub(crate) fn encode(
        self,
        operation: &str,
        version: Option<&str>,
        request_id: &str,
        answer: &Answer,
    ) -> Response<String> {
        let (status, content_type, body) = match self {
            Self::Query { namespace } => {
                let namespace = xml::in_version(namespace, version);
                (
                    self.status(answer),
                    "text/xml",
                    xml::query(operation, &namespace, request_id, answer),
                )
            }
            Self::Ec2 { namespace } => {
                let body = xml::ec2(operation, namespace, request_id, answer);
                (self.status(answer), "text/xml;charset=UTF-8", body)
            }
            Self::RestJson => (self.status(answer), "application/json", self.json(answer)),
            Self::Json { version: "1.0", .. } => {
                (self.status(answer), "application/x-amz-json-1.0", self.json(answer))
            }
            Self::Json { .. } => {
                (self.status(answer), "application/x-amz-json-1.1", self.json(answer))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let mut put = |name: &'static str, value: &str| {
            // A code is a word; one that no header carries would be one of the script's faults.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        put("content-type", content_type);
        put("x-amzn-requestid", request_id);
        if let Err(refusal) = answer {
            let code = self.code(&refusal.code);
            if matches!(self, Self::RestJson) {
                put("x-amzn-errortype", &code);
            }
            if matches!(self, Self::Json { prefix: "AmazonSQS", .. }) {
                put("x-amzn-query-error", &format!("{};Sender", sqs_query_code(&code)));
            }
        }
        response
    }

    /// The status of an answer. Who cannot be known is forbidden in most protocols; EC2 says that
    /// credentials are wrong, and the JSON protocols but SQS' say that the request is.
    fn status(self, answer: &Answer) -> StatusCode {
        let status = match answer {
            Ok(_) => 200,
            Err(refusal) => match (self, &refusal.code) {
                (Self::Ec2 { .. }, Code::UnknownAccessKey | Code::WrongSignature) => 401,
                (Self::Ec2 { .. }, Code::ExpiredSignature | Code::ExpiredToken) => 400,
                (
                    Self::Json { prefix, .. },
                    Code::UnknownAccessKey
                    | Code::WrongSignature
                    | Code::ExpiredSignature
                    | Code::ExpiredToken,
                ) if prefix != "AmazonSQS" => 400,
                (Self::Json { .. }, Code::MissingAuthentication) => 400,
                (Self::RestJson, Code::IncompleteSignature) => 403,
                _ => refusal.status,
            },
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn json(self, answer: &Answer) -> String {
        match answer {
            Ok(value) => without_nulls(value).to_string(),
            Err(refusal) => {
                let mut entries = Map::new();
                if let Self::Json { kind, .. } = self {
                    let name = format!("{kind}{}", self.code(&refusal.code));
                    entries.insert("__type".to_owned(), json!(name));
                }
                let name = if is_capital(self, &refusal.code) { "Message" } else { "message" };
                entries.insert(name.to_owned(), json!(refusal.message));
                entries.extend(refusal.details.clone());
                Value::Object(entries).to_string()
            }
        }
    }

    /// The protocol's word for a code.
    pub(crate) fn code(self, code: &Code) -> String {
        let words = match code {
            Code::Own(code) => return code.clone(),
            // query, EC2, REST-JSON, JSON
            Code::Invalid => [
                "ValidationError",
                "InvalidParameterValue",
                "InvalidParameterException",
                "ValidationException",
            ],
            Code::Missing => [
                "ValidationError",
                "MissingParameter",
                "InvalidParameterException",
                "ValidationException",
            ],
            Code::Untyped => [
                "MalformedInput",
                "InvalidParameterValue",
                "SerializationException",
                "SerializationException",
            ],
            Code::NotSimulated => ["NotSimulated"; 4],
            Code::UnknownOperation => [
                "InvalidAction",
                "InvalidAction",
                "UnknownOperationException",
                "UnknownOperationException",
            ],
            Code::Unreadable => [
                "MalformedQueryString",
                "MalformedQueryString",
                "SerializationException",
                "SerializationException",
            ],
            Code::MissingAuthentication => [
                "MissingAuthenticationToken",
                "MissingAuthenticationToken",
                "MissingAuthenticationTokenException",
                "MissingAuthenticationTokenException",
            ],
            Code::IncompleteSignature => [
                "IncompleteSignature",
                "IncompleteSignature",
                "IncompleteSignatureException",
                "IncompleteSignatureException",
            ],
            Code::UnknownAccessKey => [
                "InvalidClientTokenId",
                "AuthFailure",
                "UnrecognizedClientException",
                "UnrecognizedClientException",
            ],
            Code::WrongSignature => [
                "SignatureDoesNotMatch",
                "AuthFailure",
                "InvalidSignatureException",
                "InvalidSignatureException",
            ],
            Code::ExpiredSignature => [
                "SignatureDoesNotMatch",
                "RequestExpired",
                "InvalidSignatureException",
                "InvalidSignatureException",
            ],
            Code::ExpiredToken => {
                ["ExpiredToken", "RequestExpired", "ExpiredTokenException", "ExpiredTokenException"]
            }
            Code::Throttled => {
                ["Throttling", "RequestLimitExceeded", "ThrottlingException", "ThrottlingException"]
            }
            Code::Failure => {
                ["InternalFailure", "InternalError", "ServerException", "InternalFailure"]
            }
        };
        let place = match self {
            Self::Query { .. } => 0,
            Self::Ec2 { .. } => 1,
            Self::RestJson => 2,
            Self::Json { .. } => 3,
        };
        words[place].to_owned()
    }
}

/// The price list writes its messages with a capital, Cost Explorer and SSM some of their own.
fn is_capital(protocol: Protocol, code: &Code) -> bool {
    match protocol {
        Protocol::Json { prefix: "AWSPriceListService", .. } => true,
        Protocol::Json { prefix: "AWSInsightsIndexService", .. } => {
            matches!(code, Code::Own(code) if code != "ValidationException")
        }
        Protocol::Json { prefix: "AmazonSSM", .. } => {
            matches!(code, Code::Own(code) if code == "InvalidNextToken")
        }
        _ => false,
    }
}

/// What has no value is left out, as AWS does.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .iter()
            .filter(|(_, inner)| !inner.is_null())
            .map(|(name, inner)| (name.clone(), without_nulls(inner)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn form(bytes: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(bytes).into_owned().collect()
}

fn body(bytes: &[u8]) -> Result<Value, Refusal> {
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    let unreadable = |why: String| Refusal::of(400, Code::Unreadable, why);
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| unreadable(format!("the body is not JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(unreadable("the body is not a map".to_owned())) }
}

/// Labels of the path, parameters of the query and fields of the body, in one map.
fn decode_rest(request: &Request<'_>) -> Result<(String, Input), Refusal> {
    let path = request.uri.path();
    let Some((name, labels)) = eks::routes::find(request.method, path) else {
        let what = format!("eks has no operation at {} {path}", request.method);
        return Err(Refusal::of(404, Code::UnknownOperation, what));
    };
    let mut whole = body(request.body)?;
    if let Some(entries) = whole.as_object_mut() {
        for (key, value) in form(request.uri.query().unwrap_or_default().as_bytes()) {
            match entries.get_mut(&key) {
                Some(Value::Array(there)) => there.push(json!(value)),
                Some(there) => *there = json!([there, value]),
                None => drop(entries.insert(key, json!(value))),
            }
        }
        entries.extend(labels.into_iter().map(|(key, value)| (key.to_owned(), json!(value))));
    }
    Ok((name.to_owned(), Input::from_json(whole)))
}

/// The code that SQS had when it spoke the query protocol; SDKs map it to their old errors.
fn sqs_query_code(code: &str) -> &str {
    match code {
        "com.amazonaws.sqs#QueueDoesNotExist" | "QueueDoesNotExist" => {
            "AWS.SimpleQueueService.NonExistentQueue"
        }
        "QueueNameExists" => "QueueAlreadyExists",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "ExpiredTokenException" => "ExpiredToken",
        "QueueDeletedRecently" => "AWS.SimpleQueueService.QueueDeletedRecently",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Protocol =
        Protocol::Query { namespace: "https://iam.amazonaws.com/doc/2010-05-08/" };
    const EC2: Protocol = Protocol::Ec2 { namespace: "http://ec2.amazonaws.com/doc/2016-11-15/" };
    const JSON: Protocol = Protocol::Json { version: "1.1", prefix: "AWSEvents", kind: "" };

    #[test]
    fn query_answers() {
        let answer =
            Ok(json!({"Roles": [{"Name": "a&b"}, {"Name": "c"}], "Absent": null, "Is": true}));
        assert_eq!(
            QUERY.encode("ListRoles", None, "r-1", &answer).body(),
            "<ListRolesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListRolesResult>\
             <Is>true</Is><Roles><member><Name>a&amp;b</Name></member><member><Name>c</Name></member></Roles>\
             </ListRolesResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></ListRolesResponse>"
        );
        let refusal = Err(Refusal::new(404, "NoSuchEntity", "no <role>"));
        let response = QUERY.encode("GetRole", None, "r-2", &refusal);
        assert_eq!(response.status(), 404);
        assert_eq!(
            response.body(),
            "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
             <Code>NoSuchEntity</Code><Message>no &lt;role&gt;</Message></Error><RequestId>r-2</RequestId></ErrorResponse>"
        );
    }

    #[test]
    fn ec2_answers() {
        let answer = Ok(json!({"vpcSet": [{"vpcId": "vpc-1"}]}));
        assert_eq!(
            EC2.encode("DescribeVpcs", None, "r-1", &answer).body(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><DescribeVpcsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>r-1</requestId><vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>"
        );
        let refusal = Err(Refusal::of(403, Code::UnknownAccessKey, "no"));
        assert!(EC2.encode("X", None, "r", &refusal).body().contains("<Code>AuthFailure</Code>"));
    }

    #[test]
    fn json_refusals() {
        let refusal = Err(Refusal::bad("ResourceNotFoundException", "gone"));
        let response = JSON.encode("DescribeRule", None, "r", &refusal);
        assert_eq!(response.body(), r#"{"__type":"ResourceNotFoundException","message":"gone"}"#);
        let refusal = Err(Refusal::new(409, "ResourceInUseException", "m"));
        let response = Protocol::RestJson.encode("CreateCluster", None, "r", &refusal);
        assert_eq!(response.headers()["x-amzn-errortype"], "ResourceInUseException");
        assert_eq!(response.body(), r#"{"message":"m"}"#);
    }
}
