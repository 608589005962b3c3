//! From nodes to a document.

use super::inputs::{bad_name, input, is_name, plain};
use super::{Declared, Document, Named, TaskDeclaration, Uses};
use crate::connection::Kind;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Poll, Retry};
use crate::schedule;
use crate::shape::{self, CHECK, POLL, RETRY, RUNBOOK, TASK};
use crate::source::{FileId, Span};
use crate::value::{Value, duration};
use crate::yaml::{Entry, Node, NodeKind, Scalar};

/// Words of the expression language, which cannot name a task.
const KEYWORDS: [&str; 12] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "loop", "self"];

/// Decodes a file. The document is there whenever the file is a map, with what was right in it, so
/// that later stages can report their problems together with these.
pub fn decode(file: FileId, root: &Node, problems: &mut Vec<Diagnostic>) -> Option<Document> {
    let entries = shape::check(root, RUNBOOK, "a runbook", problems);
    if entries.is_empty() {
        return None;
    }
    let mut document = Document {
        file,
        name: String::new(),
        description: String::new(),
        inputs: Vec::new(),
        connections: Vec::new(),
        tasks: Vec::new(),
        outputs: Vec::new(),
        schedules: Vec::new(),
    };
    for (key, entry) in entries {
        let node = &entry.value;
        match key.name {
            "apiVersion" => version(node, problems),
            "name" => document.name = text(node),
            "description" => document.description = text(node),
            "requires" => requires(node, problems),
            "inputs" => {
                document.inputs = map(node).iter().filter_map(|one| input(one, problems)).collect();
            }
            "schedule" => document.schedules = schedule::decode(node, problems),
            "connections" => {
                document.connections =
                    map(node).iter().filter_map(|one| connection(one, problems)).collect();
            }
            "tasks" => {
                let tasks = list(node);
                document.tasks.reserve(tasks.len());
                document.tasks.extend(tasks.iter().filter_map(|one| task(one, problems)));
            }
            "outputs" => {
                document.outputs = map(node)
                    .iter()
                    .map(|one| Declared {
                        name: one.key.clone(),
                        span: one.key_span,
                        kind: (),
                        node: one.value.clone(),
                    })
                    .collect();
            }
            _ => {}
        }
    }
    schedule::inputs_fit(&document.schedules, &document.inputs, problems);
    duplicates(&document, problems);
    Some(document)
}

fn text(node: &Node) -> String {
    node.scalar().map(|scalar| scalar.text.to_string()).unwrap_or_default()
}

fn map(node: &Node) -> &[Entry] {
    if let NodeKind::Mapping(entries) = &node.kind { entries } else { &[] }
}

fn list(node: &Node) -> &[Node] {
    if let NodeKind::Sequence(items) = &node.kind { items } else { &[] }
}

fn version(node: &Node, problems: &mut Vec<Diagnostic>) {
    let found = text(node);
    if found != "runbook/v1" {
        problems.push(
            Diagnostic::error(
                Code("RB0120"),
                format!("the language version `{found}` is not known"),
            )
            .at(node.span, "not known")
            .help("write `apiVersion: runbook/v1`"),
        );
    }
}

/// `requires: {runbook: ">=0.1"}`
fn requires(node: &Node, problems: &mut Vec<Diagnostic>) {
    for entry in map(node) {
        let wanted = text(&entry.value);
        let number = wanted.trim_start_matches(">=").trim();
        let parts = |version: &str| -> Option<Vec<u64>> {
            version.split('.').map(|part| part.parse().ok()).collect()
        };
        let ours = parts(env!("CARGO_PKG_VERSION")).unwrap_or_default();
        let message = match (entry.key.as_str(), wanted.starts_with(">="), parts(number)) {
            ("runbook", true, Some(least)) if least <= ours => continue,
            ("runbook", true, Some(_)) => {
                format!(
                    "this runbook requires `{wanted}`, the program is {}",
                    env!("CARGO_PKG_VERSION")
                )
            }
            ("runbook", ..) => format!("`{wanted}` is not a requirement such as `>=0.1`"),
            (other, ..) => format!("`{other}` cannot be required"),
        };
        problems
            .push(Diagnostic::error(Code("RB0121"), message).at(entry.value.span, "required here"));
    }
}

fn connection(entry: &Entry, problems: &mut Vec<Diagnostic>) -> Option<Declared<Kind>> {
    const AWS: [&str; 4] = ["region", "profile", "role_arn", "expected_account"];
    const KUBERNETES: [&str; 3] = ["eks_cluster", "kubeconfig", "context"];
    let keys: Vec<&Entry> = map(&entry.value).iter().collect();
    let given = map(&entry.value).iter().find(|one| one.key == "kind").map(|one| text(&one.value));
    let kind = match given.as_deref().unwrap_or(&entry.key) {
        "aws" => Kind::Aws,
        "kubernetes" => Kind::Kubernetes,
        other => {
            problems.push(
                Diagnostic::error(Code("RB0122"), format!("`{other}` is not a kind of connection"))
                    .at(entry.key_span, "not a kind")
                    .help("name it `aws` or `kubernetes`, or say `kind: aws` in it"),
            );
            return None;
        }
    };
    let known: &[&str] = if kind == Kind::Aws { &AWS } else { &KUBERNETES };
    for one in keys.iter().filter(|one| one.key != "kind" && !known.contains(&one.key.as_str())) {
        let mut problem =
            Diagnostic::error(Code("RB0102"), format!("unknown key `{}` of a connection", one.key))
                .at(one.key_span, "not a key");
        if let Some(name) = shape::suggest(&one.key, known.iter().copied()) {
            problem = problem.help(format!("did you mean `{name}`?"));
        }
        problems.push(problem);
    }
    if kind == Kind::Kubernetes
        && !keys.iter().any(|one| matches!(one.key.as_str(), "eks_cluster" | "kubeconfig"))
    {
        problems.push(
            Diagnostic::error(
                Code("RB0123"),
                "a kubernetes connection has neither `eks_cluster` nor `kubeconfig`",
            )
            .at(entry.key_span, "this connection"),
        );
    }
    Some(Declared {
        name: entry.key.clone(),
        span: entry.key_span,
        kind,
        node: entry.value.clone(),
    })
}

fn named(node: &Node) -> Vec<Named> {
    list(node).iter().map(|item| Named { text: text(item), span: item.span }).collect()
}

fn task(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<TaskDeclaration> {
    let entries = shape::check(node, TASK, "a task", problems);
    let id = entries.iter().find(|(key, _)| key.name == "id").map(|(_, entry)| &entry.value)?;
    let uses = entries.iter().find(|(key, _)| key.name == "uses").map(|(_, entry)| &entry.value)?;
    let mut task = TaskDeclaration {
        id: text(id),
        id_span: id.span,
        uses: if is_file(&text(uses)) {
            Uses::Runbook(text(uses))
        } else {
            Uses::Module(text(uses))
        },
        uses_span: uses.span,
        with: None,
        needs: Vec::new(),
        after: Vec::new(),
        when: None,
        for_each: None,
        max_parallel: None,
        connection: None,
        connections: Vec::new(),
        retry: Retry::default(),
        retry_when: None,
        timeout: None,
        until: None,
        poll: None,
        locks: None,
        preconditions: Vec::new(),
        postconditions: Vec::new(),
        adopt: false,
        span: node.span,
    };
    check_id(&task, problems);
    for (key, entry) in entries {
        set(&mut task, key.name, &entry.value, problems);
    }
    Some(task)
}

fn check_id(task: &TaskDeclaration, problems: &mut Vec<Diagnostic>) {
    if KEYWORDS.contains(&task.id.as_str()) {
        problems.push(
            Diagnostic::error(Code("RB0115"), format!("`{}` cannot name a task", task.id))
                .at(task.id_span, "a word of the expression language"),
        );
    } else if !is_name(&task.id) {
        problems.push(bad_name(&task.id, task.id_span, "a task"));
    }
}

fn set(task: &mut TaskDeclaration, key: &str, node: &Node, problems: &mut Vec<Diagnostic>) {
    match key {
        "with" => task.with = Some(node.clone()),
        "needs" => task.needs = named(node),
        "after" => task.after = named(node),
        "when" => task.when = node.scalar().cloned(),
        "for_each" => task.for_each = Some(node.clone()),
        "max_parallel" => task.max_parallel = count(node),
        "connection" => task.connection = Some(Named { text: text(node), span: node.span }),
        "connections" => {
            task.connections = map(node)
                .iter()
                .map(|one| {
                    (one.key.clone(), Named { text: text(&one.value), span: one.value.span })
                })
                .collect();
        }
        "retry" => retry(task, node, problems),
        "timeout" => task.timeout = duration(&text(node)),
        "until" => task.until = node.scalar().cloned(),
        "poll" => task.poll = poll(node, problems),
        "locks" => task.locks = Some(node.clone()),
        "preconditions" => task.preconditions = checks(node, problems),
        "postconditions" => task.postconditions = checks(node, problems),
        "adopt" => task.adopt = plain(node) == Value::Boolean(true),
        _ => {}
    }
}

fn count(node: &Node) -> Option<u32> {
    match plain(node) {
        Value::Integer(number) => u32::try_from(number).ok(),
        _ => None,
    }
}

/// A factor or a part, in thousandths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a range that fits"
)]
fn thousandths(node: &Node) -> u32 {
    (plain(node).as_f64().unwrap_or(0.0).clamp(0.0, 1000.0) * 1000.0).round() as u32
}

fn retry(task: &mut TaskDeclaration, node: &Node, problems: &mut Vec<Diagnostic>) {
    for (key, entry) in shape::check(node, RETRY, "`retry`", problems) {
        let value = &entry.value;
        match key.name {
            "max_attempts" => task.retry.max_attempts = count(value).unwrap_or(1),
            "delay" => task.retry.delay = duration(&text(value)).unwrap_or(task.retry.delay),
            "max_delay" => {
                task.retry.max_delay = duration(&text(value)).unwrap_or(task.retry.max_delay);
            }
            "backoff" => task.retry.backoff_thousandths = thousandths(value),
            "jitter" => task.retry.jitter_thousandths = thousandths(value).min(1000),
            "when" => task.retry_when = value.scalar().cloned(),
            _ => {}
        }
    }
}

fn poll(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<Poll> {
    let mut poll = Poll {
        interval: std::time::Duration::from_secs(5),
        timeout: std::time::Duration::from_mins(10),
    };
    for (key, entry) in shape::check(node, POLL, "`poll`", problems) {
        let given = duration(&text(&entry.value))?;
        if key.name == "interval" {
            poll.interval = given.max(std::time::Duration::from_secs(1));
        } else {
            poll.timeout = given;
        }
    }
    Some(poll)
}

fn checks(node: &Node, problems: &mut Vec<Diagnostic>) -> Vec<(Scalar, Node)> {
    list(node)
        .iter()
        .filter_map(|item| {
            shape::check(item, CHECK, "a check", problems);
            let that = item.get("that")?.value.scalar()?.clone();
            Some((that, item.get("message")?.value.clone()))
        })
        .collect()
}

fn duplicates(document: &Document, problems: &mut Vec<Diagnostic>) {
    let mut seen: indexmap::IndexMap<&str, Span> = indexmap::IndexMap::new();
    for task in &document.tasks {
        if let Some(first) = seen.insert(&task.id, task.id_span) {
            problems.push(
                Diagnostic::error(Code("RB0116"), format!("the id `{}` stands twice", task.id))
                    .at(task.id_span, "again here")
                    .and_at(first, "first here"),
            );
        }
    }
}

/// Whether `uses` names a file: by its ending, or as a path.
fn is_file(uses: &str) -> bool {
    let ending = std::path::Path::new(uses).extension();
    uses.starts_with('.') || ending.is_some_and(|ending| ending == "yaml" || ending == "yml")
}
