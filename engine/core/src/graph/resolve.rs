//! Names: every path of every expression leads somewhere, every argument fits its module.

use super::template::{Part, Program, Template};
use super::{Graph, Member, ScopeId};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::TaskDeclaration;
use crate::expression::environment::{FILTERS, FUNCTIONS, OWN_FILTERS, TESTS};
use crate::expression::references::{Path, Segment, Use, UseKind};
use crate::module::Module;
use crate::shape::suggest;
use crate::value::{Type, Value};

/// Names with which a path may begin.
const ROOTS: [&str; 6] = ["inputs", "tasks", "each", "run", "self", "error"];
/// `run`'s fields.
const RUN: [&str; 3] = ["id", "slot", "changed"];
/// `error`'s fields.
const ERROR: [&str; 3] = ["code", "class", "message"];

/// Checks all programs.
pub(super) fn resolve(graph: &Graph, problems: &mut Vec<Diagnostic>) {
    for program in &graph.programs {
        let operands: Vec<(usize, usize)> = program
            .references
            .uses
            .iter()
            .filter(|one| {
                matches!(one.name.as_str(), "outputs" | "length" | "count" | "list" | "items")
            })
            .filter_map(|one| one.operand.as_ref().map(|operand| operand.range))
            .collect();
        for path in &program.references.paths {
            let whole = operands.contains(&path.range);
            if let Err(problem) = check_path(graph, program, path, whole) {
                problems.push(*problem);
            }
        }
        for one in &program.references.uses {
            if let Some(problem) = check_use(program, one) {
                problems.push(problem);
            }
        }
    }
}

type Checked = Result<(), Box<Diagnostic>>;

fn at(
    program: &Program,
    path: &Path,
    code: &'static str,
    message: String,
    label: &str,
) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(Code(code), message).at(program.place(path.range.0, path.range.1), label),
    )
}

fn check_path(graph: &Graph, program: &Program, path: &Path, whole: bool) -> Checked {
    let allowed = match path.root.as_str() {
        "inputs" => return check_input(graph, program, path),
        "tasks" => return check_task(graph, program, path, whole),
        "each" if program.sees.each => ["key", "value"].as_slice(),
        "self" if program.sees.own => ["outputs"].as_slice(),
        "error" if program.sees.error => ERROR.as_slice(),
        "run" => RUN.as_slice(),
        "each" => {
            return Err(at(
                program,
                path,
                "RB0214",
                "`each` has no meaning here".to_owned(),
                "outside of `for_each`",
            ));
        }
        "self" => {
            return Err(at(
                program,
                path,
                "RB0214",
                "`self` has no meaning here".to_owned(),
                "only in `until` and `postconditions`",
            ));
        }
        "error" => {
            return Err(at(
                program,
                path,
                "RB0214",
                "`error` has no meaning here".to_owned(),
                "only in `retry.when`",
            ));
        }
        other => {
            let mut problem =
                *at(program, path, "RB0210", format!("`{other}` is not a name"), "not a name");
            if graph.scope(program.scope).inputs.contains_key(other) {
                problem = problem.help(format!("did you mean `inputs.{other}`?"));
            } else if graph.scope(program.scope).members.contains_key(other) {
                problem = problem.help(format!("did you mean `tasks.{other}.outputs.…`?"));
            } else if let Some(name) = suggest(other, ROOTS.into_iter()) {
                problem = problem.help(format!("did you mean `{name}`?"));
            } else {
                problem = problem.help("a text is quoted: 'like this'");
            }
            return Err(Box::new(problem));
        }
    };
    match path.segments.first() {
        Some(Segment::Name(name)) if allowed.contains(&name.as_str()) => Ok(()),
        _ => {
            let names: Vec<String> =
                allowed.iter().map(|name| format!("`{}.{name}`", path.root)).collect();
            Err(at(
                program,
                path,
                "RB0215",
                format!("`{}` has {}", path.root, names.join(", ")),
                "this path",
            ))
        }
    }
}

fn check_input(graph: &Graph, program: &Program, path: &Path) -> Checked {
    let inputs = &graph.scope(program.scope).inputs;
    let Some(Segment::Name(name)) = path.segments.first() else {
        return Err(at(
            program,
            path,
            "RB0213",
            "an input is named, as in `inputs.region`".to_owned(),
            "here",
        ));
    };
    let Some(bound) = inputs.get(name) else {
        let mut problem = *at(
            program,
            path,
            "RB0212",
            format!("inputs.{name} is not declared"),
            "no input of this name",
        );
        if let Some(close) = suggest(name, inputs.keys().map(String::as_str)) {
            problem = problem.help(format!("did you mean `{close}`?"));
        }
        return Err(Box::new(problem));
    };
    if path.segments.len() == 1 {
        return Ok(());
    }
    check_members(program, path, &bound.declaration.r#type, 1, &format!("inputs.{name}"))
}

fn check_task(graph: &Graph, program: &Program, path: &Path, whole: bool) -> Checked {
    let scope = graph.scope(program.scope);
    let Some(Segment::Name(id)) = path.segments.first() else {
        let message = "a task is named, not computed: the graph is known before the run".to_owned();
        return Err(at(program, path, "RB0213", message, "here"));
    };
    let Some(member) = scope.members.get(id) else {
        let mut problem = *at(
            program,
            path,
            "RB0211",
            format!("tasks.{id} does not exist"),
            "no task of this id",
        );
        if let Some(close) = suggest(id, scope.members.keys().map(String::as_str)) {
            problem = problem.help(format!("did you mean `{close}`?"));
        }
        return Err(Box::new(problem));
    };
    let repeated = match member {
        Member::Task(vertex) => graph.vertex(*vertex).for_each.is_some(),
        Member::Call(call) => graph.scope(*call).for_each.is_some(),
    };
    let mut next = 1;
    if repeated {
        match path.segments.get(1) {
            None if whole => return Ok(()),
            Some(Segment::Name(name)) if name != "outputs" => next = 2,
            _ => {
                let problem = *at(
                    program,
                    path,
                    "RB0216",
                    format!("tasks.{id} is repeated"),
                    "which of them?",
                );
                return Err(Box::new(problem.help(format!(
                    "tasks.{id}[\"key\"].outputs.…, or all of them: tasks.{id} | outputs('name')"
                ))));
            }
        }
    }
    if path.segments.get(next) != Some(&Segment::Name("outputs".to_owned())) {
        let problem =
            *at(program, path, "RB0217", format!("tasks.{id} has only `outputs`"), "this path");
        return Err(Box::new(problem));
    }
    let Some(Segment::Name(output)) = path.segments.get(next + 1) else {
        return if path.segments.len() == next + 1 {
            Ok(())
        } else {
            Err(at(program, path, "RB0213", "an output is named".to_owned(), "here"))
        };
    };
    check_output(graph, program, path, *member, id, output, next + 2)
}

fn check_output(
    graph: &Graph,
    program: &Program,
    path: &Path,
    member: Member,
    id: &str,
    output: &str,
    next: usize,
) -> Checked {
    let kind = match member {
        Member::Task(vertex) => {
            let outputs = &graph.vertex(vertex).module.schema().outputs;
            outputs.iter().find(|one| one.name == output).map(|one| &one.r#type)
        }
        Member::Call(call) => graph.scope(call).outputs.contains_key(output).then_some(&Type::Any),
    };
    let Some(kind) = kind else {
        let names = output_names(graph, member);
        let mut problem = *at(
            program,
            path,
            "RB0218",
            format!("tasks.{id} has no output `{output}`"),
            "no output of this name",
        );
        problem = match suggest(output, names.iter().copied()) {
            Some(close) => problem.help(format!("did you mean `{close}`?")),
            None => problem.help(format!("it has {}", names.join(", "))),
        };
        return Err(Box::new(problem));
    };
    if path.segments.len() <= next {
        return Ok(());
    }
    check_members(program, path, kind, next, &format!("tasks.{id}.outputs.{output}"))
}

fn output_names(graph: &Graph, member: Member) -> Vec<&str> {
    match member {
        Member::Task(vertex) => {
            graph.vertex(vertex).module.schema().outputs.iter().map(|one| one.name).collect()
        }
        Member::Call(call) => graph.scope(call).outputs.keys().map(String::as_str).collect(),
    }
}

/// Follows the rest of a path through a type.
fn check_members(program: &Program, path: &Path, kind: &Type, next: usize, name: &str) -> Checked {
    let mut kind = kind.clone();
    let mut name = name.to_owned();
    for segment in path.segments.iter().skip(next) {
        let inner = match (segment, strip(&kind)) {
            (Segment::Index(_) | Segment::Computed, Type::List(items)) => Some(*items),
            (Segment::Computed, Type::Map(values)) => Some(*values),
            (_, Type::Any) => return Ok(()),
            (Segment::Name(member), kind) => kind.member(member),
            _ => None,
        };
        let shown = match segment {
            Segment::Name(member) => format!(".{member}"),
            Segment::Index(index) => format!("[{index}]"),
            Segment::Computed => "[…]".to_owned(),
        };
        let Some(inner) = inner else {
            return Err(at(
                program,
                path,
                "RB0219",
                format!("`{name}` is a {kind}, it has no `{shown}`"),
                "this path",
            ));
        };
        kind = inner;
        name.push_str(&shown);
    }
    Ok(())
}

fn strip(kind: &Type) -> Type {
    if let Type::Nullable(inner) = kind { (**inner).clone() } else { kind.clone() }
}

fn check_use(program: &Program, one: &Use) -> Option<Diagnostic> {
    let (what, known): (&str, Vec<&str>) = match one.kind {
        UseKind::Function => ("function", FUNCTIONS.to_vec()),
        UseKind::Filter => ("filter", FILTERS.into_iter().chain(OWN_FILTERS).collect()),
        UseKind::Test => ("test", TESTS.to_vec()),
    };
    let span = program.place(one.range.0, one.range.1);
    if !known.contains(&one.name.as_str()) {
        let mut problem =
            Diagnostic::error(Code("RB0222"), format!("there is no {what} `{}`", one.name))
                .at(span, "here");
        if let Some(close) = suggest(&one.name, known.into_iter()) {
            problem = problem.help(format!("did you mean `{close}`?"));
        }
        return Some(problem);
    }
    if one.kind == UseKind::Function && one.name == "secret" {
        let reference = one
            .constants
            .first()
            .and_then(Option::as_ref)
            .and_then(|value| value.as_str().map(str::to_owned));
        return match reference.as_deref().and_then(|text| text.split_once(':')) {
            Some(("env" | "file", _)) => None,
            Some((kind @ ("aws-sm" | "aws-ssm"), _)) => {
                Some(crate::shape::not_yet(&format!("secret('{kind}:…')"), span))
            }
            _ => Some(
                Diagnostic::error(Code("RB0223"), "`secret` takes one constant text")
                    .at(span, "here")
                    .help("secret('env:NAME') or secret('file:PATH')"),
            ),
        };
    }
    None
}

/// Checks a task's arguments against its module, as far as they are written out.
pub(super) fn arguments(
    template: &Template,
    task: &TaskDeclaration,
    module: &dyn Module,
    problems: &mut Vec<Diagnostic>,
) {
    let schema = module.schema();
    let Part::Map(entries) = &template.root else { return };
    for (name, part, span) in entries {
        let Some(argument) = schema.arguments.iter().find(|one| one.name == name) else {
            let mut problem = Diagnostic::error(
                Code("RB0107"),
                format!("unknown argument `{name}` of {}", schema.name),
            )
            .at(*span, "not an argument");
            if let Some(close) = suggest(name, schema.arguments.iter().map(|one| one.name)) {
                problem = problem.help(format!("did you mean `{close}`?"));
            }
            problems.push(problem);
            continue;
        };
        if let Part::Literal(value) = part {
            let wrong =
                argument.r#type.accepts(value).err().or_else(|| outside(argument.allowed, value));
            if let Some(wrong) = wrong {
                let message = format!("the argument `{name}` of {} is {wrong}", schema.name);
                problems
                    .push(Diagnostic::error(Code("RB0109"), message).at(*span, "this argument"));
            }
        }
    }
    for argument in schema.arguments.iter().filter(|one| one.required) {
        if !entries.iter().any(|(name, ..)| name == argument.name) {
            let message = format!("{} needs the argument `{}`", schema.name, argument.name);
            problems.push(
                Diagnostic::error(Code("RB0108"), message)
                    .at(task.uses_span, "given without it")
                    .help(argument.description),
            );
        }
    }
}

fn outside(allowed: &[&str], value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!allowed.is_empty() && !allowed.contains(&text))
        .then(|| format!("`{text}`, not one of {}", allowed.join(", ")))
}

impl Graph {
    /// The member of that id in a scope, for `needs`.
    pub(super) fn member(&self, scope: ScopeId, id: &str) -> Option<Member> {
        self.scope(scope).members.get(id).copied()
    }
}
