//! The mark on what we made: written from the create call on, read by every observation.

use std::collections::BTreeMap;

use runbook_core::module::Context;
use runbook_core::owner::{ADDRESS_KEY, Mark, OWNER_KEY, Owner, Ownership};

/// The tags of a new object: the user's, and the mark.
pub(crate) fn tags(mark: &Mark, tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut tags = tags.clone();
    tags.insert(OWNER_KEY.to_owned(), mark.owner.to_string());
    tags.insert(ADDRESS_KEY.to_owned(), mark.address_tag());
    tags
}

/// What tags (or annotations of the same names) say about who made the object.
pub(crate) fn ownership(context: &Context, tags: &BTreeMap<String, String>) -> Ownership {
    match tags.get(OWNER_KEY) {
        None => Ownership::Unmarked,
        Some(owner) if *owner == context.owner.0 => {
            Ownership::Ours { address: tags.get(ADDRESS_KEY).cloned().unwrap_or_default() }
        }
        Some(owner) => Ownership::Foreign { owner: Owner(owner.clone()) },
    }
}
