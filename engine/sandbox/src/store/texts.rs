//! What readers are told of a document, as text: written once, by whoever asks for it first, and
//! shared by all who ask later. A list of hundreds of objects, and hundreds of watches of one, cost
//! a copy of bytes each and no more.

use std::sync::{Arc, OnceLock};

/// In which form a document is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// By itself.
    Whole,
    /// As an item of a list.
    Item,
}

/// The texts of one document at one revision. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts(Arc<Slots>);

#[derive(Debug, Default)]
struct Slots {
    whole: OnceLock<Box<str>>,
    item: OnceLock<Box<str>>,
}

impl Texts {
    /// The text in that form, which is always written in the same way.
    pub(crate) fn in_form(&self, form: Form, write: impl FnOnce() -> String) -> &str {
        let slot = match form {
            Form::Whole => &self.0.whole,
            Form::Item => &self.0.item,
        };
        slot.get_or_init(|| write().into_boxed_str())
    }
}
