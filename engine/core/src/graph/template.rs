//! Compiled expressions and the trees they stand in.

use std::sync::{Arc, OnceLock};

use minijinja::Expression;

use super::{ExpressionId, ScopeId, VertexId};
use crate::expression::environment::environment;
use crate::expression::references::References;
use crate::source::Span;
use crate::value::Value;
use crate::yaml::Scalar;

/// A compiled expression.
pub(crate) struct Program {
    /// Where names are looked up.
    pub(crate) scope: ScopeId,
    /// Its text, as compiled.
    pub(crate) text: String,
    /// The scalar it stands in, for the place of an error.
    pub(crate) scalar: Scalar,
    /// The whole text of the file.
    pub(crate) source: Arc<str>,
    /// Byte of `text` in the scalar's text.
    pub(crate) start: usize,
    /// The program; equal texts share it.
    pub(crate) code: Arc<Runnable>,
    /// What it refers to.
    pub(crate) references: Arc<References>,
    /// What it names, when it does nothing else ([`super::direct`]).
    pub(crate) direct: Option<Direct>,
    /// Which names beyond `inputs`, `tasks` and `run` have a meaning where it stands.
    pub(crate) sees: Sees,
}

/// A program, made when it is first run: most expressions name one thing and never are ([`Direct`]).
#[derive(Default)]
pub(crate) struct Runnable(OnceLock<Expression<'static, 'static>>);

impl Runnable {
    /// The program of a text.
    pub(crate) fn of(&self, text: &str) -> Result<&Expression<'static, 'static>, minijinja::Error> {
        if let Some(code) = self.0.get() {
            return Ok(code);
        }
        let code = environment().compile_expression_owned(text.to_owned())?;
        Ok(self.0.get_or_init(|| code))
    }
}

/// The one thing that an expression names.
pub(crate) enum Direct {
    /// An input.
    Input(String),
    /// An output of a task.
    Output(VertexId, String),
}

/// Names that have a meaning in some places only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sees {
    /// `each`: inside something repeated.
    pub(crate) each: bool,
    /// `self`: in `until` and `postconditions`.
    pub(crate) own: bool,
    /// `error`: in `retry.when`.
    pub(crate) error: bool,
}

/// A value whose scalars may hold expressions.
pub(crate) struct Template {
    /// Where names are looked up.
    pub(crate) scope: ScopeId,
    /// The tree.
    pub(crate) root: Part,
    /// Where it stands.
    pub(crate) span: Span,
}

/// A part of a template.
pub(crate) enum Part {
    /// A value without expressions in it.
    Literal(Value),
    /// A scalar that is exactly one expression: it keeps its type.
    Expression(ExpressionId),
    /// Text with expressions in it.
    Text(Vec<TextPart>),
    /// A list.
    List(Vec<Part>),
    /// A map.
    Map(Vec<(String, Part, Span)>),
}

/// A piece of text.
pub(crate) enum TextPart {
    /// As it is.
    Text(String),
    /// What an expression gives, as text.
    Expression(ExpressionId),
}

impl Part {
    /// Whether it is a map that has this key, whatever the key's value.
    pub(crate) fn gives(&self, key: &str) -> bool {
        match self {
            Self::Map(entries) => entries.iter().any(|(name, ..)| name == key),
            Self::Literal(value) => value.as_map().is_some_and(|map| map.contains_key(key)),
            // What it gives is known when it is evaluated.
            Self::Expression(_) | Self::Text(_) => true,
            Self::List(_) => false,
        }
    }

    /// All expressions in it.
    pub(crate) fn expressions(&self, found: &mut Vec<ExpressionId>) {
        match self {
            Self::Literal(_) => {}
            Self::Expression(id) => found.push(*id),
            Self::Text(parts) => found.extend(parts.iter().filter_map(|part| match part {
                TextPart::Expression(id) => Some(*id),
                TextPart::Text(_) => None,
            })),
            Self::List(items) => items.iter().for_each(|item| item.expressions(found)),
            Self::Map(entries) => entries.iter().for_each(|(_, part, _)| part.expressions(found)),
        }
    }
}
