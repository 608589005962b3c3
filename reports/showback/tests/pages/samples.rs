//! Answers that pages are made of: two small ones, shortened from what the program wrote, and what the
//! tests make of them.

use serde_json::{Number, Value, json};

pub(crate) fn comparison_answer() -> Value {
    serde_json::from_str(include_str!("../answers/comparison.json")).expect("JSON")
}

pub(crate) fn autoscalers_answer() -> Value {
    serde_json::from_str(include_str!("../answers/autoscalers.json")).expect("JSON")
}

/// What somebody writes into a label who means no good.
const BAD: &str =
    "</title><script>alert(1)</script>\"' onload=x <img src=x> =1+1 \u{1b}[31m\u{202e}\u{0}]]>&lt;";

/// The same answer with that in every text but those of some fields.
pub(crate) fn hostile(answer: &Value, kept: &[&str]) -> Value {
    match answer {
        Value::String(text) => json!(format!("{text}{BAD}")),
        Value::Array(items) => items.iter().map(|item| hostile(item, kept)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let is_kept = kept.contains(&name.as_str()) && value.is_string();
                (name.clone(), if is_kept { value.clone() } else { hostile(value, kept) })
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn money(hundred_thousandths: i64) -> Value {
    let text = format!("{}.{:05}", hundred_thousandths / 100_000, hundred_thousandths % 100_000);
    Value::Number(text.parse::<Number>().expect("a number"))
}

/// A comparison of so many workloads of one pod each, in seven namespaces, with the bill of Fargate to
/// match: a line for each.
pub(crate) fn many_workloads(count: i64) -> Value {
    let mut answer = comparison_answer();
    let model = answer["workloads"][0].clone();
    let mut workloads = Vec::new();
    let mut lines = Vec::new();
    let mut total = 0;
    for index in 0..count {
        let amount = 1_036_235 + index * 7_919 % 3_000_017;
        total += amount;
        let name = format!("team-{}/service-with-an-ordinary-name-{index:05}", index % 7);
        let mut workload = model.clone();
        workload["workload"] = json!(name);
        workload["pods"] = json!(1);
        workload["fargate_usd_per_month"] = money(amount);
        workload["karpenter_usd_per_month"] = money(amount * 97 / 100);
        workloads.push(workload);
        lines.push(json!({
            "kind": "fargate_pod", "what": format!("{name} at 0.25vCPU 0.5GB"), "count": 1, "hours": 730,
            "usd_each": 0.014_195, "usd_per_month": money(amount), "reason": null,
        }));
    }
    answer["workloads"] = Value::Array(workloads);
    answer["workload_count"] = json!(count);
    answer["pod_count"] = json!(count);
    let side = &mut answer["sides"][2];
    assert_eq!(side["side"], "fargate");
    side["lines"] = Value::Array(lines);
    side["usd_per_month"] = money(total);
    answer
}

/// The same with a namespace for each, each name of 253 such characters; every other one has no place on
/// any side, a note and no duration.
pub(crate) fn hostile_workloads(count: i64, characters: &str) -> Value {
    let mut answer = many_workloads(count);
    let name = |index: i64| {
        let of = |most: usize| -> String { characters.chars().cycle().take(most).collect() };
        format!("{index:05}{}/{}", of(58), of(253))
    };
    let names: Vec<String> = (0..count).map(name).collect();
    for (workload, name) in
        answer["workloads"].as_array_mut().expect("a list").iter_mut().zip(&names)
    {
        workload["workload"] = json!(name);
    }
    for side in answer["sides"].as_array_mut().expect("a list") {
        let lines = side["lines"].as_array_mut().expect("a list");
        for (line, name) in lines.iter_mut().zip(&names) {
            line["what"] = json!(format!("{name} at 0.25vCPU 0.5GB"));
        }
        side["not_held"] = names
            .iter()
            .map(|name| json!({"name": name, "reason": format!("`{name}` asks for 300 vCPU")}))
            .collect();
        side["usd_per_month"] = Value::Null;
    }
    answer["held_by_no_side"] = json!(names);
    answer["notes"] =
        names.iter().map(|name| json!(format!("`{name}` asks for nothing"))).collect();
    answer["unpriced"] = names
        .iter()
        .map(|name| json!({"name": name, "reason": format!("duration of `{name}` unknown")}))
        .collect();
    answer
}

/// A model in which something changes so many times.
pub(crate) fn many_points(count: i64) -> Value {
    let mut answer = autoscalers_answer();
    for run in answer["runs"].as_array_mut().expect("a list") {
        let point = |at: i64| json!({"t_seconds": at, "nodes": at % 90, "ready": at % 80, "pending": at % 70, "running": 1});
        run["series"] = (0..count).map(point).collect();
    }
    answer["until_seconds"] = json!(count);
    answer
}
