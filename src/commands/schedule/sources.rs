//! The runbooks that have schedules: files that were named, and those of folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runbook_core::graph::{CompileInput, Given, GivenInputs, Graph, Refused, compile};
use runbook_core::schedule::{Schedule, read};

use crate::commands::Session;
use crate::commands::planned::owner;
use crate::library::{Found, Library, Origin, find, is_runbook_name};
use crate::trouble::Trouble;
use crate::view;

/// One schedule of a runbook.
pub(crate) struct Entry {
    /// What it is known by.
    pub(crate) identity: String,
    /// The schedule.
    pub(crate) schedule: Schedule,
    /// The runbook, as a person types it.
    pub(crate) runbook: String,
    /// Whether the runbook is inside the program.
    pub(crate) is_shipped: bool,
    /// The folder of the runbook: its tasks run in it.
    pub(crate) folder: PathBuf,
    /// All texts that the runbook reads, as they were when it was right last: what is run when a file is
    /// broken meanwhile.
    library: Library,
}

/// A runbook with schedules.
pub(crate) struct Source {
    /// As a person types it.
    pub(crate) runbook: String,
    /// Its name within its folder.
    pub(crate) root_name: String,
    /// Its schedules.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// All texts that it reads, by name.
    pub(crate) files: BTreeMap<String, String>,
}

/// A runbook that cannot be used: its problems, as they are shown.
pub(crate) struct Broken(pub(crate) String);

/// The names of the runbooks behind files and folders.
pub(crate) fn names(session: &Session, asked: &[String]) -> Result<Vec<String>, Trouble> {
    let here = &session.environment.working_directory;
    let asked = if asked.is_empty() { &[".".to_owned()][..] } else { asked };
    let mut names = Vec::new();
    for one in asked {
        if here.join(one).is_dir() {
            names.extend(in_folder(here, one)?);
        } else {
            names.push(one.clone());
        }
    }
    names.dedup();
    Ok(names)
}

/// Runbooks of a folder that have a `schedule:`, right or wrong.
fn in_folder(here: &Path, folder: &str) -> Result<Vec<String>, Trouble> {
    let entries = std::fs::read_dir(here.join(folder))
        .map_err(|error| Trouble::usage(format!("failed to list `{folder}`: {error}")))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_runbook_name(name))
        .filter(|name| {
            // What cannot be read is no runbook that could be run; `check` says why.
            let text = std::fs::read_to_string(here.join(folder).join(name)).unwrap_or_default();
            let begins = |start: &str| text.lines().any(|line| line.starts_with(start));
            begins("apiVersion: runbook/") && begins("schedule:")
        })
        .collect();
    names.sort();
    let prefix = folder.trim_end_matches('/');
    let prefix = if prefix == "." { String::new() } else { format!("{prefix}/") };
    Ok(names.into_iter().map(|name| format!("{prefix}{name}")).collect())
}

/// Reads a runbook with its schedules; each is compiled with its inputs, so that nothing wrong waits
/// for its slot.
pub(crate) fn load(session: &Session, runbook: &str) -> Result<Source, Broken> {
    let found = find(runbook, &session.environment.working_directory)
        .map_err(|error| Broken(format!("{}\n  → {}", error.message, error.hint)))?;
    let Found { origin, name, root, library } = found;
    let schedules = read(&root.name, &root.text).map_err(|refused| shown(session, &refused))?;
    if schedules.is_empty() {
        return Err(Broken(format!("`{runbook}` has no `schedule:`")));
    }
    let is_shipped = origin == Origin::Shipped;
    let mut identities = Vec::new();
    for schedule in &schedules {
        let given = given(schedule);
        let input = CompileInput {
            root: root.clone(),
            loader: &library,
            registry: &session.registry,
            given: &given,
        };
        let (graph, _) = compile(&input).map_err(|refused| shown(session, &refused))?;
        identities.push(schedule.identity(&owner(&graph).to_string()));
    }
    let files = library.files_read();
    let folder = root.folder.clone();
    let library = Library::stored_of(name.clone(), files.clone(), folder.clone());
    let entry = |(schedule, identity)| {
        let (runbook, folder, library) = (runbook.to_owned(), folder.clone(), library.clone());
        Arc::new(Entry { identity, schedule, runbook, is_shipped, folder, library })
    };
    let entries = schedules.into_iter().zip(identities).map(entry).collect();
    Ok(Source { runbook: runbook.to_owned(), root_name: name, entries, files })
}

fn shown(session: &Session, refused: &Refused) -> Broken {
    let style = &session.printer.err;
    Broken(view::diagnostics::render(&refused.problems, &refused.sources, style))
}

/// The inputs of a schedule.
fn given(schedule: &Schedule) -> GivenInputs {
    let origin = "the schedule".to_owned();
    let one = |(name, value): (&String, &runbook_core::value::Value)| {
        (name.clone(), (Given::Value(value.clone()), origin.clone()))
    };
    GivenInputs(schedule.inputs.iter().map(one).collect())
}

/// The graph of a slot's run: of the text as it is now, or, when that is broken, as it was when it was
/// right last; why, then.
pub(crate) fn graph_now(
    session: &Session,
    entry: &Entry,
) -> Result<(Graph, Library, Option<String>), Trouble> {
    let fresh = find(&entry.runbook, &session.environment.working_directory)
        .map_err(|error| Broken(error.message))
        .and_then(|found| {
            let graph = compiled(session, entry, &found.library, found.root)?;
            Ok((graph, found.library))
        });
    match fresh {
        Ok((graph, library)) => Ok((graph, library, None)),
        Err(Broken(why)) => {
            let last_right = &entry.library;
            let root = last_right.root(&last_right.root_name()).map_err(Trouble::failed)?;
            let graph = compiled(session, entry, last_right, root)
                .map_err(|Broken(why)| Trouble::failed(why))?;
            Ok((graph, last_right.clone(), Some(why)))
        }
    }
}

fn compiled(
    session: &Session,
    entry: &Entry,
    library: &Library,
    root: runbook_core::graph::Loaded,
) -> Result<Graph, Broken> {
    let given = given(&entry.schedule);
    let input = CompileInput { root, loader: library, registry: &session.registry, given: &given };
    let (graph, _) = compile(&input).map_err(|refused| shown(session, &refused))?;
    let now = entry.schedule.identity(&owner(&graph).to_string());
    if now != entry.identity {
        return Err(Broken(format!("`{}` is now another runbook: {now}", entry.runbook)));
    }
    Ok(graph)
}

/// All schedules of some runbooks; the first that is broken ends it.
pub(crate) fn all(session: &Session, asked: &[String]) -> Result<Vec<Source>, Trouble> {
    let mut sources = Vec::new();
    for name in names(session, asked)? {
        let source = load(session, &name).map_err(|Broken(why)| {
            session.printer.note(&why);
            Trouble::told(crate::exit::Exit::Usage)
        })?;
        sources.push(source);
    }
    let mut by_identity: BTreeMap<&str, &str> = BTreeMap::new();
    for entry in sources.iter().flat_map(|source| &source.entries) {
        if let Some(other) = by_identity.insert(&entry.identity, &entry.runbook) {
            return Err(Trouble::usage(format!(
                "`{}` and `{other}` have the same schedule {}",
                entry.runbook, entry.identity
            ))
            .hint("runbooks are told apart by `name` and the input with `identity: true`"));
        }
    }
    Ok(sources)
}

/// The schedule that is meant by its identity, its beginning, or the letters behind `#`.
pub(crate) fn chosen(sources: &[Source], asked: &str) -> Result<Arc<Entry>, Trouble> {
    let all: Vec<&Arc<Entry>> = sources.iter().flat_map(|source| &source.entries).collect();
    let matches = |entry: &&&Arc<Entry>| {
        let letters = entry.identity.rsplit('#').next().unwrap_or_default();
        let asked_letters = asked.strip_prefix('#');
        entry.identity.starts_with(asked)
            || asked_letters.is_some_and(|asked| letters.starts_with(asked))
    };
    let found: Vec<&&Arc<Entry>> = all.iter().filter(matches).collect();
    let names = |entries: &[&&Arc<Entry>]| {
        entries.iter().map(|entry| entry.identity.as_str()).collect::<Vec<_>>().join(", ")
    };
    match found.as_slice() {
        [one] => Ok((**one).clone()),
        [] => Err(Trouble::usage(format!("there is no schedule `{asked}`"))
            .hint("runbook schedule list names them")),
        several => {
            Err(Trouble::usage(format!("several schedules are `{asked}`: {}", names(several)))
                .hint("more letters"))
        }
    }
}
