//! The runbooks inside the binary.

use include_dir::{Dir, include_dir};

use super::Shelf;

/// The folder `runbooks` as it was when the binary was built.
pub(crate) static SHIPPED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/runbooks");

/// All shipped files, by name, sorted.
pub(crate) fn shipped_files() -> Vec<(String, &'static [u8])> {
    let mut files = Vec::new();
    collect(&SHIPPED, &mut files);
    files.sort();
    files
}

fn collect(folder: &Dir<'static>, files: &mut Vec<(String, &'static [u8])>) {
    for file in folder.files() {
        files.push((file.path().to_string_lossy().into_owned(), file.contents()));
    }
    for inner in folder.dirs() {
        collect(inner, files);
    }
}

/// The shelf of shipped files.
pub(super) struct Shipped;

impl Shelf for Shipped {
    fn read(&self, name: &str) -> Result<String, String> {
        let file = SHIPPED.get_file(name).ok_or_else(|| {
            format!("there is no shipped file `{name}`; `runbook list` names them")
        })?;
        file.contents_utf8()
            .map(str::to_owned)
            .ok_or_else(|| format!("the shipped file `{name}` is not text"))
    }

    fn names(&self) -> Result<Vec<String>, String> {
        Ok(shipped_files().into_iter().map(|(name, _)| name).collect())
    }
}
