//! What the fields of an object are: which lists are maps, by which keys.
//!
//! For built-in kinds from the table of a real apiserver's schemas; for custom resources from
//! their definitions.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::kinds::Kind;

const TABLE: &str = include_str!("../../data/kubernetes_fields.csv");

/// How a list is merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListType {
    /// Replaced as a whole.
    Atomic,
    /// A set of scalars.
    Set,
    /// A map by these keys.
    Map(Vec<String>),
}

#[derive(Debug, Clone)]
struct Row {
    kind: String,
    format: String,
    list: ListType,
    atomic_map: bool,
    patch_key: Option<String>,
}

type Schemas = BTreeMap<&'static str, BTreeMap<&'static str, Row>>;

struct Tables {
    schemas: Schemas,
    /// `apps/v1/Deployment` to its schema.
    roots: BTreeMap<String, &'static str>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables { schemas: BTreeMap::new(), roots: BTreeMap::new() };
    for line in TABLE.lines().skip(2) {
        let mut cells = line.splitn(12, ',');
        let mut next = || cells.next().unwrap_or_default();
        let (schema, field, kind) = (next(), next(), next());
        if field.is_empty() {
            if let Some(root) = kind.strip_prefix("kind ") {
                tables.roots.insert(root.to_owned(), schema);
            }
            continue;
        }
        let (format, _required, _default, list, keys, patch_key, _strategy, map_type) =
            (next(), next(), next(), next(), next(), next(), next(), next());
        let list = match list {
            "map" => ListType::Map(keys.split_whitespace().map(str::to_owned).collect()),
            "set" => ListType::Set,
            _ => ListType::Atomic,
        };
        let row = Row {
            kind: kind.to_owned(),
            format: format.to_owned(),
            list,
            atomic_map: map_type == "atomic",
            patch_key: (!patch_key.is_empty()).then(|| patch_key.to_owned()),
        };
        tables.schemas.entry(schema).or_default().insert(field, row);
    }
    tables
});

/// A place in a schema.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A schema of the table.
    Named(&'static str),
    /// A map from any names to a schema of the table.
    MapOf(&'static str),
    /// A schema of a definition.
    Custom(Value),
    /// Nothing is known: maps merge, lists are atomic.
    Unknown,
    /// Replaced as a whole.
    Atomic,
}

/// The type of a field, as the table writes it: `string`, `[string]`, `{string}`, a schema.
pub(super) struct Type {
    written: &'static str,
    format: &'static str,
}

impl Type {
    /// The value, or a part of it, that is of another type.
    pub(super) fn refuses<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        let inner = |part: &'static str| Type { written: part, format: self.format };
        if let Some(part) = self.written.strip_prefix('[').and_then(|one| one.strip_suffix(']')) {
            let Some(items) = value.as_array() else { return Some(value) };
            return items.iter().find_map(|item| inner(part).refuses(item));
        }
        if let Some(part) = self.written.strip_prefix('{').and_then(|one| one.strip_suffix('}')) {
            let Some(entries) = value.as_object() else { return Some(value) };
            return entries.values().find_map(|item| inner(part).refuses(item));
        }
        let fits = match self.written {
            "string" => value.is_string(),
            "integer" => value.is_i64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            // An object with fields of its own. What is written otherwise than as an object
            // (quantities, times, free values) has none.
            schema if TABLES.schemas.contains_key(schema) => value.is_object(),
            _ => true,
        };
        (!fits).then_some(value)
    }

    /// As Go writes it.
    pub(super) fn go_name(&self) -> String {
        match (self.written, self.format) {
            ("integer", "") => "int64".to_owned(),
            ("integer", format) => format.to_owned(),
            ("boolean", _) => "bool".to_owned(),
            ("number", _) => "float64".to_owned(),
            ("string", _) => "string".to_owned(),
            (list, _) if list.starts_with('[') => {
                format!("[]{}", inner_name(list))
            }
            (map, _) if map.starts_with('{') => format!("map[string]{}", inner_name(map)),
            (schema, _) => inner_name(schema),
        }
    }
}

/// `v1.Container` of `[io.k8s.api.core.v1.Container]`.
fn inner_name(written: &str) -> String {
    let parts: Vec<&str> = written.trim_matches(['[', ']', '{', '}']).rsplit('.').take(2).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(".")
}

/// The schema of a kind.
pub(super) fn root(kind: &Kind) -> Place {
    if let Some(definition) = &kind.definition {
        return Place::Custom(definition["schema"]["openAPIV3Schema"].clone());
    }
    let name = format!("{}/{}", kind.api_version(), kind.kind);
    TABLES.roots.get(&name).map_or(Place::Unknown, |schema| Place::Named(schema))
}

/// Whether a named schema has fields.
fn named(kind: &str) -> Option<&'static str> {
    TABLES.schemas.get_key_value(kind).map(|(name, _)| *name)
}

impl Place {
    fn row(&self, field: &str) -> Option<&'static Row> {
        let Self::Named(schema) = self else { return None };
        TABLES.schemas.get(schema)?.get(field)
    }

    /// The place of a field's value.
    pub(super) fn field(&self, field: &str) -> Self {
        match self {
            Self::Named(_) => match self.row(field) {
                Some(row) if row.atomic_map => Self::Atomic,
                Some(row) => {
                    let of = if row.kind.starts_with('{') { Self::MapOf } else { Self::Named };
                    named(row.kind.trim_matches(['[', ']', '{', '}'])).map_or(Self::Unknown, of)
                }
                None => Self::Unknown,
            },
            Self::MapOf(schema) => Self::Named(schema),
            Self::Custom(schema)
                if field == "metadata" && schema["properties"]["spec"].is_object() =>
            {
                named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
                    .map_or(Self::Unknown, Self::Named)
            }
            Self::Custom(schema) => {
                let inner = match &schema["properties"][field] {
                    Value::Null => &schema["additionalProperties"],
                    inner => inner,
                };
                if inner["x-kubernetes-map-type"] == "atomic" {
                    Self::Atomic
                } else {
                    Self::Custom(inner.clone())
                }
            }
            other => other.clone(),
        }
    }

    /// The type of a field of a built-in schema; `None` where nothing is known.
    pub(super) fn type_of(&self, field: &str) -> Option<Type> {
        self.row(field).map(|row| Type { written: &row.kind, format: &row.format })
    }

    /// The last part of a named schema: `DeploymentSpec`.
    pub(super) fn short_name(&self) -> Option<&'static str> {
        let Self::Named(schema) = self else { return None };
        schema.rsplit('.').next()
    }

    /// How the list in a field is merged, and the place of its items.
    pub(super) fn list(&self, field: &str) -> (ListType, Self) {
        match self {
            Self::Named(_) => match self.row(field) {
                Some(row) => {
                    let items = named(row.kind.trim_matches(['[', ']', '{', '}']))
                        .map_or(Self::Unknown, Self::Named);
                    (row.list.clone(), items)
                }
                None => (ListType::Atomic, Self::Unknown),
            },
            Self::Custom(schema) => {
                let inner = &schema["properties"][field];
                let keys = || {
                    inner["x-kubernetes-list-map-keys"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect()
                };
                let list = match inner["x-kubernetes-list-type"].as_str() {
                    Some("map") => ListType::Map(keys()),
                    Some("set") => ListType::Set,
                    _ => ListType::Atomic,
                };
                (list, Self::Custom(inner["items"].clone()))
            }
            other => (ListType::Atomic, other.clone()),
        }
    }

    /// The key by which strategic merge patches merge the list in a field.
    pub(super) fn patch_key(&self, field: &str) -> Option<String> {
        self.row(field)?.patch_key.clone()
    }

    /// Whether the table knows the field; `None` where it cannot say.
    pub(super) fn knows(&self, field: &str) -> Option<bool> {
        match self {
            Self::Named(schema) => {
                TABLES.schemas.get(schema).map(|fields| fields.contains_key(field))
            }
            Self::Custom(schema) => {
                let open = schema["x-kubernetes-preserve-unknown-fields"] == true
                    || schema["additionalProperties"].is_object()
                    || !schema["properties"].is_object();
                if open { None } else { Some(!schema["properties"][field].is_null()) }
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries_of_a_map_have_any_name() {
        let props = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
        let props = Place::Named(named(props).unwrap());
        let properties = props.field("properties");
        assert_eq!(properties.knows("replicas"), None);
        let entry = properties.field("replicas");
        assert_eq!((entry.knows("type"), entry.knows("typ")), (Some(true), Some(false)));
    }
}
