//! STS: who is calling, sessions of roles, and the tokens by which Kubernetes knows a caller.

pub(crate) mod web_identity;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method, Uri};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::credentials::{self, AccessKey};
use super::protocol::Request;
use super::signature;
use super::{Answer, Call, Input, Operation, Principal, Refusal, iam, read, write};
use crate::store::Transaction;
use crate::world::ids;

/// Bytes of a token.
const MOST_TOKEN: usize = 4096;
/// How long after its signing a token is taken, whatever it says itself.
const TOKEN_AGE: SignedDuration = SignedDuration::from_mins(15);
const TOKEN_PREFIX: &str = "k8s-aws-v1.";
const CLUSTER_HEADER: &str = "x-k8s-aws-id";

pub(super) const OPERATIONS: &[Operation] = &[
    read("GetCallerIdentity", "", caller_identity),
    // Hands out credentials, and changes nothing that anybody else could see.
    write("AssumeRole", "RoleArn", assume_role),
    write("AssumeRoleWithWebIdentity", "RoleArn", web_identity::assume_role),
];

/// What nobody signs: it is asked by who has no credentials yet.
pub(super) const UNSIGNED: &str = "AssumeRoleWithWebIdentity";

fn caller_identity(call: &mut Call<'_, '_>) -> Answer {
    let Principal { arn, id } = call.principal;
    Ok(json!({"Arn": arn, "UserId": id, "Account": call.context.account}))
}

fn assume_role(call: &mut Call<'_, '_>) -> Answer {
    let role_arn = call.input.required("RoleArn")?;
    let session_name = call.input.required("RoleSessionName")?;
    let seconds = duration(call.input)?;
    if let Some(policy) = call.input.text("Policy") {
        iam::check_document(policy)?;
    }
    let denied = || {
        Refusal::new(
            403,
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
                call.principal.arn
            ),
        )
    };
    let role = iam::usable(call.transaction, role_arn).ok_or_else(denied)?;
    if !iam::trust::allows_principal(&role.trust, &call.principal.arn, &call.context.account) {
        return Err(denied());
    }
    Ok(session(call, &Session { role: &role, role_arn, name: session_name, seconds }))
}

fn duration(input: &Input) -> Result<i64, Refusal> {
    let seconds = input.count("DurationSeconds")?.unwrap_or(3600);
    i64::try_from(seconds).ok().filter(|seconds| (900..=43200).contains(seconds)).ok_or_else(|| {
        Refusal::invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    })
}

/// A session of a role that is asked for, and may be had.
struct Session<'a> {
    role: &'a iam::Role,
    role_arn: &'a str,
    name: &'a str,
    seconds: i64,
}

/// Hands out a session's credentials.
fn session(call: &mut Call<'_, '_>, asked: &Session<'_>) -> serde_json::Value {
    let Session { role, role_arn, name, seconds } = asked;
    let role_name = role_arn.rsplit('/').next().unwrap_or_default();
    let account = &call.context.account;
    let arn = format!("arn:aws:sts::{account}:assumed-role/{role_name}/{name}");
    let moment = call.real_now.to_string();
    let parts = ["session", &arn, &moment];
    let id = format!("ASIA{}", ids::hex(call.context, &parts, 16).to_uppercase());
    let secret = ids::hex(call.context, &["secret", &arn, &moment], 40);
    let token = ids::hex(call.context, &["token", &arn, &moment], 64);
    let expires =
        call.real_now.saturating_add(SignedDuration::from_secs(*seconds)).unwrap_or(Timestamp::MAX);
    let user_id = format!("{}:{name}", role.id);
    let key = AccessKey {
        secret: secret.clone(),
        principal: arn.clone(),
        user_id: user_id.clone(),
        session: Some(credentials::Session { token: token.clone(), expires }),
    };
    credentials::put(call.transaction, &id, &key);
    json!({
        "AssumedRoleUser": {"AssumedRoleId": user_id, "Arn": arn},
        "Credentials": {
            "AccessKeyId": id, "SecretAccessKey": secret, "SessionToken": token,
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
    })
}

/// A token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRefused {
    #[error("the token is not of the form {TOKEN_PREFIX}<presigned URL>")]
    Form,
    #[error("the token's URL is not a presigned GetCallerIdentity of STS")]
    NotIdentity,
    #[error("the token is for another cluster")]
    OtherCluster,
    #[error("the token is older than 15 minutes")]
    Expired,
    #[error("the token's signature is refused: {0}")]
    Signature(String),
}

/// Checks a token as EKS does: a presigned `GetCallerIdentity`, for the STS of a region or of our
/// own address, that names the cluster in a signed header and is at most 15 minutes old.
pub(crate) fn authenticate(
    transaction: &Transaction<'_>,
    token: &str,
    cluster: &str,
    own_endpoint: &str,
    real_now: Timestamp,
) -> Result<Principal, TokenRefused> {
    let encoded = token.strip_prefix(TOKEN_PREFIX).ok_or(TokenRefused::Form)?;
    if token.len() > MOST_TOKEN {
        return Err(TokenRefused::Form);
    }
    let url = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenRefused::Form)?;
    let url = String::from_utf8(url).map_err(|_| TokenRefused::Form)?;
    let uri: Uri = url.parse().map_err(|_| TokenRefused::Form)?;
    check_url(&uri, own_endpoint)?;
    let claim = signature::claim(&HeaderMap::new(), &uri)
        .ok()
        .flatten()
        .filter(|claim| claim.service == "sts")
        .ok_or(TokenRefused::NotIdentity)?;
    if !claim.signed_headers.iter().any(|name| name == CLUSTER_HEADER) {
        return Err(TokenRefused::NotIdentity);
    }
    if real_now.duration_since(claim.signed_at) > TOKEN_AGE {
        return Err(TokenRefused::Expired);
    }
    let mut headers = HeaderMap::new();
    let host = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    for (name, value) in [("host", host), (CLUSTER_HEADER, cluster)] {
        let value = HeaderValue::from_str(value).map_err(|_| TokenRefused::Form)?;
        headers.insert(name, value);
    }
    let request = Request { method: &Method::GET, uri: &uri, headers: &headers, body: &[] };
    // EKS takes a token for 15 minutes, whatever expiry the URL itself says.
    let lasting = signature::Claim { expires: Some(TOKEN_AGE.as_secs()), ..claim };
    credentials::authenticate(transaction, &request, &lasting, real_now).map_err(|refusal| {
        match refusal.code {
            // The only header that we fill in ourselves is the cluster's name.
            super::refusal::Code::WrongSignature if names_other(&uri, cluster) => {
                TokenRefused::OtherCluster
            }
            _ => TokenRefused::Signature(refusal.message),
        }
    })
}

/// The cluster's name is a header, so it is not in the URL unless a client put it there too.
fn names_other(uri: &Uri, cluster: &str) -> bool {
    let query = uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name.eq_ignore_ascii_case(CLUSTER_HEADER) && value != cluster)
}

fn check_url(uri: &Uri, own_endpoint: &str) -> Result<(), TokenRefused> {
    let host = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let own = own_endpoint.split("://").nth(1).unwrap_or_default();
    let own_port = own.rsplit(':').next().unwrap_or_default();
    let is_regional = host == "sts.amazonaws.com"
        || (host.starts_with("sts.")
            && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")));
    let is_own = host == own || host == format!("localhost:{own_port}");
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let is_identity =
        query.iter().any(|(name, value)| name == "Action" && value == "GetCallerIdentity");
    let known = |name: &str| {
        matches!(name, "Action" | "Version") || name.to_lowercase().starts_with("x-amz-")
    };
    if (is_regional || is_own)
        && matches!(uri.path(), "/" | "")
        && is_identity
        && query.iter().all(|(name, _)| known(name))
    {
        return Ok(());
    }
    Err(TokenRefused::NotIdentity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_identity_urls_of_sts_are_taken() {
        let own = "http://127.0.0.1:4100";
        let verdict = |url: &str| check_url(&url.parse().unwrap(), own).is_ok();
        assert!(verdict("https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=x"));
        assert!(verdict("http://127.0.0.1:4100/?Action=GetCallerIdentity"));
        assert!(!verdict("http://127.0.0.1:4101/?Action=GetCallerIdentity"));
        assert!(!verdict("https://sts.evil.example/?Action=GetCallerIdentity"));
        assert!(!verdict("https://sts.amazonaws.com/x?Action=GetCallerIdentity"));
        assert!(!verdict("https://sts.amazonaws.com/?Action=GetCallerIdentity&Other=1"));
        assert!(!verdict("https://sts.amazonaws.com/?Action=AssumeRole"));
    }
}
