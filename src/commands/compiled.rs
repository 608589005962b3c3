//! From what was typed to a graph, or to all the problems of the text.

use std::collections::BTreeMap;
use std::path::Path;

use runbook_core::diagnostic::Diagnostic;
use runbook_core::graph::{CompileInput, Given, GivenInputs, Graph, Loaded, compile};
use runbook_core::value::Value;

use super::Session;
use crate::arguments::{InputArguments, RunbookArguments};
use crate::exit::Exit;
use crate::library::{Found, Library, Origin, find};
use crate::trouble::Trouble;
use crate::view;

/// A compiled runbook.
pub(crate) struct Compiled {
    /// The graph.
    pub(crate) graph: Graph,
    /// Everything it may read.
    pub(crate) library: Library,
    /// Its name within its library.
    pub(crate) name: String,
    /// Where it was found.
    pub(crate) origin: Origin,
    /// Worth saying; the work goes on.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Finds and compiles a runbook; problems are printed.
pub(crate) fn compiled(
    session: &Session,
    arguments: &RunbookArguments,
) -> Result<Compiled, Trouble> {
    let found = find(&arguments.runbook, &session.environment.working_directory)
        .map_err(|error| Trouble::usage(error.message).hint(error.hint))?;
    let given = given(session, &arguments.inputs)?;
    let Found { origin, name, root, library } = found;
    let (graph, warnings) = build(session, root, &library, &given)?;
    Ok(Compiled { graph, library, name, origin, warnings })
}

/// Compiles a root; problems are printed.
pub(crate) fn build(
    session: &Session,
    root: Loaded,
    library: &Library,
    given: &GivenInputs,
) -> Result<(Graph, Vec<Diagnostic>), Trouble> {
    let input = CompileInput { root, loader: library, registry: &session.registry, given };
    compile(&input).map_err(|refused| {
        let printer = &session.printer;
        printer.note(&view::diagnostics::render(&refused.problems, &refused.sources, &printer.err));
        Trouble::told(Exit::Usage)
    })
}

/// Prints warnings, if there are any.
pub(crate) fn warn(session: &Session, graph: &Graph, warnings: &[Diagnostic]) {
    if !warnings.is_empty() {
        let printer = &session.printer;
        printer.note(&view::diagnostics::render(warnings, &graph.sources, &printer.err));
    }
}

/// Reads given inputs: files first, then the command line.
pub(crate) fn given(session: &Session, arguments: &InputArguments) -> Result<GivenInputs, Trouble> {
    let here = &session.environment.working_directory;
    let mut given = BTreeMap::new();
    for file in &arguments.inputs {
        for (name, value) in inputs_file(&here.join(file))? {
            let origin = file.display().to_string();
            given.insert(name, (Given::Value(Value::from_json(&value)), origin));
        }
    }
    for one in &arguments.input {
        let (name, text) = one.split_once('=').ok_or_else(|| {
            Trouble::usage(format!("`-i {one}` has no value")).hint(format!("-i {one}=VALUE"))
        })?;
        let text = match text.strip_prefix('@') {
            None => text.to_owned(),
            Some(file) => std::fs::read_to_string(here.join(file)).map_err(|error| {
                Trouble::usage(format!("failed to read `{file}` for the input `{name}`: {error}"))
            })?,
        };
        given.insert(name.to_owned(), (Given::Text(text), format!("-i {name}")));
    }
    Ok(GivenInputs(given))
}

fn inputs_file(path: &Path) -> Result<BTreeMap<String, serde_json::Value>, Trouble> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Trouble::usage(format!("failed to read `{shown}`: {error}")))?;
    serde_saphyr::from_str(&text).map_err(|error| {
        // The first lines of the message name the place; values of the file may be secret.
        let place = error.to_string();
        let place = place.lines().next().unwrap_or_default();
        Trouble::usage(format!("`{shown}` is not a YAML map of inputs: {place}"))
    })
}
