//! The API: one generic path for every kind.
//!
//! [`answer`] takes a request that is authenticated and read, and gives its answer, or a watch. The
//! server above it knows sockets; nothing here does.

mod body;
mod delete;
mod discovery;
mod duplicates;
mod fields;
mod openapi;
mod options;
mod read;
mod reviews;
mod status;
mod watch;
mod write;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use status::Status;
pub(crate) use watch::Watch;

use super::kinds::{self, Kind};
use crate::world::{LogError, World};

/// Who comes without a token.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// A request to the API of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) content_type: String,
    pub(crate) accept: String,
    pub(crate) user_agent: String,
    pub(crate) user: String,
    /// Whom the user speaks for; nobody but administrators is known here, so that may nothing.
    pub(crate) impersonated: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn is(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    /// Whether nothing is to be kept. Deletions say so in their body.
    fn is_dry_run(&self) -> bool {
        let in_body = || {
            let has_options = self.method == "DELETE" || self.path.ends_with("/eviction");
            has_options && delete::options(self).is_ok_and(|options| options["dryRun"][0] == "All")
        };
        self.get("dryRun") == Some("All") || in_body()
    }

    /// The manager that fields are attributed to.
    fn manager(&self) -> String {
        let agent = || self.user_agent.split('/').next().unwrap_or("unknown").to_owned();
        self.get("fieldManager").map_or_else(agent, str::to_owned)
    }

    /// The resource that the request is about, qualified by its group, and whether it names one
    /// object; nothing for what is no resource.
    pub(crate) fn resource(&self) -> Option<(String, bool)> {
        let target = target(&self.path)?;
        let is_one = target.name.is_some();
        let group = Some(target.group).filter(|group| !group.is_empty());
        Some((
            group.map_or(target.plural.clone(), |group| format!("{}.{group}", target.plural)),
            is_one,
        ))
    }

    /// The class of the request, from what it does.
    pub(crate) fn class(&self) -> &'static str {
        match self.method.as_str() {
            "GET" | "HEAD" => "read",
            _ if self.path.contains("selfsubjectaccessreviews")
                || self.path.contains("selfsubjectreviews") =>
            {
                "read"
            }
            _ if self.is_dry_run() => "dry_run",
            _ => "write",
        }
    }
}

/// An answer.
pub(crate) enum Answer {
    /// A JSON body.
    Json { status: u16, content_type: String, body: Value, warnings: Vec<String> },
    /// Plain text.
    Text { status: u16, body: String },
    /// A document whose bytes are there already.
    Bytes { content_type: &'static str, body: Vec<u8> },
    /// A stream of events.
    Watch(Box<Watch>),
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    fn json(status: u16, body: Value) -> Self {
        Self::Json {
            status,
            content_type: "application/json".to_owned(),
            body,
            warnings: Vec::new(),
        }
    }
}

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        Self::json(status.code, status.body())
    }
}

/// Where a path of a resource leads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    group: String,
    version: String,
    plural: String,
    namespace: Option<String>,
    name: Option<String>,
    subresource: Option<String>,
}

/// Answers a request; the error is the world's log, which cannot be written.
pub(crate) fn answer(world: &World, cluster: &str, request: &Request) -> Result<Answer, LogError> {
    if request.impersonated.as_deref() == Some(ANONYMOUS) && !is_for_anybody(&request.path) {
        let method = request.method.to_lowercase();
        let why =
            format!("forbidden: User \"{ANONYMOUS}\" cannot {method} path \"{}\"", request.path);
        return Ok(Status::new(403, "Forbidden", why).with_no_details().into());
    }
    if let Some(answer) = general(world, cluster, request) {
        return Ok(answer);
    }
    let Some(target) = target(&request.path) else { return Ok(no_path()) };
    let kind = world.rehearse(|transaction| -> Result<Option<Kind>, std::convert::Infallible> {
        Ok(kinds::find(transaction, cluster, &target.group, &target.version, &target.plural))
    });
    let Ok(Some(kind)) = kind else {
        let is_served = discovery::is_served(world, cluster, &target.group, &target.version);
        return Ok(if is_served { Status::no_path().into() } else { no_path() });
    };
    if let Some(user) = &request.impersonated
        && (user == ANONYMOUS || !kind.group.starts_with("auth"))
    {
        return Ok(reviews::denied(&kind, &target, request, user).into());
    }
    let sub = target.subresource.as_deref();
    if let Some(sub @ ("log" | "exec" | "attach" | "portforward" | "proxy")) = sub {
        let message = format!("the sandbox has no {sub}: its pods run nothing");
        return Ok(Status::new(501, "NotImplemented", message).into());
    }
    if sub.is_some_and(|sub| !kind.subresources.iter().any(|one| one == sub)) {
        return Ok(Status::no_path().into());
    }
    if let Err(status) = options::check_accept(&request.accept)
        .and_then(|()| options::check(&kind, &target, request))
    {
        return Ok(status.into());
    }
    match (request.method.as_str(), &target.name) {
        ("GET", None) if request.is("watch") => {
            Ok(watch::open(world, cluster, &kind, &target, request))
        }
        ("GET", Some(_)) if request.is("watch") => {
            Ok(watch::open(world, cluster, &kind, &target, request))
        }
        ("GET", _) => Ok(read::read(world, cluster, &kind, &target, request)),
        ("POST" | "PUT" | "PATCH" | "DELETE", _) => {
            write::write(world, cluster, &kind, &target, request)
        }
        _ => Ok(Status::no_method().into()),
    }
}

/// Whether a path is judged by who may do what with its resource, or is everybody's to see.
fn is_for_anybody(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), "/healthz" | "/livez" | "/readyz" | "/version")
        || target(path).is_some()
}

/// What is not a resource: health, version, discovery, `OpenAPI`.
fn general(world: &World, cluster: &str, request: &Request) -> Option<Answer> {
    match request.path.trim_end_matches('/') {
        "/healthz" | "/livez" | "/readyz" => {
            Some(Answer::Text { status: 200, body: "ok".to_owned() })
        }
        "/version" => Some(discovery::version(world, cluster)),
        path if path == "/api" || path == "/apis" || discovery::is_group_path(path) => {
            discovery::answer(world, cluster, path, request)
        }
        "/openapi/v2" => Some(openapi::older(request)),
        path if path.starts_with("/openapi/v3") => openapi::answer(world, cluster, path),
        _ => None,
    }
}

/// What no server of the aggregated API knows is answered in plain text.
fn no_path() -> Answer {
    Answer::Text { status: 404, body: "404 page not found\n".to_owned() }
}

fn target(path: &str) -> Option<Target> {
    let parts = segments(path);
    let texts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, rest) = match texts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..]
            if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) =>
        {
            (Some((*namespace).to_owned()), rest)
        }
        rest => (None, rest),
    };
    let text = |index: usize| rest.get(index).map(|text| (*text).to_owned());
    Some(Target {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: text(0)?,
        namespace,
        name: text(1),
        subresource: text(2),
    })
}

/// Parts of a path, decoded.
fn segments(path: &str) -> Vec<String> {
    let decoded =
        |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    path.split('/').filter(|part| !part.is_empty()).map(decoded).collect()
}
