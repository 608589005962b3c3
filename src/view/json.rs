//! JSON for programs that people look at, too.

/// Indented JSON.
pub(crate) fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}")
}
