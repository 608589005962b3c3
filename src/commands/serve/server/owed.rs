//! Deliveries that are owed: a destination failed longer than its task had patience, or a process died in
//! between. The server sends them again by itself, from the bytes in the outbox.
//!
//! Where a destination is, and its secrets, is in no database: the schedules' runbooks are read and the
//! environment is asked again each time. What no runbook here speaks of waits, and is told as an event and
//! as a metric.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use runbook_core::clock::Hold;
use runbook_core::connection::Access;
use runbook_core::failure::Failure;
use runbook_core::graph::{Graph, VertexId};
use runbook_core::plan::look::{Addressed, LookError, Looker};
use runbook_core::task::Instance;
use runbook_tasks::outbox::step::State;
use runbook_tasks::outbox::{self, Outbox, Owed, PATIENCE};
use runbook_tasks::owed::{Sender, delivers, report};

use super::Server;
use crate::commands::Session;
use crate::commands::planned::{knowledge, looker, owner};
use crate::commands::schedule::sources::{Entry, graph_now};
use crate::commands::serve::events::Delivery;
use crate::target::Target;

/// How long a round that left something due lets world time pass before the next.
const PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// What a server knows of deliveries.
pub(super) struct Owing<'a> {
    folder: PathBuf,
    /// Kept open: each look asks it.
    outbox: Option<Outbox>,
    round: Option<Pin<Box<dyn Future<Output = Round> + 'a>>>,
    not_before: Timestamp,
    /// What was told of each delivery last, so that it is told once.
    told: BTreeMap<String, String>,
}

/// What a round of sending came to: each delivery that was due, with what became of it.
#[derive(Default)]
pub(super) struct Round {
    due: Vec<Owed>,
    /// Why the message of a delivery could not be sent, by key.
    unresolved: BTreeMap<String, String>,
    /// Those that another process is at, by key.
    busy: BTreeSet<String>,
    /// Why the outbox could not be worked with.
    trouble: Option<String>,
    /// Kept until it is told: time may not jump between a round and what follows from it.
    hold: Option<Hold>,
}

impl Owing<'_> {
    /// Of an outbox that may not be there yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        let not_before = Timestamp::MIN;
        Self { folder, outbox: None, round: None, not_before, told: BTreeMap::new() }
    }

    /// Whether a round is under way.
    pub(super) fn is_sending(&self) -> bool {
        self.round.is_some()
    }

    /// The end of the round; waits for ever while there is none.
    pub(super) async fn sent(&mut self) -> Round {
        let Some(round) = &mut self.round else { return std::future::pending().await };
        let done = round.await;
        self.round = None;
        done
    }

    fn owed(&mut self) -> Result<Vec<Owed>, outbox::Error> {
        if self.outbox.as_ref().is_some_and(|outbox| !outbox.path().exists()) {
            // A simulated world was forgotten, with what was said about it.
            self.outbox = None;
        }
        if self.outbox.is_none() {
            self.outbox = Outbox::look(&self.folder)?;
        }
        self.outbox.as_ref().map_or_else(|| Ok(Vec::new()), Outbox::owed)
    }
}

/// When a delivery is to be sent again; what was refused waits for a person. While a run may be at it, the
/// run has the time that its tasks wait.
fn due(owed: &Owed, may_be_at_it: bool) -> Option<Timestamp> {
    let (at, since) = match owed.state {
        State::Queued | State::Attempting => (owed.since, owed.since),
        State::Failed { retry_at, .. } => (retry_at, retry_at),
        State::Refused { .. } | State::Delivered { .. } => return None,
    };
    if may_be_at_it { since.checked_add(PATIENCE).ok() } else { Some(at) }
}

impl Server<'_> {
    /// Sends what is due, beside everything else; when to look again.
    pub(super) fn send_owed(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.owing.is_sending() {
            return None;
        }
        let owed = match self.owing.owed() {
            Ok(owed) => owed,
            Err(error) => {
                self.outbox_trouble(&error.told());
                return None;
            }
        };
        self.metrics.owed(owed.iter().map(|one| one.state.name()));
        let known: BTreeSet<&str> = owed.iter().map(|one| one.key.as_str()).collect();
        self.owing.told.retain(|key, _| known.contains(key.as_str()) || key.is_empty());
        let may_be_at_it = !self.at_work.is_empty();
        let next = owed.iter().filter_map(|one| due(one, may_be_at_it)).min()?;
        let next = next.max(self.owing.not_before);
        if next > now {
            return Some(next);
        }
        let due = owed.into_iter().filter(|one| due(one, may_be_at_it).is_some_and(|at| at <= now));
        let (due, entries) = (due.collect(), self.entries());
        let (session, target, folder) = (self.session, self.target, self.owing.folder.clone());
        // Time stands while something is sent.
        let hold = Some(target.clock.hold());
        self.owing.round = Some(Box::pin(async move {
            Round { hold, ..round(session, target, &entries, &folder, due).await }
        }));
        None
    }

    /// Tells what a round came to.
    pub(super) fn sent(&mut self, round: Round) {
        let now = self.target.clock.now();
        if let Some(trouble) = &round.trouble {
            self.outbox_trouble(trouble);
        }
        let standing: BTreeMap<String, State> = match self.owing.owed() {
            Ok(owed) => owed.into_iter().map(|one| (one.key.to_string(), one.state)).collect(),
            Err(error) => return self.outbox_trouble(&error.told()),
        };
        self.metrics.unresolved(round.unresolved.len());
        let mut is_left = false;
        for one in &round.due {
            let key = one.key.to_string();
            let unresolved = round.unresolved.get(&key);
            if round.busy.contains(&key) {
                is_left = true;
                continue;
            }
            let (outcome, why) = match (unresolved, standing.get(&key)) {
                (Some(why), _) => ("unresolved", why.clone()),
                (None, None) => ("delivered", String::new()),
                (None, Some(State::Failed { why, .. })) => ("failed", why.clone()),
                (None, Some(State::Refused { why })) => ("refused", why.clone()),
                // It was not tried.
                (None, Some(_)) => {
                    is_left = true;
                    continue;
                }
            };
            is_left |= outcome == "unresolved";
            if outcome != "unresolved" {
                self.metrics.sent(outcome);
            }
            let words = format!("{outcome} {why}");
            if self.owing.told.get(&key) != Some(&words) {
                let delivery = Delivery { owed: one, outcome, why: &why };
                self.speaker.say_delivery(&delivery, now);
                self.owing.told.insert(key, words);
            }
        }
        if is_left || round.trouble.is_some() {
            self.owing.not_before = now.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
        }
        drop(round.hold);
    }

    /// Says once what is wrong with the outbox.
    fn outbox_trouble(&mut self, why: &str) {
        if self.owing.told.get("").map(String::as_str) != Some(why) {
            self.session.printer.note(&format!("nothing that is owed is delivered: {why}"));
            self.owing.told.insert(String::new(), why.to_owned());
        }
    }
}

/// Sends what is due, report by report.
async fn round(
    session: &Session,
    target: &Target,
    entries: &[Arc<Entry>],
    folder: &std::path::Path,
    due: Vec<Owed>,
) -> Round {
    let mut round = Round::default();
    let mut outbox = match Outbox::open(folder) {
        Ok(outbox) => outbox,
        Err(error) => return Round { trouble: Some(error.told()), due, ..round },
    };
    let mut groups: BTreeMap<(String, String, Timestamp), Vec<Owed>> = BTreeMap::new();
    for one in due {
        groups.entry((one.scope.clone(), one.report.clone(), one.made)).or_default().push(one);
    }
    for ((scope, report, made), due) in groups {
        let found = senders(session, target, entries, (&scope, &report), made).await;
        for one in &due {
            if found.senders.iter().any(|sender| sender.knows(&one.destination)) {
                continue;
            }
            let why = found.problem.clone().unwrap_or_else(|| {
                format!("no runbook that is served delivers `{report}` to {}", one.destination)
            });
            round.unresolved.insert(one.key.to_string(), why);
        }
        for sender in found.senders {
            match sender.send(&mut outbox).await {
                Ok(_) => {}
                // Another process delivers; it is asked again in a while.
                Err(outbox::Error::Busy { .. }) => {
                    let known = due.iter().filter(|one| sender.knows(&one.destination));
                    round.busy.extend(known.map(|one| one.key.to_string()));
                }
                Err(error) => round.trouble = Some(error.told()),
            }
        }
        round.due.extend(due);
    }
    round
}

/// What sends the messages of a report, as the runbooks say it now.
#[derive(Default)]
struct Found {
    senders: Vec<Sender>,
    /// Why one of them cannot.
    problem: Option<String>,
}

async fn senders(
    session: &Session,
    target: &Target,
    entries: &[Arc<Entry>],
    (scope, report): (&str, &str),
    made: Timestamp,
) -> Found {
    let mut found = Found::default();
    for entry in entries {
        let Ok((graph, ..)) = graph_now(session, entry) else { continue };
        if !scope.starts_with(&format!("{} ", owner(&graph))) {
            continue;
        }
        let graph = Arc::new(graph);
        let looker = looker(session, target, &graph, Access::Write, None, &[]);
        of_graph(session, &looker, (scope, report), made, &mut found).await;
    }
    found
}

/// The senders of a graph. A task that cannot be one now does not stand in the way of another.
async fn of_graph(
    session: &Session,
    looker: &Looker,
    of: (&str, &str),
    made: Timestamp,
    found: &mut Found,
) {
    let graph: &Graph = &looker.graph;
    let mut known = knowledge(session);
    known.slot = Some(made);
    for (vertex, id) in graph.vertices.iter().zip((0..).map(VertexId)) {
        let module = vertex.module.schema().name;
        if !delivers(module) {
            continue;
        }
        let instances = match looker.instances(&mut known, id) {
            Ok(instances) => instances,
            Err(problem) => {
                found.problem = Some(problem.message.clone());
                continue;
            }
        };
        for instance in instances {
            let addressed = looker.addressed(&instance, &known.view(graph, id));
            match of_task(session, looker, module, &instance, addressed, of).await {
                Ok(sender) => found.senders.extend(sender),
                Err(why) => found.problem = Some(why),
            }
        }
    }
}

async fn of_task(
    session: &Session,
    looker: &Looker,
    module: &str,
    instance: &Instance,
    addressed: Result<Option<Addressed>, LookError>,
    (scope, wanted): (&str, &str),
) -> Result<Option<Sender>, String> {
    let Some(addressed) = addressed.map_err(|error| told(&error))? else { return Ok(None) };
    if report(module, &addressed.arguments).as_deref() != Some(wanted) {
        return Ok(None);
    }
    let failed = |failure: Failure| failure.message;
    let context = looker.reach(instance, &addressed).await.map_err(failed)?;
    let folder = &session.environment.working_directory;
    let sender = Sender::of(module, &context, &addressed.arguments, folder).map_err(failed)?;
    Ok(sender.filter(|sender| sender.scope == scope))
}

fn told(error: &LookError) -> String {
    match error {
        LookError::Problems(problems) => {
            problems.first().map(|problem| problem.message.clone()).unwrap_or_default()
        }
        LookError::Failure(failure) => failure.message.clone(),
    }
}
