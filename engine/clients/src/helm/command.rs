//! Executing helm: an argument vector, no shell, and nothing of the person's own Helm.
//!
//! Its folders are temporary ones, its registry login and Docker configuration are empty (an
//! expired login to a public registry is refused where none at all is not), values and kubeconfig
//! are files that only we can read. What helm prints is kept for the error: the end of its stderr.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::kubeconfig::Access;

/// OCI registries came with this version.
const OLDEST: (u64, u64) = (3, 8);
/// How much of helm's stderr an error carries.
const TAIL_LINES: usize = 20;
/// What helm may take beyond its own timeout before we take it for dead. Real time: a helm that
/// hangs is a process of this machine.
const GRACE: Duration = Duration::from_mins(5);
/// The person's own Helm, which must not show.
const FOREIGN_VARIABLES: [&str; 22] = [
    "HELM_BURST_LIMIT",
    "HELM_DATA_HOME",
    "HELM_DEBUG",
    "HELM_DRIVER",
    "HELM_DRIVER_SQL_CONNECTION_STRING",
    "HELM_KUBEAPISERVER",
    "HELM_KUBEASGROUPS",
    "HELM_KUBEASUSER",
    "HELM_KUBECAFILE",
    "HELM_KUBECONTEXT",
    "HELM_KUBEINSECURE_SKIP_TLS_VERIFY",
    "HELM_KUBETLS_SERVER_NAME",
    "HELM_KUBETOKEN",
    "HELM_MAX_HISTORY",
    "HELM_NAMESPACE",
    "HELM_NO_PLUGINS",
    "HELM_PLUGINS",
    "HELM_QPS",
    "HELM_REPOSITORY_CACHE",
    "HELM_REPOSITORY_CONFIG",
    "HELM_CONTENT_CACHE",
    "HELM_BIN",
];

/// A helm command line.
#[derive(Debug, Clone)]
pub struct Helm {
    /// The executable and what comes before helm's own arguments.
    pub executable: Vec<String>,
    /// Variables for its environment, on top of ours.
    pub environment: Vec<(String, String)>,
}

/// Where a chart is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// An OCI reference (`oci://…`), a path, or a name within the repository.
    pub reference: String,
    /// The repository's URL, when `reference` is a name.
    pub repository: Option<String>,
    /// The version, exactly.
    pub version: String,
}

/// A release to be installed or upgraded.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The release.
    pub release: String,
    /// Its namespace.
    pub namespace: String,
    /// Whether the namespace is made when it is not there.
    pub create_namespace: bool,
    /// The chart.
    pub chart: Chart,
    /// The values; those of earlier revisions are dropped.
    pub values: Value,
    /// How long helm waits for the release's objects.
    pub timeout: Duration,
    /// What the revision says about itself.
    pub description: Option<String>,
}

/// A release to be removed.
#[derive(Debug, Clone)]
pub struct Uninstallation {
    /// The release.
    pub release: String,
    /// Its namespace.
    pub namespace: String,
    /// How long helm waits for the release's objects to go.
    pub timeout: Duration,
}

/// Why helm did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such executable.
    #[error("there is no `{executable}` to install charts with")]
    Absent {
        /// What was looked for.
        executable: String,
    },
    /// It is too old.
    #[error("`{executable}` is helm {found}; charts from registries need 3.8 or later")]
    TooOld {
        /// The executable.
        executable: String,
        /// Its version.
        found: String,
    },
    /// It does not behave like helm.
    #[error("`{executable}` does not say which helm it is: {answer}")]
    NotHelm {
        /// The executable.
        executable: String,
        /// What it said instead.
        answer: String,
    },
    /// It ended with an error. What it had done by then is not known.
    #[error("`{command}` failed{}: {stderr}", display_code(*.code))]
    Failed {
        /// `helm upgrade karpenter`.
        command: String,
        /// Its exit code; none when a signal ended it.
        code: Option<i32>,
        /// The end of its stderr.
        stderr: String,
    },
    /// It did not end. It was killed; what it had done by then is not known.
    #[error("`{command}` gave no answer within {} s and was killed", .after.as_secs())]
    Hung {
        /// `helm upgrade karpenter`.
        command: String,
        /// After so long.
        after: Duration,
    },
    /// It could not be started. Nothing happened.
    #[error("`{command}` could not be started: {problem}")]
    NotStarted {
        /// `helm upgrade karpenter`.
        command: String,
        /// Why.
        problem: String,
    },
}

impl Error {
    /// Whether helm may have changed something.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Hung { .. })
    }

    /// Another helm works on this release, or was cut off while it did: it was seen at work, or was the
    /// first to write the revision that this one was about to write. This one changed nothing.
    pub fn in_progress(&self) -> bool {
        matches!(self, Self::Failed { stderr, .. }
            if stderr.contains("another operation (install/upgrade/rollback) is in progress")
                || stderr.contains("release: already exists"))
    }

    /// There is no such release.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Failed { stderr, .. } if stderr.contains("release: not found"))
    }
}

fn display_code(code: Option<i32>) -> String {
    code.map_or_else(|| " by a signal".to_owned(), |code| format!(" with exit code {code}"))
}

impl Helm {
    /// A helm of that name.
    pub fn new(executable: Vec<String>) -> Self {
        Self { executable, environment: Vec::new() }
    }

    /// The same with more variables in its environment.
    #[must_use]
    pub fn with_environment(mut self, variables: &[(String, String)]) -> Self {
        self.environment.extend_from_slice(variables);
        self
    }

    /// Its version, for example `4.3.1`; an error when it is too old.
    pub async fn version(&self) -> Result<String, Error> {
        let home = Self::home("version")?;
        let output =
            self.run("version", &home, &["version".to_owned()], Duration::from_secs(30)).await?;
        let said = String::from_utf8_lossy(&output.stdout);
        let executable = self.name();
        let Some(version) = find_version(&said) else {
            return Err(Error::NotHelm { executable, answer: said.trim().to_owned() });
        };
        let mut numbers = version.split('.').map(|part| part.parse::<u64>().unwrap_or_default());
        let found = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        if found < OLDEST {
            return Err(Error::TooOld { executable, found: version });
        }
        Ok(version)
    }

    /// Installs or upgrades a release and waits for its objects; helm's own report.
    pub async fn upgrade_install(
        &self,
        installation: &Installation,
        access: &Access,
    ) -> Result<Value, Error> {
        let command = format!("upgrade {}", installation.release);
        let home = Self::home(&command)?;
        let values = home.path().join("values.json");
        private_file(&values, &installation.values)
            .map_err(|error| Self::not_started(&command, &error))?;
        let mut arguments = upgrade_arguments(installation, &values);
        arguments.extend(Self::reach(&command, &home, access)?);
        let output = self.run(&command, &home, &arguments, installation.timeout).await?;
        Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
    }

    /// Removes a release and waits until its objects are gone.
    pub async fn uninstall(
        &self,
        uninstallation: &Uninstallation,
        access: &Access,
    ) -> Result<(), Error> {
        let command = format!("uninstall {}", uninstallation.release);
        let home = Self::home(&command)?;
        let mut arguments = vec![
            "uninstall".to_owned(),
            uninstallation.release.clone(),
            "--namespace".to_owned(),
            uninstallation.namespace.clone(),
            "--wait".to_owned(),
            "--timeout".to_owned(),
            seconds(uninstallation.timeout),
        ];
        arguments.extend(Self::reach(&command, &home, access)?);
        self.run(&command, &home, &arguments, uninstallation.timeout).await.map(drop)
    }

    fn reach(command: &str, home: &TempDir, access: &Access) -> Result<Vec<String>, Error> {
        let path = home.path().join("kubeconfig");
        if let Access::Written { content } = access {
            private_file(&path, content).map_err(|error| Self::not_started(command, &error))?;
        }
        Ok(access.arguments(&path))
    }

    /// A folder that only we can read, gone with the value.
    fn home(command: &str) -> Result<TempDir, Error> {
        TempDir::with_prefix("runbook-helm-").map_err(|error| Self::not_started(command, &error))
    }

    async fn run(
        &self,
        command: &str,
        home: &TempDir,
        arguments: &[String],
        timeout: Duration,
    ) -> Result<Output, Error> {
        let command = format!("helm {command}");
        let Some((program, before)) = self.executable.split_first() else {
            return Err(Error::Absent { executable: "helm".to_owned() });
        };
        let mut process = Command::new(program);
        process.args(before).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        for variable in FOREIGN_VARIABLES {
            process.env_remove(variable);
        }
        process.envs(Self::hermetic(home)).envs(self.environment.iter().cloned());
        if !arguments.iter().any(|argument| argument == "--kube-context") {
            process.env_remove("HELM_KUBECONTEXT");
        }
        let after = timeout + GRACE;
        let output = match tokio::time::timeout(after, process.output()).await {
            Err(_) => return Err(Error::Hung { command, after }),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Absent { executable: self.name() });
            }
            Ok(Err(error)) => {
                return Err(Error::NotStarted { command, problem: error.to_string() });
            }
            Ok(Ok(output)) => output,
        };
        if output.status.success() {
            return Ok(output);
        }
        let stderr = tail(&String::from_utf8_lossy(&output.stderr));
        Err(Error::Failed { command, code: output.status.code(), stderr })
    }

    fn hermetic(home: &TempDir) -> Vec<(&'static str, PathBuf)> {
        let path = |name: &str| home.path().join(name);
        vec![
            ("HELM_CACHE_HOME", path("cache")),
            ("HELM_CONFIG_HOME", path("config")),
            ("HELM_DATA_HOME", path("data")),
            ("HELM_REGISTRY_CONFIG", path("registry.json")),
            ("DOCKER_CONFIG", path("docker")),
        ]
    }

    fn name(&self) -> String {
        self.executable.first().cloned().unwrap_or_else(|| "helm".to_owned())
    }

    fn not_started(command: &str, error: &std::io::Error) -> Error {
        Error::NotStarted { command: format!("helm {command}"), problem: error.to_string() }
    }
}

/// The arguments of an installation, without those that lead to the cluster.
fn upgrade_arguments(installation: &Installation, values: &Path) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "upgrade",
        "--install",
        &installation.release,
        &installation.chart.reference,
        "--version",
        &installation.chart.version,
        "--namespace",
        &installation.namespace,
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    if installation.create_namespace {
        arguments.push("--create-namespace".to_owned());
    }
    arguments.extend([
        "-f".to_owned(),
        values.display().to_string(),
        "--reset-values".to_owned(),
        "--wait".to_owned(),
        "--timeout".to_owned(),
        seconds(installation.timeout),
        "-o".to_owned(),
        "json".to_owned(),
    ]);
    if let Some(repository) = &installation.chart.repository {
        arguments.extend(["--repo".to_owned(), repository.clone()]);
    }
    if let Some(description) = &installation.description {
        arguments.extend(["--description".to_owned(), description.clone()]);
    }
    arguments
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

fn private_file(path: &Path, content: &Value) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content.to_string().as_bytes())
}

/// The last lines, without empty ones.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let start = lines.len().saturating_sub(TAIL_LINES);
    let tail = lines.get(start..).unwrap_or_default().join("\n");
    if tail.is_empty() { "it printed nothing to its stderr".to_owned() } else { tail }
}

/// The first thing that looks like a version: helm 3 and 4 print it in different company.
fn find_version(text: &str) -> Option<String> {
    text.match_indices('v').find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let end = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(rest.len());
        let version = rest.get(..end)?.trim_end_matches('.');
        // A helm that was built from its sources names no patch.
        ((2..=3).contains(&version.split('.').count())
            && version.split('.').all(|part| part.parse::<u64>().is_ok()))
        .then(|| version.to_owned())
    })
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
