//! Which lines a plan has: what is alike in one call shares a line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::{IndexMap, IndexSet};
use runbook_core::plan::{Kind, PlannedField, PlannedTask};

use super::{is_check, words};
use crate::style::Meaning;
use crate::view::value;

/// So many creations of one module in one call share a line.
const ALIKE: usize = 3;
/// What takes longer has a line of its own.
const LONG: Duration = Duration::from_mins(1);
/// More lines of deferred tasks than this in one call become one.
const DEFERRED_LINES: usize = 3;

/// One line, with what stands below it.
pub(super) struct Row {
    /// The call, or the task itself when it is the root's.
    pub(super) group: String,
    pub(super) sign: &'static str,
    pub(super) meaning: Meaning,
    pub(super) module: String,
    pub(super) subject: String,
    pub(super) detail: String,
    pub(super) expected: String,
    /// Fields and reasons.
    pub(super) below: Vec<String>,
}

/// The sign of a kind, and what it means.
pub(super) fn sign(kind: Kind) -> (&'static str, Meaning) {
    match kind {
        Kind::Create => ("+", Meaning::Good),
        Kind::Update => ("~", Meaning::Changed),
        Kind::Replace => ("-/+", Meaning::Bad),
        Kind::Delete => ("-", Meaning::Bad),
        Kind::Wait => ("◔", Meaning::Waiting),
        Kind::Conditional => ("?", Meaning::Waiting),
        Kind::Expands | Kind::Deferred => ("…", Meaning::Waiting),
        Kind::NoChange => ("✓", Meaning::Good),
        Kind::Skipped => ("↷", Meaning::Quiet),
    }
}

/// The call of a task, or its own id at the root.
pub(super) fn group(address: &str) -> &str {
    // Keys may hold slashes: the last part begins after the last slash outside of quotes.
    let mut quoted = false;
    let mut escaped = false;
    let mut cut = None;
    for (at, one) in address.char_indices() {
        match one {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '/' if !quoted => cut = Some(at),
            _ => {}
        }
    }
    cut.and_then(|at| address.get(..at)).unwrap_or(address)
}

/// All lines, by call, in the order in which calls first appear.
pub(super) fn rows(tasks: &[PlannedTask]) -> Vec<Row> {
    let mut groups: IndexMap<&str, Vec<&PlannedTask>> = IndexMap::new();
    for task in tasks.iter().filter(|task| !matches!(task.kind, Kind::NoChange | Kind::Skipped)) {
        groups.entry(group(&task.address)).or_insert_with(|| Vec::with_capacity(1)).push(task);
    }
    let mut rows = Vec::new();
    for (name, members) in groups {
        let first = rows.len();
        let (open, now): (Vec<&PlannedTask>, Vec<&PlannedTask>) =
            members.into_iter().partition(|task| is_later(task));
        rows.extend(now_rows(&now));
        rows.extend(later_rows(&open));
        for row in &mut rows[first..] {
            name.clone_into(&mut row.group);
        }
    }
    rows
}

fn is_later(task: &PlannedTask) -> bool {
    matches!(task.kind, Kind::Deferred | Kind::Expands)
}

/// What is done now: creations that are many of a kind share a line.
fn now_rows(tasks: &[&PlannedTask]) -> Vec<Row> {
    let mut by_module: BTreeMap<&str, usize> = BTreeMap::new();
    for task in tasks.iter().filter(|task| is_plain_creation(task)) {
        *by_module.entry(task.module.as_str()).or_default() += 1;
    }
    let mut rows = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for task in tasks {
        let many = is_plain_creation(task)
            && by_module.get(task.module.as_str()).is_some_and(|number| *number >= ALIKE);
        if !many {
            rows.push(one(task));
        } else if !told.contains(&task.module.as_str()) {
            told.push(&task.module);
            let alike: Vec<&PlannedTask> = tasks
                .iter()
                .filter(|other| is_plain_creation(other) && other.module == task.module)
                .copied()
                .collect();
            rows.push(together(&alike));
        }
    }
    rows
}

/// A creation of which its line says everything, and that nobody waits for.
fn is_plain_creation(task: &PlannedTask) -> bool {
    task.kind == Kind::Create && task.reasons.is_empty() && task.expected < LONG
}

/// What is done later: alike ones share a line, and many of them do too.
fn later_rows(tasks: &[&PlannedTask]) -> Vec<Row> {
    let (checks, work): (Vec<&PlannedTask>, Vec<&PlannedTask>) =
        tasks.iter().copied().partition(|task| is_check(task));
    let mut by_module: IndexMap<&str, Vec<&PlannedTask>> = IndexMap::new();
    for task in work {
        by_module.entry(&task.module).or_default().push(task);
    }
    let mut rows: Vec<Row> = if by_module.len() > DEFERRED_LINES {
        let all: Vec<&PlannedTask> = by_module.into_values().flatten().collect();
        vec![counted(&all, "task")]
    } else {
        by_module.values().map(|alike| together(alike)).collect()
    };
    if !checks.is_empty() {
        rows.push(counted(&checks, "check"));
    }
    rows
}

fn one(task: &PlannedTask) -> Row {
    let (sign, meaning) = sign(task.kind);
    let mut below: Vec<String> = match task.kind {
        Kind::Update | Kind::Replace => task.fields.iter().flat_map(field).collect(),
        _ => Vec::new(),
    };
    let mut detail = words::one_line(&task.detail);
    match task.kind {
        Kind::Wait => detail = words::one_line(&task.reasons.join(", ")),
        Kind::Conditional => {
            detail = join(&detail, &join("if its condition holds", &after(&[task])));
        }
        _ => below.extend(task.reasons.iter().map(|reason| words::one_line(reason))),
    }
    Row {
        group: String::new(),
        sign,
        meaning,
        module: task.module.clone(),
        subject: words::one_line(&task.subject),
        detail,
        expected: words::expected(task.expected),
        below,
    }
}

/// Tasks of one module and kind in one line.
fn together(tasks: &[&PlannedTask]) -> Row {
    let mut row = one(tasks[0]);
    if tasks.len() > 1 {
        let subjects: Vec<String> =
            tasks.iter().map(|task| words::one_line(&task.subject)).collect();
        row.module = format!("{} {}", tasks.len(), row.module);
        row.subject = subjects.join(", ");
        let same = tasks.iter().all(|task| task.detail == tasks[0].detail);
        if !same {
            row.detail = String::new();
        }
        row.expected = longest(tasks);
    }
    if tasks[0].kind == Kind::Expands {
        row.detail = join(&row.detail, &format!("for each key, known {}", after(tasks)));
    } else if is_later(tasks[0]) {
        row.detail = join(&row.detail, &after(tasks));
    }
    row
}

/// `7 tasks` or `3 checks`, and what they wait for.
fn counted(tasks: &[&PlannedTask], noun: &str) -> Row {
    let (sign, meaning) = sign(Kind::Deferred);
    let modules: IndexSet<&str> = tasks.iter().map(|task| task.module.as_str()).collect();
    let modules: Vec<&str> = modules.into_iter().collect();
    Row {
        group: String::new(),
        sign,
        meaning,
        module: words::count(tasks.len(), noun),
        subject: modules.join(", "),
        detail: after(tasks),
        expected: longest(tasks),
        below: Vec::new(),
    }
}

fn longest(tasks: &[&PlannedTask]) -> String {
    words::expected(tasks.iter().map(|task| task.expected).max().unwrap_or(Duration::ZERO))
}

/// What tasks wait for: whose outputs they read, else (they look at the effect of others) what
/// they come after.
pub(super) fn after(tasks: &[&PlannedTask]) -> String {
    let among: BTreeSet<&str> = tasks.iter().map(|task| task.address.as_str()).collect();
    let collect = |of: fn(&PlannedTask) -> &Vec<String>| -> IndexSet<&str> {
        let names = tasks.iter().flat_map(|task| of(task)).map(String::as_str);
        names.filter(|name| !among.contains(name)).collect()
    };
    let mut names = collect(|task| &task.waits_for);
    if names.is_empty() {
        names = collect(|task| &task.needs);
    }
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("after {}", words::some(names, 1)),
    }
}

fn join(left: &str, right: &str) -> String {
    match (left.is_empty(), right.is_empty()) {
        (true, _) => right.to_owned(),
        (_, true) => left.to_owned(),
        _ => format!("{left} · {right}"),
    }
}

/// `size: 1 → 2`, and why it cannot be changed in place.
pub(super) fn field(field: &PlannedField) -> Vec<String> {
    let side = |value: &Option<serde_json::Value>| {
        value.as_ref().map_or_else(|| "(none)".to_owned(), value::masked)
    };
    let mut lines = vec![format!(
        "{}: {} → {}",
        words::one_line(&field.path),
        side(&field.before),
        side(&field.after)
    )];
    if let Some(why) = &field.forces_replace {
        lines.push(format!("  forces a replacement: {}", words::one_line(why)));
    }
    lines
}
