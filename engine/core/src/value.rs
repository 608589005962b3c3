//! Values of a runbook: known, unknown until apply, or secret.
//!
//! Unknown and secret are values, not flags beside values: a container that is passed through
//! whole keeps its unknown leaves in place, and a secret can be neither displayed nor serialised
//! except through [`Secret::expose`], whose callers are the modules that hand it to a service.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The type of an input, an argument or an output.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Anything; used where a service defines the shape (manifests, chart values).
    Any,
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Text such as `15m` or `1h30m`; kept as its text, read by [`crate::value::duration`].
    Duration,
    /// Text such as `20Gi`; kept as its text.
    Bytes,
    /// A list of one type.
    List(Box<Type>),
    /// Text keys to one type.
    Map(Box<Type>),
    /// Named fields; `true` where a field must be present.
    Object(BTreeMap<String, Field>),
    /// The type, or null.
    Nullable(Box<Type>),
}

/// A field of an object type.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Field {
    /// Its type.
    pub r#type: Type,
    /// Whether it must be present.
    pub required: bool,
}

/// A value. Maps are ordered by key, so that equal values have equal texts and hashes.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number that is not whole.
    Number(f64),
    /// Text.
    String(Arc<str>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A map.
    Map(Arc<BTreeMap<String, Value>>),
    /// Not known before apply; the type that it will have.
    Unknown(Arc<Type>),
    /// Known, and not to be shown or stored.
    Secret(Secret),
}

/// A value that is masked wherever it is displayed, and never stored.
#[derive(Clone, PartialEq)]
pub struct Secret(Arc<Value>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: Value) -> Self {
        match value {
            Value::Secret(secret) => secret,
            other => Self(Arc::new(other)),
        }
    }

    /// The value itself. Only what hands it to a service, or hashes it with a key, may call this.
    pub fn expose(&self) -> &Value {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}
