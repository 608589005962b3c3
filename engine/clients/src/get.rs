//! A service that is asked by GET and answers in JSON, such as Prometheus.
//!
//! A token goes with every question, and so neither through plain HTTP to another machine nor along a
//! redirect: there are none here. What a refusal says in its body is part of the error, shortened.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, RETRY_AFTER, USER_AGENT};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use url::Url;

use crate::clock::Clock;
use crate::error::{Class, Error, Passes, Processed, Said};
use crate::https;
use crate::request::{Observer, Operation, RequestClass};
use crate::retry::{Caller, Policy};

/// How long the server may take for one answer, in real time.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(2);
/// How much of a refusal is read, and how much of it is told.
const REFUSAL_BYTES: usize = 64 << 10;
const REFUSAL_LETTERS: usize = 300;

/// Why a service cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` cannot be asked: {problem}")]
pub struct AddressError {
    /// Its address.
    pub address: String,
    /// Why not.
    pub problem: String,
}

/// Asks one service.
#[derive(Clone)]
pub struct Getter {
    client: https::Client<Empty<Bytes>>,
    caller: Caller,
    service: &'static str,
    base: Url,
    token: Option<HeaderValue>,
}

impl std::fmt::Debug for Getter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Getter").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Getter {
    /// Asks a service by its address, with a bearer token where it wants one.
    pub fn new(
        service: &'static str,
        address: &str,
        token: Option<&str>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, AddressError> {
        let refuse = |problem: String| AddressError { address: address.to_owned(), problem };
        let mut base = Url::parse(address).map_err(|error| refuse(error.to_string()))?;
        if !base.username().is_empty() || base.password().is_some() {
            // Not repeated: it is on the screen and in logs soon enough.
            let problem = "it holds credentials; a token is given apart".to_owned();
            let address = base.host_str().unwrap_or_default().to_owned();
            return Err(AddressError { address, problem });
        }
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(refuse("it is neither http nor https".to_owned()));
        }
        if token.is_some() && base.scheme() == "http" && !is_local(&base) {
            return Err(refuse("a token does not go through plain HTTP".to_owned()));
        }
        // A path is the beginning of every question's path.
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let token = token
            .map(|token| HeaderValue::from_str(&format!("Bearer {}", token.trim())))
            .transpose()
            .map_err(|_| refuse("its token cannot stand in a header".to_owned()))?
            .map(|mut value| {
                value.set_sensitive(true);
                value
            });
        let client = https::client().map_err(refuse)?;
        let caller = Caller { clock, observer, policy: Policy::default(), seed: service.into() };
        Ok(Self { client, caller, service, base, token })
    }

    /// The same under another retry policy.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.caller.policy = policy;
        self
    }

    /// Its address.
    pub fn address(&self) -> &str {
        self.base.as_str()
    }

    /// Asks for a path below the address. An answer larger than allowed is an error.
    pub async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        max_bytes: usize,
    ) -> Result<Vec<u8>, Error> {
        let operation = Operation {
            service: self.service,
            name: format!("GET {path}"),
            class: RequestClass::Read,
        };
        self.caller
            .read(&operation, || async {
                let once = self.once(path, query, max_bytes);
                let said = match tokio::time::timeout(ANSWER_TIMEOUT, once).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(said)) => said,
                    Err(_) => Said::unanswered(Class::Timeout, "the server gave no answer in time"),
                };
                Err(Error::new(&operation, said))
            })
            .await
    }

    async fn once(
        &self,
        path: &str,
        query: &[(&str, &str)],
        max_bytes: usize,
    ) -> Result<Vec<u8>, Said> {
        let request = self.request(path, query)?;
        let response = self.client.request(request).await.map_err(|error| {
            let cause = crate::error::root_cause(&error);
            Said::unanswered(Class::Unavailable, format!("no answer from the server: {cause}"))
        })?;
        let (head, body) = response.into_parts();
        let is_well = head.status.is_success();
        let limit = if is_well { max_bytes } else { REFUSAL_BYTES };
        let body = Limited::new(body, limit).collect().await;
        if !is_well {
            let text = body.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
            return Err(refused(&head, &text));
        }
        let body = body.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                let message = format!("the answer is larger than the allowed {max_bytes} bytes");
                return Said::unsent(Class::Invalid, message);
            }
            let cause = crate::error::root_cause(&*error);
            Said::unanswered(Class::Unavailable, format!("the answer broke off: {cause}"))
        })?;
        Ok(body.to_bytes().to_vec())
    }

    fn request(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<http::Request<Empty<Bytes>>, Said> {
        let unusable = |problem: String| Said::unsent(Class::Invalid, problem);
        let mut url = self
            .base
            .join(path.trim_start_matches('/'))
            .map_err(|error| unusable(format!("`{path}` is no path: {error}")))?;
        url.query_pairs_mut().extend_pairs(query);
        let mut request = http::Request::new(Empty::new());
        *request.uri_mut() =
            url.as_str().parse().map_err(|error| unusable(format!("no address: {error}")))?;
        let headers = request.headers_mut();
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("runbook/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        Ok(request)
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn refused(head: &http::response::Parts, body: &[u8]) -> Said {
    let (class, passes) = match head.status.as_u16() {
        404 | 410 => (Class::NotFound, Passes::No),
        401 | 403 => (Class::Denied, Passes::No),
        429 => (Class::Throttled, Passes::Soon),
        502..=504 | 500 => (Class::Unavailable, Passes::Soon),
        _ => (Class::Invalid, Passes::No),
    };
    let text: String = String::from_utf8_lossy(body)
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(REFUSAL_LETTERS)
        .collect();
    let text = text.trim();
    let status = head.status;
    let message = if text.is_empty() {
        format!("the server answered {status}")
    } else {
        format!("the server answered {status}: {text}")
    };
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Said {
        status: Some(status.as_u16()),
        passes,
        processed: Processed::No,
        retry_after: retry_after.and_then(|text| text.parse().ok()).map(Duration::from_secs),
        ..Said::unsent(class, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::StillClock;

    fn why(address: &str, token: Option<&str>) -> String {
        let observer = Arc::new(crate::SilentObserver);
        Getter::new("prometheus", address, token, StillClock::new(), observer)
            .expect_err("refused")
            .to_string()
    }

    #[test]
    fn addresses_that_leak_or_lead_nowhere_are_refused() {
        assert_eq!(
            why("http://prometheus.example.com", Some("t")),
            "`http://prometheus.example.com` cannot be asked: a token does not go through plain HTTP"
        );
        assert_eq!(
            why("https://me:hunter2@example.com/", None),
            "`example.com` cannot be asked: it holds credentials; a token is given apart"
        );
        assert_eq!(
            why("file:///etc/passwd", None),
            "`file:///etc/passwd` cannot be asked: it is neither http nor https"
        );
        assert_eq!(
            why("https://example.com", Some("a\nb")),
            "`https://example.com` cannot be asked: its token cannot stand in a header"
        );
    }
}
