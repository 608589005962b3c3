//! One process at a time: the lock file of a state folder.
//!
//! The lock itself is the operating system's lock on the open file, so a kill releases it. The
//! text in the file says who holds it and where the holder can be talked to; it is written once
//! the holder serves, readable by the owner only, since it carries the control token.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const FILE: &str = "lock";

/// Who holds a world, and how to reach them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The version of the program.
    pub version: String,
    /// Where the control endpoint is, `host:port`; none while the holder is starting.
    #[serde(default)]
    pub control: Option<String>,
    /// The control endpoint's token.
    #[serde(default)]
    pub token: String,
}

/// The lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another process has it. The holder is unknown when its file could not be read yet.
    #[error("the world is held by another process")]
    Held(Option<Holder>),
    /// The file cannot be used.
    #[error("failed to {action} `{path}`")]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
}

/// The held lock; dropping it, or dying, releases it. Dropping unlocks it and does not only close it: a
/// process that is just being started has this file too until it becomes its program.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of a folder.
    pub(crate) fn take(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(FILE);
        let failed = |action, source| LockError::File { action, path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.create(true).read(true).write(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(|source| failed("open", source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(|source| failed("read", source))?;
                return Err(LockError::Held(serde_json::from_str(&text).ok()));
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", source)),
        }
        let lock = Self { file, path };
        lock.tell(&Holder {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            control: None,
            token: String::new(),
        })?;
        Ok(lock)
    }

    /// Says in the file who holds it.
    pub(crate) fn tell(&self, holder: &Holder) -> Result<(), LockError> {
        let failed = |source| LockError::File { action: "write", path: self.path.clone(), source };
        let text = serde_json::to_vec(holder).map_err(|error| failed(error.into()))?;
        let mut file = &self.file;
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        file.write_all(&text).map_err(failed)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // When that fails, closing is what is left.
        drop(self.file.unlock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_being_started_does_not_keep_a_lock_that_was_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        let inherited = lock.file.try_clone().unwrap();
        assert!(matches!(Lock::take(folder.path()), Err(LockError::Held(_))));
        drop(lock);
        Lock::take(folder.path()).unwrap();
        drop(inherited);
    }
}
