//! The one place that sends requests to a cluster and understands its answers.
//!
//! Under it is kube's client without its retry layer. A 401 gets a new token once, at once: the
//! request was not processed. What the server refuses arrives as a `Status` object; an error page
//! of something in between is not one, and is told apart.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use serde_json::Value;

use super::request::Request;
use super::token::Tokens;
use crate::aws::RUN_HEADER;
use crate::error::{Class, Error, FieldConflict, Outcome, Passes, Processed, Said, causes};
use crate::request::{Access, RequestClass};
use crate::retry::{Caller, Repeat};

/// The largest answer that is read: far more than any page of objects.
const ANSWER_LIMIT: usize = 256 << 20;

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transport {
    pub(crate) client: kube::Client,
    /// `None`: the kubeconfig brings its own way to authenticate.
    pub(crate) tokens: Option<Arc<Tokens>>,
    pub(crate) access: Access,
    pub(crate) run_id: Option<Arc<str>>,
    pub(crate) caller: Caller,
}

impl Transport {
    /// A read or a dry run.
    pub(crate) async fn read(&self, request: &Request) -> Result<Value, Error> {
        self.caller.read(&request.operation, || self.once(request)).await
    }

    /// A read of something that may not be there.
    pub(crate) async fn find(&self, request: &Request) -> Result<Option<Value>, Error> {
        match self.read(request).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A write. None of them carries a token, so a lost reply is ambiguous.
    pub(crate) async fn write(&self, request: &Request) -> Outcome<Value> {
        self.caller
            .write(&request.operation, Repeat::OnlyIfUnprocessed, || self.once(request))
            .await
    }

    async fn once(&self, request: &Request) -> Result<Value, Error> {
        let failed = |said| Error::new(&request.operation, said);
        if !self.access.permits(request.operation.class) {
            return Err(failed(Said::unsent(
                Class::Refused,
                format!(
                    "this connection only reads, and `{}` writes; nothing was sent",
                    request.operation
                ),
            )));
        }
        let response = self.authorised(request).await?;
        let answer = Answer::of(response).await.map_err(failed)?;
        answer.value(request.operation.class).map_err(failed)
    }

    /// A read whose answer has no end: the body of one that began well.
    pub(crate) async fn stream(&self, request: &Request) -> Result<Body, Error> {
        self.caller
            .read(&request.operation, || async {
                let response = self.authorised(request).await?;
                if response.status().is_success() {
                    return Ok(response.into_body());
                }
                let failed = |said| Error::new(&request.operation, said);
                let answer = Answer::of(response).await.map_err(failed)?;
                Err(failed(refusal(answer.status.as_u16(), &answer.headers, &answer.body)))
            })
            .await
    }

    /// The answer to a request with our token, and with a new one when that is refused.
    async fn authorised(&self, request: &Request) -> Result<http::Response<Body>, Error> {
        let failed = |said| Error::new(&request.operation, said);
        let mut refused: Option<String> = None;
        loop {
            let token = match &self.tokens {
                None => None,
                Some(tokens) => Some(
                    tokens
                        .current(refused.as_deref())
                        .await
                        .map_err(|error| failed(Said::unsent(Class::Denied, error.to_string())))?,
                ),
            };
            let built = self.build(request, token.as_deref()).map_err(failed)?;
            let response = self.client.send(built).await.map_err(|error| failed(broken(&error)))?;
            if response.status() == StatusCode::UNAUTHORIZED && refused.is_none() && token.is_some()
            {
                refused = token;
                continue;
            }
            return Ok(response);
        }
    }

    fn build(&self, request: &Request, token: Option<&str>) -> Result<http::Request<Body>, Said> {
        let unusable = |problem: String| Said::unsent(Class::Invalid, problem);
        let body = request.body.clone().map_or_else(Body::empty, Body::from);
        let mut built = http::Request::builder()
            .method(request.method.clone())
            .uri(&request.path)
            .body(body)
            .map_err(|error| unusable(format!("`{}` is no path: {error}", request.path)))?;
        let headers = built.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(request.accept));
        if let Some(content_type) = request.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let mut agent = concat!("runbook/", env!("CARGO_PKG_VERSION")).to_owned();
        if let Some(run_id) = &self.run_id {
            let value = HeaderValue::from_str(run_id)
                .map_err(|_| unusable("the run's id cannot stand in a header".to_owned()))?;
            headers.insert(RUN_HEADER, value);
            agent = format!("{agent} run/{run_id}");
        }
        if let Ok(agent) = HeaderValue::from_str(&agent) {
            headers.insert(USER_AGENT, agent);
        }
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| unusable("the token cannot stand in a header".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(built)
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    async fn of(response: http::Response<Body>) -> Result<Self, Said> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await.map_err(|error| {
            let cause = crate::error::root_cause(&*error);
            Said::unanswered(Class::Unavailable, format!("the answer broke off: {cause}"))
        })?;
        Ok(Self { status: head.status, headers: head.headers, body: body.to_bytes().to_vec() })
    }

    fn value(self, class: RequestClass) -> Result<Value, Said> {
        if !self.status.is_success() {
            return Err(refusal(self.status.as_u16(), &self.headers, &self.body));
        }
        // `/readyz` answers a word.
        let json = self.headers.get(CONTENT_TYPE).is_none_or(|value| {
            value.to_str().is_ok_and(|value| value.starts_with("application/json"))
        });
        if !json {
            return Ok(Value::String(String::from_utf8_lossy(&self.body).into_owned()));
        }
        serde_json::from_slice(&self.body).map_err(|error| Said {
            status: Some(self.status.as_u16()),
            processed: if class == RequestClass::Write {
                Processed::Unknown
            } else {
                Processed::No
            },
            passes: Passes::Soon,
            ..Said::unsent(Class::Unreadable, format!("the answer is no JSON: {error}"))
        })
    }
}

/// No answer: the connection did not come up, or broke.
fn broken(error: &kube::Error) -> Said {
    let error: &(dyn std::error::Error + 'static) = error;
    let chain = || causes(error);
    let cause = crate::error::root_cause(error);
    if matches!(error.downcast_ref::<kube::Error>(), Some(kube::Error::Auth(_))) {
        return Said::unsent(Class::Denied, format!("the kubeconfig's credentials fail: {cause}"));
    }
    if let Some(tls) = chain().find_map(|error| error.downcast_ref::<rustls::Error>()) {
        return Said::unsent(Class::Unavailable, format!("the TLS handshake failed: {tls}"));
    }
    let never_connected = chain()
        .filter_map(|error| error.downcast_ref::<hyper_util::client::legacy::Error>())
        .any(hyper_util::client::legacy::Error::is_connect);
    if never_connected {
        let mut said =
            Said::unsent(Class::Unavailable, format!("no connection to the API server: {cause}"));
        said.passes = Passes::Soon;
        return said;
    }
    let timed_out = chain()
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::TimedOut);
    let class = if timed_out { Class::Timeout } else { Class::Unavailable };
    Said::unanswered(class, format!("the connection broke before the answer: {cause}"))
}

/// What the API server says, in plain text, of paths under which it serves nothing: those of a
/// definition that is gone.
const NO_PATH: &[u8] = b"404 page not found";

/// What an error answer says. Absence is what a `Status` says, or what the API server itself says of
/// a path, not the 404 of something in between.
pub(crate) fn refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> Said {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let object = parsed.filter(|value| value.get("kind").is_some_and(|kind| kind == "Status"));
    let text =
        |pointer: &str| object.as_ref().and_then(|it| it.pointer(pointer)).and_then(Value::as_str);
    let no_path = status == 404 && body.trim_ascii() == NO_PATH;
    let reason = text("/reason").or(no_path.then_some("NotFound"));
    let reason = reason.filter(|reason| !reason.is_empty());
    let class = match (reason, status) {
        (Some("NotFound"), _) => Class::NotFound,
        (Some("Unauthorized" | "Forbidden"), _) | (_, 401 | 403) => Class::Denied,
        (Some("TooManyRequests"), _) | (_, 429) => Class::Throttled,
        (Some("AlreadyExists" | "Conflict"), _) => Class::Conflict,
        (Some("Timeout" | "ServerTimeout"), _) | (_, 504) => Class::Timeout,
        (_, 500..) => Class::Unavailable,
        (None, 404 | 409 | 410) if object.is_none() => Class::Unreadable,
        _ => Class::Invalid,
    };
    let unsaid = || {
        if no_path {
            "the server could not find the requested resource".to_owned()
        } else {
            format!("the answer has status {status} and no Status object")
        }
    };
    let message = text("/message").map_or_else(unsaid, str::to_owned);
    // Admission runs before anything is stored, so a webhook that does not answer means that
    // nothing happened.
    let before_storage = message.contains("failed calling webhook");
    let processed = if status < 500 || before_storage { Processed::No } else { Processed::Unknown };
    let passes = match class {
        Class::Throttled | Class::Timeout | Class::Unavailable => Passes::Soon,
        _ => Passes::No,
    };
    let retry_after = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .or_else(|| object.as_ref()?.pointer("/details/retryAfterSeconds")?.as_u64())
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs);
    Said {
        class,
        code: reason.map(str::to_owned),
        message,
        request_id: None,
        status: Some(status),
        conflicts: object.as_ref().map(field_conflicts).unwrap_or_default(),
        processed,
        passes,
        retry_after,
    }
}

/// The fields that a server-side apply would have to take, from `details.causes`.
fn field_conflicts(status: &Value) -> Vec<FieldConflict> {
    let causes = status.pointer("/details/causes").and_then(Value::as_array);
    causes
        .into_iter()
        .flatten()
        .filter(|cause| cause.get("reason").is_some_and(|it| it == "FieldManagerConflict"))
        .map(|cause| {
            let text = |name: &str| cause.get(name).and_then(Value::as_str).unwrap_or_default();
            let manager = text("message").trim_start_matches("conflict with ");
            FieldConflict { manager: manager.to_owned(), field: text("field").to_owned() }
        })
        .collect()
}
