//! What report tasks share: from a rendered message and destinations to a plan, to deliveries, to a
//! verdict.
//!
//! | the outbox has | the task |
//! |---|---|
//! | nothing of this window | makes revision 1 and delivers it |
//! | a revision, all delivered, no total moved | has nothing to do |
//! | a revision, all delivered, a total moved within the time for it | makes the next one |
//! | a revision, something not delivered | delivers that, and renders nothing |
//!
//! What earlier windows of the same report still owe to the same destinations is delivered along.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runbook_core::change::{Action, Change, FieldChange};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Applied, Context, Observation, Observed, Values, Verdict};
use runbook_core::owner::Ownership;
use runbook_core::value::Value;

use super::schema::text_list;
use crate::destinations::{Destination, destinations};
use crate::message::{About, File, Message, Rendered};
use crate::outbox::step::State;
use crate::outbox::{self, Backoff, Delivering, Delivery, Outbox, Pass, Sent, Silent};
use crate::owed::means;
use crate::restate::{Restate, told};
use crate::surroundings::Places;

/// How long a task waits for destinations that fail, in world time.
const PATIENCE: SignedDuration = outbox::PATIENCE;

/// A message, as far as a task can say without sending anything.
pub(super) struct Sending {
    pub(super) about: About,
    pub(super) slot: Timestamp,
    pub(super) restate: Option<Restate>,
    pub(super) destinations: Vec<Destination>,
    pub(super) places: Places,
}

/// What is to be done about a message.
pub(super) struct Look {
    /// The newest revision, if there is one.
    sent: Option<Sent>,
    /// Its deliveries.
    deliveries: Vec<Delivery>,
    /// Deliveries of earlier messages to them that are not done.
    owed: usize,
    /// The revision that is to be made.
    next: Option<Message>,
}

/// An error of the outbox as a failure.
pub(super) fn outbox_failure(error: &outbox::Error) -> Failure {
    let class = match error {
        outbox::Error::Busy { .. } => Class::Conflict,
        outbox::Error::Newer { .. } | outbox::Error::NotOurs { .. } => Class::Invalid,
        outbox::Error::OtherContent { .. }
        | outbox::Error::Damaged { .. }
        | outbox::Error::Forgotten { .. } => Class::Terminal,
        outbox::Error::Database { .. } | outbox::Error::File { .. } => Class::Unavailable,
    };
    let failure = Failure::new(class, error.told());
    match error {
        outbox::Error::Busy { .. } => failure.passes_within(Duration::from_mins(5)),
        outbox::Error::Damaged { .. } => failure
            .hint("move the file away: what was delivered is recognised by its key or content"),
        _ => failure,
    }
}

/// The destinations of a task.
pub(super) fn read_destinations(
    arguments: &Values,
    folder: &std::path::Path,
) -> Result<Vec<Destination>, Vec<String>> {
    let list = arguments.get("destinations").and_then(Value::as_list).unwrap_or_default();
    destinations(list, folder)
}

impl Sending {
    fn identities(&self) -> Vec<String> {
        self.destinations.iter().map(|one| one.identity().to_owned()).collect()
    }

    /// Where the message stands, and whether a revision is to be made. `render` is asked only when it
    /// could make a difference: for a window that was not sent, or that may still be sent again.
    pub(super) async fn look(
        &self,
        render: impl Future<Output = Result<Rendered, Failure>> + Send,
    ) -> Result<Look, Failure> {
        let mut look = self.standing()?;
        if self.may_be_made(&look) {
            let rendered = render.await?;
            self.decide(&mut look, rendered);
        }
        Ok(look)
    }

    /// Whether a revision may be made: of a window that was not sent, or that may still be sent again.
    fn may_be_made(&self, look: &Look) -> bool {
        let is_open = |one: &Restate| one.is_open(self.about.window, self.slot);
        look.sent.is_none() || self.restate.as_ref().is_some_and(is_open)
    }

    /// Where the message stands.
    fn standing(&self) -> Result<Look, Failure> {
        let failed = |error: outbox::Error| outbox_failure(&error);
        let mut look = Look { sent: None, deliveries: Vec::new(), owed: 0, next: None };
        let Some(outbox) = Outbox::look(&self.places.outbox).map_err(failed)? else {
            return Ok(look);
        };
        look.sent = outbox.newest(&self.about).map_err(failed)?;
        if let Some(sent) = &look.sent {
            look.deliveries = outbox.deliveries(sent).map_err(failed)?;
        }
        look.owed = self.owed(&outbox).map_err(failed)?;
        Ok(look)
    }

    /// How many deliveries of other messages to these destinations are not done.
    fn owed(&self, outbox: &Outbox) -> Result<usize, outbox::Error> {
        let mut owed = 0;
        for sent in outbox.current(&self.about.scope, &self.about.report)? {
            if sent.about == self.about {
                continue;
            }
            let open = outbox.deliveries(&sent)?.into_iter().filter(|one| {
                matches!(
                    one.standing.state,
                    State::Queued | State::Attempting | State::Failed { .. }
                ) && self.destinations.iter().any(|to| to.identity() == one.destination)
            });
            owed += open.count();
        }
        Ok(owed)
    }

    fn decide(&self, look: &mut Look, mut rendered: Rendered) {
        let message = |revision, rendered| Message {
            about: self.about.clone(),
            revision,
            made: self.slot,
            rendered,
        };
        let (Some(sent), restate) = (&look.sent, self.restate) else {
            look.next = Some(message(1, rendered));
            return;
        };
        let moved = restate.map(|one| one.moved(&sent.totals, &rendered.totals));
        let moved = moved.unwrap_or_default();
        if moved.is_empty() {
            return;
        }
        let revision = sent.revision.saturating_add(1);
        let why = told(revision, &moved, &sent.basis, &rendered.basis);
        rendered.subject = format!("{} (revision {revision})", rendered.subject);
        rendered.summary = format!("{why}\n{}", rendered.summary);
        rendered.files.push(File {
            name: "revision.txt".to_owned(),
            media_type: "text/plain; charset=utf-8".to_owned(),
            bytes: why.into_bytes(),
        });
        look.next = Some(message(revision, rendered));
    }

    /// Makes what is to be made durable, and delivers what is due, waiting for destinations that fail.
    pub(super) async fn carry_out(&self, context: &Context, look: Look) -> Result<Pass, Failure> {
        let failed = |error: outbox::Error| outbox_failure(&error);
        let mut outbox = Outbox::open(&self.places.outbox).map_err(failed)?;
        let now = context.clock.now();
        let message = match (&look.next, &look.sent) {
            (Some(next), _) => next.clone(),
            (None, Some(sent)) => outbox.message(sent).map_err(failed)?,
            (None, None) => {
                return Err(Failure::new(Class::Bug, "there is neither a message nor a revision"));
            }
        };
        outbox.prune(now).map_err(failed)?;
        outbox.put(&message, &self.identities(), now).map_err(failed)?;
        let means = means(context, &self.destinations, &self.places.working_directory)?;
        let give_up = now.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
        let mut again = Some(self.about.window);
        let mut refused = Vec::new();
        loop {
            let work = Delivering {
                scope: &self.about.scope,
                report: &self.about.report,
                destinations: &self.destinations,
                means: &means,
                backoff: Backoff::default(),
                again,
                watch: &Silent,
            };
            let mut pass = outbox::deliver(&mut outbox, &work).await.map_err(failed)?;
            refused.append(&mut pass.refused);
            // Somebody ran it: what was refused is tried once more, not again and again.
            again = None;
            match pass.next {
                Some(next) if next <= give_up => context.clock.sleep_until(next).await,
                _ => return Ok(Pass { refused, ..pass }),
            }
        }
    }

    /// What came of it, as the module contract words it.
    pub(super) async fn apply(&self, context: &Context, look: Look) -> Applied {
        match self.carry_out(context, look).await {
            Ok(pass) if pass.failed.is_empty() && pass.refused.is_empty() => {
                Applied::Acknowledged(Values::new())
            }
            Ok(pass) => Applied::Rejected(undelivered(&pass)),
            Err(failure) => Applied::Rejected(failure),
        }
    }

    /// The outputs of a message that nobody wants.
    pub(super) fn nothing(&self, subject: String) -> Values {
        BTreeMap::from([
            ("subject".to_owned(), Value::from(subject)),
            ("delivered".to_owned(), text_list(self.identities())),
        ])
    }

    /// Whether the newest revision is where it belongs.
    pub(super) fn verdict(&self) -> Result<Verdict, Failure> {
        let look = self.standing()?;
        if look.sent.is_none() {
            return Ok(Verdict::NotYet("it was not made yet".to_owned()));
        }
        Ok(match look.open(self).first() {
            // Looking sends nothing, so waiting does not help.
            Some((to, state)) => Verdict::Terminal(Failure::new(
                Class::Unavailable,
                format!("not delivered to {to}: {state}"),
            )),
            None => Verdict::Converged(look.outputs()),
        })
    }
}

/// Everything that did not arrive, with the way out.
fn undelivered(pass: &Pass) -> Failure {
    let all = pass.refused.iter().chain(&pass.failed);
    let destinations: Vec<&str> = all.clone().map(|(_, to, _)| to.as_str()).collect();
    let class = if pass.refused.is_empty() { Class::Unavailable } else { Class::Invalid };
    let mut failure = Failure::new(
        class,
        format!("not delivered to {}", destinations.join(", ")),
    )
    .hint("the message is kept: the next run delivers it there alone, with the bytes that were rendered now");
    for (subject, to, why) in all {
        failure = failure.evidence(format!("{to}: {why} ({subject})"));
    }
    failure
}

impl Look {
    /// The destinations that do not have the newest revision, with where they stand.
    fn open(&self, sending: &Sending) -> Vec<(String, String)> {
        let state = |identity: &str| {
            let delivery = self.deliveries.iter().find(|one| one.destination == identity);
            match delivery.map(|one| &one.standing.state) {
                None => Some("not sent".to_owned()),
                Some(State::Delivered { .. }) => None,
                Some(State::Failed { why, .. }) => Some(format!("failed: {why}")),
                Some(State::Refused { why }) => Some(format!("refused: {why}")),
                Some(other) => Some(other.name().to_owned()),
            }
        };
        let destinations = sending.destinations.iter();
        destinations
            .filter_map(|one| Some((one.identity().to_owned(), state(one.identity())?)))
            .collect()
    }

    /// What the engine sees. What would be written goes along, for [`change`] to show.
    pub(super) fn observed(&self, sending: &Sending) -> Observed {
        let revision = self.sent.as_ref().map_or(0, |sent| i64::from(sent.revision));
        let projection = BTreeMap::from([
            ("revision".to_owned(), Value::from(revision)),
            ("open".to_owned(), text_list(self.open(sending).into_iter().map(|(to, _)| to))),
        ]);
        Observed::Present(Observation {
            projection,
            // It lies in a database of ours; what was delivered is not ours any more.
            ownership: Ownership::Setting,
            outputs: self.outputs(),
            private: serde_json::to_value((revision, self.plan(sending))).unwrap_or_default(),
        })
    }

    /// Why and where something would be written; nothing when it would not.
    pub(super) fn plan(&self, sending: &Sending) -> Vec<(String, String, String)> {
        let line = |destination: &Destination, before: &str, message: Option<&Message>| {
            let shown = message.map_or_else(
                || destination.identity().to_owned(),
                |message| destination.shown(message),
            );
            (destination.identity().to_owned(), before.to_owned(), shown)
        };
        if let Some(next) = &self.next {
            let all = sending.destinations.iter();
            return all.map(|one| line(one, "", Some(next))).collect();
        }
        let open = self.open(sending);
        let mut lines: Vec<_> = sending
            .destinations
            .iter()
            .filter_map(|one| {
                let (_, state) = open.iter().find(|(to, _)| to == one.identity())?;
                Some(line(one, state, None))
            })
            .collect();
        if self.owed > 0 {
            let what = format!("{} of earlier windows", self.owed);
            lines.push(("owed".to_owned(), what, "delivered".to_owned()));
        }
        lines
    }

    fn outputs(&self) -> Values {
        let Some(sent) = &self.sent else { return Values::new() };
        let delivered = self.deliveries.iter().filter_map(|one| match &one.standing.state {
            State::Delivered { said } => Some(format!("{}: {said}", shown(&one.destination))),
            _ => None,
        });
        let total = sent
            .totals
            .get("")
            .map_or(Value::Null, |total| Value::from(crate::restate::dollars(*total)));
        BTreeMap::from([
            ("window".to_owned(), Value::from(sent.about.window.to_string())),
            ("revision".to_owned(), Value::from(i64::from(sent.revision))),
            ("subject".to_owned(), Value::from(sent.subject.as_str())),
            ("summary".to_owned(), Value::from(sent.summary.as_str())),
            ("total".to_owned(), total),
            ("delivered".to_owned(), text_list(delivered)),
        ])
    }
}

/// A destination beside what it said: where a name is a place with blanks, the place that was filled in
/// follows, and its kind is enough.
fn shown(destination: &str) -> &str {
    match destination.split_once(' ') {
        Some((kind, place)) if place.contains('{') => kind,
        _ => destination,
    }
}

/// The change that a plan shows: each destination with where it would be written.
pub(super) fn change(observed: &Observed) -> Change {
    let Observed::Present(observation) = observed else { return Change::of(Action::Create) };
    let planned = serde_json::from_value(observation.private.clone());
    let (revision, lines): (i64, Vec<(String, String, String)>) = planned.unwrap_or_default();
    if lines.is_empty() {
        return Change::none();
    }
    let fields = lines
        .into_iter()
        .map(|(to, before, after)| FieldChange {
            path: to,
            before: (!before.is_empty()).then(|| Value::from(before)),
            after: Some(Value::from(after)),
            forces_replace: None,
        })
        .collect();
    let action = if revision == 0 { Action::Create } else { Action::Update };
    Change { action, fields, reasons: Vec::new() }
}
