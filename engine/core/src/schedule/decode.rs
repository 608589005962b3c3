//! From `schedule:` to schedules, with every problem at its place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::{CatchUp, Cron, Fold, Gap, Mode, Overlap, Policy, Schedule, Zone};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::document::InputDeclaration;
use crate::graph::Refused;
use crate::shape::{self, CATCH_UP, DST, SCHEDULE, suggest};
use crate::source::{Sources, Span};
use crate::value::{Value, duration};
use crate::yaml::{self, Entry, Node, NodeKind, Scalar, Style};

/// The schedules of a runbook's text. Its inputs need not be given yet: each schedule gives its own.
pub fn read(name: &str, text: &str) -> Result<Vec<Schedule>, Box<Refused>> {
    let mut sources = Sources::default();
    let file = sources.add(name.to_owned(), text);
    let (root, mut problems) = yaml::parse(file, text);
    let document = root.and_then(|root| crate::document::decode(file, &root, &mut problems));
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Box::new(Refused { problems, sources }));
    }
    Ok(document.map(|document| document.schedules).unwrap_or_default())
}

/// Decodes the entries of `schedule`.
pub(crate) fn decode(node: &Node, problems: &mut Vec<Diagnostic>) -> Vec<Schedule> {
    let NodeKind::Sequence(items) = &node.kind else { return Vec::new() };
    let schedules: Vec<Schedule> =
        items.iter().filter_map(|item| schedule(item, problems)).collect();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for one in &schedules {
        if let Some(first) = seen.insert(one.identity(""), one.span) {
            problems.push(
                Diagnostic::error(Code("RB0133"), "the same schedule stands twice")
                    .at(one.span, "again here")
                    .and_at(first, "first here")
                    .help("two entries differ in cron, timezone, mode or inputs"),
            );
        }
    }
    schedules
}

fn schedule(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<Schedule> {
    let entries = shape::check(node, SCHEDULE, "a schedule", problems);
    let (cron, zone) = (cron(node, problems), zone(node, problems));
    let is_whole = cron.is_some() && zone.is_some();
    let mut one = Schedule {
        // What else is wrong is told, too.
        cron: cron.or_else(|| Cron::parse("* * * * *").ok())?,
        zone: zone.or_else(|| Zone::named("UTC").ok())?,
        mode: Mode::default(),
        gap: Gap::default(),
        fold: Fold::default(),
        overlap: Overlap::default(),
        catch_up: CatchUp::default(),
        jitter: Duration::ZERO,
        pause_after_failures: None,
        inputs: BTreeMap::new(),
        span: Span { end: node.span.start + 1, ..node.span },
        input_spans: BTreeMap::new(),
    };
    for (key, entry) in entries {
        set(&mut one, key.name, &entry.value, problems);
    }
    is_whole.then_some(one)
}

fn text(node: &Node) -> &str {
    node.scalar().map_or("", |scalar| &scalar.text)
}

fn cron(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<Cron> {
    let scalar = node.get("cron")?.value.scalar()?;
    match Cron::parse(&scalar.text) {
        Ok(cron) => Some(cron),
        Err(wrong) => {
            let code = if wrong.never { Code("RB0131") } else { Code("RB0130") };
            let label = if wrong.never { "never" } else { "not a cron expression" };
            let mut problem =
                Diagnostic::error(code, wrong.message).at(part(scalar, wrong.range), label);
            if let Some(help) = wrong.help {
                problem = problem.help(help);
            }
            problems.push(problem);
            None
        }
    }
}

fn zone(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<Zone> {
    let scalar = node.get("timezone")?.value.scalar()?;
    match Zone::named(&scalar.text) {
        Ok(zone) => Some(zone),
        Err(none) => {
            let help = none.meant.as_ref().map_or_else(
                || "a name of the IANA database, such as `Asia/Seoul` or `UTC`".to_owned(),
                |name| format!("did you mean `{name}`?"),
            );
            let problem = Diagnostic::error(Code("RB0132"), none.to_string());
            problems.push(problem.at(scalar.span, "not a time zone").help(help));
            None
        }
    }
}

/// Where a part of a scalar stands, when its text is in the file as it is; else the whole of it.
fn part(scalar: &Scalar, range: Range<usize>) -> Span {
    let quotes = match scalar.style {
        Style::Plain => 0,
        Style::SingleQuoted | Style::DoubleQuoted => 1,
        Style::Literal | Style::Folded => return scalar.span,
    };
    let width = (scalar.span.end - scalar.span.start) as usize;
    if width != scalar.text.len() + 2 * quotes {
        return scalar.span;
    }
    let byte =
        |at: usize| scalar.span.start.saturating_add(u32::try_from(at + quotes).unwrap_or(0));
    Span { start: byte(range.start), end: byte(range.end.max(range.start + 1)), ..scalar.span }
}

fn set(one: &mut Schedule, key: &str, node: &Node, problems: &mut Vec<Diagnostic>) {
    match key {
        "mode" if text(node) == "apply" => one.mode = Mode::Apply,
        "dst" => dst(one, node, problems),
        "overlap" => {
            one.overlap = match text(node) {
                "buffer_one" => Overlap::BufferOne,
                "buffer_all" => Overlap::BufferAll,
                "cancel_other" => Overlap::CancelOther,
                "allow_all" => Overlap::AllowAll,
                _ => Overlap::Skip,
            };
        }
        "catch_up" => catch_up(one, node, problems),
        "jitter" => one.jitter = duration(text(node)).unwrap_or_default(),
        "pause_after_failures" => one.pause_after_failures = count(node),
        "inputs" => {
            for entry in entries(node) {
                one.inputs.insert(entry.key.clone(), crate::document::plain(&entry.value));
                one.input_spans.insert(entry.key.clone(), entry.key_span);
            }
        }
        _ => {}
    }
}

fn entries(node: &Node) -> &[Entry] {
    if let NodeKind::Mapping(entries) = &node.kind { entries } else { &[] }
}

fn count(node: &Node) -> Option<u32> {
    match node.scalar()?.value() {
        Value::Integer(number) => u32::try_from(number).ok(),
        _ => None,
    }
}

fn dst(one: &mut Schedule, node: &Node, problems: &mut Vec<Diagnostic>) {
    for (key, entry) in shape::check(node, DST, "`dst`", problems) {
        match (key.name, text(&entry.value)) {
            ("gap", "skip") => one.gap = Gap::Skip,
            ("gap", "run_before") => one.gap = Gap::RunBefore,
            ("fold", "second") => one.fold = Fold::Second,
            ("fold", "both") => one.fold = Fold::Both,
            _ => {}
        }
    }
}

fn catch_up(one: &mut Schedule, node: &Node, problems: &mut Vec<Diagnostic>) {
    for (key, entry) in shape::check(node, CATCH_UP, "`catch_up`", problems) {
        let value = &entry.value;
        match key.name {
            "window" => one.catch_up.window = duration(text(value)).unwrap_or_default(),
            "max" => one.catch_up.max = count(value).map_or(1, |max| max as usize),
            _ => {
                one.catch_up.policy = match text(value) {
                    "all" => Policy::All,
                    "none" => Policy::None,
                    _ => Policy::Last,
                };
            }
        }
    }
}

/// Whether the inputs of schedules are those that the runbook declares.
pub(crate) fn inputs_fit(
    schedules: &[Schedule],
    declared: &[InputDeclaration],
    problems: &mut Vec<Diagnostic>,
) {
    for one in schedules {
        for (name, value) in &one.inputs {
            let span = one.input_spans.get(name).copied().unwrap_or(one.span);
            let Some(declaration) = declared.iter().find(|input| input.name == *name) else {
                let message = format!("the runbook declares no input `{name}`");
                let mut problem =
                    Diagnostic::error(Code("RB0134"), message).at(span, "not declared");
                let names = declared.iter().map(|input| input.name.as_str());
                if let Some(name) = suggest(name, names) {
                    problem = problem.help(format!("did you mean `{name}`?"));
                }
                problems.push(problem);
                continue;
            };
            let wrong = if declaration.sensitive {
                Some("is sensitive, and has no place in a file".to_owned())
            } else {
                declaration.check(value).err()
            };
            if let Some(wrong) = wrong {
                problems.push(
                    Diagnostic::error(Code("RB0134"), format!("the input `{name}` {wrong}"))
                        .at(span, "given here")
                        .and_at(declaration.span, format!("declared here: {}", declaration.r#type)),
                );
            }
        }
        for input in declared {
            if input.default.is_none() && !one.inputs.contains_key(&input.name) {
                let message = format!("a schedule leaves the input `{}` open", input.name);
                problems.push(
                    Diagnostic::error(Code("RB0135"), message)
                        .at(one.span, "nobody is there to give it")
                        .and_at(input.span, "declared here, without a default")
                        .help(format!(
                            "`inputs: {{{}: …}}` in the schedule, or a default",
                            input.name
                        )),
                );
            }
        }
    }
}
