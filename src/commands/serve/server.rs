//! The server's loop: look at the schedules, do what is decided, wait for what comes next.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use runbook_core::execute::Cancel;
use runbook_core::journal::slots::{Ending, State};
use runbook_core::journal::{Slots, Store};
use runbook_core::schedule::Mode;
use runbook_core::schedule::decide::{Action, Reason, decide};
use tokio::sync::mpsc::UnboundedReceiver;

use super::ServeArguments;
use super::events::{Happened, Speaker};
use super::metrics::{Look, Metrics};
use super::presence::Presence;
use super::recover::{Left, left, take_over};
use super::work::{Done, Due, Gate, Manner, Planners, work};
use crate::arguments::EventFormat;
use crate::commands::Session;
use crate::commands::carry_out::{journal, leave_now};
use crate::commands::schedule::sources::{self, Broken, Entry, Source};
use crate::exit::Signal;
use crate::state::{Lease, run_name};
use crate::target::Target;
use crate::target::clock::real_now;
use crate::trouble::Trouble;
use crate::view::words;

/// How often files are looked at, and others' slots, in real time.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long a slot that waits for another process lets world time pass before it asks again.
const ASK_AGAIN: Duration = Duration::from_secs(15);
/// Decisions in a row about one schedule at one moment; each records something, so that it ends.
const MOST_DECISIONS: usize = 10_000;

/// Why a server stopped.
pub(crate) enum Stopped {
    /// It was told to end then.
    Until,
    /// A signal.
    Asked(Signal),
}

/// A slot at work.
struct AtWork {
    entry: Arc<Entry>,
    run: String,
    cancel: Cancel,
    /// Whether a newer slot wants its place.
    is_replaced: bool,
}

/// With what a slot may start.
enum Leave {
    /// A plan writes nothing.
    ToPlan,
    /// The lease of the state folder, shared by all slots of this server that apply.
    ToApply(#[expect(dead_code, reason = "held, not used")] Arc<Lease>),
}

/// What comes back of a slot's run.
struct Back {
    schedule: String,
    slot: Timestamp,
    done: Done,
    /// Kept until the end is recorded: its hold on the clock.
    gate: Arc<Gate>,
    leave: Leave,
}

type Running<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Back> + 'a>>>;

/// A server.
pub(crate) struct Server<'a> {
    session: &'a Session,
    asked: &'a [String],
    until: Option<Timestamp>,
    target: &'a Target,
    manner: &'a Manner,
    slots: Slots,
    journal: Arc<dyn Store>,
    presence: Presence,
    metrics: Arc<Metrics>,
    speaker: Speaker,
    planners: Arc<Planners>,
    sources: BTreeMap<String, Source>,
    /// What was said of broken files, so that it is said once.
    broken: BTreeMap<String, String>,
    since: BTreeMap<String, Timestamp>,
    at_work: BTreeMap<(String, Timestamp), AtWork>,
    running: Running<'a>,
    /// The lease of the state folder, while anything of this server applies.
    lease: Weak<Lease>,
    /// Slots that wait for another process's lease, so that it is said once.
    waiting: BTreeMap<(String, Timestamp), String>,
    stopping: Option<Signal>,
}

impl<'a> Server<'a> {
    /// A server over a target.
    pub(crate) fn new(
        session: &'a Session,
        arguments: &'a ServeArguments,
        target: &'a Target,
        manner: &'a Manner,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Trouble> {
        let slots = Slots::open(&session.state.path).map_err(|error| Trouble::of(&error))?;
        let mut server = Self {
            session,
            asked: &arguments.paths.paths,
            until: arguments.until,
            target,
            manner,
            slots,
            journal: journal(session)?,
            presence: Presence::new(&session.state)?,
            metrics,
            speaker: Speaker {
                printer: session.printer.clone(),
                format: arguments.apply.output,
                quiet: arguments.apply.quiet,
            },
            planners: Arc::default(),
            sources: BTreeMap::new(),
            broken: BTreeMap::new(),
            since: BTreeMap::new(),
            at_work: BTreeMap::new(),
            running: FuturesUnordered::new(),
            lease: Weak::new(),
            waiting: BTreeMap::new(),
            stopping: None,
        };
        server.read_again()?;
        // What is wrong from the beginning is for the person who types the command.
        if !server.broken.is_empty() {
            return Err(Trouble::told(crate::exit::Exit::Usage));
        }
        if server.sources.is_empty() {
            return Err(Trouble::usage("there is no runbook with a `schedule:` here")
                .hint("runbook serve FILE, or a folder with such runbooks"));
        }
        // Whoever asks from now on hears that it is well: the schedules have been read.
        server.told(target.clock.now());
        Ok(server)
    }

    /// What it counts.
    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Says where it works and what is scheduled.
    pub(crate) fn greet(&self) {
        if self.speaker.format == EventFormat::Json {
            return;
        }
        self.session.greet(self.target);
        for entry in self.entries() {
            self.session.printer.out(&format!(
                "{}  {}  {} {}  {}",
                words::one_line(&entry.identity),
                words::one_line(&entry.runbook),
                entry.schedule.cron.text(),
                entry.schedule.zone.name(),
                entry.schedule.mode.name()
            ));
        }
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        self.sources.values().flat_map(|source| source.entries.iter().cloned()).collect()
    }

    /// Reads files again. A broken one is said once and keeps its old schedules.
    fn read_again(&mut self) -> Result<(), Trouble> {
        let names = match sources::names(self.session, self.asked) {
            Ok(names) => names,
            Err(trouble) if self.sources.is_empty() => return Err(trouble),
            // A folder that cannot be listed for a moment takes no schedule away.
            Err(_) => return Ok(()),
        };
        for name in &names {
            match sources::load(self.session, name) {
                Ok(source) => {
                    if self.broken.remove(name).is_some() {
                        self.session.printer.note(&format!("{name} is right again"));
                    }
                    self.sources.insert(name.clone(), source);
                }
                Err(Broken(why)) => {
                    if self.broken.get(name) != Some(&why) {
                        let known = self.sources.contains_key(name);
                        let keeps = if known { "; its old schedules are kept" } else { "" };
                        self.session.printer.note(&format!("{why}\n{name} cannot be used{keeps}"));
                        self.broken.insert(name.clone(), why);
                    }
                }
            }
        }
        // A file that is gone from a folder has no schedules any more; one that was named is missed.
        let gone: Vec<String> =
            self.sources.keys().filter(|name| !names.contains(name)).cloned().collect();
        for name in gone {
            self.session.printer.note(&format!("{name} has no schedule any more"));
            self.sources.remove(&name);
        }
        Ok(())
    }

    /// The loop.
    pub(crate) async fn serve(
        mut self,
        mut signals: UnboundedReceiver<Signal>,
    ) -> Result<Stopped, Trouble> {
        let clock = self.target.clock.clone();
        // Time stands while this works, and goes on while it sleeps.
        let _hold = clock.hold();
        loop {
            let wake = self.look()?;
            let is_over = self.until.is_some_and(|until| clock.now() >= until);
            if self.running.is_empty() {
                match self.stopping {
                    Some(signal) => return Ok(Stopped::Asked(signal)),
                    None if is_over && self.waiting.is_empty() => return Ok(Stopped::Until),
                    None => {}
                }
            }
            let sleep = async {
                if self.planners.any() {
                    // Only the looks of a plan move time now.
                    let _aside = clock.aside();
                    std::future::pending::<()>().await;
                }
                match wake.into_iter().chain(self.until.filter(|until| *until > clock.now())).min()
                {
                    Some(at) => clock.sleep_until(at).await,
                    None => clock.sleep_until(Timestamp::MAX).await,
                }
            };
            tokio::select! {
                // The end of a run comes before the time that passes after it.
                biased;
                Some(back) = self.running.next() => self.ended(back)?,
                Some(signal) = signals.recv() => self.asked_to_stop(signal),
                reason = self.target.lost() => {
                    return Err(Trouble::failed(format!("the sandbox is gone: {reason}"))
                        .hint("runbook serve again: nothing is run twice"));
                }
                () = self.planners.changed.notified() => {}
                () = sleep => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    fn asked_to_stop(&mut self, signal: Signal) {
        if self.stopping.is_some() {
            leave_now(signal);
        }
        self.session.printer.note(&format!(
            "{}: no slot starts any more, runs under way end in order; once more to leave at once",
            signal.name()
        ));
        self.stopping = Some(signal);
        for one in self.at_work.values() {
            one.cancel.request(signal.name());
        }
    }

    /// Looks at all schedules now and does what is decided; when to look again.
    fn look(&mut self) -> Result<Option<Timestamp>, Trouble> {
        let now = self.target.clock.now();
        self.read_again()?;
        let mut wake = None;
        if self.stopping.is_none() {
            take_over(&self.slots, &self.session.state, &self.presence.name)
                .map_err(|error| Trouble::of(&error))?;
            for entry in self.entries() {
                self.take_up(&entry, now)?;
                let next = self.decide(&entry, now)?;
                wake = [wake, next].into_iter().flatten().min();
            }
        }
        if !self.waiting.is_empty() {
            wake = wake.into_iter().chain(now.checked_add(ASK_AGAIN)).min();
        }
        self.told(now);
        Ok(wake)
    }

    /// Counts a look.
    fn told(&self, now: Timestamp) {
        self.metrics.looked(&Look {
            at_work: self.at_work.len() as u64,
            broken: self.broken.len() as u64,
            world: now,
            real: real_now(),
            stopping: self.stopping.is_some(),
        });
    }

    /// Takes up what is started by our name and not at work here: a server that died left it.
    fn take_up(&mut self, entry: &Arc<Entry>, now: Timestamp) -> Result<(), Trouble> {
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

    fn since(&mut self, entry: &Entry, now: Timestamp) -> Result<Timestamp, Trouble> {
        if let Some(since) = self.since.get(&entry.identity) {
            return Ok(*since);
        }
        let since = self.slots.seen(&entry.identity, now).map_err(|error| Trouble::of(&error))?;
        self.since.insert(entry.identity.clone(), since);
        Ok(since)
    }

    /// Decides about one schedule until there is nothing more to do.
    fn decide(&mut self, entry: &Arc<Entry>, now: Timestamp) -> Result<Option<Timestamp>, Trouble> {
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
    fn act(&mut self, entry: &Arc<Entry>, action: Action, now: Timestamp) -> Result<bool, Trouble> {
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
    fn skip(
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

    fn start(
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

    /// What a slot needs to start; `None` while another process applies something.
    fn leave_for(
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

    fn begin(
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
    fn ended(&mut self, back: Back) -> Result<(), Trouble> {
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

    fn record_end(
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
