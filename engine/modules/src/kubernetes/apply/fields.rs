//! One manifest against the live object: the fields that change, and those that were compared.
//!
//! Secrets are compared as they are and shown as secrets. Which fields are secret is found by
//! comparing once more with placeholders in their place: a placeholder equals nothing, so it turns
//! up as a difference at its own path.

use std::collections::BTreeMap;

use runbook_clients::kubernetes::difference::{Difference, compare};
use runbook_clients::kubernetes::{FIELD_MANAGER, Reference};
use runbook_core::change::FieldChange;
use runbook_core::value::{Secret, Value};
use serde_json::Value as Json;

use super::manifests::{Manifest, Marks, Placeholder, Secrets, holds, value};

/// A manifest, compared.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// The fields that would change, each under the object's name.
    pub(super) changes: Vec<FieldChange>,
    /// Who else owns a field that would change.
    pub(super) owned: Vec<Owned>,
    /// What is there at each compared path.
    pub(super) live: BTreeMap<String, Value>,
}

/// A field that would change and belongs to others.
#[derive(Debug)]
pub(super) struct Owned {
    /// `Deployment default/nginx .spec.replicas`.
    pub(super) field: String,
    /// `eks (Update)`.
    pub(super) owners: Vec<String>,
}

/// Compares a manifest, marked as ours, with the live object.
pub(super) fn fields(manifest: &Manifest, marks: &Marks, live: &Json) -> Fields {
    let declared = manifest.marked(Secrets::Exposed, marks);
    let compared = compare(&declared, live, FIELD_MANAGER);
    let unknown = paths(&compared.different, Placeholder::Unknown);
    let secret = if manifest.has_secret() {
        let hidden = manifest.marked(Secrets::Hidden, marks);
        paths(&compare(&hidden, live, FIELD_MANAGER).different, Placeholder::Secret)
    } else {
        Vec::new()
    };
    let is_secret =
        |path: &str| manifest.hides(path) || secret.iter().any(|one| overlap(one, path));
    let mut fields = Fields::default();
    for one in &compared.different {
        // What stands below a value that is not known yet is not known to go.
        if one.after.is_none() && unknown.iter().any(|above| is_below(&one.path, above)) {
            continue;
        }
        let shown = |json: &Json| hide_if(is_secret(&one.path), value(json));
        if let Some(before) = &one.before {
            fields.live.insert(one.path.clone(), shown(before));
        }
        let field = full_path(&manifest.object, &one.path);
        if !one.owners.is_empty() {
            fields.owned.push(Owned { field: field.clone(), owners: one.owners.clone() });
        }
        fields.changes.push(FieldChange {
            path: field,
            before: one.before.as_ref().map(shown),
            after: one.after.as_ref().map(shown),
            forces_replace: None,
        });
    }
    for (path, live) in &compared.equal {
        fields.live.insert(path.clone(), hide_if(is_secret(path), value(live)));
    }
    fields.changes.sort_by(|one, other| one.path.cmp(&other.path));
    fields
}

/// `Deployment default/nginx .spec.replicas`.
fn full_path(object: &Reference, path: &str) -> String {
    format!("{object} {path}")
}

fn hide_if(is_secret: bool, value: Value) -> Value {
    // What is not known yet is hidden by not being known.
    if is_secret && !value.has_unknown() { Value::Secret(Secret::new(value)) } else { value }
}

/// Where such placeholders turned up.
fn paths(differences: &[Difference], placeholder: Placeholder) -> Vec<String> {
    differences
        .iter()
        .filter(|one| one.after.as_ref().is_some_and(|after| holds(after, placeholder)))
        .map(|one| one.path.clone())
        .collect()
}

/// Whether one of the two holds the other.
fn overlap(one: &str, other: &str) -> bool {
    one == other || is_below(one, other) || is_below(other, one)
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with(['.', '[']))
}
