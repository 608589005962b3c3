//! Signature version 4, checked: in the header, or presigned in the query.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Method, Uri};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::AwsError;

/// Everything but what AWS leaves alone.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Minutes by which a client's clock may differ.
const SKEW_SECONDS: i64 = 15 * 60;

/// A request as it was signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// What a signature claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) access_key: String,
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) signed_headers: Vec<String>,
    pub(crate) signature: String,
    /// In the query instead of the header.
    pub(crate) presigned: bool,
    /// When it was signed: `20261124T120000Z`.
    pub(crate) time: String,
}

/// Reads what a request claims; `None` when it is not signed.
pub(crate) fn claim(headers: &HeaderMap, uri: &Uri) -> Option<Claim> {
    if let Some(value) = headers.get("authorization").and_then(|value| value.to_str().ok()) {
        let rest = value.strip_prefix("AWS4-HMAC-SHA256")?.trim();
        let field = |name: &str| rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=').map(str::to_owned));
        let time = headers.get("x-amz-date")?.to_str().ok()?.to_owned();
        return scope(&field("Credential")?, &field("SignedHeaders")?, field("Signature")?, time, false);
    }
    let query: std::collections::BTreeMap<String, String> =
        url::form_urlencoded::parse(uri.query()?.as_bytes()).into_owned().collect();
    let get = |name: &str| query.get(name).cloned();
    scope(&get("X-Amz-Credential")?, &get("X-Amz-SignedHeaders")?, get("X-Amz-Signature")?, get("X-Amz-Date")?, true)
}

fn scope(credential: &str, signed: &str, signature: String, time: String, presigned: bool) -> Option<Claim> {
    let mut parts = credential.split('/');
    Some(Claim {
        access_key: parts.next()?.to_owned(),
        date: parts.next()?.to_owned(),
        region: parts.next()?.to_owned(),
        service: parts.next()?.to_owned(),
        signed_headers: signed.split(';').map(str::to_owned).collect(),
        signature,
        presigned,
        time,
    })
}

/// Checks a claim against the secret that belongs to its access key.
pub(crate) fn check(signed: &Signed<'_>, claim: &Claim, secret: &str, real_now: Timestamp) -> Result<(), AwsError> {
    let refused = |code: &str, message: &str| Err(AwsError::new(403, code, message));
    if !claim.presigned {
        let at = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", &claim.time).and_then(|broken| broken.to_datetime());
        let Ok(at) = at.and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC)) else {
            return refused("IncompleteSignature", "the date of the request cannot be read");
        };
        if (real_now.duration_since(at.timestamp()).as_secs()).abs() > SKEW_SECONDS {
            return refused("SignatureDoesNotMatch", "Signature expired: the clocks differ by more than 15 minutes");
        }
        let hash = signed.headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
        if hash.is_some_and(|hash| hash != "UNSIGNED-PAYLOAD" && hash != digest(signed.body)) {
            return refused("SignatureDoesNotMatch", "The body does not match its x-amz-content-sha256");
        }
    }
    let expected = signature(signed, claim, secret);
    if expected == claim.signature {
        return Ok(());
    }
    refused("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn signature(signed: &Signed<'_>, claim: &Claim, secret: &str) -> String {
    let canonical = canonical(signed, claim);
    let scope = format!("{}/{}/{}/aws4_request", claim.date, claim.region, claim.service);
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", claim.time, digest(canonical.as_bytes()));
    let key = [claim.date.as_str(), &claim.region, &claim.service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part));
    hex::encode(hmac(&key, &text))
}

fn canonical(signed: &Signed<'_>, claim: &Claim) -> String {
    let path: Vec<String> = signed.uri.path().split('/').map(|part| utf8_percent_encode(part, ENCODED).to_string()).collect();
    let mut query: Vec<(String, String)> = signed
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let again = |text: &str| {
                let decoded = percent_decode_str(&text.replace('+', "%20")).decode_utf8_lossy().into_owned();
                utf8_percent_encode(&decoded, ENCODED).to_string()
            };
            (again(name), again(value))
        })
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers = String::new();
    for name in &claim.signed_headers {
        let value: Vec<&str> = signed.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        let value = value.join(",");
        let folded: Vec<&str> = value.split_whitespace().collect();
        headers.push_str(&format!("{name}:{}\n", folded.join(" ")));
    }
    let payload = match signed.headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok()) {
        Some("UNSIGNED-PAYLOAD") => "UNSIGNED-PAYLOAD".to_owned(),
        _ => digest(signed.body),
    };
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{payload}",
        signed.method,
        path.join("/"),
        query.join("&"),
        claim.signed_headers.join(";")
    )
}
