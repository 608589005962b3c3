//! Faults of the script that strike a request to a cluster.
//!
//! What a list's pages or a stale read would be here nobody has asked for yet: a script that wants
//! them of Kubernetes by name is refused when it is read ([`crate::faults::check`]).

use super::api::{Request, Status};
use crate::faults::{Fault, FaultKind};

/// What becomes of a request.
#[derive(Debug, PartialEq)]
pub(super) enum Suffered {
    /// It is answered.
    Nothing,
    /// This is answered, and nothing happens.
    Refused(Status),
    /// The connection is closed before anything happens.
    Reset,
    /// It happens, and the connection is closed.
    LostReply,
}

/// What a fault does to a request.
pub(super) fn suffer(fault: Option<&Fault>) -> Suffered {
    let Some(fault) = fault else { return Suffered::Nothing };
    let refused =
        |code, reason, message: &str| Suffered::Refused(Status::new(code, reason, message));
    match fault.kind {
        FaultKind::Throttle => refused(
            429,
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
        ),
        FaultKind::ServerError => refused(500, "InternalError", "an error on the server"),
        FaultKind::TokenExpiry => refused(401, "Unauthorized", "Unauthorized"),
        FaultKind::Refusal => {
            let message = fault.message.as_deref().unwrap_or("refused by the script");
            let code = fault.code.as_deref().unwrap_or_default();
            let (status, reason) = reason(code).unwrap_or((400, "BadRequest"));
            refused(status, reason, message)
        }
        FaultKind::Reset => Suffered::Reset,
        FaultKind::LostReply => Suffered::LostReply,
        FaultKind::StaleRead | FaultKind::PartialPage | FaultKind::SlowConvergence => {
            Suffered::Nothing
        }
    }
}

/// A reason of a `Status` with its HTTP status.
pub(crate) fn reason(name: &str) -> Option<(u16, &'static str)> {
    const REASONS: [(u16, &str); 11] = [
        (400, "BadRequest"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "NotFound"),
        (409, "AlreadyExists"),
        (409, "Conflict"),
        (422, "Invalid"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (504, "Timeout"),
    ];
    REASONS.into_iter().find(|(_, known)| *known == name)
}

/// The operation of a request as a script names it: `create leases.coordination.k8s.io`; nothing for
/// what is no resource.
pub(super) fn operation(request: &Request) -> Option<String> {
    let (resource, is_one) = request.resource()?;
    let verb = match (request.method.as_str(), is_one) {
        ("GET", _) if request.query.contains_key("watch") => "watch",
        ("GET", true) => "get",
        ("GET", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => return None,
    };
    Some(format!("{verb} {resource}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use std::collections::BTreeMap;

    use super::*;
    use crate::faults::parse;

    fn named(method: &str, path: &str, query: &[(&str, &str)]) -> Option<String> {
        let text = |pair: &(&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
        operation(&Request {
            impersonated: None,
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.iter().map(text).collect::<BTreeMap<_, _>>(),
            content_type: String::new(),
            accept: String::new(),
            user_agent: String::new(),
            user: String::new(),
            body: Vec::new(),
        })
    }

    #[test]
    fn a_script_names_requests_by_verb_and_resource() {
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
        for (method, path, expected) in [
            ("POST", leases.to_owned(), "create leases.coordination.k8s.io"),
            ("PATCH", format!("{leases}/one"), "patch leases.coordination.k8s.io"),
            ("DELETE", format!("{leases}/one"), "delete leases.coordination.k8s.io"),
            ("DELETE", leases.to_owned(), "deletecollection leases.coordination.k8s.io"),
            ("GET", "/api/v1/pods".to_owned(), "list pods"),
            ("GET", "/api/v1/namespaces/a/pods/b".to_owned(), "get pods"),
            ("PUT", "/api/v1/namespaces/a".to_owned(), "update namespaces"),
        ] {
            assert_eq!(named(method, &path, &[]).as_deref(), Some(expected));
        }
        assert_eq!(named("GET", "/api/v1/pods", &[("watch", "1")]).as_deref(), Some("watch pods"));
        assert_eq!(named("GET", "/version", &[]), None);
    }

    #[test]
    fn each_fault_does_what_it_says_or_is_refused_when_it_is_read() {
        let script = |rest: &str| parse(&format!("- {{operation: 'kubernetes:get pods', {rest}}}"));
        let after = |rest: &str| suffer(script(rest).unwrap().first());
        let code = |suffered: Suffered| match suffered {
            Suffered::Refused(status) => status.code,
            other => unreachable!("{other:?}"),
        };
        assert_eq!(suffer(None), Suffered::Nothing);
        assert_eq!(after("kind: reset"), Suffered::Reset);
        assert_eq!(after("kind: lost_reply"), Suffered::LostReply);
        assert_eq!(code(after("kind: throttle")), 429);
        assert_eq!(code(after("kind: server_error")), 500);
        assert_eq!(code(after("kind: token_expiry")), 401);
        assert_eq!(code(after("kind: refusal, code: Forbidden, message: no")), 403);
        for senseless in [
            "kind: stale_read",
            "kind: partial_page",
            "kind: slow_convergence",
            "kind: refusal, code: ResourceLimitExceededException",
        ] {
            assert!(script(senseless).is_err(), "{senseless}");
        }
    }
}
