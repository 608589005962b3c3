//! The documents of a file: a JSON or YAML stream, lists unfolded, nulls dropped.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Problem;

/// An object of a file.
pub(crate) struct Object {
    /// Its place in the file, for objects without a name.
    pub(crate) position: usize,
    /// Its fields.
    pub(crate) fields: Value,
}

impl Object {
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.fields.pointer(pointer).and_then(Value::as_str)
    }

    pub(crate) fn kind(&self) -> &str {
        self.text("/kind").unwrap_or_default()
    }

    /// ``Deployment `web/api` ``, or where it stands when it has no name.
    pub(crate) fn label(&self) -> String {
        let kind = if self.kind().is_empty() { "object" } else { self.kind() };
        match (self.text("/metadata/namespace"), self.text("/metadata/name")) {
            (Some(namespace), Some(name)) => format!("{kind} `{namespace}/{name}`"),
            (None, Some(name)) => format!("{kind} `{name}`"),
            (_, None) => format!("{kind} number {}", self.position + 1),
        }
    }

    /// Reads a part of it.
    pub(crate) fn read<T: DeserializeOwned + Default>(&self, pointer: &str) -> Result<T, String> {
        match self.fields.pointer(pointer) {
            Some(value) => T::deserialize(value).map_err(|error| {
                format!("`{}`: {error}", pointer.trim_start_matches('/').replace('/', "."))
            }),
            None => Ok(T::default()),
        }
    }
}

/// The objects of a text in their order, lists unfolded.
pub fn documents(source_name: &str, text: &str) -> Result<Vec<Value>, Problem> {
    Ok(objects(source_name, text)?.into_iter().map(|object| object.fields).collect())
}

pub(crate) fn objects(source_name: &str, text: &str) -> Result<Vec<Object>, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let roots: Vec<Value> = if text.trim_start().starts_with(['{', '[']) {
        serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().map_err(
            |error| {
                let what = if error.is_eof() { "it is cut off in the middle" } else { "not JSON" };
                Problem::of_file(source_name, format!("{what}: {error}"))
            },
        )?
    } else {
        yaml(text).map_err(|error| Problem::of_file(source_name, format!("not YAML: {error}")))?
    };
    let mut objects = Vec::new();
    for root in roots {
        unfold(source_name, root, &mut objects)?;
    }
    Ok(objects)
}

fn yaml(text: &str) -> Result<Vec<Value>, String> {
    // A cluster's pods are large but plain; aliases stay within the parser's own budget.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_events: 50_000_000, max_nodes: 50_000_000, max_total_scalar_bytes: 1 << 30, max_documents: 1_000_000 },
        strict_booleans: true,
    };
    serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| error.without_snippet().to_string())
}

fn unfold(source_name: &str, value: Value, objects: &mut Vec<Object>) -> Result<(), Problem> {
    match value {
        Value::Null => Ok(()),
        Value::Array(items) => {
            items.into_iter().try_for_each(|item| unfold(source_name, item, objects))
        }
        Value::Object(mut fields) => {
            let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default();
            if kind.ends_with("List") {
                let items = fields.remove("items").unwrap_or(Value::Array(Vec::new()));
                return unfold(source_name, items, objects);
            }
            let mut fields = Value::Object(fields);
            drop_nulls(&mut fields);
            objects.push(Object { position: objects.len(), fields });
            Ok(())
        }
        other => Err(Problem::of_file(
            source_name,
            format!("document {} is no object but `{other}`", objects.len() + 1),
        )),
    }
}

/// `nodeSelector: null` means that there is none.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
