//! Attributes of a queue: which there are, what each may be, what it is when nobody set it.

use serde_json::{Map, Value, json};

use super::Queue;
use crate::aws::{Answer, Refusal};

/// Numbers: the least, the most, the default.
const NUMBERS: [(&str, i64, i64, &str); 6] = [
    ("DelaySeconds", 0, 900, "0"),
    ("KmsDataKeyReusePeriodSeconds", 60, 86_400, "300"),
    ("MaximumMessageSize", 1024, 1_048_576, "1048576"),
    ("MessageRetentionPeriod", 60, 1_209_600, "345600"),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, "0"),
    ("VisibilityTimeout", 0, 43_200, "30"),
];
/// Yes or no.
const FLAGS: [&str; 3] = ["ContentBasedDeduplication", "FifoQueue", "SqsManagedSseEnabled"];
/// JSON.
const DOCUMENTS: [&str; 3] = ["Policy", "RedriveAllowPolicy", "RedrivePolicy"];
/// Anything.
const TEXTS: [&str; 3] = ["DeduplicationScope", "FifoThroughputLimit", "KmsMasterKeyId"];
/// What can be asked for, and set by nobody.
const TOLD: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// Whether attributes can be set to these values.
pub(super) fn check(wanted: &Map<String, Value>) -> Result<(), Refusal> {
    for (name, value) in wanted {
        let text = value.as_str().ok_or_else(|| {
            Refusal::untyped(format!("the value of {name} can not be converted to a String"))
        })?;
        if !is_right(name, text)? {
            let why = format!("Invalid value for the parameter {name}.");
            return Err(Refusal::bad("InvalidAttributeValue", why));
        }
    }
    Ok(())
}

fn is_right(name: &str, text: &str) -> Result<bool, Refusal> {
    if let Some((_, least, most, _)) = NUMBERS.iter().find(|(one, ..)| *one == name) {
        return Ok(text.parse::<i64>().is_ok_and(|number| (*least..=*most).contains(&number)));
    }
    if FLAGS.contains(&name) {
        return Ok(matches!(text, "true" | "false"));
    }
    if DOCUMENTS.contains(&name) {
        let document = serde_json::from_str::<Value>(text);
        return Ok(text.is_empty() || document.is_ok_and(|value| value.is_object()));
    }
    if TEXTS.contains(&name) {
        return Ok(true);
    }
    Err(unknown(name))
}

fn unknown(name: &str) -> Refusal {
    Refusal::bad("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

fn default(name: &str) -> Option<&'static str> {
    let number = NUMBERS.iter().find(|(one, ..)| *one == name).map(|(.., default)| *default);
    number.or_else(|| (name == "SqsManagedSseEnabled").then_some("true"))
}

/// Whether a queue has another value, its default counted as one.
pub(super) fn differs(queue: &Queue, name: &str, wanted: &Value) -> bool {
    let there = queue.attributes.get(name).and_then(Value::as_str).or_else(|| default(name));
    there != wanted.as_str()
}

/// The attributes that are asked for.
pub(super) fn of(queue: &Queue, arn: &str, names: &[&str]) -> Answer {
    let is_known = |name: &str| {
        name == "All"
            || TOLD.contains(&name)
            || NUMBERS.iter().any(|(one, ..)| *one == name)
            || [FLAGS, DOCUMENTS, TEXTS].iter().any(|group| group.contains(&name))
    };
    if let Some(name) = names.iter().find(|name| !is_known(name)) {
        return Err(unknown(name));
    }
    let mut all: Map<String, Value> = NUMBERS
        .iter()
        // Its key is the queue's own only when it names one.
        .filter(|(name, ..)| *name != "KmsDataKeyReusePeriodSeconds")
        .map(|(name, .., default)| ((*name).to_owned(), json!(default)))
        .collect();
    for name in TOLD.iter().filter(|name| name.starts_with("Approximate")) {
        all.insert((*name).to_owned(), json!("0"));
    }
    let modified = queue.modified.unwrap_or(queue.created);
    for (name, value) in [
        ("SqsManagedSseEnabled", "true".to_owned()),
        ("QueueArn", arn.to_owned()),
        ("CreatedTimestamp", queue.created.to_string()),
        ("LastModifiedTimestamp", modified.to_string()),
    ] {
        all.insert(name.to_owned(), json!(value));
    }
    all.extend(queue.attributes.clone());
    if !names.contains(&"All") {
        all.retain(|key, _| names.contains(&key.as_str()));
    }
    Ok(if all.is_empty() { json!({}) } else { json!({"Attributes": all}) })
}
