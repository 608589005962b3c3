//! Who made an object: the mark that everything we create carries from its create call.
//!
//! The journal records what we did, not what exists, so what we made must be recognisable without
//! any journal and from any machine: by AWS tags `runbook/owner` and `runbook/address`, or on
//! Kubernetes by a label, annotations of those names and the field manager `runbook`.

use std::fmt;

use crate::address::Address;
use crate::digest::hex;

/// The tag or annotation that carries the owner.
pub const OWNER_KEY: &str = "runbook/owner";
/// The tag or annotation that carries the address.
pub const ADDRESS_KEY: &str = "runbook/address";
/// The longest value of an AWS tag, in characters.
const TAG_LIMIT: usize = 256;

/// A runbook's instance: `<runbook>/<instance>`, for example `nodeless/myeks`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Owner(pub String);

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What an object of ours is marked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Whose it is.
    pub owner: Owner,
    /// Which task made it.
    pub address: Address,
}

impl Mark {
    /// The address as an AWS tag value: `["key"]` is written `:key`, any other character outside
    /// `A-Za-z0-9_.:/+-` as `=` and two hex digits per byte; beyond 256 characters it ends in a
    /// hash of the whole.
    pub fn address_tag(&self) -> String {
        let mut text = String::new();
        for (position, part) in self.address.0.iter().enumerate() {
            if position > 0 {
                text.push('/');
            }
            escape_into(&mut text, &part.id);
            if let Some(key) = &part.key {
                text.push(':');
                escape_into(&mut text, key);
            }
        }
        if text.len() <= TAG_LIMIT {
            return text;
        }
        let hash = hex(&blake3::hash(text.as_bytes()), 16);
        let kept = text.get(..TAG_LIMIT - 17).unwrap_or_default().to_owned();
        format!("{kept}-{hash}")
    }
}

fn escape_into(text: &mut String, raw: &str) {
    use fmt::Write as _;
    for byte in raw.bytes() {
        if byte.is_ascii_alphanumeric() || b"_./+-".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "={byte:02x}");
        }
    }
}

/// What an observation says about who made an object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Ownership {
    /// Marked with our owner; the address it carries, as text.
    Ours {
        /// The address in the mark.
        address: String,
    },
    /// Marked with another owner.
    Foreign {
        /// The owner in the mark.
        owner: Owner,
    },
    /// It could carry a mark and has none.
    Unmarked,
    /// It cannot carry a mark: it belongs to its parent, or is a setting.
    Setting,
}
