//! Tags: what the runbook declares, what is compared, what is written.
//!
//! Only declared tags are compared; others belong to somebody else. The mark is not compared: who
//! made the object is told by its ownership.

use std::collections::BTreeMap;

use runbook_clients::aws::Tags;
use runbook_core::module::{Argument, Context, Intent, Observed, Values};
use runbook_core::owner::{OWNER_KEY, Owner, Ownership};
use runbook_core::value::Value;

use super::settling::touches;
use crate::arguments::text_map;
use crate::{marks, schema};

/// The argument `tags`.
pub(super) fn argument() -> Argument {
    schema::argument("tags", schema::text_map(), "Tags besides the mark; others are left alone.")
}

/// Puts the declared tags into what should be there.
pub(super) fn desire(arguments: &Values, desired: &mut Values) {
    if let Some(tags) = arguments.get("tags").filter(|tags| **tags != Value::Null) {
        desired.insert("tags".to_owned(), tags.clone());
    }
}

/// The live tags as far as they are declared.
pub(super) fn project(arguments: &Values, live: &Tags) -> Value {
    declared(arguments.get("tags"), live.iter().map(|(key, value)| (key.clone(), value.as_str())))
}

/// Of live entries those whose keys are declared.
pub(super) fn declared<V: Into<Value>>(
    want: Option<&Value>,
    live: impl IntoIterator<Item = (String, V)>,
) -> Value {
    let want = want.and_then(Value::as_map);
    Value::map(
        live.into_iter()
            .filter(|(key, _)| want.is_some_and(|want| want.contains_key(key)))
            .map(|(key, value)| (key, value.into())),
    )
}

/// The tags of a new object.
pub(super) fn new(intent: &Intent<'_>) -> BTreeMap<String, String> {
    marks::tags(intent.mark, &text_map(intent.arguments, "tags"))
}

/// The tags that an update writes: when declared ones differ, or the mark is not ours yet.
pub(super) fn to_write(intent: &Intent<'_>) -> Option<BTreeMap<String, String>> {
    let marked = match intent.observed {
        Observed::Absent => false,
        Observed::Present(observation) => match &observation.ownership {
            Ownership::Ours { address } => *address == intent.mark.address_tag(),
            Ownership::Setting => true,
            Ownership::Foreign { .. } | Ownership::Unmarked => false,
        },
    };
    (!marked || touches(intent.change, "tags")).then(|| new(intent))
}

/// Who made an object with these tags.
pub(super) fn ownership(context: &Context, tags: &Tags) -> Ownership {
    marks::ownership(context, tags)
}

/// The address in the mark of an object of that owner.
pub(super) fn address_of(owner: &Owner, tags: &Tags) -> Option<String> {
    (tags.get(OWNER_KEY)? == &owner.0)
        .then(|| tags.get(runbook_core::owner::ADDRESS_KEY).cloned().unwrap_or_default())
}
