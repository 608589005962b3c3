//! STS: who is calling, and the tokens by which Kubernetes knows it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method, Uri};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::signature::{self, Signed};
use super::{AwsError, Input, Principal};
use crate::world::Context;

pub(super) fn call(context: &Context, principal: &Principal, name: &str, input: &Input) -> Result<Value, AwsError> {
    match name {
        "GetCallerIdentity" => Ok(json!({"Arn": principal.arn, "UserId": principal.id, "Account": context.account})),
        "AssumeRole" => Err(AwsError::new(403, "AccessDenied", format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {} (the sandbox does not simulate assumed roles)",
            principal.arn,
            input.text("RoleArn").unwrap_or_default()
        ))),
        other => Err(AwsError::unknown_operation("sts", other)),
    }
}

/// Checks a token as EKS does: a presigned `GetCallerIdentity` that names the cluster in a signed
/// header and is not older than a quarter of an hour. Returns the access key that signed it.
pub(crate) fn check_token(token: &str, cluster: &str, secret_of: impl Fn(&str) -> Option<String>, real_now: Timestamp) -> Option<String> {
    let url = URL_SAFE_NO_PAD.decode(token.strip_prefix("k8s-aws-v1.")?).ok()?;
    let uri: Uri = String::from_utf8(url).ok()?.parse().ok()?;
    let claim = signature::claim(&HeaderMap::new(), &uri)?;
    let signed_cluster = claim.signed_headers.iter().any(|name| name == "x-k8s-aws-id");
    let action = uri.query()?.split('&').any(|pair| pair == "Action=GetCallerIdentity");
    if claim.service != "sts" || !signed_cluster || !action {
        return None;
    }
    let at = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", &claim.time).ok()?.to_datetime().ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    if real_now.duration_since(at) > SignedDuration::from_mins(15) {
        return None;
    }
    let secret = secret_of(&claim.access_key)?;
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_str(uri.authority()?.as_str()).ok()?);
    headers.insert("x-k8s-aws-id", HeaderValue::from_str(cluster).ok()?);
    let signed = Signed { method: &Method::GET, uri: &uri, headers: &headers, body: &[] };
    signature::check(&signed, &claim, &secret, real_now).ok()?;
    Some(claim.access_key)
}
