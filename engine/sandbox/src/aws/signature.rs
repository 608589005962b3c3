//! Signature version 4, checked: in the header, or presigned in the query.
//!
//! The sandbox knows every secret, so it computes the signature anew and compares. What a client
//! did not sign it cannot have meant: host, date and each `x-amz-` header must be signed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::Refusal;
use super::protocol::Request;
use super::refusal::Code;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Everything but what AWS leaves alone.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// By how much a client's clock may differ.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// The longest a presigned request may say it is valid.
const MOST_EXPIRY: i64 = 7 * 24 * 3600;

/// What a signature claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) access_key: String,
    pub(super) date: String,
    pub(super) region: String,
    pub(crate) service: String,
    pub(crate) signed_headers: Vec<String>,
    pub(super) signature: String,
    /// Of temporary credentials.
    pub(crate) session_token: Option<String>,
    /// When it was signed: `20261124T120000Z`.
    pub(super) time: String,
    pub(crate) signed_at: Timestamp,
    /// Seconds that a presigned request is valid; none when it is signed in the header.
    pub(crate) expires: Option<i64>,
}

/// A signature is there but cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incomplete(&'static str);

impl From<Incomplete> for Refusal {
    fn from(incomplete: Incomplete) -> Self {
        Self::of(400, Code::IncompleteSignature, incomplete.0)
    }
}

/// Reads what a request claims; `None` when it is not signed at all.
pub(crate) fn claim(headers: &HeaderMap, uri: &http::Uri) -> Result<Option<Claim>, Incomplete> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(authorization) = header("authorization") {
        let rest = authorization
            .strip_prefix(ALGORITHM)
            .ok_or(Incomplete("Authorization header requires AWS4-HMAC-SHA256"))?;
        let field = |name: &str| {
            let mut parts = rest.split(',').map(str::trim);
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let raw = Raw {
            credential: field("Credential"),
            signed: field("SignedHeaders"),
            signature: field("Signature"),
            time: header("x-amz-date"),
            session_token: header("x-amz-security-token"),
            expires: None,
        };
        return raw.read().map(Some);
    }
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let get =
        |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if get("X-Amz-Signature").is_none() && get("X-Amz-Algorithm").is_none() {
        return Ok(None);
    }
    if get("X-Amz-Algorithm") != Some(ALGORITHM) {
        return Err(Incomplete("X-Amz-Algorithm must be AWS4-HMAC-SHA256"));
    }
    let raw = Raw {
        credential: get("X-Amz-Credential"),
        signed: get("X-Amz-SignedHeaders"),
        signature: get("X-Amz-Signature"),
        time: get("X-Amz-Date"),
        session_token: get("X-Amz-Security-Token"),
        expires: Some(get("X-Amz-Expires").ok_or(Incomplete("X-Amz-Expires is missing"))?),
    };
    raw.read().map(Some)
}

struct Raw<'a> {
    credential: Option<&'a str>,
    signed: Option<&'a str>,
    signature: Option<&'a str>,
    time: Option<&'a str>,
    session_token: Option<&'a str>,
    expires: Option<&'a str>,
}

impl Raw<'_> {
    fn read(self) -> Result<Claim, Incomplete> {
        let credential = self.credential.ok_or(Incomplete("the credential is missing"))?;
        let [access_key, date, region, service, "aws4_request"] =
            *credential.split('/').collect::<Vec<_>>()
        else {
            return Err(Incomplete("Credential must have exactly 5 slash-delimited elements"));
        };
        let signed = self.signed.ok_or(Incomplete("the signed headers are missing"))?;
        let time = self.time.ok_or(Incomplete("the date is missing"))?;
        let signed_at = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", time)
            .and_then(|broken| broken.to_datetime())
            .and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC))
            .map_err(|_| Incomplete("the date is not of the form YYYYMMDDTHHMMSSZ"))?
            .timestamp();
        if !time.starts_with(date) {
            return Err(Incomplete("Date in Credential scope does not match YYYYMMDD of the date"));
        }
        let expires = self.expires.map(|text| {
            let seconds = text.parse().ok().filter(|seconds| (0..=MOST_EXPIRY).contains(seconds));
            seconds.ok_or(Incomplete("X-Amz-Expires must be between 0 and 604800"))
        });
        Ok(Claim {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers: signed.split(';').map(str::to_owned).collect(),
            signature: self.signature.ok_or(Incomplete("the signature is missing"))?.to_owned(),
            session_token: self.session_token.map(str::to_owned),
            time: time.to_owned(),
            signed_at,
            expires: expires.transpose()?,
        })
    }
}

/// Checks a claim against the secret that belongs to its access key.
pub(crate) fn check(
    request: &Request<'_>,
    claim: &Claim,
    secret: &str,
    real_now: Timestamp,
) -> Result<(), Refusal> {
    check_time(claim, real_now)?;
    let refused = |why: &str| Err(Refusal::of(403, Code::WrongSignature, why));
    let signed = |name: &str| claim.signed_headers.iter().any(|one| one == name);
    if !signed("host") {
        return refused("'Host' must be a 'SignedHeader' in the AWS Authorization.");
    }
    for name in request.headers.keys() {
        if name.as_str().starts_with("x-amz-") && !signed(name.as_str()) {
            let why = format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.");
            return refused(&why);
        }
    }
    let said = request.headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
    if said.is_some_and(|said| said != digest(request.body)) {
        return refused(
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        );
    }
    if expected(request, claim, secret) == claim.signature {
        return Ok(());
    }
    refused(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    )
}

fn check_time(claim: &Claim, real_now: Timestamp) -> Result<(), Refusal> {
    let age = real_now.duration_since(claim.signed_at);
    let valid = claim.expires.map_or(SKEW, SignedDuration::from_secs);
    let at = |moment: Timestamp| moment.strftime("%Y%m%dT%H%M%SZ").to_string();
    if age > valid {
        let why = format!("Signature expired: {} is now earlier than {}", claim.time, at(real_now));
        return Err(Refusal::of(403, Code::ExpiredSignature, why));
    }
    if age < -SKEW {
        let why = format!(
            "Signature not yet current: {} is still later than {}",
            claim.time,
            at(real_now)
        );
        return Err(Refusal::of(403, Code::ExpiredSignature, why));
    }
    Ok(())
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

fn expected(request: &Request<'_>, claim: &Claim, secret: &str) -> String {
    let canonical = canonical(request, claim);
    let scope = format!("{}/{}/{}/aws4_request", claim.date, claim.region, claim.service);
    let text = format!("{ALGORITHM}\n{}\n{scope}\n{}", claim.time, digest(canonical.as_bytes()));
    let key = [claim.date.as_str(), &claim.region, &claim.service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part));
    hex::encode(hmac(&key, &text))
}

fn canonical(request: &Request<'_>, claim: &Claim) -> String {
    // Encoded once more: what was percent-encoded on the wire is so twice here.
    let path: Vec<String> = request
        .uri
        .path()
        .split('/')
        .map(|part| utf8_percent_encode(part, ENCODED).to_string())
        .collect();
    let again = |text: &str| {
        let decoded: Vec<u8> = percent_decode_str(&text.replace('+', "%20")).collect();
        percent_encoding::percent_encode(&decoded, ENCODED).to_string()
    };
    let mut query: Vec<(String, String)> = request
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (again(name), again(value))
        })
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    query.sort();
    let query: Vec<String> =
        query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers: String = claim
        .signed_headers
        .iter()
        .map(|name| format!("{name}:{}\n", header(request.headers, name)))
        .collect();
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        request.method,
        path.join("/"),
        query.join("&"),
        claim.signed_headers.join(";"),
        digest(request.body)
    )
}

/// A header's values, joined, with runs of spaces folded.
fn header(headers: &HeaderMap, name: &str) -> String {
    let fold = |value: &http::HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    headers.get_all(name).iter().map(fold).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method};

    use super::*;

    /// Signed by the AWS SDK for Python with these credentials, cluster `myeks`.
    const SIGNATURE: &str = "d1565a8c6d8c1887e5521215810086038d6e5fbaaf70ec33096a7e85a81a4742";
    const QUERY: &str = "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261123%2Fap-northeast-2%2Fsts%2Faws4_request&X-Amz-Date=20261123T062054Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Security-Token=TOKENEXAMPLE%2F%2B%3D";

    fn verdict(query: &str, cluster: &str, now: i64) -> Result<(), String> {
        let uri: http::Uri =
            format!("https://sts.ap-northeast-2.amazonaws.com/?{query}").parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("sts.ap-northeast-2.amazonaws.com"));
        headers.insert("x-k8s-aws-id", HeaderValue::from_str(cluster).unwrap());
        let claim = claim(&headers, &uri).unwrap().unwrap();
        let request = Request { method: &Method::GET, uri: &uri, headers: &headers, body: &[] };
        let now = Timestamp::from_second(now).unwrap();
        check(&request, &claim, "SECRETEXAMPLE", now).map_err(|refusal| refusal.message)
    }

    #[test]
    fn a_foreign_signature_is_verified() {
        let signed = format!("{QUERY}&X-Amz-Signature={SIGNATURE}");
        assert_eq!(verdict(&signed, "myeks", 1_795_414_854), Ok(()));
        assert!(
            verdict(&signed, "other", 1_795_414_854)
                .unwrap_err()
                .starts_with("The request signature")
        );
        assert!(
            verdict(&signed, "myeks", 1_795_414_854 + 61)
                .unwrap_err()
                .starts_with("Signature expired")
        );
        assert!(
            verdict(&signed, "myeks", 1_795_414_854 - 301)
                .unwrap_err()
                .starts_with("Signature not yet")
        );
        let changed = signed.replace("2011-06-15", "2011-06-16");
        assert!(verdict(&changed, "myeks", 1_795_414_854).is_err());
    }
}
