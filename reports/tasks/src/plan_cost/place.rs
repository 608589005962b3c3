//! Where the pods of a plan will run: on Fargate where a profile takes them, else on Karpenter's nodes.

use runbook_capacity::manifest::{NodePool, read_node_pools, read_pod};
use runbook_capacity::pod::Pod;
use runbook_core::module::Charge;
use serde_json::{Value as Json, json};

/// Pods of a plan that are alike.
pub(super) struct Pods<'a> {
    pub(super) address: &'a str,
    pub(super) charge: &'a Charge,
    /// One of them, as Kubernetes would have it.
    pub(super) pod: Result<Pod, String>,
    pub(super) kind: &'a str,
}

impl<'a> Pods<'a> {
    pub(super) fn read(address: &'a str, charge: &'a Charge) -> Self {
        let detail = |name: &str| charge.details.get(name).cloned().unwrap_or(Json::Null);
        let mut spec = detail("spec");
        // A node it asks for by a label whose value the plan makes (the NodePool's name): the pools of
        // the plan are all there is, so any of them may be it.
        if let Some(selector) = spec.get_mut("nodeSelector").and_then(Json::as_object_mut) {
            selector.retain(|_, value| !holds_unknown(value));
        }
        // What is not known yet would be read as a value of its own.
        let pod = if holds_unknown(&spec) {
            Err("what its pods ask for is known only when the task runs".to_owned())
        } else {
            read_pod(json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": detail("name"),
                    "namespace": detail("namespace"),
                    "labels": detail("labels"),
                },
                "spec": spec,
            }))
            .map_err(|problem| problem.to_string())
        };
        let kind = charge.details.get("kind").and_then(Json::as_str).unwrap_or_default();
        Self { address, charge, pod, kind }
    }

    /// Whether it ends by itself, so that a month of it says nothing.
    pub(super) fn is_run_to_completion(&self) -> bool {
        let never_again = self.spec("restartPolicy").and_then(Json::as_str) != Some("Always");
        let is_restarted = self.spec("restartPolicy").is_none() || !never_again;
        matches!(self.kind, "Job" | "CronJob") || (self.kind == "Pod" && !is_restarted)
    }

    /// How long it may run at most, in seconds.
    pub(super) fn deadline(&self) -> Option<i64> {
        self.spec("activeDeadlineSeconds")?.as_i64()
    }

    fn spec(&self, name: &str) -> Option<&Json> {
        self.charge.details.get("spec")?.get(name)
    }

    /// Whether one of these profiles takes it.
    pub(super) fn is_taken(&self, profiles: &[&Charge]) -> bool {
        let text = |name: &str| self.charge.details.get(name).and_then(Json::as_str);
        let selectors = profiles.iter().filter_map(|profile| profile.details.get("selectors"));
        selectors.filter_map(Json::as_array).flatten().any(|selector| {
            let namespace = selector.get("namespace").and_then(Json::as_str).unwrap_or_default();
            let labels = selector.get("labels").and_then(Json::as_object);
            let carries = |name: &str, wanted: &Json| {
                self.charge.details.get("labels").and_then(|labels| labels.get(name))
                    == Some(wanted)
            };
            text("namespace").is_some_and(|own| matches(namespace, own))
                && labels
                    .is_none_or(|labels| labels.iter().all(|(name, value)| carries(name, value)))
        })
    }
}

/// A selector's namespace, in which `*` stands for any text and `?` for any character.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len())
            .filter(|at| text.is_char_boundary(*at))
            .any(|at| matches(&pattern[1..], &text[at..])),
        Some(first) => text.chars().next().is_some_and(|other| {
            (first == '?' || first == other)
                && matches(&pattern[first.len_utf8()..], &text[other.len_utf8()..])
        }),
    }
}

/// The `NodePool`s among charges.
pub(super) fn node_pools(charges: &[&Charge]) -> Result<Vec<NodePool>, String> {
    let mut pools = Vec::new();
    for charge in charges {
        let mut pool = charge.details.clone();
        pool.insert("apiVersion".to_owned(), "karpenter.sh/v1".into());
        pool.insert("kind".to_owned(), "NodePool".into());
        let text = Json::from(pool);
        if holds_unknown(&text) {
            return Err(format!("{} is known only when its task runs", charge.words));
        }
        let read = read_node_pools(&charge.words, &text.to_string());
        pools.extend(
            read.map_err(|problems| problems.first().map(ToString::to_string).unwrap_or_default())?,
        );
    }
    Ok(pools)
}

/// Whether a part of it is not known yet, or secret.
fn holds_unknown(json: &Json) -> bool {
    match json {
        Json::Object(map) => {
            let is_mask =
                map.len() == 1 && (map.contains_key("unknown") || map.contains_key("secret"));
            is_mask || map.values().any(holds_unknown)
        }
        Json::Array(items) => items.iter().any(holds_unknown),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn namespaces_are_matched_with_wildcards() {
        assert!(matches("kube-system", "kube-system"));
        assert!(matches("team-*", "team-a"));
        assert!(matches("*", "x") && matches("t?am", "team") && matches("*-é*", "a-éb"));
        assert!(!matches("team-*", "tea") && !matches("", "x") && !matches("t?m", "tm"));
    }
}
