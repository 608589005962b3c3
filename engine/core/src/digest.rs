//! Digests of what has a JSON form.

use std::io::{BufWriter, Write as _};

use blake3::{Hash, Hasher};
use serde::Serialize;

/// What is hashed at once: enough for the hash to work on several blocks side by side.
const AT_ONCE: usize = 64 << 10;

/// The first hexadecimal digits of a hash. Each step of each task has one, and the hash's own text is
/// made of all 64, character by character.
pub(crate) fn hex(hash: &Hash, digits: usize) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(digits + 1);
    for byte in &hash.as_bytes()[..digits.div_ceil(2)] {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text.truncate(digits);
    text
}

/// The hash of the JSON text, which is never there as a whole: that of a plan has megabytes.
pub(crate) fn of_json(value: &impl Serialize) -> Hash {
    let mut writer = BufWriter::with_capacity(AT_ONCE, Hasher::new());
    // Maps with text keys, texts and numbers, and a hash takes everything: this cannot fail.
    let _ = serde_json::to_writer(&mut writer, value);
    let _ = writer.flush();
    writer.get_ref().finalize()
}
