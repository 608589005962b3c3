//! What is posted for its answer alone: reviews of access and identity, tokens.

use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::body::parse_object;
use super::{Request, Status, Target};
use crate::aws::sts::web_identity;
use crate::store::Transaction;
use crate::world::Context;

/// How long a token is good when nobody says.
const TOKEN_SECONDS: i64 = 3600;
/// For how long at least it can be asked for, and at most.
const LEAST_SECONDS: i64 = 600;
const MOST_SECONDS: i64 = 1 << 32;

/// A token of a service account: STS takes it, this API does not.
pub(super) fn token(
    context: &Context,
    transaction: &Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    target: &Target,
    request: &Request,
) -> Result<Value, Status> {
    let name = target.name.as_deref().unwrap_or_default();
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let key = format!("{namespace}/{name}");
    let account = transaction.get(&kind.collection(cluster), &key);
    let account = account.ok_or_else(|| Status::not_found(kind, name))?;
    let asked = parse_object(request, "TokenRequest")?;
    let seconds = asked["spec"]["expirationSeconds"].as_i64().unwrap_or(TOKEN_SECONDS);
    let wrong = match seconds {
        seconds if seconds < LEAST_SECONDS => "may not specify a duration less than 10 minutes",
        seconds if seconds > MOST_SECONDS => "may not specify a duration larger than 2^32 seconds",
        _ => "",
    };
    if !wrong.is_empty() {
        let field = "spec.expirationSeconds".to_owned();
        let why = format!("Invalid value: {seconds}: {wrong}");
        return Err(Status::invalid_review(
            "TokenRequest.authentication.k8s.io",
            &[(field, why, "FieldValueInvalid")],
        ));
    }
    let audiences = asked["spec"]["audiences"].as_array().into_iter().flatten();
    let mut audiences: Vec<String> =
        audiences.filter_map(Value::as_str).map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.push(web_identity::issuer(transaction, cluster));
    }
    let now = transaction.now();
    let expires = now.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(now);
    let token = web_identity::token(
        context,
        transaction,
        &web_identity::Wanted {
            cluster,
            namespace,
            name,
            uid: account["metadata"]["uid"].as_str().unwrap_or_default(),
            audiences: &audiences,
            expires,
        },
    );
    let time = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Ok(json!({
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": time(now)},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": asked["spec"]["boundObjectRef"]},
        "status": {"token": token, "expirationTimestamp": time(expires)},
    }))
}

/// Who is spoken for has no rights.
pub(super) fn denied(kind: &Kind, target: &Target, request: &Request, user: &str) -> Status {
    let verb = match (request.method.as_str(), &target.name) {
        ("GET", _) if request.is("watch") => "watch",
        ("GET", None) => "list",
        ("GET", Some(_)) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        (_, None) => "deletecollection",
        (_, Some(_)) => "delete",
    };
    let scope = match &target.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let why = format!(
        "User \"{user}\" cannot {verb} resource \"{}\" in API group \"{}\" {scope}",
        kind.plural, kind.group
    );
    match &target.name {
        Some(name) => Status::forbidden(kind, name, &why),
        None => Status::forbidden_all(kind, &why),
    }
}

/// The review with its status: whoever is let in may do everything, whom they speak for nothing.
pub(super) fn review(kind: &Kind, mut wanted: Value, request: &Request) -> Value {
    wanted["apiVersion"] = json!(kind.api_version());
    wanted["kind"] = json!(kind.kind);
    wanted["status"] = match kind.kind.as_str() {
        "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            json!({"allowed": request.impersonated.is_none()})
        }
        "SelfSubjectReview" => {
            let user = request.impersonated.as_ref().unwrap_or(&request.user);
            json!({"userInfo": {"username": user, "groups": ["system:authenticated"]}})
        }
        "SelfSubjectRulesReview" => {
            json!({"resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], "nonResourceRules": [], "incomplete": false})
        }
        _ => json!({"authenticated": false}),
    };
    wanted
}
