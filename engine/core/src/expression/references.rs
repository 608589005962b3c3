//! What an expression refers to, from its syntax tree.
//!
//! Every path is found with its place, in both branches of a conditional: the paths are the edges
//! of the graph, so they are known before anything runs. The only file that uses minijinja's
//! machinery.

use minijinja::machinery::ast::{self, Expr};
use minijinja::machinery::{Span as TokenSpan, parse_expr};

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// `.name` or `["name"]`.
    Name(String),
    /// `[0]`.
    Index(i64),
    /// `[expression]`: only known when evaluated.
    Computed,
}

/// A path such as `tasks.cluster.outputs.name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The first name.
    pub root: String,
    /// What follows.
    pub segments: Vec<Segment>,
    /// Bytes in the expression's text.
    pub range: (usize, usize),
    /// Whether it stands right before `| default(…)`.
    pub defaulted: bool,
}

/// A call of a function or a use of a filter or test.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// Function, filter or test.
    pub kind: UseKind,
    /// Its name.
    pub name: String,
    /// Bytes in the expression's text.
    pub range: (usize, usize),
    /// The arguments that are constants, by position.
    pub constants: Vec<Option<minijinja::Value>>,
    /// Paths of filters' operands, for `tasks.x | outputs('name')`.
    pub operand: Option<Path>,
}

/// What kind of thing is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseKind {
    /// `name(…)`
    Function,
    /// `| name`
    Filter,
    /// `is name`
    Test,
}

/// Everything that an expression refers to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct References {
    /// Paths, in order.
    pub paths: Vec<Path>,
    /// Functions, filters and tests, in order.
    pub uses: Vec<Use>,
}

/// A syntax error: what, and the byte at which it was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Bytes in the expression's text.
    pub range: (usize, usize),
}

/// Parses an expression and finds its references.
pub fn references(text: &str) -> Result<References, SyntaxError> {
    let parsed = parse_expr(text).map_err(|error| {
        let range = error.range().map_or((0, text.len()), |range| (range.start, range.end));
        let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        SyntaxError { message, range }
    })?;
    let mut found = References::default();
    walk(&parsed, &mut found);
    Ok(found)
}

fn range(span: TokenSpan) -> (usize, usize) {
    (span.start_offset as usize, span.end_offset as usize)
}

/// The path that the expression is, if it is nothing but one.
fn path(expression: &Expr<'_>) -> Option<Path> {
    match expression {
        Expr::Var(variable) => Some(Path {
            root: variable.id.to_owned(),
            segments: Vec::new(),
            range: range(variable.span()),
            defaulted: false,
        }),
        Expr::GetAttr(attribute) => {
            let mut path = path(&attribute.expr)?;
            path.segments.push(Segment::Name(attribute.name.to_owned()));
            path.range.1 = range(attribute.span()).1.max(path.range.1);
            Some(path)
        }
        Expr::GetItem(item) => {
            let mut path = path(&item.expr)?;
            path.segments.push(segment(&item.subscript_expr));
            path.range.1 = range(item.span()).1.max(path.range.1);
            Some(path)
        }
        _ => None,
    }
}

fn segment(subscript: &Expr<'_>) -> Segment {
    let Expr::Const(constant) = subscript else { return Segment::Computed };
    match (constant.value.as_str(), constant.value.as_i64()) {
        (Some(name), _) => Segment::Name(name.to_owned()),
        (_, Some(index)) => Segment::Index(index),
        _ => Segment::Computed,
    }
}

/// The subscripts inside a path are expressions of their own.
fn walk_subscripts(expression: &Expr<'_>, found: &mut References) {
    match expression {
        Expr::GetAttr(attribute) => walk_subscripts(&attribute.expr, found),
        Expr::GetItem(item) => {
            walk_subscripts(&item.expr, found);
            walk(&item.subscript_expr, found);
        }
        _ => {}
    }
}

fn walk(expression: &Expr<'_>, found: &mut References) {
    if let Some(path) = path(expression) {
        walk_subscripts(expression, found);
        found.paths.push(path);
        return;
    }
    match expression {
        Expr::Const(_) | Expr::Var(_) => {}
        Expr::Slice(slice) => {
            walk(&slice.expr, found);
            for part in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                walk(part, found);
            }
        }
        Expr::UnaryOp(operation) => walk(&operation.expr, found),
        Expr::BinOp(operation) => {
            walk(&operation.left, found);
            walk(&operation.right, found);
        }
        Expr::Compare(compare) => {
            walk(&compare.expr, found);
            for operation in &compare.ops {
                walk(&operation.expr, found);
            }
        }
        Expr::IfExpr(condition) => {
            walk(&condition.test_expr, found);
            walk(&condition.true_expr, found);
            if let Some(otherwise) = &condition.false_expr {
                walk(otherwise, found);
            }
        }
        Expr::Filter(filter) => walk_filter(filter, range(filter.span()), found),
        Expr::Test(test) => {
            walk(&test.expr, found);
            push_use(UseKind::Test, test.name, range(test.span()), &test.args, None, found);
        }
        Expr::GetAttr(attribute) => walk(&attribute.expr, found),
        Expr::GetItem(item) => {
            walk(&item.expr, found);
            walk(&item.subscript_expr, found);
        }
        Expr::Call(call) => walk_call(call, range(call.span()), found),
        Expr::List(list) => list.items.iter().for_each(|item| walk(item, found)),
        Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| walk(item, found)),
        Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|item| walk(item, found)),
    }
}

fn walk_filter(filter: &ast::Filter<'_>, at: (usize, usize), found: &mut References) {
    let mut operand = None;
    if let Some(inner) = &filter.expr {
        operand = path(inner);
        walk(inner, found);
        if matches!(filter.name, "default" | "d")
            && operand.is_some()
            && let Some(path) = found.paths.last_mut()
        {
            path.defaulted = true;
        }
    }
    push_use(UseKind::Filter, filter.name, at, &filter.args, operand, found);
}

fn walk_call(call: &ast::Call<'_>, at: (usize, usize), found: &mut References) {
    if let Expr::Var(function) = &call.expr {
        push_use(UseKind::Function, function.id, at, &call.args, None, found);
    } else {
        walk(&call.expr, found);
        push_use(UseKind::Function, "", at, &call.args, None, found);
    }
}

fn push_use(
    kind: UseKind,
    name: &str,
    range: (usize, usize),
    arguments: &[ast::CallArg<'_>],
    operand: Option<Path>,
    found: &mut References,
) {
    let mut constants = Vec::new();
    for argument in arguments {
        let (ast::CallArg::Pos(value)
        | ast::CallArg::PosSplat(value)
        | ast::CallArg::KwargSplat(value)
        | ast::CallArg::Kwarg(_, value)) = argument;
        constants.push(match (argument, value) {
            (ast::CallArg::Pos(_), Expr::Const(constant)) => Some(constant.value.clone()),
            _ => None,
        });
        walk(value, found);
    }
    found.uses.push(Use { kind, name: name.to_owned(), range, constants, operand });
}
