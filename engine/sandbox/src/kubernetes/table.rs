//! Tables: the columns that `kubectl get` prints, as the real server computes them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::object;

const COLUMNS: &str = include_str!("../../data/kubernetes_columns.csv");

struct Column {
    name: String,
    kind: String,
    format: String,
    priority: i64,
    /// Where a custom resource's value stands.
    path: Option<String>,
}

/// A Table of objects.
pub(super) fn of(
    kind: &Kind,
    objects: &[Value],
    now: Timestamp,
    revision: u64,
    include: Option<&str>,
) -> Value {
    let columns = columns(kind);
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> = columns.iter().map(|column| cell(kind, object, column, now)).collect();
            let mut row = json!({"cells": cells});
            match include {
                Some("None") => row["object"] = Value::Null,
                Some("Object") => row["object"] = object.clone(),
                _ => row["object"] = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]}),
            }
            row
        })
        .collect();
    let definitions: Vec<Value> = columns
        .iter()
        .map(|column| json!({"name": column.name, "type": column.kind, "format": column.format, "description": "", "priority": column.priority}))
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": revision.to_string()},
        "columnDefinitions": definitions, "rows": rows,
    })
}

fn columns(kind: &Kind) -> Vec<Column> {
    let fixed = |name: &str, format: &str| Column {
        name: name.to_owned(),
        kind: "string".to_owned(),
        format: format.to_owned(),
        priority: 0,
        path: None,
    };
    if let Some(definition) = &kind.definition {
        let mut columns = vec![fixed("Name", "name")];
        let printed =
            definition["additionalPrinterColumns"].as_array().cloned().unwrap_or_default();
        for one in &printed {
            columns.push(Column {
                name: one["name"].as_str().unwrap_or_default().to_owned(),
                kind: one["type"].as_str().unwrap_or("string").to_owned(),
                format: String::new(),
                priority: one["priority"].as_i64().unwrap_or(0),
                path: one["jsonPath"].as_str().map(str::to_owned),
            });
        }
        if printed.is_empty() {
            columns.push(fixed("Age", ""));
        }
        return columns;
    }
    let group_version = if kind.group.is_empty() {
        format!("api/{}", kind.version)
    } else {
        format!("apis/{}/{}", kind.group, kind.version)
    };
    let mut columns = Vec::new();
    for line in COLUMNS.lines().skip(2) {
        let cells: Vec<&str> = line.split(',').collect();
        if let [group, plural, _, name, kind_of, format, priority] = cells.as_slice()
            && *group == group_version
            && *plural == kind.plural
        {
            columns.push(Column {
                name: (*name).to_owned(),
                kind: (*kind_of).to_owned(),
                format: (*format).to_owned(),
                priority: priority.parse().unwrap_or(0),
                path: None,
            });
        }
    }
    if columns.is_empty() { vec![fixed("Name", "name"), fixed("Age", "")] } else { columns }
}

/// A duration as kubectl prints it.
pub(super) fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{large}{large_unit}")
        } else {
            format!("{large}{large_unit}{small}{small_unit}")
        }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

fn age(value: &Value, now: Timestamp) -> Value {
    match value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(then) => json!(duration(now.duration_since(then).as_secs())),
        None => json!("<unknown>"),
    }
}

fn cell(kind: &Kind, object: &Value, column: &Column, now: Timestamp) -> Value {
    if let Some(path) = &column.path {
        let value = json_path(object, path);
        return if column.kind == "date" { age(&value, now) } else { value };
    }
    match column.name.as_str() {
        "Name" => object["metadata"]["name"].clone(),
        "Age" => age(&object["metadata"]["creationTimestamp"], now),
        "Created At" => object["metadata"]["creationTimestamp"].clone(),
        name => special(kind, object, name, now).unwrap_or_else(|| json!("<none>")),
    }
}

/// `.status.conditions[?(@.type=="Ready")].status`, `.spec.x`.
fn json_path(object: &Value, path: &str) -> Value {
    let mut value = object.clone();
    let mut rest = path.trim_start_matches('.');
    while !rest.is_empty() {
        if let Some(filter) = rest.strip_prefix("[?(@.") {
            let Some((condition, tail)) = filter.split_once(")]") else { return Value::Null };
            let (name, wanted) = condition.split_once("==").unwrap_or((condition, ""));
            let wanted = json!(wanted.trim().trim_matches(['"', '\'']));
            value = value
                .as_array()
                .into_iter()
                .flatten()
                .find(|item| item[name.trim()] == wanted)
                .cloned()
                .unwrap_or_default();
            rest = tail.trim_start_matches('.');
            continue;
        }
        let mut end = rest.len();
        let mut escaped = false;
        for (at, character) in rest.char_indices() {
            match character {
                '\\' => escaped = true,
                '.' | '[' if !escaped => {
                    end = at;
                    break;
                }
                _ => escaped = false,
            }
        }
        let name = rest[..end].replace('\\', "");
        value = value[name.as_str()].clone();
        rest = rest[end..].trim_start_matches('.');
    }
    value
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn special(kind: &Kind, object: &Value, column: &str, now: Timestamp) -> Option<Value> {
    match kind.plural.as_str() {
        "pods" => pod(object, column),
        "nodes" => node(object, column),
        "cronjobs" => cron_job(object, column, now),
        "events" => event(object, column, now),
        plural @ ("deployments" | "replicasets" | "daemonsets" | "statefulsets" | "jobs") => {
            workload(plural, object, column, now)
        }
        plural => other(plural, object, column),
    }
    .or_else(|| (column == "Selector").then(|| selector(&object["spec"]["selector"])))
}

/// What runs pods made from a template.
fn workload(plural: &str, object: &Value, column: &str, now: Timestamp) -> Option<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let of = |name: &str| json!(number(&status[name]));
    let ready = || format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"]));
    Some(match (plural, column) {
        (_, "Containers") => names(&spec["template"]["spec"]["containers"], "name"),
        (_, "Images") => names(&spec["template"]["spec"]["containers"], "image"),
        ("deployments" | "statefulsets", "Ready") => json!(ready()),
        ("deployments", "Up-to-date") => of("updatedReplicas"),
        ("deployments", "Available") => of("availableReplicas"),
        ("replicasets", "Desired") => json!(number(&spec["replicas"])),
        ("replicasets", "Current") => of("replicas"),
        ("replicasets", "Ready") => of("readyReplicas"),
        ("daemonsets", "Desired") => of("desiredNumberScheduled"),
        ("daemonsets", "Current") => of("currentNumberScheduled"),
        ("daemonsets", "Ready") => of("numberReady"),
        ("daemonsets", "Up-to-date") => of("updatedNumberScheduled"),
        ("daemonsets", "Available") => of("numberAvailable"),
        ("daemonsets", "Node Selector") => pairs(&spec["template"]["spec"]["nodeSelector"]),
        ("jobs", "Status") => json!(job_status(status)),
        ("jobs", "Completions") => {
            let wanted = spec["completions"].as_i64().unwrap_or(1);
            json!(format!("{}/{wanted}", number(&status["succeeded"])))
        }
        ("jobs", "Duration") => age(&status["startTime"], now),
        _ => return None,
    })
}

fn other(plural: &str, object: &Value, column: &str) -> Option<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let length = |field: &str| json!(object[field].as_array().map_or(0, Vec::len));
    Some(match (plural, column) {
        ("namespaces", "Status") => status["phase"].clone(),
        ("services", "Type") => spec["type"].clone(),
        ("services", "Cluster-IP") => spec["clusterIP"].clone(),
        ("services", "External-IP") => json!("<none>"),
        ("services", "Port(s)") => ports(&spec["ports"]),
        ("configmaps" | "secrets", "Data") => {
            json!(object["data"].as_object().map_or(0, serde_json::Map::len))
        }
        ("secrets", "Type") => object["type"].clone(),
        ("serviceaccounts", "Secrets") => length("secrets"),
        ("ingressclasses", "Controller") => spec["controller"].clone(),
        ("leases", "Holder") => spec["holderIdentity"].clone(),
        ("priorityclasses", "Value") => object["value"].clone(),
        ("priorityclasses", "Global-Default") => json!(object["globalDefault"] == true),
        ("priorityclasses", "PreemptionPolicy") => object["preemptionPolicy"].clone(),
        ("poddisruptionbudgets", "Min Available") => or_na(&spec["minAvailable"]),
        ("poddisruptionbudgets", "Max Unavailable") => or_na(&spec["maxUnavailable"]),
        ("poddisruptionbudgets", "Allowed Disruptions") => {
            json!(number(&status["disruptionsAllowed"]))
        }
        ("endpointslices", "AddressType") => object["addressType"].clone(),
        ("endpointslices", "Endpoints") => {
            let all = list(&object["endpoints"]).flat_map(|one| list(&one["addresses"]));
            joined(all.filter_map(|one| one.as_str().map(str::to_owned)))
        }
        ("endpointslices", "Ports") => {
            joined(list(&object["ports"]).map(|one| one["port"].to_string()))
        }
        ("mutatingwebhookconfigurations" | "validatingwebhookconfigurations", "Webhooks") => {
            length("webhooks")
        }
        _ => return None,
    })
}

fn selector(selector: &Value) -> Value {
    let labels = &selector["matchLabels"];
    pairs(if labels.is_object() { labels } else { selector })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn joined(texts: impl Iterator<Item = String>) -> Value {
    json!(texts.collect::<Vec<_>>().join(","))
}

fn or_na(value: &Value) -> Value {
    if value.is_null() {
        json!("N/A")
    } else {
        json!(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

fn pairs(map: &Value) -> Value {
    let pairs: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if pairs.is_empty() { json!("<none>") } else { json!(pairs.join(",")) }
}

fn names(items: &Value, field: &str) -> Value {
    json!(
        items
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item[field].as_str())
            .collect::<Vec<_>>()
            .join(",")
    )
}

fn ports(ports: &Value) -> Value {
    let texts: Vec<String> = ports
        .as_array()
        .into_iter()
        .flatten()
        .map(|port| format!("{}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP")))
        .collect();
    if texts.is_empty() { json!("<none>") } else { json!(texts.join(",")) }
}

fn job_status(status: &Value) -> &'static str {
    let has = |kind: &str| {
        status["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|one| one["type"] == kind && one["status"] == "True")
    };
    if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else {
        "Running"
    }
}

fn cron_job(object: &Value, column: &str, now: Timestamp) -> Option<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let template = &spec["jobTemplate"]["spec"];
    Some(match column {
        "Schedule" => spec["schedule"].clone(),
        "Timezone" => or_none(&spec["timeZone"]),
        "Suspend" => json!(if spec["suspend"] == true { "True" } else { "False" }),
        "Active" => json!(status["active"].as_array().map_or(0, Vec::len)),
        "Last Schedule" if status["lastScheduleTime"].is_null() => json!("<none>"),
        "Last Schedule" => age(&status["lastScheduleTime"], now),
        "Containers" => names(&template["template"]["spec"]["containers"], "name"),
        "Images" => names(&template["template"]["spec"]["containers"], "image"),
        "Selector" => pairs(&template["selector"]["matchLabels"]),
        _ => return None,
    })
}

fn pod(object: &Value, column: &str) -> Option<Value> {
    let status = &object["status"];
    let containers = status["containerStatuses"].as_array().cloned().unwrap_or_default();
    Some(match column {
        "Ready" => {
            let ready = containers.iter().filter(|one| one["ready"] == true).count();
            let all = object["spec"]["containers"].as_array().map_or(0, Vec::len);
            json!(format!("{ready}/{all}"))
        }
        "Status" => {
            if object::is_deleting(object) {
                return Some(json!("Terminating"));
            }
            let waiting =
                containers.iter().find_map(|one| one["state"]["waiting"]["reason"].as_str());
            let ended =
                containers.iter().find_map(|one| one["state"]["terminated"]["reason"].as_str());
            json!(
                waiting
                    .or(ended)
                    .or_else(|| status["reason"].as_str())
                    .or_else(|| status["phase"].as_str())
                    .unwrap_or("Pending")
            )
        }
        "Restarts" => json!(
            containers.iter().map(|one| number(&one["restartCount"])).sum::<i64>().to_string()
        ),
        "IP" => or_none(&status["podIP"]),
        "Node" => or_none(&object["spec"]["nodeName"]),
        "Nominated Node" => or_none(&status["nominatedNodeName"]),
        "Readiness Gates" => json!("<none>"),
        _ => return None,
    })
}

fn or_none(value: &Value) -> Value {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map_or_else(|| json!("<none>"), |text| json!(text))
}

fn node(object: &Value, column: &str) -> Option<Value> {
    let info = &object["status"]["nodeInfo"];
    let address = |kind: &str| {
        object["status"]["addresses"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|one| one["type"] == kind)
            .map_or_else(|| json!("<none>"), |one| one["address"].clone())
    };
    Some(match column {
        "Status" => {
            let ready = object["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|one| one["type"] == "Ready" && one["status"] == "True");
            let text = if ready { "Ready" } else { "NotReady" };
            if object["spec"]["unschedulable"] == true {
                json!(format!("{text},SchedulingDisabled"))
            } else {
                json!(text)
            }
        }
        "Roles" => json!("<none>"),
        "Version" => info["kubeletVersion"].clone(),
        "Internal-IP" => address("InternalIP"),
        "External-IP" => address("ExternalIP"),
        "OS-Image" => info["osImage"].clone(),
        "Kernel-Version" => info["kernelVersion"].clone(),
        "Container-Runtime" => info["containerRuntimeVersion"].clone(),
        _ => return None,
    })
}

fn event(object: &Value, column: &str, now: Timestamp) -> Option<Value> {
    let involved = &object["involvedObject"];
    Some(match column {
        "Last Seen" => age(&object["lastTimestamp"], now),
        "First Seen" => age(&object["firstTimestamp"], now),
        "Type" => object["type"].clone(),
        "Reason" => object["reason"].clone(),
        "Object" => json!(format!(
            "{}/{}",
            involved["kind"].as_str().unwrap_or_default().to_lowercase(),
            involved["name"].as_str().unwrap_or_default()
        )),
        "Message" => object["message"].clone(),
        "Count" => object["count"].clone(),
        "Source" => object["source"]["component"].clone(),
        _ => return None,
    })
}
