//! A journal that asks the test about each batch before it takes it.

use std::sync::Arc;

use futures::future::BoxFuture;
use runbook_core::event::Event;
use runbook_core::journal::{Batch, Error, Journal, Noted, Notes, RunSummary, Store};

/// What becomes of a batch in place of being taken; `None` takes it.
pub(crate) type Instead = Option<BoxFuture<'static, Result<(), Error>>>;

/// A real journal behind a test's own rule.
pub(crate) struct Asking<F> {
    pub(crate) journal: Journal,
    pub(crate) rule: F,
}

impl<F: Fn(&Batch) -> Instead + Send + Sync> Store for Asking<F> {
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<(), Error>> {
        (self.rule)(&batch).unwrap_or_else(|| self.journal.append(batch))
    }

    fn read(&self, run: &str) -> Result<Vec<Event>, Error> {
        self.journal.read(run)
    }

    fn blob(&self, run: &str, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        self.journal.blob(run, digest)
    }

    fn runs(&self) -> Result<Vec<RunSummary>, Error> {
        self.journal.runs()
    }

    fn note(&self, run: &str, from: u64) -> Result<Option<Arc<dyn Notes>>, Error> {
        self.journal.note(run, from)
    }

    fn noted(&self, run: &str) -> Result<Noted, Error> {
        self.journal.noted(run)
    }
}
