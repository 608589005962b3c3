//! The second half of compiling: every text with expressions becomes a program or a template.

use super::compile::Compiler;
use super::template::{Part, Program, Runnable, Sees, Template, TextPart};
use super::{Check, ExpressionId, ScopeId, TemplateId};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::TaskDeclaration;
use crate::expression::references::references;
use crate::expression::text::{Piece, Unclosed, split};
use crate::source::{FileId, Span};
use crate::value::Value;
use crate::yaml::{Node, NodeKind, Scalar, Style};
use std::sync::Arc;

impl Compiler<'_> {
    pub(super) fn when(
        &mut self,
        task: &TaskDeclaration,
        scope: ScopeId,
        each: bool,
    ) -> Option<(ScopeId, ExpressionId)> {
        let scalar = task.when.as_ref()?;
        Some((scope, self.condition(scalar, scope, Sees { each, ..Sees::default() })?))
    }

    pub(super) fn checks(
        &mut self,
        declared: &[(Scalar, Node)],
        scope: ScopeId,
        sees: Sees,
    ) -> Vec<Check> {
        let mut checks = Vec::new();
        for (that, message) in declared {
            if let Some(that) = self.condition(that, scope, sees) {
                checks.push(Check { that, message: self.template(message, scope, sees) });
            }
        }
        checks
    }

    /// `for_each`: an expression, or a list or map written out.
    pub(super) fn for_each(
        &mut self,
        task: &TaskDeclaration,
        scope: ScopeId,
    ) -> Option<ExpressionId> {
        let node = task.for_each.as_ref()?;
        if let NodeKind::Scalar(scalar) = &node.kind {
            return self.condition(scalar, scope, Sees::default());
        }
        // What is written out becomes an expression of its own, so that there is one way to expand.
        let plain = literal(node);
        let Some(value) = plain else {
            let problem = Diagnostic::error(
                Code("RB0241"),
                "a written `for_each` holds values, not expressions",
            );
            self.problems.push(
                problem
                    .at(node.span, "here")
                    .help("make the whole of it one expression, or an input"),
            );
            return None;
        };
        let text = value.to_json_exposing().to_string();
        let scalar = Scalar { text: text.as_str().into(), style: Style::Literal, span: node.span };
        self.expression(&text, &scalar, 0, scope, Sees::default())
    }

    /// A scalar that is one expression, with or without braces.
    pub(super) fn condition(
        &mut self,
        scalar: &Scalar,
        scope: ScopeId,
        sees: Sees,
    ) -> Option<ExpressionId> {
        if !scalar.text.contains("${{") {
            return self.expression(&scalar.text, scalar, 0, scope, sees);
        }
        match split(&scalar.text).as_deref() {
            Ok([Piece::Expression { text, start }]) => {
                self.expression(text, scalar, *start, scope, sees)
            }
            Ok(_) => {
                let problem = Diagnostic::error(
                    Code("RB0204"),
                    "one expression is expected, found text around it",
                );
                self.problems.push(problem.at(scalar.span, "this text"));
                None
            }
            Err(Unclosed::Expression(at)) => {
                self.unclosed(scalar, *at);
                None
            }
        }
    }

    pub(super) fn unclosed(&mut self, scalar: &Scalar, at: usize) {
        let source = self.text_of(scalar.span.file);
        let problem = Diagnostic::error(Code("RB0205"), "`${{` without `}}`");
        self.problems.push(
            problem
                .at(scalar.place(&source, at, at + 3), "begins here")
                .help("quote this expression: YAML ends plain text at `: `, ` #` and, inside `{}` or `[]`, at `,`"),
        );
    }

    pub(super) fn text_of(&self, file: FileId) -> Arc<str> {
        self.graph.sources.get(file).map_or_else(|| "".into(), |file| file.text.clone())
    }

    pub(super) fn expression(
        &mut self,
        text: &str,
        scalar: &Scalar,
        start: usize,
        scope: ScopeId,
        sees: Sees,
    ) -> Option<ExpressionId> {
        let source = self.text_of(scalar.span.file);
        let known = self.compiled.get(text).cloned();
        let (code, found) = if let Some(known) = known {
            known
        } else {
            let found = match references(text) {
                Ok(found) => found,
                Err(error) => {
                    let place = scalar.place(
                        &source,
                        start + error.range.0,
                        start + error.range.1.max(error.range.0 + 1),
                    );
                    let problem = Diagnostic::error(
                        Code("RB0201"),
                        format!("not an expression: {}", error.message),
                    );
                    self.problems.push(problem.at(place, "here"));
                    return None;
                }
            };
            let code = Runnable::default();
            // One path and nothing else is sound once it was parsed.
            let start = text.len() - text.trim_start().len();
            let whole = (start, start + text.trim().len());
            let is_path = matches!(found.paths.as_slice(), [only] if only.range == whole);
            if !is_path && let Err(error) = code.of(text) {
                let problem =
                    Diagnostic::error(Code("RB0201"), format!("not an expression: {error}"));
                self.problems.push(problem.at(scalar.span, "here"));
                return None;
            }
            let compiled = (Arc::new(code), Arc::new(found));
            self.compiled.insert(text.to_owned(), compiled.clone());
            compiled
        };
        let id = ExpressionId(u32::try_from(self.graph.programs.len()).unwrap_or(u32::MAX));
        self.graph.programs.push(Program {
            scope,
            text: text.to_owned(),
            scalar: scalar.clone(),
            source,
            start,
            code,
            references: found,
            direct: None,
            sees,
        });
        Some(id)
    }

    pub(super) fn template(&mut self, node: &Node, scope: ScopeId, sees: Sees) -> TemplateId {
        let part = self.part(node, scope, sees);
        self.push_template(part, scope, node.span)
    }

    pub(super) fn push_template(&mut self, root: Part, scope: ScopeId, span: Span) -> TemplateId {
        let id = TemplateId(u32::try_from(self.graph.templates.len()).unwrap_or(u32::MAX));
        self.graph.templates.push(Template { scope, root, span });
        id
    }

    pub(super) fn part(&mut self, node: &Node, scope: ScopeId, sees: Sees) -> Part {
        match &node.kind {
            NodeKind::Scalar(scalar) => self.scalar_part(scalar, scope, sees),
            NodeKind::Sequence(items) => {
                let parts: Vec<Part> =
                    items.iter().map(|item| self.part(item, scope, sees)).collect();
                if let Some(values) = all_literal(parts.iter()) {
                    return Part::Literal(Value::list(values));
                }
                Part::List(parts)
            }
            // A map keeps the places of its keys, since arguments are checked one by one.
            NodeKind::Mapping(entries) => Part::Map(
                entries
                    .iter()
                    .map(|entry| {
                        (entry.key.clone(), self.part(&entry.value, scope, sees), entry.key_span)
                    })
                    .collect(),
            ),
        }
    }

    pub(super) fn scalar_part(&mut self, scalar: &Scalar, scope: ScopeId, sees: Sees) -> Part {
        if !scalar.text.as_bytes().windows(2).any(|pair| pair == b"{{") {
            return Part::Literal(scalar.value());
        }
        let pieces = match split(&scalar.text) {
            Ok(pieces) => pieces,
            Err(Unclosed::Expression(at)) => {
                self.unclosed(scalar, at);
                return Part::Literal(Value::Null);
            }
        };
        if let [Piece::Expression { text, start }] = pieces.as_slice() {
            return match self.expression(text, scalar, *start, scope, sees) {
                Some(id) => Part::Expression(id),
                None => Part::Literal(Value::Null),
            };
        }
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    self.refuse_bare_braces(&text, scalar);
                    parts.push(TextPart::Text(text));
                }
                Piece::Expression { text, start } => {
                    parts.extend(
                        self.expression(&text, scalar, start, scope, sees)
                            .map(TextPart::Expression),
                    );
                }
            }
        }
        Part::Text(parts)
    }

    /// `{{ inputs.x }}` is meant to be `${{ inputs.x }}`; other braces are text (Helm, Go, Jinja).
    pub(super) fn refuse_bare_braces(&mut self, text: &str, scalar: &Scalar) {
        for (at, _) in text.match_indices("{{") {
            let inner = text.get(at + 2..).unwrap_or_default().trim_start();
            if ["inputs.", "tasks.", "each."].iter().any(|root| inner.starts_with(root)) {
                let problem = Diagnostic::error(
                    Code("RB0206"),
                    "`{{ … }}` is text here, an expression is `${{ … }}`",
                );
                self.problems.push(
                    problem.at(scalar.span, "in this text").help("write a `$` before the braces"),
                );
            }
        }
    }
}

fn all_literal<'p>(parts: impl Iterator<Item = &'p Part>) -> Option<Vec<Value>> {
    parts
        .map(|part| if let Part::Literal(value) = part { Some(value.clone()) } else { None })
        .collect()
}

fn literal(node: &Node) -> Option<Value> {
    match &node.kind {
        NodeKind::Scalar(scalar) if scalar.text.contains("${{") => None,
        NodeKind::Scalar(scalar) => Some(scalar.value()),
        NodeKind::Sequence(items) => {
            Some(Value::list(items.iter().map(literal).collect::<Option<Vec<_>>>()?))
        }
        NodeKind::Mapping(entries) => Some(Value::map(
            entries
                .iter()
                .map(|entry| Some((entry.key.clone(), literal(&entry.value)?)))
                .collect::<Option<Vec<_>>>()?,
        )),
    }
}
