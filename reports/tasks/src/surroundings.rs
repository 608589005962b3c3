//! What this crate cannot know: which target a task runs on, where that target's samples, prices and
//! messages lie, and what stands behind a connection to a cluster. The command fills it in.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;
use runbook_capacity::prices::{ListSource, PriceBook, PriceList};
use runbook_clients::{Observer, Try, aws, kubernetes};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Context, Try as CoreTry, TryObserver};
use runbook_showback::observed::ClusterId;

/// Where things of a target lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `sandbox` or `aws`: said in every title.
    pub target: String,
    /// The store of samples.
    pub samples: PathBuf,
    /// The folder of the outbox.
    pub outbox: PathBuf,
    /// What relative folders of a runbook's `path` are relative to.
    pub working_directory: PathBuf,
}

/// A cluster that can be looked at.
#[derive(Clone)]
pub struct Cluster {
    /// Its API.
    pub kubernetes: kubernetes::Connection,
    /// The account that it was reached through, which knows when its machines were launched.
    pub aws: Option<aws::Connection>,
    /// Which.
    pub id: ClusterId,
}

/// What the command knows of a task's surroundings.
pub trait Surroundings: Send + Sync {
    /// Where things of the task's target lie.
    fn places(&self, context: &Context) -> Result<Places, Failure>;

    /// The cluster behind the task's connection.
    fn cluster(&self, context: &Context) -> Result<Cluster, Failure>;

    /// The prices that answer questions about the task's target.
    fn prices(&self, context: &Context) -> Result<Cow<'static, PriceBook>, Failure>;

    /// Those that did on a day; none where they are the same ones.
    fn prices_on(&self, context: &Context, day: Date) -> Result<Option<PriceBook>, Failure>;

    /// The list of a region, if one was asked for.
    fn price_list(&self, context: &Context, region: &str) -> Result<Option<PriceList>, Failure>;

    /// Whom a list is asked of. Refused where questions would not know whose list to use.
    fn price_source(
        &self,
        context: &Context,
        endpoint: Option<&str>,
    ) -> Result<ListSource, Failure>;

    /// Keeps a list for all questions about its region.
    fn keep_prices(&self, context: &Context, list: &PriceList) -> Result<(), Failure>;

    /// Where Cost Explorer's answers about an account are kept.
    fn asked_costs(&self, context: &Context, account: &str) -> Result<PathBuf, Failure>;
}

/// The task's AWS connection, reporting to the task.
pub(crate) fn aws(context: &Context) -> Result<aws::Connection, Failure> {
    let handle = context.connection.as_ref().map(|one| &one.handle);
    let connection = handle.and_then(|handle| handle.downcast_ref::<aws::Connection>());
    let connection = connection.ok_or_else(|| {
        let message =
            format!("the task `{}` was not given a connection of kind `aws`", context.address);
        Failure::new(Class::Bug, message)
    })?;
    Ok(connection.observed_by(observer(context)))
}

/// The observer of tries that a client of this task reports to.
pub(crate) fn observer(context: &Context) -> Arc<dyn Observer> {
    Arc::new(Tries(context.tries.clone()))
}

/// Passes tries on to the engine.
struct Tries(Arc<dyn TryObserver>);

impl Observer for Tries {
    fn tried(&self, one: Try) {
        self.0.tried(CoreTry {
            operation: one.operation,
            class: one.class.as_str().to_owned(),
            number: one.number,
            outcome: one.outcome,
        });
    }
}
