//! Two other evaluators: plain minijinja over data without marks, and one that reads lazily and
//! knows of nothing but short circuits.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{Value as Jinja, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use runbook_core::value::Value;

use crate::expressions::Expression;

/// minijinja as it is, with the filters that are ours written again over plain values.
pub(crate) fn plain_environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(50_000));
    for name in ["default", "d"] {
        // As in minijinja, an undefined default is none, and none is empty text.
        environment.add_filter(name, |value: &Jinja, otherwise: Option<Jinja>| {
            if value.is_undefined() {
                otherwise.unwrap_or_else(|| Jinja::from(""))
            } else {
                value.clone()
            }
        });
    }
    environment.add_filter("to_json", |value: &Jinja| {
        taken(value).map(|value| value.to_json_exposing().to_string()).map_err(wrong)
    });
    environment.add_filter("to_yaml", |value: &Jinja| {
        let value = taken(value).map_err(wrong)?;
        serde_saphyr::to_string(&value.to_json_exposing()).map_err(|error| wrong(error.to_string()))
    });
    environment.add_filter("parse_json", |text: &str| {
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        Ok::<_, Error>(jinja(&Value::from_json(&json)))
    });
    environment.add_filter("parse_yaml", |text: &str| {
        let json: serde_json::Value =
            serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?;
        Ok::<_, Error>(jinja(&Value::from_json(&json)))
    });
    environment.add_filter("merge", |left: &Jinja, right: &Jinja| {
        let (left, right) = (taken(left).map_err(wrong)?, taken(right).map_err(wrong)?);
        Ok::<_, Error>(jinja(&merge(&left, &right)))
    });
    environment
}

fn merge(left: &Value, right: &Value) -> Value {
    match (left.as_map(), right.as_map()) {
        (Some(left), Some(right)) => {
            let mut entries = left.clone();
            for (key, value) in right {
                let merged = entries.get(key).map_or(value.clone(), |before| merge(before, value));
                entries.insert(key.clone(), merged);
            }
            Value::Map(Arc::new(entries))
        }
        _ => right.clone(),
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// A value as minijinja's own.
pub(crate) fn jinja(value: &Value) -> Jinja {
    match value {
        Value::Boolean(value) => Jinja::from(*value),
        Value::Integer(value) => Jinja::from(*value),
        Value::Number(value) => Jinja::from(*value),
        Value::String(text) => Jinja::from(text.to_string()),
        Value::List(items) => Jinja::from(items.iter().map(jinja).collect::<Vec<_>>()),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), jinja(value)))
            .collect::<BTreeMap<_, _>>()
            .into(),
        Value::Null => Jinja::from(()),
        Value::Unknown(_) | Value::Secret(_) => panic!("plain data has no marks"),
    }
}

/// A result of minijinja; undefined anywhere is an error.
pub(crate) fn taken(value: &Jinja) -> Result<Value, String> {
    Ok(match value.kind() {
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Boolean(value.is_true()),
        ValueKind::Number => match value.as_i64() {
            Some(whole) if value.is_integer() => Value::Integer(whole),
            _ if value.is_integer() => return Err("too large".to_owned()),
            _ => Value::Number(f64::try_from(value.clone()).map_err(|error| error.to_string())?),
        },
        ValueKind::String => Value::from(value.as_str().ok_or("no text")?),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|error| error.to_string())?;
            Value::list(items.map(|item| taken(&item)).collect::<Result<Vec<_>, _>>()?)
        }
        ValueKind::Map => {
            let mut entries = BTreeMap::new();
            for key in value.try_iter().map_err(|error| error.to_string())? {
                let name = key.as_str().ok_or("a key that is no text")?.to_owned();
                let inner = value.get_item(&key).map_err(|error| error.to_string())?;
                entries.insert(name, taken(&inner)?);
            }
            Value::Map(Arc::new(entries))
        }
        other => return Err(format!("a result of kind {other}")),
    })
}

/// What plain minijinja makes of an expression; undefined is an error.
pub(crate) fn plainly(
    environment: &Environment<'_>,
    text: &str,
    names: &BTreeMap<String, Value>,
) -> Result<Value, String> {
    taken(&evaluated(environment, text, names)?)
}

fn evaluated(
    environment: &Environment<'_>,
    text: &str,
    names: &BTreeMap<String, Value>,
) -> Result<Jinja, String> {
    let values: BTreeMap<&str, Jinja> =
        names.iter().map(|(name, value)| (name.as_str(), jinja(value))).collect();
    let expression = environment.compile_expression(text).map_err(|error| error.to_string())?;
    expression.eval(values).map_err(|error| error.to_string())
}

/// Why the lazy evaluator stopped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stop {
    /// An unknown leaf was read.
    Unknown,
    /// There is no value.
    Error,
    /// It does not know this operation over partly known containers.
    Unsure,
}

/// Reads lazily; `None` is undefined.
pub(crate) struct Lazy<'a> {
    pub(crate) environment: &'a Environment<'a>,
    /// Data with unknown leaves and no secrets.
    pub(crate) data: &'a BTreeMap<String, Value>,
}

type Lazily = Result<Option<Value>, Stop>;

impl Lazy<'_> {
    pub(crate) fn evaluate(&self, expression: &Expression) -> Lazily {
        match expression {
            Expression::Constant(_) => self.plain(expression, &[]),
            Expression::Path(segments) => self.path(segments),
            Expression::Not(inner) => {
                let value = self.truth(inner)?;
                Ok(Some(Value::Boolean(!value)))
            }
            Expression::Binary(word @ ("and" | "or"), left, right) => {
                let value = self.evaluate(left)?;
                if truth(value.as_ref())? == (*word == "or") {
                    Ok(value)
                } else {
                    self.evaluate(right)
                }
            }
            Expression::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                self.evaluate(if self.truth(condition)? { then } else { otherwise })
            }
            Expression::Filter(operand, "default" | "d", arguments) => {
                let value = self.evaluate(operand)?;
                let otherwise = self.evaluate(&arguments[0])?;
                Ok(Some(value.or(otherwise).unwrap_or_else(|| Value::from(""))))
            }
            Expression::Filter(operand, "length" | "count", _) => match self.evaluate(operand)? {
                Some(Value::List(items)) => Self::whole(items.len()),
                Some(Value::Map(entries)) => Self::whole(entries.len()),
                Some(Value::String(text)) => Self::whole(text.chars().count()),
                _ => Err(Stop::Error),
            },
            Expression::Test(operand, test @ ("defined" | "not defined" | "undefined")) => {
                let defined = self.evaluate(operand)?.is_some();
                Ok(Some(Value::Boolean(defined == (*test == "defined"))))
            }
            Expression::Item(operand, index) => {
                let value = self.evaluate(operand)?;
                let index = self.evaluate(index)?;
                match (value, index) {
                    (Some(value), Some(index)) => Self::member(&value, &index),
                    (None, _) => Err(Stop::Error),
                    (_, None) => Err(Stop::Unsure),
                }
            }
            // These are lazy themselves: when they fail, and whether, is minijinja's.
            Expression::Filter(
                _,
                "map" | "select" | "reject" | "selectattr" | "rejectattr" | "zip" | "unique",
                _,
            ) => Err(Stop::Unsure),
            Expression::Filter(operand, name, arguments) => {
                let all: Vec<&Expression> = std::iter::once(&**operand).chain(arguments).collect();
                let rebuilt = |names: Vec<Expression>| {
                    let mut names = names.into_iter();
                    let operand = Box::new(names.next().unwrap());
                    Expression::Filter(operand, name, names.collect())
                };
                self.strict(&all, rebuilt)
            }
            Expression::Binary(word, left, right) => self.strict(&[left, right], |names| {
                let mut names = names.into_iter().map(Box::new);
                Expression::Binary(word, names.next().unwrap(), names.next().unwrap())
            }),
            Expression::Test(operand, test) => self.strict(&[operand], |names| {
                Expression::Test(Box::new(names.into_iter().next().unwrap()), test)
            }),
            Expression::List(_)
            | Expression::Dictionary(_)
            | Expression::Slice(..)
            | Expression::Call(..) => Err(Stop::Unsure),
        }
    }

    fn whole(number: usize) -> Lazily {
        Ok(Some(Value::Integer(i64::try_from(number).unwrap())))
    }

    fn truth(&self, expression: &Expression) -> Result<bool, Stop> {
        truth(self.evaluate(expression)?.as_ref())
    }

    fn path(&self, segments: &[String]) -> Lazily {
        let mut at = read(&self.data[&segments[0]])?;
        for segment in &segments[1..] {
            let index =
                segment.parse().map_or_else(|_| Value::from(segment.as_str()), Value::Integer);
            at = match at {
                Some(value) => Self::member(&value, &index)?,
                None => return Err(Stop::Error),
            };
        }
        Ok(at)
    }

    /// A member of a container; of anything else what minijinja says.
    fn member(value: &Value, index: &Value) -> Lazily {
        match (value, index) {
            (Value::List(items), Value::Integer(index)) => {
                let at =
                    if *index < 0 { *index + i64::try_from(items.len()).unwrap() } else { *index };
                usize::try_from(at).ok().and_then(|at| items.get(at)).map_or(Ok(None), read)
            }
            (Value::Map(entries), Value::String(name)) => {
                entries.get(&**name).map_or(Ok(None), read)
            }
            _ => Err(Stop::Unsure),
        }
    }

    /// An operation that reads all its operands; with all of them known, minijinja performs it.
    fn strict(
        &self,
        operands: &[&Expression],
        rebuilt: impl Fn(Vec<Expression>) -> Expression,
    ) -> Lazily {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for operand in operands {
            if matches!(operand, Expression::Constant(_)) {
                names.push((*operand).clone());
                continue;
            }
            names.push(Expression::Path(vec![format!("v{}", values.len())]));
            values.push(self.evaluate(operand)?.ok_or(Stop::Unsure)?);
        }
        if values.iter().any(Value::has_unknown) {
            return Err(Stop::Unsure);
        }
        self.plain(&rebuilt(names), &values)
    }

    fn plain(&self, expression: &Expression, values: &[Value]) -> Lazily {
        let names = values
            .iter()
            .enumerate()
            .map(|(at, value)| (format!("v{at}"), value.clone()))
            .collect::<BTreeMap<_, _>>();
        let all = Value::Map(Arc::new(names));
        let names = BTreeMap::from([("all".to_owned(), all)]);
        let value = evaluated(self.environment, &expression.text("all"), &names)
            .map_err(|_| Stop::Error)?;
        if value.is_undefined() {
            return Ok(None);
        }
        if value.kind() == ValueKind::Iterable {
            // A list made of it would compare otherwise: minijinja orders by kind first.
            return Err(Stop::Unsure);
        }
        taken(&value).map(Some).map_err(|_| Stop::Unsure)
    }
}

/// Reading a leaf: containers are handed on, an unknown leaf stops everything.
fn read(value: &Value) -> Lazily {
    if matches!(value, Value::Unknown(_)) { Err(Stop::Unknown) } else { Ok(Some(value.clone())) }
}

fn truth(value: Option<&Value>) -> Result<bool, Stop> {
    Ok(match value {
        None => return Err(Stop::Error),
        Some(Value::Null) => false,
        Some(Value::Boolean(value)) => *value,
        Some(Value::Integer(value)) => *value != 0,
        Some(Value::Number(value)) => *value != 0.0,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::List(items)) => !items.is_empty(),
        Some(Value::Map(entries)) => !entries.is_empty(),
        Some(Value::Unknown(_) | Value::Secret(_)) => return Err(Stop::Unsure),
    })
}
