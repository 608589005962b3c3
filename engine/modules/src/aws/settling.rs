//! How a write ends and when it counts as done.
//!
//! A write is a sequence of calls, the first refusal of which ends it ([`Stopped`], [`ended`]). It
//! counts as done when a look afterwards shows what was asked for ([`settled`]): IAM, SQS and their
//! like answer reads from before the write for some seconds.

use runbook_clients::{Error, Undone};
use runbook_core::change::Change;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Applied, Context, Module, Observed, Values, Verdict};

use crate::failures;

/// Why a sequence of calls went no further.
pub(super) struct Stopped(Box<Applied>);

impl From<Undone> for Stopped {
    fn from(undone: Undone) -> Self {
        Self(Box::new(failures::undone(&undone)))
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self(Box::new(Applied::Rejected(failure)))
    }
}

/// A read between the writes.
impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::from(failures::failure(&error))
    }
}

impl Stopped {
    /// The same with more to say about a refusal.
    pub(super) fn explained(self, explain: impl FnOnce(Failure) -> Failure) -> Self {
        Self(Box::new(match *self.0 {
            Applied::Rejected(failure) => Applied::Rejected(explain(failure)),
            other => other,
        }))
    }
}

/// What came of a sequence of calls.
pub(super) fn ended(outcome: Result<Values, Stopped>) -> Applied {
    match outcome {
        Ok(outputs) => Applied::Acknowledged(outputs),
        Err(stopped) => *stopped.0,
    }
}

/// The end of `apply` where an action makes no sense for a module.
pub(super) fn no_such_action(kind: &str, change: &Change) -> Failure {
    Failure::new(Class::Bug, format!("{kind} was asked for {:?}", change.action).to_lowercase())
}

/// A lookup was asked to write.
pub(super) fn only_reads(kind: &str) -> Applied {
    Applied::Rejected(Failure::new(Class::Bug, format!("{kind} only reads")))
}

/// Converged when a look shows what was asked for.
pub(super) async fn settled(
    module: &dyn Module,
    context: &Context,
    arguments: &Values,
) -> Result<Verdict, Failure> {
    let observed = module.observe(context, arguments).await?;
    Ok(match &observed {
        Observed::Absent => Verdict::NotYet("it cannot be seen yet".to_owned()),
        Observed::Present(observation) => match unsettled(module, arguments, &observed) {
            Some(reason) => Verdict::NotYet(reason),
            None => Verdict::Converged(observation.outputs.clone()),
        },
    })
}

/// Which fields are not as asked for; `None` when all are.
pub(super) fn unsettled(
    module: &dyn Module,
    arguments: &Values,
    observed: &Observed,
) -> Option<String> {
    let change = module.diff(arguments, observed);
    let fields: Vec<String> =
        change.fields.iter().map(|field| format!("`{}`", field.path)).collect();
    (!fields.is_empty()).then(|| format!("{} not as asked for yet", fields.join(", ")))
}

/// What a lookup found, as a verdict.
pub(super) async fn looked_up(
    module: &dyn Module,
    context: &Context,
    arguments: &Values,
) -> Result<Verdict, Failure> {
    Ok(match module.observe(context, arguments).await? {
        Observed::Present(observation) => Verdict::Converged(observation.outputs),
        Observed::Absent => Verdict::NotYet("nothing was found".to_owned()),
    })
}

/// Whether a field, or something inside it, changes.
pub(super) fn touches(change: &Change, name: &str) -> bool {
    change.fields.iter().any(|field| {
        field.path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}
