//! What people see: pure functions from the engine's values to text.

pub(crate) mod table;
pub(crate) mod value;
pub(crate) mod words;
