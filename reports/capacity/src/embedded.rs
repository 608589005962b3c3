//! The tables inside the program: CSV with a header of sources, parsed when first asked for.
//!
//! They are ours and tests read each of them whole, so a row that does not parse is a broken build
//! and not a user's problem; that is the one place where this crate may panic.

use serde::de::DeserializeOwned;

/// Reads an embedded table.
#[expect(
    clippy::expect_used,
    reason = "the table is part of the program and a test reads each of its rows"
)]
pub(crate) fn table<Row: DeserializeOwned>(name: &str, text: &str) -> Vec<Row> {
    csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(text.as_bytes())
        .into_deserialize()
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{name}: {error}"))
        .expect("an embedded table is well formed")
}

/// What a value in an embedded table must be.
#[expect(
    clippy::expect_used,
    reason = "the table is part of the program and a test reads each of its rows"
)]
pub(crate) fn expect<T, E: std::fmt::Debug>(name: &str, value: Result<T, E>) -> T {
    value
        .map_err(|error| format!("{name}: {error:?}"))
        .expect("a value in an embedded table is well formed")
}
