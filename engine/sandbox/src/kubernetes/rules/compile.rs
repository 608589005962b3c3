//! From a rule's text to what can be evaluated.
//!
//! Texts are not trusted: they are bounded before the parser sees them, and the parser, which calls
//! itself for every level of an expression, runs on a thread with a large stack of its own. What
//! was compiled is remembered by its text.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cel::common::ast::{Expr, IdedExpr, LiteralValue, SourceInfo};

use super::bounds::{Shape, parts};
use super::functions;

/// The longest rule.
const MOST_TEXT: usize = 8 << 10;
/// The deepest brackets.
const MOST_BRACKETS: usize = 64;
/// Enough for the deepest expression that the longest rule can hold.
const STACK: usize = 256 << 20;
/// How many texts are remembered, before all are forgotten.
const MOST_REMEMBERED: usize = 2048;

/// A rule that can be evaluated.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) expression: IdedExpr,
    pub(super) uses_old: bool,
    pub(super) shape: Shape,
    source: SourceInfo,
}

impl Compiled {
    /// An error at a part of the rule.
    pub(super) fn at(&self, id: u64, why: &str) -> String {
        at(&self.source, id, why)
    }
}

/// The rule, or why it is none, in the words of the apiserver.
pub(super) type Outcome = Result<Arc<Compiled>, String>;

/// Compiles a rule, once.
pub(super) fn compile(text: &str) -> Outcome {
    static REMEMBERED: LazyLock<Mutex<BTreeMap<String, Outcome>>> = LazyLock::new(Mutex::default);
    let remembered = || REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(outcome) = remembered().get(text) {
        return outcome.clone();
    }
    let outcome = apart(text);
    let mut remembered = remembered();
    if remembered.len() >= MOST_REMEMBERED {
        remembered.clear();
    }
    remembered.insert(text.to_owned(), outcome.clone());
    outcome
}

/// Compiles on a thread of its own.
fn apart(text: &str) -> Outcome {
    if text.len() > MOST_TEXT {
        return Err(format!("the sandbox takes rules of at most {MOST_TEXT} bytes"));
    }
    if brackets(text) > MOST_BRACKETS {
        return Err(format!("the sandbox takes rules with at most {MOST_BRACKETS} open brackets"));
    }
    let owned = text.to_owned();
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || parse(&owned));
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(outcome)) => outcome.map(Arc::new),
        Ok(Err(_)) => Err("the parser gave up".to_owned()),
        Err(error) => Err(format!("the parser was not started: {error}")),
    }
}

/// How many brackets are open at once; those in texts count too, which only rules of brackets feel.
fn brackets(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut most = 0;
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

fn parse(text: &str) -> Result<Compiled, String> {
    let environment = functions::environment().map_err(ToString::to_string)?;
    let parsed = environment.parser().parse_with_source_info(text);
    let (expression, source) =
        parsed.map_err(|errors| errors.to_string().replace("\n|", "\n |"))?;
    let shape = Shape::of(&expression);
    if shape.is_too_deep() {
        return Err("the sandbox takes no rules so deep".to_owned());
    }
    let mut scope = vec!["self", "oldSelf"];
    let mut found = Vec::new();
    undeclared(&expression, &mut scope, &mut found);
    if let Some((id, name)) = found.first() {
        let why = format!("undeclared reference to '{name}' (in container '')");
        return Err(at(&source, *id, &why));
    }
    if let Some((id, zone)) = named_zone(&expression) {
        let why = format!("the sandbox knows UTC and offsets such as '+09:00', no zone '{zone}'");
        return Err(at(&source, id, &why));
    }
    let uses_old = expression.references().has_variable("oldSelf");
    Ok(Compiled { expression, uses_old, shape, source })
}

/// A time zone that is asked for by its name. The table of all of them is not compiled in; one that a
/// rule computes is an error when it is evaluated.
fn named_zone(expression: &IdedExpr) -> Option<(u64, &str)> {
    if let Expr::Call(call) = &expression.expr
        && call.target.is_some()
        && call.func_name.starts_with("get")
        && let [IdedExpr { id, expr: Expr::Literal(LiteralValue::String(zone)), .. }] =
            &call.args[..]
        && !zone.inner().contains(':')
        && !["", "UTC", "Etc/UTC"].contains(&zone.inner())
    {
        return Some((*id, zone.inner()));
    }
    parts(expression).into_iter().find_map(named_zone)
}

/// An error at a place of the text.
fn at(source: &SourceInfo, id: u64, why: &str) -> String {
    let start = source.offset_for(id).map_or(0, |(start, _)| start as usize);
    let before = source.source.get(..start).unwrap_or_default();
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let shown = source.source.lines().nth(line).unwrap_or_default();
    let dots = ".".repeat(column);
    format!("ERROR: <input>:{}:{}: {why}\n | {shown}\n | {dots}^", line + 1, column + 1)
}

/// Names and functions that nothing declares, with where they stand.
fn undeclared<'text>(
    expression: &'text IdedExpr,
    scope: &mut Vec<&'text str>,
    found: &mut Vec<(u64, String)>,
) {
    match &expression.expr {
        Expr::Ident(name) if !scope.contains(&name.as_str()) && !functions::is_type(name) => {
            found.push((expression.id, name.clone()));
        }
        Expr::Struct(made) => found.push((expression.id, made.type_name.clone())),
        Expr::Call(call) => {
            let namespace = match call.target.as_deref().map(|target| &target.expr) {
                Some(Expr::Ident(name)) if !scope.contains(&name.as_str()) => Some(name),
                _ => None,
            };
            let qualified =
                namespace.map_or(call.func_name.clone(), |one| format!("{one}.{}", call.func_name));
            let target = call.target.as_deref().filter(|_| namespace.is_none());
            target.into_iter().chain(&call.args).for_each(|one| undeclared(one, scope, found));
            if !functions::knows(&qualified) {
                found.push((expression.id, qualified));
            }
        }
        Expr::Comprehension(one) => {
            undeclared(&one.iter_range, scope, found);
            let outer = scope.len();
            scope.extend([one.iter_var.as_str(), one.accu_var.as_str()]);
            scope.extend(one.iter_var2.as_deref());
            for inner in [&one.accu_init, &one.loop_cond, &one.loop_step, &one.result] {
                undeclared(inner, scope, found);
            }
            scope.truncate(outer);
        }
        _ => parts(expression).into_iter().for_each(|one| undeclared(one, scope, found)),
    }
}
