//! What happened last to an object: its Events, for the evidence in a failure.

use jiff::Timestamp;
use serde_json::Value;

use super::objects::Selection;
use super::open::Connection;
use super::reference::{Kind, Reference};
use crate::error::Error;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it was seen last.
    pub at: Option<Timestamp>,
    /// `Normal` or `Warning`.
    pub kind: String,
    /// For example `FailedScheduling`.
    pub reason: String,
    /// What it says.
    pub message: String,
    /// Who says it, for example `fargate-scheduler`.
    pub component: String,
    /// How often.
    pub count: i64,
    /// The object that it is about, as `Kind namespace/name`.
    pub about: String,
}

impl Connection {
    /// The last events about an object, newest first.
    pub async fn last_events(
        &self,
        object: &Reference,
        at_most: usize,
    ) -> Result<Vec<Event>, Error> {
        let namespace = object.namespace.as_deref().unwrap_or("default");
        let fields =
            format!("involvedObject.kind={},involvedObject.name={}", object.kind.kind, object.name);
        let selection = Selection::namespace(namespace).fields(fields);
        let events = self.list(&Kind::new("v1", "Event"), &selection).await?;
        Ok(newest(&events, at_most))
    }

    /// The last events of a namespace, newest first; warnings only when asked.
    pub async fn namespace_events(
        &self,
        namespace: &str,
        warnings_only: bool,
        at_most: usize,
    ) -> Result<Vec<Event>, Error> {
        let mut selection = Selection::namespace(namespace);
        if warnings_only {
            selection = selection.fields("type=Warning");
        }
        let events = self.list(&Kind::new("v1", "Event"), &selection).await?;
        Ok(newest(&events, at_most))
    }
}

/// The newest events of a list, newest first.
pub fn newest(events: &[Value], at_most: usize) -> Vec<Event> {
    let mut events: Vec<Event> = events.iter().map(event).collect();
    events.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.reason.cmp(&other.reason)));
    events.truncate(at_most);
    events
}

fn event(event: &Value) -> Event {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let times = [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/eventTime",
        "/firstTimestamp",
        "/metadata/creationTimestamp",
    ];
    let owned = |pointer: &str| text(pointer).unwrap_or_default().to_owned();
    let namespace = text("/involvedObject/namespace").map(|it| format!("{it}/"));
    Event {
        at: times.iter().find_map(|pointer| text(pointer)?.parse().ok()),
        kind: owned("/type"),
        reason: owned("/reason"),
        message: owned("/message"),
        component: text("/reportingComponent")
            .filter(|component| !component.is_empty())
            .or_else(|| text("/source/component"))
            .unwrap_or_default()
            .to_owned(),
        count: event
            .pointer("/series/count")
            .or_else(|| event.get("count"))
            .and_then(Value::as_i64)
            .unwrap_or(1),
        about: format!(
            "{} {}{}",
            owned("/involvedObject/kind"),
            namespace.unwrap_or_default(),
            owned("/involvedObject/name")
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_comes_first_whoever_wrote_it() {
        let old_style = json!({"type": "Warning", "reason": "FailedScheduling",
            "message": "Misconfigured Fargate Profile", "count": 3,
            "lastTimestamp": "2026-11-24T10:00:00Z", "eventTime": null,
            "source": {"component": "fargate-scheduler"}, "reportingComponent": "",
            "involvedObject": {"kind": "Pod", "namespace": "kube-system", "name": "coredns-x"}});
        let new_style = json!({"type": "Normal", "reason": "Scheduled", "message": "bound",
            "eventTime": "2026-11-24T10:00:01.123456Z", "lastTimestamp": null,
            "reportingComponent": "default-scheduler",
            "involvedObject": {"kind": "Node", "name": "n"}});
        let events = newest(&[old_style, new_style], 5);
        assert_eq!(events.len(), 2);
        assert_eq!((events[0].reason.as_str(), events[0].count), ("Scheduled", 1));
        assert_eq!(events[0].about, "Node n");
        assert_eq!(events[1].component, "fargate-scheduler");
        assert_eq!((events[1].count, events[1].about.as_str()), (3, "Pod kube-system/coredns-x"));
    }
}
