//! Why a store of samples cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a store of samples cannot be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused something.
    #[error("failed to {action} `{}`", path.display())]
    System {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file was written by a newer program.
    #[error(
        "`{}` is of version {version}, this program reads version {}; use the program that wrote it, nothing was changed",
        path.display(), super::VERSION
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// A file is no sample file, or one of something else.
    #[error("`{}` cannot be used: {problem}; move it out of the store", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process writes.
    #[error("samples of `{cluster}` are written by another process already: {holder}")]
    InUse {
        /// The cluster.
        cluster: String,
        /// Who holds it.
        holder: String,
    },
    /// There is nothing in it.
    #[error("there are no samples in `{}`; `runbook collect` takes them", folder.display())]
    Empty {
        /// The store.
        folder: PathBuf,
    },
    /// A cluster that was asked for is not in it.
    #[error("there are no samples of the cluster `{name}`; there are of {}", known.join(", "))]
    UnknownCluster {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A name stands for several clusters.
    #[error("`{name}` is the name of several clusters: {}; name one of them in full", known.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// Those it may be.
        known: Vec<String>,
    },
    /// A day that is to be imported is there.
    #[error("there are samples of {day} of `{cluster}` already, so the day was not imported")]
    DayIsThere {
        /// The cluster.
        cluster: String,
        /// The day.
        day: jiff::civil::Date,
    },
}

impl StoreError {
    pub(super) fn system<'p>(
        action: &'static str,
        path: &'p Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'p> {
        move |source| Self::System { action, path: path.to_owned(), source }
    }
}
