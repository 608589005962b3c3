//! Which servers of a state folder are alive: each holds a lock on a file of its own name.
//!
//! The system gives a lock back when its process dies, however it dies, so a name whose file can be
//! locked is of a server that is gone.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::state::{StateFolder, run_name};
use crate::trouble::Trouble;

/// This server's name, as long as it lives.
pub(crate) struct Presence {
    /// The name.
    pub(crate) name: String,
    path: PathBuf,
    #[expect(dead_code, reason = "held, not used")]
    lock: File,
}

fn folder(state: &StateFolder) -> PathBuf {
    state.path.join("servers")
}

impl Presence {
    /// Takes a name.
    pub(crate) fn new(state: &StateFolder) -> Result<Self, Trouble> {
        state.create()?;
        let name = run_name()?;
        let path = folder(state).join(format!("{name}.lock"));
        let failed = |error: &std::io::Error| {
            Trouble::failed(format!("failed to make `{}`: {error}", path.display()))
        };
        std::fs::create_dir_all(folder(state)).map_err(|error| failed(&error))?;
        let mut options = OpenOptions::new();
        options.create_new(true).write(true);
        let mut lock = options.open(&path).map_err(|error| failed(&error))?;
        lock.lock().map_err(|error| failed(&error))?;
        writeln!(lock, "process {}", std::process::id()).map_err(|error| failed(&error))?;
        Ok(Self { name, path, lock })
    }

    /// Whether the server of that name is gone.
    pub(crate) fn is_gone(state: &StateFolder, name: &str) -> bool {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        !is_plain || is_free(&folder(state).join(format!("{name}.lock")))
    }
}

fn is_free(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // What is left behind is a file that nobody holds.
        drop(std::fs::remove_file(&self.path));
    }
}
