//! How a process is started, bounded and, when nobody waits for it any more, ended.
//!
//! No shell stands between: an argument vector, an environment of the variables that it was given,
//! no terminal. A process leads a group of its own, so a Ctrl-C at the terminal reaches only us, who
//! let it finish; and when the run is dropped, what it has started in turn is killed with it. The
//! program is looked up here, not in the child: that gives an error with a name in it, and the
//! cheapest way of starting one.

mod life;
mod pipes;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use life::Following;
use pipes::{Pipes, Served};
use runbook_core::thread::OwnThread;

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
        let (waiting, following) = life::pair().map_err(|problem| self.not_started(problem))?;
        let process = self.clone();
        let ended = tokio::task::spawn_blocking(move || process.follow(following)).await;
        drop(waiting);
        ended.unwrap_or_else(|error| {
            let program = self.argv.first().cloned().unwrap_or_default();
            Err(NotRun::Lost { program, problem: io::Error::other(error) })
        })
    }

    /// Runs it to its end on this thread: for a command that takes a millisecond, being told of its end
    /// would be a good part of its cost. When the run is abandoned, it is killed with everything in its
    /// group.
    pub(super) fn run_on(&self, thread: &OwnThread) -> Result<Ended, NotRun> {
        let ending = thread.ending().map_err(|problem| self.not_started(problem))?;
        let (waiting, following) = life::pair_until(ending);
        let _kept = thread.keep(waiting);
        self.follow(following)
    }

    fn not_started(&self, problem: io::Error) -> NotRun {
        let Some(program) = self.argv.first().cloned() else { return NotRun::Nothing };
        NotRun::NotStarted { program, problem }
    }

    fn follow(&self, following: Following) -> Result<Ended, NotRun> {
        let (name, arguments) = self.argv.split_first().ok_or(NotRun::Nothing)?;
        let lost = |problem| NotRun::Lost { program: name.clone(), problem };
        let abandoned = || lost(io::Error::other("nobody waits for it any more"));
        let started = following.start(|| self.start(name, arguments))?;
        let mut child = started.ok_or_else(abandoned)?;
        match self.attend(&mut child, &following) {
            Ok(Some(ended)) => Ok(ended),
            // Whoever waits is told, or has gone; either kills it.
            Ok(None) => {
                life::leave(child);
                Err(abandoned())
            }
            Err(problem) => {
                life::leave(child);
                Err(lost(problem))
            }
        }
    }

    /// Serves its pipes and waits for its end; none when it was abandoned.
    fn attend(&self, child: &mut Child, following: &Following) -> io::Result<Option<Ended>> {
        let mut pipes = Pipes::of(child, self.stdin.as_deref())?;
        if pipes.serve(&following.abandoned)? == Served::Abandoned {
            return Ok(None);
        }
        let status = following.end(child)?;
        let (stdout, stderr) = pipes.kept();
        Ok(Some(ended(status, &stdout, &stderr)))
    }

    fn start(&self, name: &str, arguments: &[String]) -> Result<Child, NotRun> {
        let program = self.find(name)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.folder)
            .stdin(self.reads().map_err(|problem| self.not_started(problem))?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command.spawn().map_err(|problem| {
            if problem.kind() == io::ErrorKind::NotFound && !self.folder.is_dir() {
                return NotRun::NoFolder { folder: self.folder.clone() };
            }
            NotRun::NotStarted { program: name.to_owned(), problem }
        })
    }

    fn reads(&self) -> io::Result<Stdio> {
        if self.stdin.is_some() {
            return Ok(Stdio::piped());
        }
        // Opened once: a copy costs a third of looking it up again for each command.
        static NOTHING: OnceLock<File> = OnceLock::new();
        if let Some(nothing) = NOTHING.get() {
            return Ok(nothing.try_clone()?.into());
        }
        let opened = File::open("/dev/null")?;
        Ok(NOTHING.get_or_init(|| opened).try_clone()?.into())
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
