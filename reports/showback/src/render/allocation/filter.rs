//! Filters as OpenCost's clients write them: `namespace:"web","api"+label[app]!:"old"`.
//!
//! Terms are joined by `+` and all of them hold; `:` is one of the values, `!:` none of them. What is idle
//! or shared has a cluster and nothing else, as in OpenCost: a term about anything else leaves it out.

use super::measure::sanitised;
use crate::allocate::charge::{Charge, Recipient};

/// What a term is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Cluster,
    Node,
    Namespace,
    ControllerName,
    ControllerKind,
    Pod,
    Label(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: Field,
    is_none: bool,
    values: Vec<String>,
}

/// Which allocations count; all of them without a term.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter(Vec<Term>);

/// Why a text is no filter that is answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`filter` {0}; there is `FIELD:\"value\",\"value\"` or `FIELD!:…` with cluster, node, namespace, \
     controllerName, controllerKind, pod or label[KEY], joined by `+`"
)]
pub struct FilterError(String);

impl std::str::FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut terms = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (term, after) = term(rest)?;
            terms.push(term);
            // `+` that no client has encoded is a space by now.
            let joined = after.trim_start();
            let next = joined.strip_prefix('+').unwrap_or(joined).trim_start();
            if next.is_empty() && joined.starts_with('+') {
                return Err(FilterError(format!("ends after `+` in `{text}`")));
            }
            rest = next;
        }
        Ok(Self(terms))
    }
}

fn term(text: &str) -> Result<(Term, &str), FilterError> {
    let wrong = |why: String| Err(FilterError(why));
    let Some(colon) = text.find(':') else { return wrong(format!("has no `:` in `{text}`")) };
    let (name, mut rest) = (&text[..colon], &text[colon + 1..]);
    let (name, is_none) = match name.strip_suffix('!') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let label = name.strip_prefix("label[").and_then(|key| key.strip_suffix(']'));
    let field = match (name, label) {
        ("cluster", _) => Field::Cluster,
        ("node", _) => Field::Node,
        ("namespace", _) => Field::Namespace,
        ("controllerName", _) => Field::ControllerName,
        ("controllerKind", _) => Field::ControllerKind,
        ("pod", _) => Field::Pod,
        (_, Some(key)) if !key.is_empty() => Field::Label(key.to_owned()),
        _ => return wrong(format!("is about `{name}`, which is not answered")),
    };
    let mut values = Vec::new();
    loop {
        let Some(value) = rest.trim_start().strip_prefix('"') else {
            return wrong(format!("has a value without quotes in `{text}`"));
        };
        let Some(end) = value.find('"') else {
            return wrong(format!("has a value without an end in `{text}`"));
        };
        values.push(value[..end].to_owned());
        rest = &value[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok((Term { field, is_none, values }, rest)),
        }
    }
}

impl Filter {
    /// Whether a charge counts.
    pub(super) fn admits(&self, charge: &Charge) -> bool {
        self.0.iter().all(|term| term.admits(charge))
    }
}

impl Term {
    fn admits(&self, charge: &Charge) -> bool {
        let is_one = |value: Option<&str>| {
            value.is_some_and(|value| self.values.iter().any(|one| one == value))
        };
        if self.field == Field::Cluster {
            return is_one(Some(&charge.origin.cluster.name)) != self.is_none;
        }
        let Recipient::Pod(pod) = &charge.recipient else { return false };
        let controller = pod.controller.as_ref();
        let found = match &self.field {
            Field::Cluster => is_one(Some(&pod.cluster.name)),
            Field::Node => is_one(Some(&charge.origin.name)),
            Field::Namespace => is_one(Some(&pod.namespace)),
            Field::ControllerName => is_one(controller.map(|one| one.name.as_str())),
            Field::ControllerKind => {
                let kind = controller.map(|one| one.kind.to_lowercase());
                self.values.iter().any(|one| kind.as_deref() == Some(&*one.to_lowercase()))
            }
            Field::Pod => is_one(Some(&pod.name)),
            Field::Label(key) => is_one(label(&pod.labels, key)),
        };
        found != self.is_none
    }
}

/// A label by its key, or by the key as Prometheus has it.
pub(super) fn label<'a>(
    labels: &'a std::collections::BTreeMap<String, String>,
    key: &str,
) -> Option<&'a str> {
    let by_sanitised =
        || labels.iter().find(|(name, _)| sanitised(name) == key).map(|(_, value)| value);
    labels.get(key).or_else(by_sanitised).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_with_their_values() {
        let read = |text: &str| text.parse::<Filter>().expect("a filter").0;
        assert_eq!(read(""), []);
        let terms = read("namespace:\"web\",\"a+b\"+label[app.kubernetes.io/name]!:\"old\"");
        assert_eq!(terms.len(), 2);
        assert_eq!(terms[0].values, ["web", "a+b"]);
        assert_eq!(terms[1].field, Field::Label("app.kubernetes.io/name".to_owned()));
        assert!(terms[1].is_none && !terms[0].is_none);
        assert_eq!(read("cluster:\"a\" pod:\"b\"").len(), 2, "a plus that came as a space");
    }

    #[test]
    fn what_is_not_answered_is_refused_by_name() {
        for (text, why) in [
            ("namespace", "has no `:`"),
            ("department:\"a\"", "is about `department`"),
            ("label[]:\"a\"", "is about `label[]`"),
            ("namespace:web", "without quotes"),
            ("namespace:\"web", "without an end"),
            ("namespace~:\"web\"", "is about `namespace~`"),
            ("namespace:\"web\",", "without quotes"),
            ("namespace:\"web\"+", "ends after `+`"),
            ("namespace:\"web\"|pod:\"a\"", "is about `|pod`"),
        ] {
            let told = text.parse::<Filter>().expect_err(text).to_string();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
