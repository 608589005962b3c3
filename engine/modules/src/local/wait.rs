//! `wait`: world time passes, or a task's `until` comes true.
//!
//! `until` is the engine's: it asks again until the expression holds. `for` is counted here, from
//! the look that the run takes right before it, so that a plan which lay around for an hour does
//! not shorten the wait.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use runbook_core::change::{Action, Change};
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observed, Patience, Schema, Values,
    Verdict,
};
use runbook_core::value::{Type, duration};

use super::{nothing_to_apply, task_key};
use crate::arguments::optional_text;
use crate::schema::argument;

/// How exactly `for` is kept.
const TICK: Duration = Duration::from_secs(1);
/// `for` itself says how long; this only ends a wait that nobody meant.
const AT_MOST: Duration = Duration::from_hours(30 * 24);

/// See the module documentation.
pub(super) struct Wait {
    schema: Schema,
    /// Since when each task waits.
    since: Mutex<BTreeMap<String, Timestamp>>,
}

impl Wait {
    pub(super) fn new() -> Self {
        let schema = Schema {
            name: "wait",
            summary: "Waits for some time, or with `until` for something to be true.",
            nature: Nature::Pure,
            follows: true,
            connection: None,
            arguments: vec![argument("for", Type::Duration, "How long, in world time.")],
            outputs: Vec::new(),
            may: &[Action::Wait, Action::None],
            iam_actions: &[],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { schema, since: Mutex::default() }
    }

    fn since(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Timestamp>> {
        self.since.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn wanted(arguments: &Values) -> Duration {
    optional_text(arguments, "for").and_then(duration).unwrap_or_default()
}

#[async_trait]
impl Module for Wait {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        let subject = arguments.get("for").map(ToString::to_string).unwrap_or_default();
        Description { subject, detail: String::new() }
    }

    async fn observe(&self, context: &Context, _: &Values) -> Result<Observed, Failure> {
        self.since().insert(task_key(context), context.clock.now());
        Ok(Observed::Absent)
    }

    fn diff(&self, _: &Values, _: &Observed) -> Change {
        Change::none()
    }

    async fn apply(&self, _: &Context, _: Intent<'_>) -> Applied {
        nothing_to_apply()
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let now = context.clock.now();
        let since = *self.since().entry(task_key(context)).or_insert(now);
        let passed = now.duration_since(since);
        let wanted = SignedDuration::try_from(wanted(arguments)).unwrap_or(SignedDuration::MAX);
        if passed >= wanted {
            return Ok(Verdict::Converged(Values::new()));
        }
        Ok(Verdict::NotYet(format!("until {:.0}", since.saturating_add(wanted).unwrap_or(now))))
    }

    fn expected(&self, _: Action, arguments: &Values) -> Duration {
        wanted(arguments)
    }

    fn patience(&self) -> Patience {
        Patience { interval: TICK, timeout: AT_MOST }
    }
}
