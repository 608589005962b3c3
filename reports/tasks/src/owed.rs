//! Deliveries that are owed, sent by whoever serves, without a run and without rendering anything.
//!
//! The outbox knows of a destination only its name; where that is, and the secrets that open it, are
//! resolved again from the task's text and the environment each time. So a task gives a [`Sender`]: what
//! its messages are known by, and its destinations as they are now.

use std::sync::Arc;

use runbook_clients::post::Poster;
use runbook_core::connection::Connection;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Context, Values};
use runbook_core::value::Value;

use crate::destinations::{ClientClock, Destination, Means, destinations};
use crate::outbox::{self, Backoff, Delivering, Outbox, Pass, Silent};
use crate::surroundings::{aws, observer};

/// The modules whose tasks deliver, and what precedes a task's name in the name of its report.
const DELIVERING: [(&str, &str); 3] =
    [("report.showback", ""), ("report.reconcile", ""), ("report.notify", "notify-")];

/// Whether tasks of a module deliver something.
pub fn delivers(module: &str) -> bool {
    DELIVERING.iter().any(|(name, _)| *name == module)
}

/// The name of a task's report, as messages have it; none when the module delivers nothing, or the name
/// is not known yet.
pub fn report(module: &str, arguments: &Values) -> Option<String> {
    let (_, prefix) = DELIVERING.iter().find(|(name, _)| *name == module)?;
    let name = arguments.get("name").and_then(Value::as_str)?;
    Some(format!("{prefix}{name}"))
}

/// Whose messages a task's are: its owner, and where it runs.
pub(crate) fn scope(context: &Context) -> String {
    let connection = context.connection.as_ref().map(Connection::identity_text);
    format!("{} {}", context.owner, connection.unwrap_or_default())
}

/// What destinations are reached by, from a task.
pub(crate) fn means(
    context: &Context,
    destinations: &[Destination],
    working_directory: &std::path::Path,
) -> Result<Means, Failure> {
    let needs_aws = destinations.iter().any(Destination::needs_aws);
    let poster = Poster::new(Arc::new(ClientClock(context.clock.clone())), observer(context))
        .map_err(|problem| Failure::new(Class::Unavailable, problem))?;
    Ok(Means {
        clock: context.clock.clone(),
        aws: needs_aws.then(|| aws(context)).transpose()?,
        poster,
        working_directory: working_directory.to_owned(),
    })
}

/// What sends the messages of a task.
pub struct Sender {
    /// Whose they are.
    pub scope: String,
    /// Of which report.
    pub report: String,
    destinations: Vec<Destination>,
    means: Means,
}

impl Sender {
    /// The sender of a task; `None` for a task that delivers nothing.
    pub fn of(
        module: &str,
        context: &Context,
        arguments: &Values,
        working_directory: &std::path::Path,
    ) -> Result<Option<Self>, Failure> {
        let Some(report) = report(module, arguments) else { return Ok(None) };
        let list = arguments.get("destinations").and_then(Value::as_list).unwrap_or_default();
        if list.iter().any(Value::has_unknown) {
            let why = "its destinations hang on other tasks, which only a run knows";
            return Err(Failure::new(Class::Invalid, why));
        }
        let destinations = destinations(list, &context.folder)
            .map_err(|all| Failure::new(Class::Invalid, all.join("; ")))?;
        let means = means(context, &destinations, working_directory)?;
        Ok(Some(Self { scope: scope(context), report, destinations, means }))
    }

    /// Whether it knows a destination of that name.
    pub fn knows(&self, destination: &str) -> bool {
        self.destinations.iter().any(|one| one.identity() == destination)
    }

    /// Delivers what is due: one pass, which never waits. What was refused stays so.
    pub async fn send(&self, outbox: &mut Outbox) -> Result<Pass, outbox::Error> {
        let work = Delivering {
            scope: &self.scope,
            report: &self.report,
            destinations: &self.destinations,
            means: &self.means,
            backoff: Backoff::default(),
            again: None,
            watch: &Silent,
        };
        outbox::deliver(outbox, &work).await
    }
}
