//! Answers and refusals as XML, for the two query protocols.

use serde_json::Value;

use super::Protocol;
use crate::aws::Answer;

/// Two generations of load balancing share one scope; the answer's namespace is the asked one's.
pub(super) fn in_version(namespace: &str, version: Option<&str>) -> String {
    let asked =
        version.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'));
    match (namespace.split_once("/doc/"), asked) {
        (Some((host, _)), Some(version)) => format!("{host}/doc/{version}/"),
        _ => namespace.to_owned(),
    }
}

pub(super) fn query(operation: &str, namespace: &str, request_id: &str, answer: &Answer) -> String {
    match answer {
        Ok(value) => {
            let mut out = format!("<{operation}Response xmlns=\"{namespace}\"><{operation}Result>");
            xml(&mut out, value, "member");
            out.push_str(&format!(
                "</{operation}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
            ));
            out
        }
        Err(refusal) => {
            let kind = if refusal.status < 500 { "Sender" } else { "Receiver" };
            let code = Protocol::Query { namespace: "" }.code(&refusal.code);
            format!(
                "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                escape(&code),
                escape(&refusal.message)
            )
        }
    }
}

pub(super) fn ec2(operation: &str, namespace: &str, request_id: &str, answer: &Answer) -> String {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    match answer {
        Ok(value) => {
            let mut out = format!(
                "{head}<{operation}Response xmlns=\"{namespace}\"><requestId>{request_id}</requestId>"
            );
            xml(&mut out, value, "item");
            out.push_str(&format!("</{operation}Response>"));
            out
        }
        Err(refusal) => {
            let code = Protocol::Ec2 { namespace: "" }.code(&refusal.code);
            format!(
                "{head}<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>",
                escape(&code),
                escape(&refusal.message)
            )
        }
    }
}

/// A JSON value as XML: maps are elements, lists repeat `item`, null is left out.
fn xml(out: &mut String, value: &Value, item: &str) {
    let element = |out: &mut String, name: &str, inner: &Value| {
        out.push('<');
        out.push_str(name);
        out.push('>');
        xml(out, inner, item);
        out.push_str("</");
        out.push_str(name);
        out.push('>');
    };
    match value {
        Value::Object(entries) => {
            for (name, inner) in entries.iter().filter(|(_, inner)| !inner.is_null()) {
                element(out, name, inner);
            }
        }
        Value::Array(items) => {
            for inner in items {
                element(out, item, inner);
            }
        }
        Value::String(text) => out.push_str(&escape(text)),
        Value::Null => {}
        other => out.push_str(&other.to_string()),
    }
}

/// Escaped for XML 1.0; characters that it cannot carry at all are replaced, as AWS does.
fn escape(text: &str) -> String {
    let carried: String = text
        .chars()
        .map(|one| match one {
            '\t' | '\n' | '\r' => one,
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            _ => one,
        })
        .collect();
    quick_xml::escape::escape(carried.as_str()).replace('\r', "&#13;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_xml_cannot_carry_is_replaced() {
        assert_eq!(escape("a\u{1}b\tc\r"), "a\u{fffd}b\tc&#13;");
    }
}
