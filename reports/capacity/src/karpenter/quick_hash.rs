//! A quick hash for tables of what a batch is made of: templates, labels, requirements.
//!
//! These are hashed once for every pod, and the default hash, which withstands chosen keys, takes
//! longer over a template than placing its pod does. Nobody gains by choosing keys here: the tables
//! are of one's own pods, and no order comes out of them.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds it.
pub(crate) type QuickHash = BuildHasherDefault<QuickHasher>;

/// The hash so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct QuickHasher(u64);

impl QuickHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for QuickHasher {
    fn finish(&self) -> u64 {
        // The upper bits are the well mixed ones; tables look at both ends.
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(u64::try_from(value).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::hash::{BuildHasher as _, Hash};

    fn hashed(value: impl Hash) -> u64 {
        QuickHash::default().hash_one(value)
    }

    #[test]
    fn what_is_alike_is_alike_and_what_differs_is_spread() {
        assert_eq!(hashed(("web", 3_u32)), hashed((String::from("web"), 3_u32)));
        let names: BTreeSet<u64> = (0..1000).map(|index| hashed(format!("pod-{index}"))).collect();
        assert_eq!(names.len(), 1000);
        let low: BTreeSet<u64> = (0..1000_u64).map(|index| hashed(index << 20) % 4096).collect();
        assert!(low.len() > 700, "{} of 1000", low.len());
    }
}
