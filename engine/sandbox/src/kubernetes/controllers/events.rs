//! Events about objects, which the API keeps for an hour.

use serde_json::{Value, json};

use super::super::object;
use super::Cluster;
use crate::store::Transaction;
use crate::world::ids;

/// How long an event is kept.
const KEPT_SECONDS: i64 = 3600;
/// How often old ones are looked for while there are any.
const SWEEP_SECONDS: i64 = 900;
/// Clusters in which a sweep is due.
const SWEEPING: &str = "sandbox/events";

impl Cluster<'_> {
    /// Writes an event about an object; the same one again counts up.
    pub(super) fn event(
        &self,
        transaction: &mut Transaction<'_>,
        about: &Value,
        kind: &str,
        reason: &str,
        message: &str,
        source: &str,
    ) {
        let meta = &about["metadata"];
        let name = meta["name"].as_str().unwrap_or_default();
        let namespace = meta["namespace"].as_str().unwrap_or("default");
        let id = ids::hex(self.context, &["event", self.name, name, reason, message], 16);
        let now = object::timestamp(transaction);
        let key = format!("{namespace}/{name}.{id}");
        if let Some(mut there) = self.get(transaction, "", "events", &key) {
            if there["lastTimestamp"] != now {
                there["count"] = json!(there["count"].as_i64().unwrap_or(1) + 1);
                there["lastTimestamp"] = now;
                self.put(transaction, "", "events", there);
            }
            return;
        }
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("{name}.{id}"), "namespace": namespace},
            "involvedObject": {"apiVersion": about["apiVersion"], "kind": about["kind"], "name": name, "namespace": meta["namespace"], "uid": meta["uid"]},
            "type": kind, "reason": reason, "message": message, "source": {"component": source}, "reportingComponent": source,
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        });
        self.put(transaction, "", "events", event);
        if transaction.get(SWEEPING, self.name).is_none() {
            transaction.put(SWEEPING, self.name, json!(true));
            self.schedule(transaction, KEPT_SECONDS, "kubernetes.events", "events");
        }
    }
}

/// Takes away events that nobody repeated for an hour.
pub(super) fn sweep(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    let now = transaction.now().as_second();
    let mut stays = false;
    for event in cluster.see(transaction, "", "events") {
        let last: Option<jiff::Timestamp> =
            event["lastTimestamp"].as_str().and_then(|text| text.parse().ok());
        // Without a time it is somebody else's, who also takes it away.
        match last {
            Some(last) if now - last.as_second() >= KEPT_SECONDS => {
                cluster.remove(transaction, "", "events", &object::key(&event));
            }
            Some(_) => stays = true,
            None => {}
        }
    }
    if stays {
        cluster.schedule(transaction, SWEEP_SECONDS, "kubernetes.events", "events");
    } else {
        transaction.delete(SWEEPING, cluster.name);
    }
}
