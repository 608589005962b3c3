//! Watching: every change of the objects of a kind, from a version on.
//!
//! A watch ends by itself after a while, as the server is asked to end it; whoever watches goes on from
//! the last version. A server that does not keep that version any more says so ([`Event::Expired`]), and
//! the objects have to be listed again.

use std::collections::VecDeque;

use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use super::objects::Selection;
use super::open::Connection;
use super::reference::Kind;
use super::request::{self, Request};
use crate::error::{Class, Error, Said};

/// The longest line: far more than any object.
const LONGEST_LINE: usize = 16 << 20;

/// What a watch tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An object is there, new or changed.
    There(Value),
    /// An object is gone; as it last was.
    Gone(Value),
    /// Nothing happened up to this version.
    Version(String),
    /// The version is not kept any more: list again.
    Expired,
}

impl Event {
    /// The version after it, from which a watch goes on.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::There(object) | Self::Gone(object) => {
                object.pointer("/metadata/resourceVersion")?.as_str()
            }
            Self::Version(version) => Some(version),
            Self::Expired => None,
        }
    }
}

/// An open watch.
pub struct Watch {
    kind: Kind,
    request: Request,
    body: Body,
    /// The beginning of a line.
    partial: Vec<u8>,
    due: VecDeque<Event>,
}

impl Connection {
    /// Watches the objects of a kind, all of the cluster, from a version on. None when the kind is not
    /// served.
    pub async fn watch(&self, kind: &Kind, from: &str) -> Result<Option<Watch>, Error> {
        let Some(resource) = self.resource(kind).await? else { return Ok(None) };
        let request = request::watch(&resource, &Selection::default(), from);
        let body = self.transport().stream(&request).await?;
        let (partial, due) = (Vec::new(), VecDeque::new());
        Ok(Some(Watch { kind: kind.clone(), request, body, partial, due }))
    }
}

impl Watch {
    /// The next event; none when the watch has ended. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.due.pop_front() {
                return Ok(Some(event));
            }
            let frame = match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    let cause = crate::error::root_cause(&error);
                    let message = format!("the watch broke off: {cause}");
                    return Err(self.failed(Class::Unavailable, message));
                }
            };
            if let Ok(bytes) = frame.into_data() {
                self.take(&bytes)?;
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.partial);
            if !line.is_empty() {
                let event = self.event(&line)?;
                self.due.extend(event);
            }
        }
        self.partial.extend_from_slice(rest);
        if self.partial.len() > LONGEST_LINE {
            let message = format!("a line of the watch is longer than {LONGEST_LINE} bytes");
            return Err(self.failed(Class::Unreadable, message));
        }
        Ok(())
    }

    fn event(&self, line: &[u8]) -> Result<Option<Event>, Error> {
        let unreadable = |why: String| self.failed(Class::Unreadable, why);
        let mut event: Value = serde_json::from_slice(line)
            .map_err(|error| unreadable(format!("a line of the watch is no JSON: {error}")))?;
        let mut object = event["object"].take();
        match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => {
                if let Some(fields) = object.as_object_mut() {
                    let kind = &self.kind;
                    fields.entry("apiVersion").or_insert_with(|| kind.api_version.clone().into());
                    fields.entry("kind").or_insert_with(|| kind.kind.clone().into());
                }
                Ok(Some(Event::There(object)))
            }
            Some("DELETED") => Ok(Some(Event::Gone(object))),
            Some("BOOKMARK") => {
                let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
                Ok(version.map(|version| Event::Version(version.to_owned())))
            }
            Some("ERROR") if object["code"] == 410 => Ok(Some(Event::Expired)),
            Some("ERROR") => {
                let why = object["message"].as_str().unwrap_or("it does not say why");
                Err(self.failed(Class::Unavailable, format!("the watch ended: {why}")))
            }
            other => {
                let what = other.unwrap_or("nothing");
                Err(unreadable(format!("a line of the watch is of the type `{what}`")))
            }
        }
    }

    fn failed(&self, class: Class, message: String) -> Error {
        Error::new(&self.request.operation, Said::unanswered(class, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::discovery::Resource;

    fn watch(body: &str) -> Watch {
        let resource = Resource::core("pods", "Pod", true);
        Watch {
            kind: Kind::new("v1", "Pod"),
            request: request::watch(&resource, &Selection::default(), "7"),
            body: Body::from(body.as_bytes().to_vec()),
            partial: Vec::new(),
            due: VecDeque::new(),
        }
    }

    async fn told(body: &str) -> Result<Vec<Event>, Error> {
        let mut watch = watch(body);
        let mut events = Vec::new();
        while let Some(event) = watch.next().await? {
            events.push(event);
        }
        Ok(events)
    }

    const LINES: &str = r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"8"}}}
{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"9"}}}

{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"11"}}}
{"type":"DELETED","object":{"metadata":{"name":"a","resourceVersion":"12"}}}
{"type":"ERROR","object":{"code":410,"reason":"Expired"}}
"#;

    #[test]
    fn it_is_asked_for_with_bookmarks_and_an_end() {
        assert_eq!(
            watch("").request.path,
            "/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=50&resourceVersion=7"
        );
    }

    #[tokio::test]
    async fn events_carry_the_version_from_which_it_goes_on() {
        let events = told(LINES).await.unwrap();
        let versions: Vec<_> = events.iter().map(Event::version).collect();
        assert_eq!(versions, [Some("8"), Some("9"), Some("11"), Some("12"), None]);
        assert!(matches!(&events[0], Event::There(object) if object["kind"] == "Pod"));
        assert!(matches!(&events[3], Event::Gone(object) if object["metadata"]["name"] == "a"));
        assert_eq!(events[4], Event::Expired);
    }

    #[test]
    fn lines_arrive_in_any_pieces() {
        for size in 1..LINES.len() {
            let mut watch = watch("");
            for piece in LINES.as_bytes().chunks(size) {
                watch.take(piece).unwrap();
            }
            assert_eq!(watch.due.len(), 5, "pieces of {size}");
            assert!(watch.partial.is_empty());
        }
    }

    #[tokio::test]
    async fn what_is_no_event_is_an_error() {
        let why = async |body: &str| told(body).await.unwrap_err().to_string();
        assert!(why("<html>\n").await.contains("a line of the watch is no JSON"));
        assert!(why("{\"type\":\"HELLO\"}\n").await.ends_with("of the type `HELLO`"));
        let failing = r#"{"type":"ERROR","object":{"code":500,"message":"etcd is away"}}"#;
        assert!(why(&format!("{failing}\n")).await.ends_with("the watch ended: etcd is away"));
        // A line without its end never happened.
        assert_eq!(told(r#"{"type":"ADDED""#).await.unwrap(), []);
    }
}
