//! The control endpoint: how clients of the clock, and people, talk to a served world.
//!
//! It has a port of its own and a shape like nothing of AWS or Kubernetes: plain HTTP and JSON,
//! with the token of the lock file in `authorization: Bearer`.
//!
//! ```text
//! POST /clients               {"name": …}  →  {"client": 1, "now": …}\n, then stays open:
//!                                             closing it deregisters the client
//! POST /clients/ID/idle       {"until": …} →  {"now": …}, once world time has reached it;
//!                                             closing the connection ends the waiting
//! POST /clients/ID/elsewhere               →  the client waits for a child that is registered itself
//! POST /clients/ID/busy                    →  {"now": …}
//! GET  /now                                →  {"now": …}
//! GET  /world                              →  what a client needs: endpoints, credentials, clusters
//! GET  /clusters/NAME/kubeconfig           →  text
//! GET  /requests?writes=true&after=N&run=R →  [request, …]
//! GET  /bill?window=2026-10&format=cur&packed=true → the file
//! GET, PUT /billing                        →  how the account is billed, as the scenario says it
//! GET, PUT, DELETE /faults                 →  the script that is left
//! POST /mark                               →  {"revision": R}: watches that allow bookmarks tell one as
//!                                             soon as they have told all that happened up to now
//! POST /stop
//! ```

mod client;
mod clients;

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use client::{ControlClient, ControlError, Elsewhere, Registration};

use crate::billing::Billing;
use crate::faults::{self, Fault};
use crate::requests::Query;
use crate::server::body::{self, Body};
use crate::server::{Dropped, read_body};
use crate::world::ClientId;
use crate::{BillFormat, BillWindow, Sandbox};

const BODY_LIMIT: usize = 1 << 20;

/// A refusal of the control endpoint.
struct Refused {
    status: StatusCode,
    why: String,
}

impl Refused {
    fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Now {
    now: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct Marked {
    revision: u64,
}

/// Answers one request.
pub(crate) async fn serve(
    sandbox: Arc<Sandbox>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let answered = answer(&sandbox, request).await;
    Ok(answered
        .unwrap_or_else(|refused| json_response(refused.status, &json!({"error": refused.why}))))
}

async fn answer(
    sandbox: &Arc<Sandbox>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    let (parts, incoming) = request.into_parts();
    let offered = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    if offered.and_then(|value| value.strip_prefix("Bearer ")) != Some(sandbox.token()) {
        return Err(Refused::new(
            StatusCode::UNAUTHORIZED,
            "the control token is missing or wrong",
        ));
    }
    let text = read_body(incoming, BODY_LIMIT)
        .await
        .map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let path: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    match (&parts.method, path.as_slice()) {
        (&Method::POST, ["clients", ..]) => clients::answer(sandbox, &path, &text).await,
        (&Method::GET, ["now"]) => Ok(now(sandbox)),
        (&Method::GET, ["world"]) => Ok(json_response(StatusCode::OK, &sandbox.describe())),
        (&Method::GET, ["clusters", name, "kubeconfig"]) => kubeconfig(sandbox, name),
        (&Method::GET, ["requests"]) => requests(sandbox, parts.uri.query().unwrap_or_default()),
        (&Method::GET, ["bill"]) => bill(sandbox, parts.uri.query().unwrap_or_default()),
        (method, ["billing"]) => change_billing(sandbox, method, &text),
        (method, ["faults"]) => change_faults(sandbox, method, &text),
        (&Method::POST, ["mark"]) => Ok(json_response(
            StatusCode::OK,
            &json!(Marked { revision: sandbox.world.store.mark() }),
        )),
        (&Method::POST, ["stop"]) => {
            sandbox.stop();
            Ok(json_response(StatusCode::OK, &json!({})))
        }
        (method, _) => Err(Refused::new(
            StatusCode::NOT_FOUND,
            format!("the control endpoint has no {method} {}", parts.uri.path()),
        )),
    }
}

fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(body::whole(value.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

fn now(sandbox: &Sandbox) -> Response<Body> {
    json_response(StatusCode::OK, &json!(Now { now: sandbox.world.now() }))
}

fn decode<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(text).map_err(|error| {
        Refused::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"))
    })
}

fn log_failure(error: &crate::world::LogError) -> Refused {
    let why = std::error::Error::source(error).map_or_else(String::new, |why| format!(": {why}"));
    Refused::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}{why}"))
}

fn kubeconfig(sandbox: &Sandbox, name: &str) -> Result<Response<Body>, Refused> {
    match sandbox.kubeconfig(name) {
        Ok(text) => Ok(Response::new(body::whole(text))),
        Err(error) => Err(Refused::new(StatusCode::NOT_FOUND, error.to_string())),
    }
}

fn requests(sandbox: &Sandbox, query: &str) -> Result<Response<Body>, Refused> {
    let mut wanted = Query::default();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "writes" => wanted.writes = value == "true",
            "run" => wanted.run = Some(value.into_owned()),
            "after" => {
                wanted.after = value.parse().map_err(|_| {
                    Refused::new(
                        StatusCode::BAD_REQUEST,
                        format!("`after` is not a number: {value}"),
                    )
                })?;
            }
            other => {
                return Err(Refused::new(
                    StatusCode::BAD_REQUEST,
                    format!("unknown parameter `{other}`"),
                ));
            }
        }
    }
    let found = sandbox
        .requests(&wanted)
        .map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(json_response(StatusCode::OK, &json!(found)))
}

fn bad(error: impl std::fmt::Display) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, error.to_string())
}

fn bill(sandbox: &Sandbox, query: &str) -> Result<Response<Body>, Refused> {
    let (mut window, mut format, mut is_packed) = (None, BillFormat::Summary, false);
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "window" => window = Some(value.parse::<BillWindow>().map_err(bad)?),
            "format" => format = value.parse().map_err(bad)?,
            "packed" => is_packed = value == "true",
            other => return Err(bad(format!("unknown parameter `{other}`"))),
        }
    }
    let window = window.ok_or_else(|| bad("`window` is missing"))?;
    let file = sandbox.bill(window, format, is_packed).map_err(bad)?;
    Ok(Response::new(body::whole(file)))
}

fn change_billing(
    sandbox: &Sandbox,
    method: &Method,
    text: &[u8],
) -> Result<Response<Body>, Refused> {
    match *method {
        Method::GET => {}
        Method::PUT => {
            let text = std::str::from_utf8(text).map_err(bad)?;
            let settings = Billing::parse(text).map_err(bad)?;
            sandbox.change_billing(&settings).map_err(|error| log_failure(&error))?;
        }
        _ => return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "use GET or PUT")),
    }
    Ok(json_response(StatusCode::OK, &json!(sandbox.billing())))
}

fn change_faults(
    sandbox: &Sandbox,
    method: &Method,
    text: &[u8],
) -> Result<Response<Body>, Refused> {
    match *method {
        Method::GET => {}
        Method::PUT => {
            let script: Vec<Fault> = decode(text)?;
            faults::check(&script)
                .map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error.to_string()))?;
            sandbox.faults.load(script);
        }
        Method::DELETE => sandbox.faults.load(Vec::new()),
        _ => return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "use GET, PUT or DELETE")),
    }
    Ok(json_response(StatusCode::OK, &json!(sandbox.faults.remaining())))
}

/// A client of the clock, for as long as its connection is open.
struct Registered {
    sandbox: Arc<Sandbox>,
    id: ClientId,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.sandbox.deregister(self.id);
    }
}
