//! Watching: what is there, if asked, then every change, as lines of JSON.
//!
//! When a client of the clock marks a moment, each watch that allows bookmarks says with one that it
//! has told everything up to then: whoever lets time jump knows by it that nothing is on its way any more.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::super::table;
use super::read::{self, Shape, partial, shape, with_revision};
use super::{Answer, Request, Status, Target, options};
use crate::store::{Change, Document, Subscription, TooOld};
use crate::world::World;

/// An open watch. The server calls [`Watch::lines`] whenever [`Watch::changed`] is ready.
pub(crate) struct Watch {
    kind: Kind,
    target: Target,
    request: Request,
    shape: Shape,
    collection: String,
    subscription: Subscription,
    /// What is there, with which the watch begins, and the bookmark after it.
    first: Vec<Document>,
    bookmark: Option<Value>,
    /// The revision that was marked last, for who allows bookmarks, and up to where it was told.
    marked: Option<tokio::sync::watch::Receiver<u64>>,
    told: u64,
    headers_sent: bool,
    pub(crate) timeout_seconds: Option<u64>,
    over: bool,
}

pub(super) fn open(
    world: &World,
    cluster: &str,
    kind: &Kind,
    target: &Target,
    request: &Request,
) -> Answer {
    let collection = kind.collection(cluster);
    let initial = request.is("sendInitialEvents");
    let asked = match request.get("resourceVersion").map(str::parse::<u64>) {
        None => None,
        Some(Ok(revision)) => Some(revision).filter(|revision| *revision > 0),
        Some(Err(_)) => {
            return Status::new(
                500,
                "",
                options::no_version(request.get("resourceVersion").unwrap_or_default()),
            )
            .into();
        }
    };
    let (first, revision) = world.store.read(|state| {
        // Without a version, a watch begins with what is there.
        let there = state.list(&collection).filter(|_| initial || asked.is_none());
        let selected = there.filter_map(|(_, found)| {
            let is_wanted = read::selected(&found.value, target, request);
            is_wanted.map(|is_wanted| is_wanted.then(|| found.clone())).transpose()
        });
        (selected.collect::<Result<Vec<Document>, Status>>(), state.revision())
    });
    let first = match first {
        Ok(first) => first,
        Err(status) => return status.into(),
    };
    let bookmark = initial.then(|| {
        let mut bookmark = bookmark_at(kind, revision);
        bookmark["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        bookmark
    });
    let from = if initial { revision } else { asked.unwrap_or(revision) };
    match world.store.subscribe(&collection, from) {
        Ok(subscription) => Answer::Watch(Box::new(Watch {
            kind: kind.clone(),
            target: target.clone(),
            request: request.clone(),
            shape: shape(&request.accept),
            collection,
            subscription,
            first,
            bookmark,
            marked: request.is("allowWatchBookmarks").then(|| world.store.marked()),
            told: from,
            headers_sent: false,
            timeout_seconds: request.get("timeoutSeconds").and_then(|text| text.parse().ok()),
            over: false,
        })),
        Err(TooOld { asked, oldest }) => {
            Status::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
                .into()
        }
    }
}

impl Watch {
    /// Waits until there may be more.
    pub(crate) async fn changed(&mut self) {
        if !self.first.is_empty() || self.bookmark.is_some() || self.over {
            return;
        }
        let Some(marked) = &mut self.marked else { return self.subscription.changed().await };
        tokio::select! {
            () = self.subscription.changed() => {}
            Ok(_) = marked.wait_for(|marked| *marked > self.told) => {}
        }
    }

    /// Whether nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// The lines that are due now.
    pub(crate) fn lines(&mut self, now: Timestamp) -> String {
        let mut text = String::new();
        for document in std::mem::take(&mut self.first) {
            self.tell("ADDED", &document, now, &mut text);
        }
        if let Some(bookmark) = self.bookmark.take() {
            self.tell_bookmark(&bookmark, now, &mut text);
        }
        match self.subscription.drain() {
            Ok(changes) => {
                for change in changes {
                    if let Some((kind, document)) = self.event(&change) {
                        self.tell(kind, document, now, &mut text);
                    }
                }
            }
            Err(TooOld { asked, oldest }) => {
                let why = format!("too old resource version: {asked} ({oldest})");
                let status = Status::new(410, "Expired", why);
                push_line("ERROR", &status.body().to_string(), &mut text);
                self.over = true;
                return text;
            }
        }
        self.tell_mark(now, &mut text);
        text
    }

    /// Everything up to the mark has been told. What has not been is there still, and comes first.
    fn tell_mark(&mut self, now: Timestamp, text: &mut String) {
        let Some(marked) = self.marked.as_ref().map(|marked| *marked.borrow()) else { return };
        let revision = self.subscription.revision();
        if marked > self.told && revision >= marked {
            self.told = revision;
            let bookmark = bookmark_at(&self.kind, revision);
            self.tell_bookmark(&bookmark, now, text);
        }
    }

    fn event<'a>(&self, change: &'a Change) -> Option<(&'static str, &'a Document)> {
        if *change.key.collection != *self.collection {
            return None;
        }
        let wanted = |document: &Option<Document>| {
            document.as_ref().is_some_and(|document| {
                read::selected(&document.value, &self.target, &self.request).unwrap_or(false)
            })
        };
        match (wanted(&change.before), wanted(&change.after)) {
            (false, true) => Some(("ADDED", change.after.as_ref()?)),
            (true, true) => Some(("MODIFIED", change.after.as_ref()?)),
            (true, false) => Some(("DELETED", change.before.as_ref()?)),
            (false, false) => None,
        }
    }

    fn tell(&mut self, kind: &str, document: &Document, now: Timestamp, text: &mut String) {
        match self.shape {
            Shape::Plain => push_line(kind, read::whole_text(document), text),
            Shape::Partial => {
                let object = partial(&with_revision(&document.value, document.revision));
                push_line(kind, &object.to_string(), text);
            }
            Shape::Table => {
                let object = with_revision(&document.value, document.revision);
                let table = self.table(std::slice::from_ref(&object), now);
                push_line(kind, &table.to_string(), text);
            }
        }
    }

    fn tell_bookmark(&mut self, bookmark: &Value, now: Timestamp, text: &mut String) {
        let object = match self.shape {
            Shape::Plain => bookmark.clone(),
            Shape::Partial => partial(bookmark),
            Shape::Table => {
                let mut table = self.table(&[], now);
                table["metadata"] = bookmark["metadata"].clone();
                table
            }
        };
        push_line("BOOKMARK", &object.to_string(), text);
    }

    /// Rows; only the first table of a watch says what its columns are.
    fn table(&mut self, rows: &[Value], now: Timestamp) -> Value {
        let revision = self.subscription.revision();
        let mut table =
            table::of(&self.kind, rows, now, revision, self.request.get("includeObject"));
        if std::mem::replace(&mut self.headers_sent, true) {
            table["columnDefinitions"] = Value::Null;
        }
        table
    }
}

fn bookmark_at(kind: &Kind, revision: u64) -> Value {
    json!({
        "kind": kind.kind, "apiVersion": kind.api_version(),
        "metadata": {"resourceVersion": revision.to_string()},
    })
}

fn push_line(kind: &str, object: &str, text: &mut String) {
    text.push_str("{\"type\":\"");
    text.push_str(kind);
    text.push_str("\",\"object\":");
    text.push_str(object);
    text.push_str("}\n");
}
