//! stub
use super::{Page, Unreadable};
use serde_json::Value;
/// x
pub fn autoscalers(_a: &Value) -> Result<Page, Unreadable> {
    compare_stub()
}
fn compare_stub() -> Result<Page, Unreadable> {
    Err(Unreadable::Missing { answer: "x", field: String::new() })
}
