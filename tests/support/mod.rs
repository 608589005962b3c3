//! Running the command in a folder of its own.

pub(crate) mod chat;
pub(crate) mod signed;

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with files and state.
pub(crate) struct Folder(TempDir);

/// What the command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("runbook-test-").unwrap())
    }

    /// The same with a file.
    pub(crate) fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.write(name, text);
        self
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A file's text.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Files below a folder of it, as paths from there.
    pub(crate) fn files(&self, below: &str) -> Vec<String> {
        let root = self.path().join(below);
        let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(one) = folders.pop() {
            for entry in std::fs::read_dir(&one).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The command with these arguments, not started yet.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        self.foreign(env!("CARGO_BIN_EXE_runbook"), arguments)
    }

    /// Another program in this folder, not started yet.
    #[expect(clippy::disallowed_methods, reason = "programs are found where the tests find them")]
    pub(crate) fn foreign<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Said {
        Said::of(&self.command(arguments).output().unwrap())
    }

    /// Runs the command and expects it to end well.
    pub(crate) fn well<A: AsRef<OsStr> + std::fmt::Debug>(&self, arguments: &[A]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:#?}");
        said
    }

    /// The requests that the sandbox has answered.
    pub(crate) fn requests(&self, writes: bool) -> Vec<Value> {
        let mut arguments = vec!["sandbox", "log", "--output", "json"];
        if writes {
            arguments.push("--writes");
        }
        let said = self.well(&arguments);
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A plan as JSON.
    pub(crate) fn plan(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["plan", "--output", "json"];
        all.extend(arguments);
        serde_json::from_str(&self.well(&all).out).unwrap()
    }
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// The last line of stdout.
    pub(crate) fn last(&self) -> &str {
        self.out.trim_end().lines().last().unwrap_or_default()
    }
}

/// A variable of the tests' own environment.
#[expect(clippy::disallowed_methods, reason = "what a test needs is named by who runs the tests")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Says past the harness that something did not run: it must not look as if it had.
#[expect(clippy::explicit_write, reason = "the harness captures what `eprintln!` says")]
pub(crate) fn not_run(why: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "NOT RUN: {why}").unwrap();
}

/// The tasks of a plan that are not unchanged or skipped: address and kind.
pub(crate) fn changes(plan: &Value) -> Vec<(String, String)> {
    plan["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            (
                task["address"].as_str().unwrap().to_owned(),
                task["kind"].as_str().unwrap().to_owned(),
            )
        })
        .filter(|(_, kind)| !matches!(kind.as_str(), "no_change" | "skipped"))
        .collect()
}

/// Those of them that write.
pub(crate) fn writes(plan: &Value) -> Vec<(String, String)> {
    let writing = ["create", "update", "replace", "delete"];
    changes(plan).into_iter().filter(|(_, kind)| writing.contains(&kind.as_str())).collect()
}

/// The sandbox, served by a process of its own until this is dropped.
pub(crate) struct Served {
    child: Child,
    /// Variables that point clients at it.
    pub(crate) environment: Vec<(String, String)>,
}

impl Served {
    /// Serves the world of a folder.
    pub(crate) fn of(folder: &Folder) -> Self {
        Self::with(folder, &[])
    }

    /// The same with options of `sandbox up`.
    pub(crate) fn with(folder: &Folder, options: &[&str]) -> Self {
        let mut child = folder
            .command(&[&["sandbox", "up"], options].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It says how to reach it once it can be reached; the last line says so.
        let mut environment = Vec::new();
        for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((name, value)) =
                line.strip_prefix("export ").and_then(|line| line.split_once('='))
            {
                environment.push((name.to_owned(), value.trim_matches('\'').to_owned()));
            }
            if line.starts_with("# in another terminal") {
                break;
            }
        }
        assert!(!environment.is_empty(), "the sandbox did not come up");
        Self { child, environment }
    }

    /// The kubeconfig of its cluster, when it has one.
    pub(crate) fn kubeconfig(&self) -> Option<PathBuf> {
        self.environment.iter().find(|(name, _)| name == "KUBECONFIG").map(|(_, path)| path.into())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
