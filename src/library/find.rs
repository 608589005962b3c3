//! From what a person typed to a runbook: a file of that path wins, else the shipped one.

use std::path::{Path, PathBuf};

use runbook_core::graph::Loaded;

use super::{Library, SHIPPED};

/// Where a runbook was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file.
    File(PathBuf),
    /// Inside the binary.
    Shipped,
}

/// A runbook and the files beside it.
pub(crate) struct Found {
    /// Where.
    pub(crate) origin: Origin,
    /// Its name within its library.
    pub(crate) name: String,
    /// The root's text.
    pub(crate) root: Loaded,
    /// Everything it may read.
    pub(crate) library: Library,
}

/// There is no such runbook, or it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct NotFound {
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: String,
}

/// Finds a runbook.
pub(crate) fn find(asked: &str, working_directory: &Path) -> Result<Found, NotFound> {
    let path = working_directory.join(asked);
    if path.is_file() {
        return on_disk(asked, &path);
    }
    if path.is_dir() {
        return Err(NotFound {
            message: format!("`{asked}` is a folder"),
            hint: format!("runbook list {asked}"),
        });
    }
    // `runbooks/nodeless.yaml` from anywhere means the shipped one, too.
    let name = asked.strip_prefix("./").unwrap_or(asked);
    let name = name.strip_prefix("runbooks/").unwrap_or(name);
    for candidate in [name.to_owned(), format!("{name}.yaml")] {
        if is_runbook_name(&candidate) && SHIPPED.get_file(&candidate).is_some() {
            let library = Library::shipped().with_root(&candidate);
            let root = library
                .root(&candidate)
                .map_err(|message| NotFound { message, hint: "runbook list".to_owned() })?;
            return Ok(Found { origin: Origin::Shipped, name: candidate, root, library });
        }
    }
    Err(NotFound {
        message: format!("there is no runbook `{asked}`, neither a file nor a shipped one"),
        hint: "runbook list".to_owned(),
    })
}

fn on_disk(asked: &str, path: &Path) -> Result<Found, NotFound> {
    let unreadable = |message: String| NotFound { message, hint: "check the path".to_owned() };
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| unreadable(format!("the name of `{asked}` is not text")))?
        .to_owned();
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let shown = Path::new(asked).parent().map(Path::to_string_lossy).unwrap_or_default();
    let prefix = if shown.is_empty() { String::new() } else { format!("{shown}/") };
    let library = Library::folder(folder, prefix).with_root(&name);
    let root = library.root(&name).map_err(unreadable)?;
    Ok(Found { origin: Origin::File(path.to_owned()), name, root, library })
}

/// Whether a file is a runbook by its name.
pub(crate) fn is_runbook_name(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|one| one.to_str());
    matches!(extension, Some("yaml" | "yml"))
}
