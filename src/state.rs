//! The state folder: where the journal, stored plans, the sandbox's world and scratch files live.
//!
//! `--state-dir`, else `RUNBOOK_STATE`, else `.runbook` in the nearest folder above that has one,
//! else `.runbook` in the working directory. It carries its own `.gitignore`, and nobody else can
//! read it: the journal's key and the sandbox's token are in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use runbook_core::plan::SecretKey;

use crate::environment::Environment;
use crate::target::On;
use crate::trouble::Trouble;

/// The folder's name.
const NAME: &str = ".runbook";
/// The key with which secrets are hashed.
const KEY: &str = "secret.key";
/// Where the answers of the sandbox's Cost Explorer are kept.
pub(crate) const SIMULATED_ANSWERS: &str = "sandbox/cost-explorer";
/// Who applies something.
const LEASE: &str = "run.lock";

/// The state folder.
#[derive(Debug, Clone)]
pub(crate) struct StateFolder {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// As a person would type it.
    pub(crate) shown: String,
}

fn unusable(action: &str, path: &Path, error: &std::io::Error) -> Trouble {
    let trouble = Trouble::failed(format!("failed to {action} `{}`: {error}", path.display()));
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => trouble
            .hint("the state folder must be writable; `--state-dir DIR` or RUNBOOK_STATE name another"),
        std::io::ErrorKind::StorageFull => {
            trouble.hint("the disk is full; make room, or name another folder by `--state-dir DIR`")
        }
        _ => trouble,
    }
}

impl StateFolder {
    /// Which folder it is; nothing is made yet.
    pub(crate) fn find(given: Option<&Path>, environment: &Environment) -> Self {
        let here = &environment.working_directory;
        let path = match (given, environment.get("RUNBOOK_STATE")) {
            (Some(path), _) => here.join(path),
            (None, Some(path)) => here.join(path),
            (None, None) => here
                .ancestors()
                .map(|folder| folder.join(NAME))
                .find(|folder| folder.is_dir())
                .unwrap_or_else(|| here.join(NAME)),
        };
        let shown = match path.strip_prefix(here) {
            Ok(inside) => format!("./{}", inside.display()),
            Err(_) => path.display().to_string(),
        };
        Self { path, shown }
    }

    /// Makes it when there is none.
    pub(crate) fn create(&self) -> Result<(), Trouble> {
        if self.path.is_dir() {
            return Ok(());
        }
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&self.path)
            .map_err(|error| unusable("create the state folder", &self.path, &error))?;
        let ignore = self.path.join(".gitignore");
        std::fs::write(&ignore, "*\n").map_err(|error| unusable("write", &ignore, &error))
    }

    /// The key with which secrets are hashed; made on first use.
    pub(crate) fn secret_key(&self) -> Result<SecretKey, Trouble> {
        let path = self.path.join(KEY);
        if let Ok(bytes) = std::fs::read(&path)
            && let Ok(bytes) = <[u8; 32]>::try_from(bytes)
        {
            return Ok(SecretKey::new(bytes));
        }
        if path.exists() {
            return Err(Trouble::failed(format!("`{}` is not a key of ours", path.display()))
                .hint("remove it: plans made with it have to be made again"));
        }
        let bytes = random::<32>()?;
        private_file(&path, &bytes).map_err(|error| unusable("write", &path, &error))?;
        Ok(SecretKey::new(bytes))
    }

    /// Where samples are kept: those of a simulated world go with it, and never meet real ones.
    pub(crate) fn samples(&self, on: On) -> PathBuf {
        match on {
            On::Sandbox => self.path.join("sandbox").join("samples"),
            On::Aws => self.path.join("samples"),
        }
    }

    /// Where messages wait for their destinations. What was said about a simulated world is forgotten
    /// with it.
    pub(crate) fn outbox(&self, on: On) -> PathBuf {
        match on {
            On::Sandbox => self.path.join("sandbox").join("outbox"),
            On::Aws => self.path.clone(),
        }
    }

    /// Where answers of Cost Explorer about an account are kept: of AWS, of whoever stands in for it, of
    /// the sandbox's world, with which they are forgotten.
    pub(crate) fn asked_costs(&self, on: On, endpoint: Option<&str>, account: &str) -> PathBuf {
        let folder = match (on, endpoint) {
            (On::Sandbox, _) => self.path.join(SIMULATED_ANSWERS),
            (On::Aws, Some(url)) => {
                let hash = blake3::hash(url.as_bytes()).to_hex();
                self.path.join("cost-explorer").join(format!("at-{}", &hash[..16]))
            }
            (On::Aws, None) => self.path.join("cost-explorer").join("aws"),
        };
        folder.join(account)
    }

    /// Where modules keep files.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }

    /// Stores a text under `plans/`; the path as a person would type it.
    pub(crate) fn store_plan(&self, name: &str, text: &str) -> Result<String, Trouble> {
        let folder = self.path.join("plans");
        std::fs::create_dir_all(&folder).map_err(|error| unusable("create", &folder, &error))?;
        let path = folder.join(format!("{name}.plan"));
        write_whole(&path, text.as_bytes())?;
        Ok(format!("{}/plans/{name}.plan", self.shown.trim_start_matches("./")))
    }

    /// Takes the lease of this folder: one process applies at a time.
    pub(crate) fn lease(&self, run: &str) -> Result<Lease, Trouble> {
        let path = self.path.join(LEASE);
        let failed = |error: &std::io::Error| unusable("take the lease", &path, error);
        let mut options = OpenOptions::new();
        options.create(true).read(true).write(true).truncate(false);
        let mut file = options.open(&path).map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it is worth a word; that it is held is enough.
                let _ = file.read_to_string(&mut holder);
                return Err(Trouble::failed(format!(
                    "another process applies something with this state folder: {}",
                    if holder.trim().is_empty() { "it is just starting" } else { holder.trim() }
                ))
                .hint("wait until it has ended; `runbook runs` lists what it does"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        file.set_len(0).map_err(|error| failed(&error))?;
        file.rewind().map_err(|error| failed(&error))?;
        writeln!(file, "run {run}, process {}", std::process::id())
            .map_err(|error| failed(&error))?;
        Ok(Lease(file))
    }
}

/// The lease; given back when dropped, or when the process dies.
#[derive(Debug)]
pub(crate) struct Lease(File);

impl Drop for Lease {
    fn drop(&mut self) {
        // Unlocked and not only closed: a process that is just being started has this file too until it
        // becomes its program. When that fails, closing is what is left.
        drop(self.0.unlock());
    }
}

/// Writes a file as a whole or not at all: beside it, then in its place. A link is followed; what is
/// no file (a device, a pipe) is written to, never replaced.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let failed = |error| unusable("write", path, &error);
    // What is not there yet has no other name.
    let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_other = |it: std::fs::Metadata| !it.is_file() && !it.is_dir();
    if std::fs::metadata(&place).is_ok_and(is_other) {
        return std::fs::write(&place, bytes).map_err(failed);
    }
    let mut beside = place.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let written = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, &place));
    if written.is_err() {
        // Why it could not be written is what counts.
        drop(std::fs::remove_file(&beside));
    }
    written.map_err(failed)
}

/// Writes a file that only its owner can read, in place of one that is there.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(unusable("write", &beside, &error));
        }
        _ => {}
    }
    private_file(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|error| unusable("write", path, &error))
}

fn private_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Trouble> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Trouble::failed(format!("the system gives no randomness: {error}")))?;
    Ok(bytes)
}

/// The name of a new run: short, and easy to type.
pub(crate) fn run_name() -> Result<String, Trouble> {
    // Without vowels and look-alikes: no words, no doubts.
    const LETTERS: &[u8] = b"23456789bcdfghjkmnpqrstvwxz";
    let bytes = random::<6>()?;
    let letter = |byte: u8| LETTERS.get(usize::from(byte) % LETTERS.len()).copied().unwrap_or(b'2');
    Ok(bytes.iter().map(|byte| char::from(letter(*byte))).collect())
}
