//! Identifiers, derived from seed, kind and name, so that the order of arrival does not show.

use sha2::{Digest as _, Sha256};

use super::Context;

/// That many hex digits of a hash of the parts.
pub(crate) fn hex(context: &Context, parts: &[&str], digits: usize) -> String {
    let mut hasher = Sha256::new();
    hasher.update(context.seed.as_bytes());
    for part in parts {
        hasher.update([0]);
        hasher.update(part.as_bytes());
    }
    let mut text = ::hex::encode(hasher.finalize());
    text.truncate(digits);
    text
}

/// A number below `bound`, spread by a hash of the parts.
pub(crate) fn below(context: &Context, parts: &[&str], bound: u64) -> u64 {
    let text = hex(context, parts, 12);
    u64::from_str_radix(&text, 16).unwrap_or_default() % bound.max(1)
}

/// As EC2 writes it: `subnet-0a1b…`, 17 digits.
pub(crate) fn ec2(context: &Context, prefix: &str, name: &str) -> String {
    format!("{prefix}-0{}", hex(context, &[prefix, name], 16))
}

/// As IAM writes it: `AROA` and 17 characters.
pub(crate) fn iam(context: &Context, prefix: &str, name: &str) -> String {
    format!("{prefix}{}", hex(context, &[prefix, name], 17).to_uppercase())
}

/// A UUID in form.
pub(crate) fn uuid(context: &Context, parts: &[&str]) -> String {
    let text = hex(context, parts, 32);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// A suffix as Kubernetes makes them: no vowels, no look-alikes.
pub(crate) fn suffix(context: &Context, parts: &[&str], length: usize) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hasher = Sha256::new();
    hasher.update(context.seed.as_bytes());
    for part in parts {
        hasher.update([1]);
        hasher.update(part.as_bytes());
    }
    hasher
        .finalize()
        .iter()
        .take(length)
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect()
}
