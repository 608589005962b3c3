//! Writing a module's schema: arguments and outputs as short rows.

use runbook_core::module::{Argument, Output};
use runbook_core::value::{Type, Value};

/// An optional argument.
pub(crate) fn argument(name: &'static str, kind: Type, description: &'static str) -> Argument {
    Argument {
        name,
        r#type: kind,
        required: false,
        default: None,
        identity: false,
        immutable: false,
        secret: false,
        allowed: &[],
        description,
    }
}

/// A required argument.
pub(crate) fn required(name: &'static str, kind: Type, description: &'static str) -> Argument {
    Argument { required: true, ..argument(name, kind, description) }
}

/// A required argument that names the object.
pub(crate) fn identity(name: &'static str, description: &'static str) -> Argument {
    Argument { identity: true, ..required(name, Type::String, description) }
}

/// An argument with a default.
pub(crate) fn defaulted(
    name: &'static str,
    kind: Type,
    default: impl Into<Value>,
    description: &'static str,
) -> Argument {
    Argument { default: Some(default.into()), ..argument(name, kind, description) }
}

/// The same, which the service cannot change in place.
pub(crate) fn immutable(argument: Argument) -> Argument {
    Argument { immutable: true, ..argument }
}

/// The same, with few values.
pub(crate) fn one_of(argument: Argument, allowed: &'static [&'static str]) -> Argument {
    Argument { allowed, ..argument }
}

/// An output.
pub(crate) fn output(name: &'static str, kind: Type, description: &'static str) -> Output {
    Output { name, r#type: kind, volatile: false, secret: false, description }
}

/// An output that a write changes.
pub(crate) fn volatile(name: &'static str, kind: Type, description: &'static str) -> Output {
    Output { volatile: true, ..output(name, kind, description) }
}

/// A list of texts.
pub(crate) fn texts() -> Type {
    Type::List(Box::new(Type::String))
}

/// Texts by name.
pub(crate) fn text_map() -> Type {
    Type::Map(Box::new(Type::String))
}

/// A list of anything.
pub(crate) fn anythings() -> Type {
    Type::List(Box::new(Type::Any))
}
