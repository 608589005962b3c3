//! The AWS port: from a request on the wire to its answer, its fault, and its place in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Request as HttpRequest, Response, request::Parts};
use hyper::body::Incoming;

use super::protocol::{Protocol, Request};
use super::refusal::Code;
use super::signature::{self, Claim};
use super::{
    Answer, Call, Input, Operation, Principal, Refusal, Service, credentials, service, sts,
};
use crate::Sandbox;
use crate::faults::{Fault, FaultKind};
use crate::notice::Notice;
use crate::requests::{self, Class};
use crate::server::body::{self, Body};
use crate::server::{BodyError, Dropped, read_body};
use crate::world::{LogError, ids};

/// More than any of these services takes.
const BODY_LIMIT: usize = 2 << 20;
/// What a slow convergence is multiplied with.
const SLOWNESS: i64 = 10;

/// Answers one request.
pub(crate) async fn serve(
    sandbox: &Arc<Sandbox>,
    request: HttpRequest<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (parts, incoming) = request.into_parts();
    let (text, too_long) = match read_body(incoming, BODY_LIMIT).await {
        Ok(text) => (text, None),
        Err(error @ BodyError::TooLong { .. }) => (hyper::body::Bytes::new(), Some(error)),
        Err(BodyError::BrokenOff) => return Err(Dropped),
    };
    let _serving = sandbox.begin_request().await;
    let exchange = Exchange { sandbox, parts: &parts, text: &text };
    let mut outcome = exchange.outcome(too_long.as_ref());
    exchange.record(&outcome);
    if outcome.is_dropped {
        return Err(Dropped);
    }
    let version = outcome.version.take();
    let id = exchange.request_id();
    let encoded =
        outcome.protocol.encode(&outcome.operation, version.as_deref(), &id, &outcome.answer);
    Ok(encoded.map(body::whole))
}

struct Exchange<'a> {
    sandbox: &'a Arc<Sandbox>,
    parts: &'a Parts,
    text: &'a [u8],
}

/// What came of a request.
struct Outcome {
    service: String,
    protocol: Protocol,
    operation: String,
    class: Class,
    subject: String,
    principal: String,
    /// The API version that the request named.
    version: Option<String>,
    answer: Answer,
    /// The connection is closed instead of the answer.
    is_dropped: bool,
}

impl Outcome {
    fn new(service: &str, protocol: Protocol, operation: &str) -> Self {
        Self {
            service: service.to_owned(),
            protocol,
            operation: operation.to_owned(),
            class: Class::Read,
            subject: String::new(),
            principal: String::new(),
            version: None,
            answer: Err(Refusal::of(500, Code::Failure, "not answered")),
            is_dropped: false,
        }
    }

    fn refuse(mut self, refusal: Refusal) -> Self {
        self.answer = Err(refusal);
        self
    }
}

impl Exchange<'_> {
    fn request(&self) -> Request<'_> {
        Request {
            method: &self.parts.method,
            uri: &self.parts.uri,
            headers: &self.parts.headers,
            body: self.text,
        }
    }

    /// Unique in this process; nothing that is stored holds it.
    fn request_id(&self) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
        let start = self.sandbox.token();
        ids::uuid(&self.sandbox.world.context, &["request", start, &number])
    }

    fn outcome(&self, too_long: Option<&BodyError>) -> Outcome {
        let guess = self.guess();
        let claim = match signature::claim(&self.parts.headers, &self.parts.uri) {
            Ok(Some(claim)) => claim,
            Ok(None) => {
                return self.unsigned(guess).unwrap_or_else(|| {
                    let why = "Request is missing Authentication Token";
                    let refusal = Refusal::of(403, Code::MissingAuthentication, why);
                    Outcome::new("unknown", guess, "unsigned").refuse(refusal)
                });
            }
            Err(incomplete) => {
                return Outcome::new("unknown", guess, "unsigned").refuse(incomplete.into());
            }
        };
        let Some(service) = service(&claim.service) else {
            let refusal = self.not_simulated(&claim.service, "any operation");
            return Outcome::new(&claim.service, guess, "unknown").refuse(refusal);
        };
        if let Some(error) = too_long {
            let refusal = Refusal::of(413, Code::Unreadable, error.to_string());
            return Outcome::new(service.name, service.protocol, "unknown").refuse(refusal);
        }
        match service.protocol.decode(&self.request()) {
            Ok((name, input)) => self.decoded(service, &claim, &name, input),
            Err(refusal) => Outcome::new(service.name, service.protocol, "unknown").refuse(refusal),
        }
    }

    /// What came of a request that nobody signs, if it is the one of its kind.
    fn unsigned(&self, guess: Protocol) -> Option<Outcome> {
        let Protocol::Query { .. } = guess else { return None };
        let service = service("sts")?;
        let (name, input) = service.protocol.decode(&self.request()).ok()?;
        if name != sts::UNSIGNED {
            return None;
        }
        let nobody = Principal { arn: "nobody".to_owned(), id: "nobody".to_owned() };
        Some(self.known(service, &nobody, &name, input))
    }

    /// The protocol of a request whose service is unknown, so that even its refusal can be read.
    fn guess(&self) -> Protocol {
        let header =
            |name: &str| self.parts.headers.get(name).and_then(|value| value.to_str().ok());
        let content = header("content-type").unwrap_or_default();
        if header("x-amz-target").is_some() {
            let version = if content.ends_with("1.0") { "1.0" } else { "1.1" };
            return Protocol::Json { version, prefix: "", kind: "" };
        }
        let presigned = self.parts.uri.query().is_some_and(|query| query.contains("Action="));
        if content.starts_with("application/x-www-form-urlencoded") || presigned {
            return Protocol::Query { namespace: "https://sts.amazonaws.com/doc/2011-06-15/" };
        }
        Protocol::RestJson
    }

    fn not_simulated(&self, service: &str, operation: &str) -> Refusal {
        self.sandbox.world.context.notices.tell(Notice::NotSimulated {
            service: service.to_owned(),
            operation: operation.to_owned(),
        });
        Refusal::not_simulated(&format!("{operation} of {service}"))
    }

    fn decoded(&self, service: &Service, claim: &Claim, name: &str, input: Input) -> Outcome {
        let principal = self.sandbox.world.rehearse(|transaction| {
            credentials::authenticate(transaction, &self.request(), claim, self.sandbox.real_now())
        });
        match principal {
            Ok(principal) => self.known(service, &principal, name, input),
            Err(refusal) => {
                let mut outcome = Outcome::new(service.name, service.protocol, name);
                outcome.version = input.text("Version").map(str::to_owned);
                outcome.refuse(refusal)
            }
        }
    }

    /// What came of a request of somebody who is known.
    fn known(&self, service: &Service, principal: &Principal, name: &str, input: Input) -> Outcome {
        let mut outcome = Outcome::new(service.name, service.protocol, name);
        outcome.version = input.text("Version").map(str::to_owned);
        outcome.principal.clone_from(&principal.arn);
        let Some(operation) = service.operation(name) else {
            let mut refusal = self.not_simulated(service.name, name);
            // As the service itself answers to what it does not have: clients know that code.
            (refusal.status, refusal.code) = (400, Code::UnknownOperation);
            return outcome.refuse(refusal);
        };
        outcome.class = operation.class;
        outcome.subject = subject(operation, &input);
        let fault = self.sandbox.faults.strike(service.name, name);
        match self.suffer(service, operation, principal, input, fault.as_ref()) {
            Ok((answer, is_dropped)) => {
                outcome.answer = answer;
                outcome.is_dropped = is_dropped;
                outcome
            }
            Err(error) => {
                self.sandbox.fail(&error);
                outcome.is_dropped = true;
                outcome
            }
        }
    }

    /// Carries out an operation, or what a fault makes of it; whether the reply is lost.
    fn suffer(
        &self,
        service: &Service,
        operation: &Operation,
        principal: &Principal,
        mut input: Input,
        fault: Option<&Fault>,
    ) -> Result<(Answer, bool), LogError> {
        let kind = fault.map(|fault| fault.kind);
        let refusal = match kind {
            Some(FaultKind::Reset) => return Ok((Err(lost()), true)),
            Some(FaultKind::Throttle) => Some(Refusal::of(400, Code::Throttled, "Rate exceeded")),
            Some(FaultKind::ServerError) => {
                Some(Refusal::of(500, Code::Failure, "An internal error has occurred"))
            }
            Some(FaultKind::TokenExpiry) => Some(credentials::expired()),
            Some(FaultKind::Refusal) => fault.map(|fault| {
                let code = fault.code.as_deref().unwrap_or_default();
                Refusal::bad(code, fault.message.as_deref().unwrap_or("refused by the script"))
            }),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return Ok((Err(refusal), false));
        }
        if kind == Some(FaultKind::PartialPage) {
            input.page_limit = Some(1);
        }
        let slowness = if kind == Some(FaultKind::SlowConvergence) { SLOWNESS } else { 1 };
        let world = &self.sandbox.world;
        let real_now = self.sandbox.real_now();
        let run = |transaction: &mut crate::store::Transaction<'_>| {
            transaction.slow_down(slowness);
            let context = &world.context;
            (operation.run)(&mut Call {
                name: operation.name,
                context,
                transaction,
                principal,
                input: &input,
                real_now,
            })
        };
        let answer = match (operation.class, kind) {
            (Class::Write, _) => world.transact(run)?,
            (_, Some(FaultKind::StaleRead)) => world.read_stale(&format!("{}/", service.name), run),
            _ => world.rehearse(run),
        };
        Ok((answer, kind == Some(FaultKind::LostReply)))
    }

    fn record(&self, outcome: &Outcome) {
        let error = outcome.answer.as_ref().err();
        let status = match error {
            _ if outcome.is_dropped => 0,
            Some(refusal) => refusal.status,
            None => 200,
        };
        self.sandbox.record(requests::Request {
            seq: 0,
            real_time: self.sandbox.real_now(),
            world_time: self.sandbox.world.now(),
            service: outcome.service.clone(),
            operation: outcome.operation.clone(),
            class: outcome.class,
            subject: outcome.subject.clone(),
            run: requests::run_of(&self.parts.headers),
            principal: outcome.principal.clone(),
            status,
            error: error.map(|refusal| outcome.protocol.code(&refusal.code)),
        });
    }
}

fn lost() -> Refusal {
    Refusal::new(500, "ConnectionClosed", "the connection was closed before anything happened")
}

/// What a request is about, as far as its parameters say.
fn subject(operation: &Operation, input: &Input) -> String {
    let mut parts = Vec::new();
    for name in operation.subject.split('/').filter(|name| !name.is_empty()) {
        match input.value(name) {
            serde_json::Value::String(text) => parts.push(text.clone()),
            serde_json::Value::Array(_) => parts.push(input.texts(name).join(",")),
            _ => {}
        }
    }
    parts.join("/")
}
