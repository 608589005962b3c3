//! Tokens of service accounts, and the sessions that STS gives for them.
//!
//! A cluster of the sandbox signs its tokens by a key of the world, with HMAC instead of RSA, since
//! nobody but the sandbox's STS can ask for a key to check them with. Everything that they say is
//! as EKS has it, and their time is the world's, as everything in a cluster.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Session, duration, session};
use crate::aws::{Answer, Call, Refusal, eks, iam};
use crate::store::Transaction;
use crate::world::{Context, ids};

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// What a token is made for.
pub(crate) struct Wanted<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) audiences: &'a [String],
    pub(crate) expires: Timestamp,
}

/// The issuer of a cluster's tokens.
pub(crate) fn issuer(transaction: &Transaction<'_>, cluster: &str) -> String {
    let document = transaction.get(eks::CLUSTERS, cluster).unwrap_or_default();
    document["identity"]["oidc"]["issuer"].as_str().unwrap_or_default().to_owned()
}

/// A token of a service account.
pub(crate) fn token(
    context: &Context,
    transaction: &Transaction<'_>,
    wanted: &Wanted<'_>,
) -> String {
    let Wanted { cluster, namespace, name, uid, audiences, expires } = wanted;
    let now = transaction.now().as_second();
    let issuer = issuer(transaction, cluster);
    let id = ids::uuid(context, &["token", cluster, namespace, name, &now.to_string()]);
    let header = json!({"alg": "HS256", "kid": ids::hex(context, &["kid", &issuer], 40)});
    let claims = json!({
        "aud": audiences, "exp": expires.as_second(), "iat": now, "iss": issuer, "jti": id,
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
        "nbf": now, "sub": format!("system:serviceaccount:{namespace}:{name}"),
    });
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encoded(&header), encoded(&claims));
    format!("{signed}.{}", signature(context, &issuer, &signed))
}

fn signature(context: &Context, issuer: &str, signed: &str) -> String {
    let key = ids::hex(context, &["token key", issuer], 64);
    // A key of any length will do.
    Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(signed.as_bytes());
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        },
    )
}

fn no_identity(why: impl Into<String>) -> Refusal {
    Refusal::bad("InvalidIdentityToken", why)
}

/// What a token says, when the world's own key signed it and its time is not over.
fn claims(call: &Call<'_, '_>, token: &str) -> Result<Value, Refusal> {
    let malformed = || {
        no_identity(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
        )
    };
    let (signed, given) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (_, claims) = signed.split_once('.').ok_or_else(malformed)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| malformed())?;
    let claims: Value = serde_json::from_slice(&claims).map_err(|_| malformed())?;
    let issuer = claims["iss"].as_str().ok_or_else(malformed)?;
    let provider = provider(&call.context.account, issuer);
    if call.transaction.get(iam::PROVIDERS, &provider).is_none() {
        return Err(no_identity(format!(
            "No OpenIDConnect provider found in your account for {issuer}"
        )));
    }
    if given != signature(call.context, issuer, signed) {
        return Err(no_identity("The token's signature does not match its issuer's key"));
    }
    let (now, ends) = (call.transaction.now().as_second(), claims["exp"].as_i64());
    if ends.is_none_or(|ends| ends <= now) {
        return Err(Refusal::bad(
            "ExpiredTokenException",
            format!(
                "Token expired: current date/time {now} must be before the expiration date/time{}",
                ends.unwrap_or_default()
            ),
        ));
    }
    Ok(claims)
}

/// The provider of that issuer.
fn provider(account: &str, issuer: &str) -> String {
    let bare = issuer.strip_prefix("https://").unwrap_or(issuer);
    format!("arn:aws:iam::{account}:oidc-provider/{bare}")
}

pub(super) fn assume_role(call: &mut Call<'_, '_>) -> Answer {
    let role_arn = call.input.required("RoleArn")?;
    let name = call.input.required("RoleSessionName")?;
    let token = call.input.required("WebIdentityToken")?;
    let seconds = duration(call.input)?;
    if let Some(policy) = call.input.text("Policy") {
        iam::check_document(policy)?;
    }
    let claims = claims(call, token)?;
    let text = |name: &str| claims[name].as_str().unwrap_or_default();
    let provider = provider(&call.context.account, text("iss"));
    let audience = claims["aud"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let known = call.transaction.get(iam::PROVIDERS, &provider).unwrap_or_default();
    let clients = known["clients"].as_array().cloned().unwrap_or_default();
    let Some(audience) = audience.into_iter().find(|one| clients.contains(&json!(one))) else {
        return Err(no_identity("Incorrect token audience"));
    };
    let denied =
        || Refusal::new(403, "AccessDenied", format!("Not authorized to perform {ACTION}"));
    let role = iam::usable(call.transaction, role_arn).ok_or_else(denied)?;
    let bare = text("iss").trim_start_matches("https://").to_lowercase();
    let context = [("aud", audience), ("sub", text("sub"))]
        .map(|(key, value)| (format!("{bare}:{key}"), json!([value])));
    if !iam::trust::allows_federated(
        &role.trust,
        &provider,
        ACTION,
        &context.into_iter().collect(),
    )? {
        return Err(denied());
    }
    let asked = Session { role: &role, role_arn, name, seconds };
    let mut answer = session(call, &asked);
    answer["SubjectFromWebIdentityToken"] = json!(text("sub"));
    answer["Audience"] = json!(audience);
    answer["Provider"] = json!(provider);
    Ok(answer)
}
