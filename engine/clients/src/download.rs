//! One file by HTTPS: bounded in size, redirects followed a few times and never to plain HTTP, and
//! its SHA-256 held against the expected one *before* anything is done with it.

use std::time::Duration;

use std::sync::Arc;

use http::header::{HeaderValue, LOCATION, USER_AGENT};
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::clock::Clock;
use crate::error::{Class, Error as RequestError, Passes, Processed, Said};
use crate::https;
use crate::request::{Observer, Operation, RequestClass};
use crate::retry::{Caller, Policy};

/// How long the server may take for one answer, in real time.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(2);

/// What to get.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it is.
    pub url: String,
    /// What it must hash to: 64 hex digits.
    pub sha256: Option<String>,
    /// How large it may be.
    pub max_bytes: usize,
    /// How many redirects may be followed.
    pub max_redirects: u32,
}

/// What was got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their hash, in hex.
    pub sha256: String,
    /// Where it was in the end.
    pub url: String,
}

/// Why it was not got.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It is not to be had there.
    #[error("{0}")]
    Request(RequestError),
    /// The address cannot be used.
    #[error("`{url}` cannot be fetched: {problem}")]
    Address {
        /// The address.
        url: String,
        /// Why not.
        problem: String,
    },
    /// Something else is there.
    #[error("`{url}` has the SHA-256 {found}, not {expected}")]
    Checksum {
        /// The address.
        url: String,
        /// What was asked for.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// Gets files.
#[derive(Clone)]
pub struct Downloader {
    client: https::Client<Empty<Bytes>>,
    caller: Caller,
}

impl Downloader {
    /// One that trusts the machine's own certificate authorities.
    pub fn new(clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Result<Self, Error> {
        let client = https::client()
            .map_err(|problem| Error::Address { url: "https://".to_owned(), problem })?;
        let caller = Caller { clock, observer, policy: Policy::default(), seed: "download".into() };
        Ok(Self { client, caller })
    }

    /// Gets a file.
    pub async fn fetch(&self, request: &Request) -> Result<Downloaded, Error> {
        let mut url = usable(&request.url)?;
        for _ in 0..=request.max_redirects {
            match self.get(&url, request.max_bytes).await.map_err(Error::Request)? {
                Answer::Moved(location) => url = next(&url, &location)?,
                Answer::Body(bytes) => return checked(request, &url, bytes),
            }
        }
        Err(Error::Address {
            url: request.url.clone(),
            problem: format!("it leads through more than {} redirects", request.max_redirects),
        })
    }

    async fn get(&self, url: &Url, max_bytes: usize) -> Result<Answer, RequestError> {
        let host = url.host_str().unwrap_or_default();
        let operation = Operation {
            service: "http",
            name: format!("GET {host}{}", url.path()),
            class: RequestClass::Read,
        };
        self.caller
            .read(&operation, || async {
                let once = self.once(url, max_bytes);
                let said = match tokio::time::timeout(ANSWER_TIMEOUT, once).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(said)) => said,
                    Err(_) => Said::unanswered(Class::Timeout, "the server gave no answer in time"),
                };
                Err(RequestError::new(&operation, said))
            })
            .await
    }

    async fn once(&self, url: &Url, max_bytes: usize) -> Result<Answer, Said> {
        let uri: Uri = url
            .as_str()
            .parse()
            .map_err(|error| Said::unsent(Class::Invalid, format!("no address: {error}")))?;
        let mut request = http::Request::new(Empty::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = uri;
        let agent = HeaderValue::from_static(concat!("runbook/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        let response = self.client.request(request).await.map_err(|error| {
            let cause = crate::error::root_cause(&error);
            Said::unanswered(Class::Unavailable, format!("no answer from the server: {cause}"))
        })?;
        let (head, body) = response.into_parts();
        if head.status.is_redirection()
            && let Some(location) = head.headers.get(LOCATION)
        {
            let location = location.to_str().map_err(|_| {
                Said::unsent(Class::Unreadable, "the redirect's address is no text")
            })?;
            return Ok(Answer::Moved(location.to_owned()));
        }
        if !head.status.is_success() {
            return Err(refused(head.status));
        }
        let body = Limited::new(body, max_bytes).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                let message = format!("the file is larger than the allowed {max_bytes} bytes");
                return Said::unsent(Class::Invalid, message);
            }
            let cause = crate::error::root_cause(&*error);
            Said::unanswered(Class::Unavailable, format!("the answer broke off: {cause}"))
        })?;
        Ok(Answer::Body(body.to_bytes().to_vec()))
    }
}

enum Answer {
    Moved(String),
    Body(Vec<u8>),
}

fn refused(status: StatusCode) -> Said {
    let (class, passes) = match status.as_u16() {
        404 | 410 => (Class::NotFound, Passes::No),
        401 | 403 => (Class::Denied, Passes::No),
        429 => (Class::Throttled, Passes::Soon),
        500.. => (Class::Unavailable, Passes::Soon),
        _ => (Class::Invalid, Passes::No),
    };
    let mut said = Said::unsent(class, format!("the server answered {status}"));
    said.status = Some(status.as_u16());
    said.passes = passes;
    said.processed = Processed::No;
    said
}

/// HTTPS, or plain HTTP to this machine itself.
fn usable(text: &str) -> Result<Url, Error> {
    https::usable(text).map_err(|problem| Error::Address { url: text.to_owned(), problem })
}

fn next(from: &Url, location: &str) -> Result<Url, Error> {
    let url = from
        .join(location)
        .map_err(|error| Error::Address { url: location.to_owned(), problem: error.to_string() })?;
    if from.scheme() == "https" && url.scheme() != "https" {
        return Err(Error::Address {
            url: url.to_string(),
            problem: format!("`{from}` leads from HTTPS to plain HTTP"),
        });
    }
    usable(url.as_str())
}

fn checked(request: &Request, url: &Url, bytes: Vec<u8>) -> Result<Downloaded, Error> {
    use std::fmt::Write as _;
    let mut found = String::new();
    for byte in Sha256::digest(&bytes) {
        // Writing to a String cannot fail.
        let _ = write!(found, "{byte:02x}");
    }
    match &request.sha256 {
        Some(expected) if !expected.eq_ignore_ascii_case(&found) => {
            Err(Error::Checksum { url: url.to_string(), expected: expected.clone(), found })
        }
        _ => Ok(Downloaded { bytes, sha256: found, url: url.to_string() }),
    }
}

#[cfg(test)]
mod tests;
