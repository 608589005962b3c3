//! A folder on disk. Symbolic links are followed, and refused when they lead out of it.

use std::path::{Path, PathBuf};

use super::Shelf;

/// Nothing that a runbook reads is larger.
const MOST_BYTES: u64 = 64 << 20;
/// How many files `glob` looks through.
const MOST_FILES: usize = 10_000;

/// A folder.
pub(super) struct Disk {
    root: PathBuf,
}

impl Disk {
    /// The folder at that path.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Shelf for Disk {
    fn read(&self, name: &str) -> Result<String, String> {
        let path = self.root.join(name);
        let real = path.canonicalize().map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                format!("there is no file `{name}` in `{}`", self.root.display())
            } else {
                format!("`{name}` cannot be read: {error}")
            }
        })?;
        let root = self
            .root
            .canonicalize()
            .map_err(|error| format!("`{}` cannot be read: {error}", self.root.display()))?;
        if !real.starts_with(&root) {
            return Err(format!(
                "`{name}` is a symbolic link that leads out of the runbook's folder; only files inside it can be used"
            ));
        }
        let about = std::fs::metadata(&real)
            .map_err(|error| format!("`{name}` cannot be read: {error}"))?;
        if !about.is_file() {
            return Err(format!("`{name}` is not a file"));
        }
        if about.len() > MOST_BYTES {
            return Err(format!("`{name}` has {} bytes, more than {MOST_BYTES}", about.len()));
        }
        let bytes =
            std::fs::read(&real).map_err(|error| format!("`{name}` cannot be read: {error}"))?;
        String::from_utf8(bytes).map_err(|error| {
            format!("`{name}` is not UTF-8: byte {} is not text", error.utf8_error().valid_up_to())
        })
    }

    fn names(&self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        let mut folders = vec![(self.root.clone(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            let entries = std::fs::read_dir(&folder)
                .map_err(|error| format!("`{}` cannot be listed: {error}", folder.display()))?;
            for entry in entries {
                let entry = entry
                    .map_err(|error| format!("`{}` cannot be listed: {error}", folder.display()))?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let kind = entry
                    .file_type()
                    .map_err(|error| format!("`{name}` cannot be looked at: {error}"))?;
                // Hidden folders (.git, .runbook) are no part of a runbook.
                if kind.is_dir() && !name.starts_with('.') {
                    folders.push((entry.path(), format!("{prefix}{name}/")));
                } else if kind.is_file() {
                    names.push(format!("{prefix}{name}"));
                }
                if names.len() > MOST_FILES {
                    return Err(format!("there are more than {MOST_FILES} files in the folder"));
                }
            }
        }
        Ok(names)
    }
}
