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

impl Value {
    /// Text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(Arc::new(items.into_iter().collect()))
    }

    /// A map.
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(Arc::new(entries.into_iter().map(|(key, value)| (key.into(), value)).collect()))
    }

    /// The text, when it is known text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Secret(secret) => secret.expose().as_str(),
            _ => None,
        }
    }

    /// The boolean, when it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::Secret(secret) => secret.expose().as_bool(),
            _ => None,
        }
    }

    /// The whole number, when it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Secret(secret) => secret.expose().as_i64(),
            _ => None,
        }
    }

    /// The number, when it is one.
    #[expect(clippy::cast_precision_loss, reason = "bounds of inputs are compared as numbers")]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// The items, when it is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            Self::Secret(secret) => secret.expose().as_list(),
            _ => None,
        }
    }

    /// The entries, when it is a map.
    pub fn as_map(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Map(entries) => Some(entries),
            Self::Secret(secret) => secret.expose().as_map(),
            _ => None,
        }
    }

    /// The length of a text, list or map.
    #[expect(clippy::cast_precision_loss, reason = "bounds of inputs are compared as numbers")]
    pub(crate) fn size(&self) -> Option<f64> {
        match self {
            Self::String(text) => Some(text.chars().count() as f64),
            Self::List(items) => Some(items.len() as f64),
            Self::Map(entries) => Some(entries.len() as f64),
            _ => None,
        }
    }

    /// Whether it is unknown, or holds something unknown.
    pub fn has_unknown(&self) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::List(items) => items.iter().any(Self::has_unknown),
            Self::Map(entries) => entries.values().any(Self::has_unknown),
            Self::Secret(secret) => secret.expose().has_unknown(),
            _ => false,
        }
    }

    /// Whether it is secret, or holds something secret.
    pub fn has_secret(&self) -> bool {
        match self {
            Self::Secret(_) => true,
            Self::List(items) => items.iter().any(Self::has_secret),
            Self::Map(entries) => entries.values().any(Self::has_secret),
            _ => false,
        }
    }

    /// From JSON; numbers beyond 64 bits become floating point.
    pub fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Boolean(*value),
            serde_json::Value::Number(number) => number
                .as_i64()
                .map_or_else(|| Self::Number(number.as_f64().unwrap_or_default()), Self::Integer),
            serde_json::Value::String(text) => Self::text(text.as_str()),
            serde_json::Value::Array(items) => Self::list(items.iter().map(Self::from_json)),
            serde_json::Value::Object(entries) => {
                Self::map(entries.iter().map(|(key, value)| (key.clone(), Self::from_json(value))))
            }
        }
    }

    /// As JSON, with secrets exposed: for a service, or for hashing with a key. Unknown leaves
    /// become null.
    pub fn to_json_exposing(&self) -> serde_json::Value {
        self.to_json_with(&|secret| secret.to_json_exposing())
    }

    /// As JSON for people and storage: `{"unknown": type}`, and secrets by the given function.
    pub fn to_json_with(&self, secret: &dyn Fn(&Self) -> serde_json::Value) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Boolean(value) => (*value).into(),
            Self::Integer(value) => (*value).into(),
            Self::Number(value) => (*value).into(),
            Self::String(text) => (**text).into(),
            Self::List(items) => items.iter().map(|item| item.to_json_with(secret)).collect(),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| (key.clone(), value.to_json_with(secret)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Self::Unknown(kind) => serde_json::json!({"unknown": kind.to_string()}),
            Self::Secret(hidden) => secret(hidden.expose()),
        }
    }

    /// The type of the value as far as it shows.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "a whole number",
            Self::Number(_) => "a number",
            Self::String(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Unknown(_) => "unknown",
            Self::Secret(_) => "secret",
        }
    }
}

/// A value for a person: JSON, texts bare, secrets masked, unknown ones named.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => formatter.write_str(text),
            Self::Secret(_) => formatter.write_str("(secret)"),
            Self::Unknown(_) => formatter.write_str("(known after apply)"),
            other => write!(formatter, "{}", other.to_json_with(&|_| "(secret)".into())),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("any"),
            Self::String => formatter.write_str("string"),
            Self::Integer => formatter.write_str("integer"),
            Self::Number => formatter.write_str("number"),
            Self::Boolean => formatter.write_str("boolean"),
            Self::Duration => formatter.write_str("duration"),
            Self::Bytes => formatter.write_str("bytes"),
            Self::List(items) => write!(formatter, "list({items})"),
            Self::Map(values) => write!(formatter, "map({values})"),
            Self::Object(fields) => {
                formatter.write_str("object(")?;
                for (position, name) in fields.keys().enumerate() {
                    write!(formatter, "{}{name}", if position > 0 { ", " } else { "" })?;
                }
                formatter.write_str(")")
            }
            Self::Nullable(inner) => write!(formatter, "{inner} or null"),
        }
    }
}

impl Type {
    /// Whether a value fits; else what was found and expected. Unknown leaves fit everything.
    pub fn accepts(&self, value: &Value) -> Result<(), String> {
        let wrong = || Err(format!("{}, expected {self}", value.kind()));
        match (self, value) {
            (_, Value::Unknown(_))
            | (Self::Any, _)
            | (Self::Nullable(_), Value::Null)
            | (Self::String, Value::String(_))
            | (Self::Integer | Self::Number | Self::Bytes, Value::Integer(_))
            | (Self::Number, Value::Number(_))
            | (Self::Boolean, Value::Boolean(_)) => Ok(()),
            (_, Value::Secret(secret)) => {
                self.accepts(secret.expose()).map_err(|_| format!("secret, expected {self}"))
            }
            (Self::Nullable(inner), value) => inner.accepts(value),
            (Self::Duration, Value::String(text)) if duration(text).is_some() => Ok(()),
            (Self::Bytes, Value::String(text)) if bytes(text).is_some() => Ok(()),
            (Self::List(kind), Value::List(items)) => {
                items.iter().enumerate().try_for_each(|(index, item)| {
                    kind.accepts(item).map_err(|wrong| format!("[{index}] {wrong}"))
                })
            }
            (Self::Map(kind), Value::Map(entries)) => {
                entries.iter().try_for_each(|(key, value)| {
                    kind.accepts(value).map_err(|wrong| format!(".{key} {wrong}"))
                })
            }
            (Self::Object(fields), Value::Map(entries)) => object(fields, entries),
            _ => wrong(),
        }
    }

    /// The type of a member: a field of an object, a value of a map, an item of a list.
    pub fn member(&self, name: &str) -> Option<Self> {
        match self {
            Self::Any => Some(Self::Any),
            Self::Object(fields) => fields.get(name).map(|field| field.r#type.clone()),
            Self::Map(values) => Some((**values).clone()),
            Self::Nullable(inner) => inner.member(name),
            _ => None,
        }
    }
}

fn object(
    fields: &BTreeMap<String, Field>,
    entries: &BTreeMap<String, Value>,
) -> Result<(), String> {
    for (name, field) in fields {
        match entries.get(name) {
            Some(value) => {
                field.r#type.accepts(value).map_err(|wrong| format!(".{name} {wrong}"))?;
            }
            None if field.required => return Err(format!("an object without `{name}`")),
            None => {}
        }
    }
    match entries.keys().find(|name| !fields.contains_key(*name)) {
        Some(name) => Err(format!("an object with the unknown field `{name}`")),
        None => Ok(()),
    }
}

/// Reads a duration such as `90s`, `15m`, `1h30m`, `2d`, `500ms`.
pub fn duration(text: &str) -> Option<std::time::Duration> {
    let mut total = std::time::Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|one: char| !one.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit_length = rest.find(|one: char| one.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match rest.get(..unit_length)? {
            "ms" => std::time::Duration::from_millis(1),
            "s" => std::time::Duration::from_secs(1),
            "m" => std::time::Duration::from_mins(1),
            "h" => std::time::Duration::from_hours(1),
            "d" => std::time::Duration::from_hours(24),
            _ => return None,
        };
        total = total.checked_add(unit.checked_mul(u32::try_from(number).ok()?)?)?;
        rest = rest.get(unit_length..)?;
    }
    Some(total)
}

/// Reads an amount of bytes such as `512`, `20Gi`, `256M`.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|one: char| !one.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let factor: u64 = match text.get(digits..)? {
        "" | "B" => 1,
        "k" | "kB" => 1000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "T" | "TB" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}
