//! What two clusters may rightly say differently: names, times, addresses, counters. They become
//! `*`; what is left must be equal.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// Members of an object that are the cluster's own, whatever is in them.
const OWN: [&str; 22] = [
    "clusterIP",
    "clusterIPs",
    "completionTime",
    "creationTimestamp",
    "deletionTimestamp",
    "fieldsV1",
    "hostIP",
    "hostIPs",
    "lastProbeTime",
    "lastTransitionTime",
    "lastUpdateTime",
    "managedFields",
    "nodeName",
    "podIP",
    "podIPs",
    "resourceVersion",
    "startTime",
    "startedAt",
    "time",
    "uid",
    "containerID",
    "imageID",
];

static WORDS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        // First of all, for its number may look like a generated name.
        (r"\S*/(LIVE|MERGED)-\d+", "$1"),
        // Letters and digits of generated names have neither vowels nor look-alikes.
        (r"-[bcdf-hj-np-tv-xz2456789]{6,10}(-[bcdf-hj-np-tv-xz2456789]{5})?\b", "-*"),
        (r"\bkube-api-access-[a-z0-9]{5}\b", "kube-api-access-*"),
        (r"\bonce-[bcdf-hj-np-tv-xz2456789]{5}\b", "once-*"),
        (r"pod-template-hash=[a-z0-9]+", "pod-template-hash=*"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "*"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "*"),
        (r"https://[^/ ]+", "https://*"),
        (r"\b\d+\.\d+\.\d+\.\d+\b", "*"),
        (r"^([-+]{3} \S+)\s.*$", "$1"),
    ]
    .map(|(pattern, by)| (Regex::new(pattern).unwrap(), by))
    .into()
});
static DURATION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$").unwrap());

/// The lines of an answer, without what may differ and without what only tells how far something is.
pub(super) fn lines(text: &str) -> Vec<String> {
    if let Ok(mut value @ Value::Object(_)) = serde_json::from_str::<Value>(text) {
        without_own(&mut value);
        let text = serde_json::to_string_pretty(&value).unwrap();
        return text.lines().map(|line| words(line.trim_end_matches(','))).collect();
    }
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("Waiting for "))
        .map(|line| {
            let indent: String = line.chars().take_while(|one| *one == ' ').collect();
            let cells: Vec<String> = words(line).split_whitespace().map(cell).collect();
            format!("{indent}{}", cells.join(" "))
        })
        .collect()
}

fn words(line: &str) -> String {
    WORDS
        .iter()
        .fold(line.to_owned(), |line, (pattern, by)| pattern.replace_all(&line, *by).into_owned())
}

fn cell(word: &str) -> String {
    if DURATION.is_match(word) { "*".to_owned() } else { word.to_owned() }
}

fn without_own(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if OWN.contains(&name.as_str()) || name.ends_with("-hash") {
                    *member = Value::from("*");
                } else {
                    without_own(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_own),
        _ => {}
    }
}
