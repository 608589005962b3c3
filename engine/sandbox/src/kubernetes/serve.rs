//! From a socket's request to the API and back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::{Bytes, Incoming};
use jiff::Timestamp;
use serde_json::Value;

use super::api::{self, ANONYMOUS, Answer, Request, Status, Watch};
use super::suffer::{self, Suffered};
use crate::Sandbox;
use crate::requests::{self, Class};
use crate::server::body::{self, Body};
use crate::server::{BodyError, Dropped, read_body};

/// The largest body of a request, as etcd and the apiserver have it.
const MOST_BYTES: usize = 3 << 20;
/// Between two looks whether a watch's time is over.
const LONGEST_WATCH: Duration = Duration::from_hours(1);

/// Serves one request of a cluster.
pub(crate) async fn serve(
    sandbox: Arc<Sandbox>,
    cluster: String,
    request: http::Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (parts, incoming) = request.into_parts();
    let run = requests::run_of(&parts.headers);
    let is_anonymous = header(&parts.headers, "authorization").is_empty();
    let principal = if is_anonymous {
        ANONYMOUS.to_owned()
    } else {
        let Some(principal) = principal(&sandbox, &cluster, &parts.headers) else {
            return Ok(of_status(&Status::new(401, "Unauthorized", "Unauthorized")));
        };
        principal
    };
    if !is_anonymous && !is_admin(&sandbox, &cluster, &principal) {
        let message = format!(
            "forbidden: User \"{principal}\" has no access policy on this cluster (the sandbox knows administrators only)"
        );
        return Ok(of_status(&Status::new(403, "Forbidden", message)));
    }
    let body = match read_body(incoming, MOST_BYTES).await {
        Ok(body) => body,
        Err(BodyError::TooLong { limit }) => {
            let why = format!("Request entity too large: limit is {limit}");
            return Ok(of_status(&Status::new(413, "RequestEntityTooLarge", why)));
        }
        Err(BodyError::BrokenOff) => {
            let why = "unable to read the request's body: unexpected EOF";
            return Ok(of_status(&Status::new(400, "BadRequest", why)));
        }
    };
    // Until the answer's head is ready: what a watch waits for afterwards does not hold the clock.
    let _serving = sandbox.begin_request().await;
    let text = |name: &str| header(&parts.headers, name);
    let request = Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: query(parts.uri.query().unwrap_or_default()),
        content_type: text("content-type"),
        accept: text("accept"),
        user_agent: text("user-agent"),
        user: principal.clone(),
        impersonated: Some(if is_anonymous { principal.clone() } else { text("impersonate-user") })
            .filter(|user| !user.is_empty()),
        body: body.to_vec(),
    };
    let fault = suffer::operation(&request)
        .and_then(|operation| sandbox.faults.strike("kubernetes", &operation));
    let suffered = suffer::suffer(fault.as_ref());
    let is_dropped = matches!(suffered, Suffered::Reset | Suffered::LostReply);
    let answer = match suffered {
        Suffered::Refused(status) => status.into(),
        Suffered::Reset => Status::new(500, "ConnectionClosed", "nothing happened").into(),
        Suffered::Nothing | Suffered::LostReply => answer(&sandbox, &cluster, &request),
    };
    let status = match &answer {
        _ if is_dropped => 0,
        Answer::Json { status, .. } | Answer::Text { status, .. } => *status,
        Answer::Watch(_) | Answer::Bytes { .. } => 200,
    };
    let error = match &answer {
        Answer::Json { body, .. } if status >= 400 => body["reason"].as_str().map(str::to_owned),
        _ => None,
    };
    sandbox.record(requests::Request {
        seq: 0,
        real_time: sandbox.real_now(),
        world_time: sandbox.world.now(),
        service: format!("kubernetes/{cluster}"),
        operation: operation(&request),
        class: class(&request),
        subject: request.path.clone(),
        run,
        principal,
        status,
        error,
    });
    if is_dropped { Err(Dropped) } else { Ok(respond(&sandbox, answer)) }
}

fn answer(sandbox: &Sandbox, cluster: &str, request: &Request) -> Answer {
    api::answer(&sandbox.world, cluster, request).unwrap_or_else(|error| {
        sandbox.fail(&error);
        Status::new(500, "InternalError", "the sandbox's world cannot be written").into()
    })
}

/// Who a request's token belongs to: the ARN, when it is a token of this cluster and an access
/// entry knows it.
fn principal(sandbox: &Sandbox, cluster: &str, headers: &HeaderMap) -> Option<String> {
    let authorization = header(headers, "authorization");
    let token = authorization.strip_prefix("Bearer ")?.trim().to_owned();
    let own = sandbox.world.context.addresses.aws();
    let real_now = sandbox.real_now();
    let principal = sandbox
        .world
        .rehearse(|transaction| {
            crate::aws::sts::authenticate(transaction, &token, cluster, &own, real_now)
        })
        .ok()?;
    let known = sandbox.world.store.read(|state| {
        state.get(crate::aws::eks::ENTRIES, &format!("{cluster}/{}", principal.arn)).is_some()
    });
    known.then_some(principal.arn)
}

fn is_admin(sandbox: &Sandbox, cluster: &str, principal: &str) -> bool {
    sandbox.world.store.read(|state| {
        let Some(entry) = state.get(crate::aws::eks::ENTRIES, &format!("{cluster}/{principal}"))
        else {
            return false;
        };
        let policies = entry.value["policies"].as_array().into_iter().flatten();
        policies.into_iter().any(|one| {
            one["policyArn"]
                .as_str()
                .is_some_and(|arn| arn.ends_with("/AmazonEKSClusterAdminPolicy"))
        })
    })
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn query(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn class(request: &Request) -> Class {
    match request.class() {
        "read" => Class::Read,
        "dry_run" => Class::DryRun,
        _ => Class::Write,
    }
}

/// `patch`, `list`, `watch`, …
fn operation(request: &Request) -> String {
    match request.method.as_str() {
        "GET" if request.query.contains_key("watch") => "watch".to_owned(),
        other => other.to_lowercase(),
    }
}

fn of_status(status: &Status) -> Response<Body> {
    whole(status.code, "application/json", status.body().to_string())
}

fn whole(status: u16, content_type: &str, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(body::whole(text));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    put(&mut response, "content-type", content_type);
    response
}

fn put(response: &mut Response<Body>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}

fn respond(sandbox: &Arc<Sandbox>, answer: Answer) -> Response<Body> {
    match answer {
        Answer::Text { status, body } => whole(status, "text/plain; charset=utf-8", body),
        Answer::Bytes { content_type, body } => whole(200, content_type, body),
        Answer::Json { status, content_type, body, warnings } => {
            let mut response = whole(status, &content_type, json_text(&body));
            for warning in warnings {
                put(
                    &mut response,
                    "warning",
                    &format!("299 - \"{}\"", warning.replace('"', "\\\"")),
                );
            }
            response
        }
        Answer::Watch(watch) => {
            let mut response = Response::new(body::streaming(lines(sandbox.clone(), watch)));
            put(&mut response, "content-type", "application/json");
            response
        }
    }
}

fn json_text(body: &Value) -> String {
    body.to_string()
}

/// The lines of a watch, until its time is over, it fell behind, or the sandbox stops.
fn lines(sandbox: Arc<Sandbox>, watch: Box<Watch>) -> impl futures::Stream<Item = Bytes> + Send {
    let longest = watch.timeout_seconds.map_or(LONGEST_WATCH, Duration::from_secs);
    let deadline = tokio::time::Instant::now() + longest;
    futures::stream::unfold((sandbox, watch), move |(sandbox, mut watch)| async move {
        loop {
            if watch.is_over() {
                return None;
            }
            let mut stopping = sandbox.stopping();
            tokio::select! {
                () = watch.changed() => {}
                () = tokio::time::sleep_until(deadline) => return None,
                _ = stopping.wait_for(|stop| *stop) => return None,
            }
            let now: Timestamp = sandbox.world.now();
            let text = watch.lines(now);
            if !text.is_empty() {
                return Some((Bytes::from(text), (sandbox, watch)));
            }
        }
    })
}
