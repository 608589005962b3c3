//! The EKS token: a question to STS ("who am I?") that is signed but not sent. The cluster's
//! authenticator sends it and learns who signed it.
//!
//! The signature covers the host and the header `x-k8s-aws-id`, which names the cluster, so a token
//! for one cluster is worth nothing to another. It counts for 15 minutes from its date; we make a
//! new one after 10. Dates are protocol time: a simulated world's clock must not show here.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::aws;
use crate::clock::{Clock, after};

/// After so long a token is replaced.
const USED_FOR: Duration = Duration::from_mins(10);
/// So long the authenticator takes it.
const VALID_FOR: Duration = Duration::from_mins(15);
/// What the presigned question itself claims; the authenticator does not go by it.
const PRESIGNED_FOR: Duration = Duration::from_mins(1);
/// Everything but the unreserved characters of RFC 3986 is encoded in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A token and until when the cluster takes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// `k8s-aws-v1.…`
    pub text: String,
    /// Until when the cluster takes it, in protocol time.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Token")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no token for the cluster `{cluster}` could be made: {problem}")]
pub struct TokenError {
    /// The cluster.
    pub cluster: String,
    /// What was in the way.
    pub problem: String,
}

/// A new token for a cluster, signed with the connection's credentials.
pub async fn make(
    aws: &aws::Connection,
    cluster: &str,
    clock: &dyn Clock,
) -> Result<Token, TokenError> {
    let failed = |problem: String| TokenError { cluster: cluster.to_owned(), problem };
    let credentials = aws.credentials().await.map_err(failed)?;
    let at = clock.real_now();
    let host = format!("sts.{}.{}", aws.region(), aws.partition().dns_suffix());
    let text = presign(&credentials, aws.region(), &host, cluster, at).map_err(failed)?;
    Ok(Token { text, expires_at: after(at, VALID_FOR) })
}

/// What a credential plugin of client-go prints: the form that `kubectl` and `helm` read.
pub fn exec_credential(token: &Token) -> Value {
    // client-go reads whole seconds.
    let expires_at = token.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": {"interactive": false},
        "status": {"expirationTimestamp": expires_at, "token": token.text},
    })
}

fn presign(
    credentials: &Credentials,
    region: &str,
    host: &str,
    cluster: &str,
    at: Timestamp,
) -> Result<String, String> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(PRESIGNED_FOR);
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(SystemTime::from(at))
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let mut url = format!("https://{host}/?Action=GetCallerIdentity&Version=2011-06-15");
    let headers = [("host", host), ("x-k8s-aws-id", cluster)].into_iter();
    let request = SignableRequest::new("GET", &url, headers, SignableBody::Bytes(&[]))
        .map_err(|error| error.to_string())?;
    let (instructions, _) =
        sign(request, &parameters).map_err(|error| error.to_string())?.into_parts();
    let (_, query) = instructions.into_parts();
    for (name, value) in query {
        url.push('&');
        url.push_str(name);
        url.push('=');
        url.extend(utf8_percent_encode(&value, QUERY));
    }
    Ok(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url)))
}

/// Keeps the current token of a cluster and makes the next in time.
pub(crate) struct Tokens {
    aws: aws::Connection,
    cluster: String,
    clock: Arc<dyn Clock>,
    current: tokio::sync::Mutex<Option<(Token, Timestamp)>>,
}

impl Tokens {
    pub(crate) fn new(aws: aws::Connection, cluster: String, clock: Arc<dyn Clock>) -> Self {
        Self { aws, cluster, clock, current: tokio::sync::Mutex::new(None) }
    }

    /// The token to use now. `refused` is one that the cluster has just refused: it is not handed
    /// out again.
    pub(crate) async fn current(&self, refused: Option<&str>) -> Result<String, TokenError> {
        let mut current = self.current.lock().await;
        let now = self.clock.real_now();
        if let Some((token, replace_at)) = &*current
            && now < *replace_at
            && refused != Some(&token.text)
        {
            return Ok(token.text.clone());
        }
        let token = make(&self.aws, &self.cluster, &*self.clock).await?;
        let text = token.text.clone();
        *current = Some((token, after(now, USED_FOR)));
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature that botocore makes of the same input.
    #[test]
    fn the_signature_is_the_one_that_aws_makes() {
        let token = Some("TOKENEXAMPLE/+=".to_owned());
        let credentials = Credentials::new("AKIDEXAMPLE", "SECRETEXAMPLE", token, None, "test");
        let at = Timestamp::from_second(1_795_414_854).unwrap();
        let host = "sts.ap-northeast-2.amazonaws.com";
        let token = presign(&credentials, "ap-northeast-2", host, "myeks", at).unwrap();
        let url = URL_SAFE_NO_PAD.decode(token.strip_prefix("k8s-aws-v1.").unwrap()).unwrap();
        let url = url::Url::parse(&String::from_utf8(url).unwrap()).unwrap();
        let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(
            query["X-Amz-Signature"],
            "d1565a8c6d8c1887e5521215810086038d6e5fbaaf70ec33096a7e85a81a4742"
        );
        assert_eq!(query["X-Amz-SignedHeaders"], "host;x-k8s-aws-id");
        assert_eq!(query["X-Amz-Expires"], "60");
        assert_eq!(query["X-Amz-Security-Token"], "TOKENEXAMPLE/+=");
        assert_eq!((url.host_str(), url.path()), (Some(host), "/"));
    }

    #[test]
    fn the_plugin_form_is_what_client_go_reads() {
        let token = Token {
            text: "k8s-aws-v1.abc".to_owned(),
            expires_at: "2026-11-24T10:15:00.25Z".parse().unwrap(),
        };
        assert_eq!(
            exec_credential(&token).to_string(),
            r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false},"status":{"expirationTimestamp":"2026-11-24T10:15:00Z","token":"k8s-aws-v1.abc"}}"#
        );
        assert!(!format!("{token:?}").contains("abc"));
    }
}
