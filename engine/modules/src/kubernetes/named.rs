//! The arguments that name a kind and an object, in every module that takes them, and what
//! happened last to an object.

use runbook_clients::kubernetes::{Connection, Kind, Reference};
use runbook_core::change::Change;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Argument, Description, Observation, Observed, Values};
use runbook_core::owner::Ownership;
use runbook_core::value::Type;

use super::failures::Read as _;
use crate::arguments;
use crate::schema::{argument, defaulted, identity};

/// `api_version` and `kind`, as what names the object.
pub(super) fn kind_arguments() -> [Argument; 2] {
    [
        identity("api_version", "The group and version, for example `apps/v1` or `v1`."),
        identity("kind", "The kind, for example `Deployment`."),
    ]
}

/// The same for modules of which most are about one kind.
pub(super) fn kind_defaulting_to(api_version: &'static str, kind: &'static str) -> [Argument; 2] {
    let named = |argument: Argument| Argument { identity: true, ..argument };
    [
        named(defaulted("api_version", Type::String, api_version, "The group and version.")),
        named(defaulted("kind", Type::String, kind, "The kind.")),
    ]
}

/// An optional namespace.
pub(super) fn namespace_argument(description: &'static str) -> Argument {
    Argument { identity: true, ..argument("namespace", Type::String, description) }
}

/// The kind that the arguments name.
pub(super) fn kind(arguments: &Values) -> Kind {
    Kind::new(arguments::text(arguments, "api_version"), arguments::text(arguments, "kind"))
}

/// The object that the arguments name.
pub(super) fn reference(arguments: &Values) -> Reference {
    Reference::new(
        kind(arguments),
        arguments::optional_text(arguments, "namespace"),
        arguments::text(arguments, "name"),
    )
}

/// The object in a plan.
pub(super) fn description(arguments: &Values) -> Description {
    Description { subject: reference(arguments).to_string(), detail: String::new() }
}

/// The object; not there is a failure.
pub(super) async fn existing(
    kubernetes: &Connection,
    object: &Reference,
) -> Result<serde_json::Value, Failure> {
    kubernetes.get(object).await.read()?.ok_or_else(|| {
        Failure::new(Class::NotFound, format!("there is no {object} in the cluster")).hint(
            "check its name and namespace, or let the task that makes it come before (`needs`)",
        )
    })
}

/// What a module that only reads has observed: nothing that could be different.
pub(super) fn nothing_to_compare() -> Observed {
    Observed::Present(Observation {
        projection: Values::new(),
        ownership: Ownership::Setting,
        outputs: Values::new(),
        private: serde_json::Value::Null,
    })
}

/// What a module that only reads would change.
pub(super) fn no_change() -> Change {
    Change::none()
}

/// The last events of an object, newest first, one line each: with their age, who says it, and
/// what.
pub(super) async fn last_events(
    kubernetes: &Connection,
    object: &Reference,
    at_most: usize,
) -> Result<Vec<String>, Failure> {
    let events = kubernetes.last_events(object, at_most).await.read()?;
    let now = kubernetes.now();
    Ok(events
        .iter()
        .map(|event| {
            let age = event.at.map(|at| format!("{} ago, ", age(now.duration_since(at))));
            let by = if event.component.is_empty() { "" } else { ", " };
            format!(
                "{}, {}{}{by}{}: {}",
                event.about,
                age.unwrap_or_default(),
                event.reason,
                event.component,
                event.message
            )
        })
        .collect())
}

/// An age in one unit: `45s`, `8m`, `3h`, `2d`.
fn age(duration: jiff::SignedDuration) -> String {
    match duration.as_secs().max(0) {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ ..3600 => format!("{}m", seconds / 60),
        seconds @ ..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
