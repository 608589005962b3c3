//! What was given to the root runbook: `-i name=value`, `--inputs file`, defaults.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Bound, BoundTo};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::InputDeclaration;
use crate::shape::suggest;
use crate::value::{Type, Value};

/// One given value.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// Text from the command line: read by the declared type.
    Text(String),
    /// A value from a file or a stored plan.
    Value(Value),
}

/// All given values with where each came from, for messages (`-i region`, `prod.yaml`).
#[derive(Debug, Clone, Default)]
pub struct GivenInputs(pub BTreeMap<String, (Given, String)>);

/// Binds the root's inputs: what was given wins over the default; everything wrong is reported
/// together.
pub(super) fn bind(
    declared: &[InputDeclaration],
    given: &GivenInputs,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Bound> {
    for (name, (_, origin)) in &given.0 {
        if !declared.iter().any(|one| one.name == *name) {
            let mut problem =
                Diagnostic::error(Code("RB0301"), format!("unknown input `{name}` ({origin})"));
            let names = declared.iter().map(|one| one.name.as_str());
            if let Some(name) = suggest(name, names) {
                problem = problem.help(format!("did you mean `{name}`?"));
            }
            problems.push(problem);
        }
    }
    let mut bound = BTreeMap::new();
    for one in declared {
        match value_of(one, given) {
            Ok(value) => {
                bound.insert(
                    one.name.clone(),
                    Bound { declaration: one.clone(), to: BoundTo::Value(value) },
                );
            }
            Err(problem) => {
                problems.push(problem);
                // It is declared all the same: what reads it is no problem of its own.
                let unknown = Value::Unknown(Arc::new(one.r#type.clone()));
                bound.insert(
                    one.name.clone(),
                    Bound { declaration: one.clone(), to: BoundTo::Value(unknown) },
                );
            }
        }
    }
    bound
}

fn value_of(declared: &InputDeclaration, given: &GivenInputs) -> Result<Value, Diagnostic> {
    let name = &declared.name;
    let Some((given, origin)) = given.0.get(name) else {
        return declared.default.clone().ok_or_else(|| {
            Diagnostic::error(Code("RB0302"), format!("the input `{name}` is missing"))
                .at(declared.span, format!("declared here: {}", declared.r#type))
                .help(format!("-i {name}=…"))
        });
    };
    let value = match given {
        Given::Value(value) => value.clone(),
        Given::Text(text) => read(text, &declared.r#type).map_err(|wrong| {
            Diagnostic::error(
                Code("RB0303"),
                format!("the input `{name}` ({origin}) is not YAML: {wrong}"),
            )
        })?,
    };
    declared.check(&value).map_err(|wrong| {
        // The value itself stays out of the message: it may be secret.
        Diagnostic::error(Code("RB0304"), format!("the input `{name}` ({origin}) {wrong}"))
            .at(declared.span, format!("declared here: {}", declared.r#type))
    })?;
    Ok(value)
}

/// Text for a text, else YAML.
fn read(text: &str, declared: &Type) -> Result<Value, String> {
    match declared {
        Type::String | Type::Duration | Type::Bytes => Ok(Value::from(text)),
        Type::Nullable(inner) if text != "null" => read(text, inner),
        _ => serde_saphyr::from_str::<serde_json::Value>(text)
            .map(|json| Value::from_json(&json))
            .map_err(|error| error.to_string()),
    }
}
