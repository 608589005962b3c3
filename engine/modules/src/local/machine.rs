//! What a process may know of the machine that it runs on.
//!
//! Nothing in this crate reads the environment: the command does, once, and hands in the two
//! variables that a process cannot do without. Everything else a task gives by name.

use std::path::PathBuf;

/// Where programs are found when nobody said.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the processes of `shell` are given of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Where programs are looked for, and their `PATH`.
    pub path: String,
    /// Their `HOME`.
    pub home: Option<PathBuf>,
}

impl Default for Machine {
    fn default() -> Self {
        Self { path: USUAL_PATH.to_owned(), home: None }
    }
}
