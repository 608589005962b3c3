//! What a rule may cost.
//!
//! The interpreter cannot be stopped, so a rule is not begun whose worst case on the given value is
//! beyond what the apiserver lets a rule cost. The worst case follows from the shape of the rule
//! (how deep its loops stand in one another, how often they can make a text or list grow) and from
//! the size of the value.

use cel::Value as CelValue;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use serde_json::Value;

/// The apiserver's limit of one call.
const MOST_WORK: u64 = 1_000_000;
/// The largest text or list a rule may be able to make.
const MOST_BYTES: u64 = 16 << 20;
/// How deep an expression may be: the interpreter calls itself per level.
const MOST_DEPTH: usize = 200;
/// Bytes that are compared as fast as one part of a rule is evaluated.
const COMPARED: u64 = 4096;
/// A pattern is compiled whenever it is used.
const PATTERN: u64 = 200;

/// The shape of a rule.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shape {
    nodes: u64,
    loops: u32,
    depth: usize,
    /// How many times a value can double.
    doublings: u32,
    /// How many times a value's size can be multiplied by another's.
    products: u32,
}

/// The size of a value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    longest: u64,
    bytes: u64,
}

impl Extent {
    pub(super) fn of(value: &Value) -> Self {
        let children = |length: usize, inner: &mut dyn Iterator<Item = &Value>| {
            let start = Self { longest: length as u64, bytes: length as u64 };
            inner.map(Self::of).fold(start, Self::and)
        };
        match value {
            Value::Array(items) => children(items.len(), &mut items.iter()),
            Value::Object(entries) => {
                let mut whole = children(entries.len(), &mut entries.values());
                whole.bytes += entries.keys().map(|name| name.len() as u64).sum::<u64>();
                whole
            }
            Value::String(text) => Self { longest: 1, bytes: text.len() as u64 + 1 },
            _ => Self { longest: 1, bytes: 8 },
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { longest: self.longest.max(other.longest), bytes: self.bytes + other.bytes }
    }
}

impl Shape {
    pub(super) fn of(expression: &IdedExpr) -> Self {
        let mut shape = Self::default();
        shape.visit(expression, 0, 1);
        shape
    }

    pub(super) fn is_too_deep(&self) -> bool {
        self.depth > MOST_DEPTH
    }

    /// The worst case on a value of that size; none when it is beyond the limits.
    pub(super) fn cost(&self, extent: Extent) -> Option<u64> {
        let grown = |size: u64| {
            let doubled = size.max(1).checked_shl(self.doublings)?;
            (doubled >> self.doublings == size.max(1)).then_some(())?;
            (0..self.products).try_fold(doubled, |size, _| size.checked_mul(size))
        };
        // A text in the rule is part of what it works on; rules are short.
        grown(extent.bytes.max(64)).filter(|bytes| *bytes <= MOST_BYTES)?;
        let rounds = grown(extent.longest)?.checked_pow(self.loops)?;
        // A round may compare all of the value.
        let round = 1 + extent.bytes / COMPARED;
        self.nodes.checked_mul(rounds)?.checked_mul(round).filter(|work| *work <= MOST_WORK)
    }

    fn visit(&mut self, expression: &IdedExpr, loops: u32, depth: usize) {
        self.nodes += 1;
        self.loops = self.loops.max(loops);
        self.depth = self.depth.max(depth);
        // What is refused for its depth need not be known further.
        if self.is_too_deep() {
            return;
        }
        if let Expr::Call(call) = &expression.expr {
            self.call(call, loops);
        }
        if let Expr::Comprehension(one) = &expression.expr {
            self.visit(&one.iter_range, loops, depth + 1);
            for inner in [&one.accu_init, &one.loop_cond, &one.loop_step, &one.result] {
                self.visit(inner, loops + 1, depth + 1);
            }
            return;
        }
        for inner in parts(expression) {
            self.visit(inner, loops, depth + 1);
        }
    }

    fn call(&mut self, call: &CallExpr, loops: u32) {
        let literal = |one: &IdedExpr| matches!(one.expr, Expr::Literal(_) | Expr::List(_));
        match call.func_name.as_str() {
            // The interpreter's own loops collect by `@result + [x]`.
            operators::ADD if loops > 0 && !call.args.iter().any(literal) => self.doublings += 1,
            operators::ADD if loops > 0 && !call.args.iter().any(collects) => self.doublings += 1,
            "matches" | "find" | "findAll" => self.nodes += PATTERN,
            "replace" | "join" | "format" => match call.args.iter().filter_map(length).max() {
                Some(longest) if call.args.iter().all(|one| length(one).is_some()) => {
                    self.doublings += if longest > 1 { longest.ilog2() + 1 } else { 0 };
                }
                _ if call.func_name == "format" && loops == 0 => self.doublings += 1,
                _ => self.products += 1,
            },
            _ => {}
        }
    }
}

/// The name under which a loop collects.
fn collects(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name.starts_with('@'))
}

/// The length of a literal text.
fn length(expression: &IdedExpr) -> Option<usize> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().len()),
        Expr::Literal(_) => Some(1),
        _ => None,
    }
}

/// The expressions within an expression.
pub(super) fn parts(expression: &IdedExpr) -> Vec<&IdedExpr> {
    match &expression.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(one) => {
            vec![&one.iter_range, &one.accu_init, &one.loop_cond, &one.loop_step, &one.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Struct(made) => {
            made.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect()
        }
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// A value in an error's text, cut where it would fill a screen.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whether a rule said yes.
pub(super) fn verdict(value: &CelValue) -> Option<bool> {
    if let CelValue::Bool(verdict) = value { Some(*verdict) } else { None }
}
