//! Policy documents as services return them: IAM percent-encodes them, some emulators do not, and
//! a document that is not encoded may contain a `%` or a `+` of its own.

use percent_encoding::percent_decode_str;

/// The document's text, decoded exactly when it is encoded: an encoded JSON object begins with an
/// encoded brace.
pub(crate) fn decoded(document: &str) -> String {
    if !document.starts_with("%7B") && !document.starts_with("%7b") {
        return document.to_owned();
    }
    percent_decode_str(document)
        .decode_utf8()
        .map_or_else(|_| document.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_is_encoded_and_nothing_else() {
        assert_eq!(
            decoded("%7B%22Version%22%3A%222012-10-17%22%7D"),
            r#"{"Version":"2012-10-17"}"#
        );
        let plain = r#"{"Resource":"arn:aws:s3:::a%2Fb+c"}"#;
        assert_eq!(decoded(plain), plain);
        assert_eq!(decoded(""), "");
    }
}
