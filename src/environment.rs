//! The environment, read once: nothing else in the program reads variables.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;

/// What the program takes from its surroundings.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    /// All variables that are text.
    pub(crate) variables: BTreeMap<String, String>,
    /// The working directory.
    pub(crate) working_directory: PathBuf,
    /// Whether stdin is a terminal: whether somebody can be asked.
    pub(crate) stdin_is_terminal: bool,
    /// Whether stdout is a terminal.
    pub(crate) stdout_is_terminal: bool,
    /// Whether stderr is a terminal.
    pub(crate) stderr_is_terminal: bool,
}

impl Environment {
    /// Reads it.
    pub(crate) fn read() -> Self {
        Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            // A directory that was removed under us: relative paths then fail by themselves.
            working_directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// A variable, unless it is unset or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
