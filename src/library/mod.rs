//! Where a runbook and the files beside it come from: a folder, the binary, or a stored plan.
//!
//! One root folder holds everything that a runbook may read. Names inside it are relative paths
//! with `/`; whatever leads out of it, by `..` or by a symbolic link, is refused. Everything that
//! was read is kept ([`Library::files_read`]), because a plan carries the files it was made from:
//! what is applied is what was planned, not what a file says by then.

mod disk;
mod find;
mod glob;
mod shipped;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use runbook_core::expression::scope::Files;
use runbook_core::graph::{Loaded, Loader};
use runbook_core::plan::Plan;

pub(crate) use find::{Found, Origin, find, is_runbook_name};
pub(crate) use shipped::{SHIPPED, shipped_files};

/// Reads texts by their name within the root folder.
pub(crate) trait Shelf: Send + Sync {
    /// The text of a file; the error says why not.
    fn read(&self, name: &str) -> Result<String, String>;
    /// All names.
    fn names(&self) -> Result<Vec<String>, String>;
}

/// A shelf with what was taken from it.
#[derive(Clone)]
pub(crate) struct Library {
    shelf: Arc<dyn Shelf>,
    /// The folder as paths see it.
    root: PathBuf,
    /// Whether it is on disk; else only names are resolved against it.
    on_disk: bool,
    /// Before names in messages: `shipped:`, or a folder.
    prefix: String,
    read: Arc<Mutex<BTreeMap<String, String>>>,
    /// The name of the root runbook.
    root_name: String,
}

impl Library {
    /// A library over a shelf, of a folder on disk.
    fn new(shelf: Arc<dyn Shelf>, root: PathBuf, prefix: String) -> Self {
        let (read, root_name) = (Arc::default(), String::new());
        Self { shelf, root, on_disk: true, prefix, read, root_name }
    }

    /// The same, of a folder that is on no disk.
    fn without_disk(shelf: Arc<dyn Shelf>, root: &str, prefix: &str) -> Self {
        Self { on_disk: false, ..Self::new(shelf, PathBuf::from(root), prefix.to_owned()) }
    }

    /// The files of a stored plan.
    pub(crate) fn stored(plan: &Plan) -> Self {
        let (name, files) = (plan.root_file.clone(), plan.files.clone());
        if let Some(folder) = &plan.folder {
            return Self::stored_of(name, files, PathBuf::from(folder));
        }
        let library = Self::without_disk(Arc::new(Stored(files)), "/plan", "plan:");
        Self { root_name: name, ..library }
    }

    /// Files as they were read, of a folder that is there: what tasks run, they run in it.
    pub(crate) fn stored_of(
        root: String,
        files: BTreeMap<String, String>,
        folder: PathBuf,
    ) -> Self {
        let library = Self::new(Arc::new(Stored(files)), folder, "plan:".to_owned());
        Self { root_name: root, ..library }
    }

    /// The files of a folder.
    pub(crate) fn folder(root: &Path, prefix: String) -> Self {
        Self::new(Arc::new(disk::Disk::new(root)), root.to_owned(), prefix)
    }

    /// The files inside the binary.
    pub(crate) fn shipped() -> Self {
        Self::without_disk(Arc::new(shipped::Shipped), "/shipped", "shipped:")
    }

    /// Everything that was read so far, by name.
    pub(crate) fn files_read(&self) -> BTreeMap<String, String> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The runbook of that name, as the root of a graph.
    pub(crate) fn root(&self, name: &str) -> Result<Loaded, String> {
        self.loaded(name)
    }

    /// The same, for the root runbook of that name.
    #[must_use]
    pub(crate) fn with_root(self, name: &str) -> Self {
        Self { root_name: name.to_owned(), ..self }
    }

    /// The name of the root runbook.
    pub(crate) fn root_name(&self) -> String {
        self.root_name.clone()
    }

    /// The folder that it is about, if it is on disk, and if it can be written down: a path need not be
    /// text.
    pub(crate) fn folder_on_disk(&self) -> Option<String> {
        self.on_disk.then(|| self.root.to_str().map(str::to_owned)).flatten()
    }

    fn text(&self, name: &str) -> Result<String, String> {
        let text = self.shelf.read(name)?;
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), text.clone());
        Ok(text)
    }

    fn loaded(&self, name: &str) -> Result<Loaded, String> {
        let text = self.text(name)?;
        let folder = Path::new(name).parent().unwrap_or_else(|| Path::new(""));
        Ok(Loaded { name: format!("{}{name}", self.prefix), text, folder: self.root.join(folder) })
    }

    /// The name of a path that is written in a file of that folder.
    fn name_in(&self, folder: &Path, path: &str) -> Result<String, String> {
        let inside = folder.strip_prefix(&self.root).unwrap_or_else(|_| Path::new(""));
        normal(&inside.join(path)).ok_or_else(|| {
            format!("`{path}` leads out of the runbook's folder; only files inside it can be used")
        })
    }
}

/// A path without `.` and `..`; none when it leads out, or is absolute.
fn normal(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

impl Loader for Library {
    fn load(&self, folder: &Path, reference: &str) -> Result<Loaded, String> {
        self.loaded(&self.name_in(folder, reference)?)
    }

    fn files(&self, folder: &Path) -> Arc<dyn Files> {
        Arc::new(Beside { library: self.clone(), folder: folder.to_owned() })
    }
}

/// The files beside a runbook.
struct Beside {
    library: Library,
    folder: PathBuf,
}

impl Files for Beside {
    fn read(&self, path: &str) -> Result<String, String> {
        self.library.text(&self.library.name_in(&self.folder, path)?)
    }

    fn list(&self, pattern: &str) -> Result<Vec<String>, String> {
        let inside = self.folder.strip_prefix(&self.library.root).unwrap_or_else(|_| Path::new(""));
        let inside = inside.to_string_lossy().into_owned();
        let wanted = glob::Pattern::new(pattern)?;
        let mut found: Vec<String> = self
            .library
            .shelf
            .names()?
            .into_iter()
            .filter_map(|name| {
                let name = if inside.is_empty() {
                    Some(name.as_str())
                } else {
                    name.strip_prefix(&inside).and_then(|rest| rest.strip_prefix('/'))
                };
                name.filter(|name| wanted.matches(name)).map(str::to_owned)
            })
            .collect();
        found.sort();
        // What a stored plan lists must be what this lists now: the files themselves go along.
        for name in &found {
            self.read(name)?;
        }
        Ok(found)
    }
}

/// The files of a stored plan.
struct Stored(BTreeMap<String, String>);

impl Shelf for Stored {
    fn read(&self, name: &str) -> Result<String, String> {
        self.0.get(name).cloned().ok_or_else(|| {
            format!("`{name}` was not read when the plan was made, and is not part of it")
        })
    }

    fn names(&self) -> Result<Vec<String>, String> {
        Ok(self.0.keys().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        assert_eq!(normal(Path::new("a/./b/../c.yaml")).as_deref(), Some("a/c.yaml"));
        assert_eq!(normal(Path::new("../c.yaml")), None);
        assert_eq!(normal(Path::new("a/../../c.yaml")), None);
        assert_eq!(normal(Path::new("/etc/passwd")), None);
    }

    #[test]
    fn a_stored_plan_reads_what_was_read_and_nothing_else() {
        let files = BTreeMap::from([("x/a.json".to_owned(), "{}".to_owned())]);
        let library = Library::stored_of(String::new(), files, PathBuf::from("/plan"));
        let beside = library.files(&PathBuf::from("/plan/x"));
        assert_eq!(beside.read("a.json").unwrap(), "{}");
        assert_eq!(beside.list("*.json").unwrap(), ["a.json"]);
        assert_eq!(
            beside.read("b.json").unwrap_err(),
            "`x/b.json` was not read when the plan was made, and is not part of it"
        );
        assert!(beside.read("../../etc/passwd").unwrap_err().contains("leads out"));
    }
}
