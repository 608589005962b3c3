//! Decisions about slots, carried out as rows of the journal's database.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runbook_core::journal::slots::State;
use runbook_core::schedule::decide::{Action, Reason, decide};

use super::Server;
use crate::commands::schedule::sources::Entry;
use crate::commands::serve::events::Happened;
use crate::commands::serve::recover::{Left, left};
use crate::state::run_name;
use crate::trouble::Trouble;
use crate::view::words;

/// Decisions in a row about one schedule at one moment; each records something, so that it ends.
const MOST_DECISIONS: usize = 10_000;

impl Server<'_> {
    /// Takes up what is started by our name and not at work here: a server that died left it.
    pub(super) fn take_up(&mut self, entry: &Arc<Entry>, now: Timestamp) -> Result<(), Trouble> {
        let failed = |error| Trouble::of(&error);
        let since = self.since(entry, now)?;
        let ledger =
            self.slots.ledger(&entry.identity, &self.presence.name, since).map_err(failed)?;
        for open in ledger.open.iter().filter(|one| one.is_ours && one.is_started) {
            let key = (entry.identity.clone(), open.slot);
            if self.at_work.contains_key(&key) {
                continue;
            }
            let row = self.slots.row(&entry.identity, open.slot).map_err(failed)?;
            let Some(row) = row else { continue };
            let State::Started { run } = row.state.clone() else { continue };
            let what = left(self.journal.as_ref(), &row, entry.schedule.mode).map_err(failed)?;
            match what {
                Left::Unbegun => {
                    self.slots.withdraw(&entry.identity, open.slot, &run).map_err(failed)?;
                }
                Left::Ended(how) => {
                    self.record_end(entry, open.slot, &run, how, how.name(), now)?;
                }
                Left::UnderWay => {
                    if let Some(leave) = self.leave_for(entry, open.slot, &run, now) {
                        self.begin(entry, open.slot, run, true, leave, now);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn since(&mut self, entry: &Entry, now: Timestamp) -> Result<Timestamp, Trouble> {
        if let Some(since) = self.since.get(&entry.identity) {
            return Ok(*since);
        }
        let since = self.slots.seen(&entry.identity, now).map_err(|error| Trouble::of(&error))?;
        self.since.insert(entry.identity.clone(), since);
        Ok(since)
    }

    /// Decides about one schedule until there is nothing more to do.
    pub(super) fn decide(
        &mut self,
        entry: &Arc<Entry>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Trouble> {
        let since = self.since(entry, now)?;
        let mut wake = None;
        for _ in 0..MOST_DECISIONS {
            let ledger = self
                .slots
                .ledger(&entry.identity, &self.presence.name, since)
                .map_err(|error| Trouble::of(&error))?;
            let decision = decide(&entry.schedule, &entry.identity, &ledger, now);
            wake = decision.wake;
            let next = entry.schedule.following(now + Duration::from_nanos(1)).map(|slot| slot.at);
            self.metrics.schedule(&entry.identity, next, ledger.failures);
            if let Some(old) = &decision.forgotten {
                self.metrics.forgotten(&entry.identity, old.count as u64);
                self.session.printer.note(&format!(
                    "{}: {} from {} to {} were missed, and are not told one by one",
                    entry.identity,
                    words::count(old.count, "slot"),
                    old.first,
                    old.last
                ));
            }
            let mut moved = false;
            let mut skipped = Vec::new();
            for action in decision.actions {
                match action {
                    Action::Skip(slot, why) => skipped.push((slot, why)),
                    other => {
                        moved |= self.skip(entry, &std::mem::take(&mut skipped), now)?;
                        moved |= self.act(entry, other, now)?;
                    }
                }
            }
            moved |= self.skip(entry, &skipped, now)?;
            if !moved {
                break;
            }
        }
        Ok(wake)
    }

    /// Does one thing; whether that changed a row.
    pub(super) fn act(
        &mut self,
        entry: &Arc<Entry>,
        action: Action,
        now: Timestamp,
    ) -> Result<bool, Trouble> {
        let failed = |error| Trouble::of(&error);
        let (schedule, server) = (&entry.identity, &self.presence.name);
        match action {
            Action::Plan(slot) => {
                let ours = self.slots.plan(schedule, slot, server, now).map_err(failed)?;
                if ours {
                    self.speaker.say(entry, slot, now, &Happened::Planned);
                }
                Ok(ours)
            }
            Action::Skip(slot, why) => self.skip(entry, &[(slot, why)], now),
            Action::Start(slot) => self.start(entry, slot, now),
            Action::Cancel(slot) => {
                if let Some(one) = self.at_work.get_mut(&(schedule.clone(), slot))
                    && !one.is_replaced
                {
                    one.is_replaced = true;
                    one.cancel.request("a newer slot");
                }
                Ok(false)
            }
        }
    }

    /// Records slots that do not run; whether there were any.
    pub(super) fn skip(
        &mut self,
        entry: &Arc<Entry>,
        skipped: &[(Timestamp, Reason)],
        now: Timestamp,
    ) -> Result<bool, Trouble> {
        if skipped.is_empty() {
            return Ok(false);
        }
        let ours = self
            .slots
            .skip(&entry.identity, skipped, &self.presence.name, now)
            .map_err(|error| Trouble::of(&error))?;
        for (slot, why) in &ours {
            self.metrics.skipped(&entry.identity, why);
            self.speaker.say(entry, *slot, now, &Happened::Skipped(why));
        }
        Ok(!ours.is_empty())
    }

    pub(super) fn start(
        &mut self,
        entry: &Arc<Entry>,
        slot: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Trouble> {
        let run = run_name()?;
        let Some(leave) = self.leave_for(entry, slot, &run, now) else { return Ok(false) };
        let (schedule, server) = (&entry.identity, &self.presence.name);
        let ours = self
            .slots
            .start(schedule, slot, server, &run, now)
            .map_err(|error| Trouble::of(&error))?;
        if ours {
            self.metrics.started(schedule);
            self.begin(entry, slot, run, false, leave, now);
        }
        Ok(ours)
    }
}
