//! Rows of schemas, and reading arguments by them.

use jiff::Timestamp;
use runbook_core::module::{Argument, Output, Values};
use runbook_core::value::{Type, Value};

/// An optional argument.
pub(super) fn argument(name: &'static str, kind: Type, description: &'static str) -> Argument {
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
pub(super) fn required(name: &'static str, kind: Type, description: &'static str) -> Argument {
    Argument { required: true, ..argument(name, kind, description) }
}

/// A required argument that names the object.
pub(super) fn identity(name: &'static str, description: &'static str) -> Argument {
    Argument { identity: true, ..required(name, Type::String, description) }
}

/// An argument with a default.
pub(super) fn defaulted(
    name: &'static str,
    kind: Type,
    default: Value,
    description: &'static str,
) -> Argument {
    Argument { default: Some(default), ..argument(name, kind, description) }
}

/// An output.
pub(super) fn output(name: &'static str, kind: Type, description: &'static str) -> Output {
    Output { name, r#type: kind, volatile: false, secret: false, description }
}

/// An output that a write changes.
pub(super) fn volatile(name: &'static str, kind: Type, description: &'static str) -> Output {
    Output { volatile: true, ..output(name, kind, description) }
}

/// A list of texts.
pub(super) fn texts() -> Type {
    Type::List(Box::new(Type::String))
}

/// Text, when it is given and not empty.
pub(super) fn text<'a>(arguments: &'a Values, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A list of texts.
pub(super) fn list(arguments: &Values, name: &str) -> Vec<String> {
    let list = arguments.get(name).and_then(Value::as_list).unwrap_or_default();
    list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

/// The slot: the moment that a report is for.
pub(super) fn slot(arguments: &Values) -> Option<Timestamp> {
    text(arguments, "slot").and_then(|text| text.parse().ok())
}

/// A list of texts as a value.
pub(super) fn text_list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Value {
    Value::list(texts.into_iter().map(|text| Value::from(text.as_ref())))
}

/// Whether a name may stand in paths, keys and subjects.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 100
        && text.starts_with(|one: char| one.is_ascii_alphanumeric())
        && text.bytes().all(|one| one.is_ascii_alphanumeric() || b"._-".contains(&one))
}

/// The argument `slot`, of every task that is for a moment.
pub(super) fn slot_argument() -> Argument {
    Argument {
        identity: true,
        ..required(
            "slot",
            Type::String,
            "The moment that it is for: `${{ run.slot }}`. The window follows from it, not from the clock.",
        )
    }
}

/// What reports are made of and where they go: the arguments that all of them have behind their own.
pub(super) fn report_arguments() -> [Argument; 5] {
    [
        Argument {
            identity: true,
            ..argument("clusters", texts(), "Which clusters; without it all that were looked at.")
        },
        argument(
            "rules",
            Type::String,
            "Owners, shared cost, idle and budgets: the text of a rules file, as `${{ file('rules.yaml') }}`.",
        ),
        defaulted(
            "formats",
            texts(),
            text_list(["html", "csv", "json"]),
            "html, text, markdown, csv, json; the first one is the one to read.",
        ),
        destinations_argument(),
        argument(
            "restate",
            Type::Nullable(Box::new(Type::Any)),
            "When it is sent again: {until: month_close + 5d, threshold: 1%} or an amount such as $5.",
        ),
    ]
}

/// The argument `destinations`.
pub(super) fn destinations_argument() -> Argument {
    required(
        "destinations",
        Type::List(Box::new(Type::Any)),
        "Where it goes, each a map with `kind`: folder {path}, s3 {bucket, key}, webhook {url, format}, smtp {host, port, tls, from, to, user, password}. A webhook with an empty `url` is left out.",
    )
}

/// The outputs of a report.
pub(super) fn report_outputs(total: &'static str) -> Vec<Output> {
    vec![
        output("window", Type::String, "The window."),
        volatile("revision", Type::Integer, "The newest revision, from 1."),
        volatile("subject", Type::String, "One line."),
        volatile("summary", Type::String, "The table as text."),
        volatile("total", Type::Nullable(Box::new(Type::String)), total),
        volatile("delivered", texts(), "Each destination with what it said."),
    ]
}

/// What is wrong with the arguments that several tasks have.
pub(super) fn check(arguments: &Values) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    if let Some(name) = text(arguments, "name")
        && !is_name(name)
    {
        let problem = format!(
            "`{name}` is no name: it stands in paths, so letters, digits, `.`, `_` and `-`, at most 100"
        );
        problems.push(("name".to_owned(), problem));
    }
    if let Some(slot) = text(arguments, "slot")
        && slot.parse::<Timestamp>().is_err()
    {
        let problem = format!(
            "`{slot}` is no moment such as 2026-11-05T06:00:00Z; give `${{{{ run.slot }}}}`"
        );
        problems.push(("slot".to_owned(), problem));
    }
    problems
}
