//! Slots at work: what they need to start, and the record of their end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use runbook_core::execute::Cancel;
use runbook_core::journal::slots::Ending;
use runbook_core::schedule::Mode;

use super::Server;
use crate::commands::schedule::sources::Entry;
use crate::commands::serve::events::Happened;
use crate::commands::serve::work::{Done, Due, Gate, work};
use crate::state::Lease;
use crate::trouble::Trouble;

/// A slot at work.
pub(super) struct AtWork {
    entry: Arc<Entry>,
    run: String,
    pub(super) cancel: Cancel,
    /// Whether a newer slot wants its place.
    pub(super) is_replaced: bool,
}

/// With what a slot may start.
pub(super) enum Leave {
    /// A plan writes nothing.
    ToPlan,
    /// The lease of the state folder, shared by all slots of this server that apply.
    ToApply(#[expect(dead_code, reason = "held, not used")] Arc<Lease>),
}

/// What comes back of a slot's run.
pub(super) struct Back {
    schedule: String,
    slot: Timestamp,
    done: Done,
    /// Kept until the end is recorded: its hold on the clock.
    gate: Arc<Gate>,
    leave: Leave,
}

/// Runs that are under way.
pub(super) type Running<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Back> + 'a>>>;

impl Server<'_> {
    /// What a slot needs to start; `None` while another process applies something.
    pub(super) fn leave_for(
        &mut self,
        entry: &Arc<Entry>,
        slot: Timestamp,
        run: &str,
        now: Timestamp,
    ) -> Option<Leave> {
        let key = (entry.identity.clone(), slot);
        if entry.schedule.mode == Mode::Plan {
            return Some(Leave::ToPlan);
        }
        if let Some(lease) = self.lease.upgrade() {
            return Some(Leave::ToApply(lease));
        }
        match self.session.state.lease(run) {
            Ok(lease) => {
                let lease = Arc::new(lease);
                self.lease = Arc::downgrade(&lease);
                self.waiting.remove(&key);
                Some(Leave::ToApply(lease))
            }
            Err(trouble) => {
                if self.waiting.get(&key) != Some(&trouble.message) {
                    self.speaker.say(entry, slot, now, &Happened::Waits(&trouble.message));
                    self.waiting.insert(key, trouble.message);
                }
                None
            }
        }
    }

    pub(super) fn begin(
        &mut self,
        entry: &Arc<Entry>,
        slot: Timestamp,
        run: String,
        is_resumed: bool,
        leave: Leave,
        now: Timestamp,
    ) {
        let started = Happened::Started { run: &run, is_resumed };
        self.speaker.say(entry, slot, now, &started);
        let cancel = Cancel::default();
        let gate = Arc::new(Gate::new(self.target.clock.clone(), self.planners.clone()));
        let one = AtWork {
            entry: entry.clone(),
            run: run.clone(),
            cancel: cancel.clone(),
            is_replaced: false,
        };
        self.at_work.insert((entry.identity.clone(), slot), one);
        let due = Due { entry: entry.clone(), slot, run, is_resumed, cancel, gate: gate.clone() };
        let (session, target, manner) = (self.session, self.target, self.manner);
        self.running.push(Box::pin(async move {
            let done = work(session, target, &due, manner).await;
            Back { schedule: due.entry.identity.clone(), slot, done, gate, leave }
        }));
    }

    /// Records the end of a slot's run.
    pub(super) fn ended(&mut self, back: Back) -> Result<(), Trouble> {
        let now = self.target.clock.now();
        let Back { schedule, slot, done, gate, leave } = back;
        let Some(one) = self.at_work.remove(&(schedule, slot)) else { return Ok(()) };
        let how = done.how.or(one.is_replaced.then_some(Ending::Cancelled));
        match how {
            Some(how) => self.record_end(&one.entry, slot, &one.run, how, &done.words, now)?,
            // It stays started: whoever serves next takes it up.
            None => self.speaker.say(&one.entry, slot, now, &Happened::Stopped { run: &one.run }),
        }
        drop((gate, leave));
        Ok(())
    }

    pub(super) fn record_end(
        &mut self,
        entry: &Arc<Entry>,
        slot: Timestamp,
        run: &str,
        how: Ending,
        words: &str,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let recorded = self
            .slots
            .end(&entry.identity, slot, run, how, now)
            .map_err(|error| Trouble::of(&error))?;
        if recorded {
            self.metrics.ended(&entry.identity, how, now);
            self.speaker.say(entry, slot, now, &Happened::Ended { run, how, words });
        }
        Ok(())
    }
}
