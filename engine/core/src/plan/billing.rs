//! What a task is billed for, asked of its module while the plan is made: then the arguments and what was
//! seen are at hand, and a stored plan can be priced later, with any price book.

use serde_json::{Map, Value as Json};

use crate::module::{Billing, Module};

/// What a task is billed for before and after; nothing when that is nothing.
pub(super) fn billing(
    module: &dyn Module,
    arguments: &Map<String, Json>,
    observed: Option<(&Map<String, Json>, &Json)>,
) -> Option<Billing> {
    module.schema().bills?;
    let after = module.charges(arguments);
    let before = observed
        .map(|(fields, private)| module.charges_of(arguments, fields, private))
        .unwrap_or_default();
    let billing = Billing { before, after };
    (billing != Billing::default()).then_some(billing)
}
