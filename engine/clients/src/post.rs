//! One message by HTTPS: a body, a key that says which message it is, one try.
//!
//! The address may be the secret itself, as a chat's webhook is. So no error, no observer and no
//! operation ever names it: they name the destination by what its owner calls it. Redirects are not
//! followed, since whoever answers could send the message, and the key in its path, anywhere.
//! Repeating is left to who keeps the message: he knows what was sent, and when.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Bytes;

use crate::clock::Clock;
use crate::error::{Class, Error, Outcome, Passes, Processed, Said, Undone};
use crate::https;
use crate::request::{Observer, Operation, RequestClass};
use crate::retry::{Caller, Policy, Repeat};

/// The header by which a receiver recognises a repetition.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// How much of a refusal is read.
const MOST_SAID: usize = 200;

/// What to send.
#[derive(Clone)]
pub struct Post<'a> {
    /// What its owner calls the destination; stands for the address wherever it is shown.
    pub name: &'a str,
    /// Where it goes: https, or plain http on this machine itself.
    pub url: &'a str,
    /// `application/json`.
    pub media_type: &'static str,
    /// The same for the same message, however often it is sent.
    pub key: &'a str,
    /// The message.
    pub body: Vec<u8>,
    /// How long the answer may take, in real time.
    pub timeout: Duration,
}

/// Sends messages.
#[derive(Clone)]
pub struct Poster {
    client: https::Client<Full<Bytes>>,
    caller: Caller,
}

impl Poster {
    /// One that trusts the machine's own certificate authorities; the error says why it cannot.
    pub fn new(clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Result<Self, String> {
        let policy = Policy { max_tries: 1, ..Policy::default() };
        let caller = Caller { clock, observer, policy, seed: "post".into() };
        Ok(Self { client: https::client()?, caller })
    }

    /// Whether a text can be an address of [`Post::url`]; the problem never names it.
    pub fn check(url: &str) -> Result<(), String> {
        https::usable(url).map(drop)
    }

    /// Sends a message once; the status that it was taken with.
    pub async fn send(&self, post: &Post<'_>) -> Outcome<u16> {
        let operation = Operation {
            service: "http",
            name: format!("POST {}", post.name),
            class: RequestClass::Write,
        };
        let request = Self::request(post).map_err(|said| Error::new(&operation, said))?;
        self.caller
            .write(&operation, Repeat::OnlyIfUnprocessed, || async {
                let once = self.once(request.clone());
                let said = match tokio::time::timeout(post.timeout, once).await {
                    Ok(Ok(status)) => return Ok(status),
                    Ok(Err(said)) => said,
                    Err(_) => Said::unanswered(
                        Class::Timeout,
                        format!("no answer within {} s", post.timeout.as_secs()),
                    ),
                };
                Err(Error::new(&operation, said))
            })
            .await
    }

    fn request(post: &Post<'_>) -> Result<http::Request<Full<Bytes>>, Said> {
        let invalid = |problem: String| Said::unsent(Class::Invalid, problem);
        let url = https::usable(post.url)
            .map_err(|problem| invalid(format!("its address cannot be used: {problem}")))?;
        let uri: Uri = url
            .as_str()
            .parse()
            .map_err(|_| invalid("its address cannot be used: it is no URI".to_owned()))?;
        let key = HeaderValue::from_str(post.key)
            .map_err(|_| invalid("its key is no header's value".to_owned()))?;
        let mut request = http::Request::new(Full::new(Bytes::from(post.body.clone())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let agent = HeaderValue::from_static(concat!("runbook/", env!("CARGO_PKG_VERSION")));
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, agent);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(post.media_type));
        headers.insert(KEY, key);
        Ok(request)
    }

    async fn once(&self, request: http::Request<Full<Bytes>>) -> Result<u16, Said> {
        let response = self.client.request(request).await.map_err(|error| {
            let cause = crate::error::root_cause(&error);
            let mut said = Said::unanswered(Class::Unavailable, format!("no answer: {cause}"));
            if error.is_connect() {
                said.processed = Processed::No;
            }
            said
        })?;
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            return Ok(head.status.as_u16());
        }
        let text = https::beginning(body, MOST_SAID).await;
        Err(refused(head.status, &head.headers, &text))
    }
}

fn refused(status: StatusCode, headers: &HeaderMap, text: &str) -> Said {
    let (class, passes) = match status.as_u16() {
        404 | 410 => (Class::NotFound, Passes::No),
        401 | 403 => (Class::Denied, Passes::No),
        408 | 425 | 429 => (Class::Throttled, Passes::Soon),
        500.. => (Class::Unavailable, Passes::Soon),
        _ => (Class::Invalid, Passes::No),
    };
    let text: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    let text = text.trim();
    let because = if text.is_empty() { String::new() } else { format!(": {text}") };
    let mut said = Said::unsent(class, format!("it answered {}{because}", status.as_u16()));
    said.status = Some(status.as_u16());
    said.passes = passes;
    // An error of the server may have come after the effect.
    said.processed = if status.is_server_error() { Processed::Unknown } else { Processed::No };
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    said.retry_after = seconds.map(Duration::from_secs);
    said
}

/// Whether another try may help.
pub fn may_pass(undone: &Undone) -> bool {
    undone.error().passes() == Passes::Soon
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{Answer, Peer, StillClock, Tries};

    fn post(url: &str) -> Post<'_> {
        Post {
            name: "webhook finance",
            url,
            media_type: "application/json",
            key: "0123abcd",
            body: b"{}".to_vec(),
            timeout: Duration::from_secs(30),
        }
    }

    #[tokio::test]
    async fn a_message_is_sent_once_with_its_key_and_its_address_is_nowhere() {
        let say = |status| Answer::Say(status, "text/plain", "no\nroom".to_owned(), Vec::new());
        let busy = Answer::Say(429, "text/plain", String::new(), vec![("retry-after", "90")]);
        let peer = Peer::start([say(200), say(404), Answer::LoseTheReply, say(503), busy]).await;
        let tries = Arc::new(Tries::default());
        let poster = Poster::new(StillClock::new(), tries.clone()).unwrap();
        let url = format!("{}/services/T0/secret", peer.url);
        let mut said = Vec::new();
        for _ in 0..5 {
            said.push(match poster.send(&post(&url)).await {
                Ok(status) => format!("took it with {status}"),
                Err(undone) => format!(
                    "{} {:?} {undone}",
                    may_pass(&undone),
                    undone.error().retry_after().map(|wait| wait.as_secs())
                ),
            });
        }
        assert_eq!(said[0], "took it with 200");
        assert_eq!(
            said[1],
            "false None `http:POST webhook finance` failed: it answered 404: no room"
        );
        assert!(said[2].starts_with("true None it is not known whether this happened"), "{said:?}");
        assert!(said[3].contains("it answered 503"), "{said:?}");
        assert_eq!(said[4], "true Some(90) `http:POST webhook finance` failed: it answered 429");
        assert_eq!(peer.asked().len(), 5);
        for asked in peer.asked() {
            assert_eq!(asked.header("idempotency-key"), Some("0123abcd"));
            assert_eq!(asked.line, "POST /services/T0/secret");
        }
        let all = format!("{said:?} {:?}", tries.seen());
        assert!(!all.contains("secret") && !all.contains("127.0.0.1"), "{all}");
    }

    #[tokio::test]
    async fn an_address_that_anybody_could_read_is_refused_without_being_named() {
        let poster = Poster::new(StillClock::new(), Arc::new(Tries::default())).unwrap();
        let undone = poster.send(&post("http://hooks.example.com/T0/secret")).await.unwrap_err();
        assert_eq!(
            undone.to_string(),
            "`http:POST webhook finance` failed: its address cannot be used: it is plain HTTP, which anyone on the way can change"
        );
        assert!(Poster::check("hooks.example.com").is_err());
    }
}
