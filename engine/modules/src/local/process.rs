//! How a process is started, bounded and, when nobody waits for it any more, ended.
//!
//! No shell stands between: an argument vector, an environment of the variables that it was given,
//! no terminal. A process leads a group of its own, so a Ctrl-C at the terminal reaches only us, who
//! let it finish; and when the run is dropped, what it has started in turn is killed with it. The
//! program is looked up here, not in the child: that gives an error with a name in it, and the
//! cheapest way of starting one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// How much is kept of what a process writes.
const KEPT: usize = 64 << 10;

/// A process to be run.
#[derive(Debug, Clone)]
pub(super) struct Process {
    /// The program and its arguments.
    pub(super) argv: Vec<String>,
    /// Its working directory.
    pub(super) folder: PathBuf,
    /// Its whole environment.
    pub(super) environment: BTreeMap<String, OsString>,
    /// What it reads.
    pub(super) stdin: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    /// Its exit code; none when a signal ended it.
    pub(super) code: Option<i32>,
    /// The signal that ended it.
    pub(super) signal: Option<i32>,
    /// What it wrote to its output: the beginning.
    pub(super) stdout: String,
    /// What it wrote to its errors: the end.
    pub(super) stderr: String,
}

impl Ended {
    pub(super) fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// `ended with exit code 3`.
    pub(super) fn told(&self) -> String {
        match (self.code, self.signal) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        }
    }
}

/// Why it was not started.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRun {
    #[error("there is no program to run: the argument vector is empty")]
    Nothing,
    #[error("there is no program `{program}` in {path}")]
    NoProgram { program: String, path: String },
    #[error("the working directory `{}` is not there", .folder.display())]
    NoFolder { folder: PathBuf },
    #[error("`{program}` could not be started: {problem}")]
    NotStarted { program: String, problem: io::Error },
    #[error("`{program}` was started and could not be followed: {problem}")]
    Lost { program: String, problem: io::Error },
}

impl NotRun {
    /// Whether it may have had an effect.
    pub(super) fn may_have_happened(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }
}

impl Process {
    /// Runs it to its end. Dropping the future kills it and everything in its group.
    pub(super) async fn run(&self) -> Result<Ended, NotRun> {
        let (name, arguments) = self.argv.split_first().ok_or(NotRun::Nothing)?;
        let lost = |problem| NotRun::Lost { program: name.clone(), problem };
        let mut child = self.start(name, arguments)?;
        let group = Group::of(&child);
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let write = async {
            match (stdin, &self.stdin) {
                (Some(mut pipe), Some(text)) => match pipe.write_all(text.as_bytes()).await {
                    // It need not read to the end.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                    done => done,
                },
                _ => Ok(()),
            }
        };
        let (written, stdout, stderr, status) =
            tokio::join!(write, beginning(stdout), end(stderr), child.wait());
        group.let_go();
        written.map_err(lost)?;
        Ok(ended(status.map_err(lost)?, &stdout.map_err(lost)?, &stderr.map_err(lost)?))
    }

    fn start(&self, name: &str, arguments: &[String]) -> Result<Child, NotRun> {
        let program = self.find(name)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.folder)
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command.spawn().map_err(|problem| {
            if problem.kind() == io::ErrorKind::NotFound && !self.folder.is_dir() {
                return NotRun::NoFolder { folder: self.folder.clone() };
            }
            NotRun::NotStarted { program: name.to_owned(), problem }
        })
    }

    /// A name with a slash is a path from the working directory, any other is looked for.
    fn find(&self, name: &str) -> Result<PathBuf, NotRun> {
        if name.contains('/') {
            return Ok(self.folder.join(name));
        }
        let path = self.environment.get("PATH").cloned().unwrap_or_default();
        std::env::split_paths(&path)
            .map(|folder| self.folder.join(folder).join(name))
            .find(|candidate| is_program(candidate))
            .ok_or_else(|| NotRun::NoProgram {
                program: name.to_owned(),
                path: path.to_string_lossy().into_owned(),
            })
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn ended(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Ended {
    Ended {
        code: status.code(),
        signal: status.signal(),
        stdout: String::from_utf8_lossy(stdout).into_owned(),
        stderr: String::from_utf8_lossy(stderr).into_owned(),
    }
}

/// A process with all that it has started, killed unless it ends first.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // When it ended in this very moment there is nobody left to kill.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The first bytes. The others are read too: a full pipe would stop the process.
async fn beginning(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let Some(mut pipe) = pipe else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    (&mut pipe).take(KEPT as u64).read_to_end(&mut kept).await?;
    if kept.len() == KEPT {
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

/// The last bytes.
async fn end(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let Some(mut pipe) = pipe else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    loop {
        if pipe.read_buf(&mut kept).await? == 0 {
            kept.drain(..kept.len().saturating_sub(KEPT));
            return Ok(kept);
        }
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
}
