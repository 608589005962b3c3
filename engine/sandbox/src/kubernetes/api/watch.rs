//! Watching: what is there, if asked, then every change, as lines of JSON.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::super::table;
use super::read::{self, Shape, partial, shape, with_revision};
use super::{Answer, Request, Status, Target, options};
use crate::store::{Change, Subscription, TooOld};
use crate::world::World;

/// An open watch. The server calls [`Watch::lines`] whenever [`Watch::changed`] is ready.
pub(crate) struct Watch {
    kind: Kind,
    target: Target,
    request: Request,
    collection: String,
    subscription: Subscription,
    first: Vec<Value>,
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
        let revision = state.revision();
        let mut first = Vec::new();
        // Without a version, a watch begins with what is there.
        if initial || asked.is_none() {
            for (_, found) in state.list(&collection) {
                match read::selected(&found.value, target, request) {
                    Ok(true) => first.push(json!({"type": "ADDED", "object": with_revision(&found.value, found.revision)})),
                    Ok(false) => {}
                    Err(status) => return (Err(status), revision),
                }
            }
        }
        if initial {
            let bookmark = json!({
                "kind": kind.kind, "apiVersion": kind.api_version(),
                "metadata": {"resourceVersion": revision.to_string(), "annotations": {"k8s.io/initial-events-end": "true"}},
            });
            first.push(json!({"type": "BOOKMARK", "object": bookmark}));
        }
        (Ok(first), revision)
    });
    let first = match first {
        Ok(first) => first,
        Err(status) => return status.into(),
    };
    let from = if initial { revision } else { asked.unwrap_or(revision) };
    match world.store.subscribe(&collection, from) {
        Ok(subscription) => Answer::Watch(Box::new(Watch {
            kind: kind.clone(),
            target: target.clone(),
            request: request.clone(),
            collection,
            subscription,
            first,
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
        if self.first.is_empty() && !self.over {
            self.subscription.changed().await;
        }
    }

    /// Whether nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// The lines that are due now.
    pub(crate) fn lines(&mut self, now: Timestamp) -> String {
        let mut events = std::mem::take(&mut self.first);
        match self.subscription.drain() {
            Ok(changes) => events.extend(changes.iter().filter_map(|change| self.event(change))),
            Err(TooOld { asked, oldest }) => {
                let status = Status::new(
                    410,
                    "Expired",
                    format!("too old resource version: {asked} ({oldest})"),
                );
                events.push(json!({"type": "ERROR", "object": status.body()}));
                self.over = true;
            }
        }
        let mut text = String::new();
        for event in events {
            text.push_str(&self.shaped(event, now).to_string());
            text.push('\n');
        }
        text
    }

    fn event(&self, change: &Arc<Change>) -> Option<Value> {
        if *change.key.collection != *self.collection {
            return None;
        }
        let wanted = |object: &Option<Arc<Value>>| {
            object.as_ref().is_some_and(|object| {
                read::selected(object, &self.target, &self.request).unwrap_or(false)
            })
        };
        let (kind, object) = match (wanted(&change.before), wanted(&change.after)) {
            (false, true) => ("ADDED", change.after.as_ref()?),
            (true, true) => ("MODIFIED", change.after.as_ref()?),
            (true, false) => ("DELETED", change.before.as_ref()?),
            (false, false) => return None,
        };
        Some(json!({"type": kind, "object": with_revision(object, change.revision)}))
    }

    fn shaped(&mut self, mut event: Value, now: Timestamp) -> Value {
        if event["type"] == "ERROR"
            || event["type"] == "BOOKMARK" && shape(&self.request.accept) == Shape::Plain
        {
            return event;
        }
        match shape(&self.request.accept) {
            Shape::Table => {
                let revision = self.subscription.revision();
                let object = event["object"].clone();
                let rows: &[Value] =
                    if event["type"] == "BOOKMARK" { &[] } else { std::slice::from_ref(&object) };
                let mut table =
                    table::of(&self.kind, rows, now, revision, self.request.get("includeObject"));
                if event["type"] == "BOOKMARK" {
                    table["metadata"] = object["metadata"].clone();
                }
                if std::mem::replace(&mut self.headers_sent, true) {
                    table["columnDefinitions"] = Value::Null;
                }
                event["object"] = table;
            }
            Shape::Partial => event["object"] = partial(&event["object"]),
            Shape::Plain => {}
        }
        event
    }
}
