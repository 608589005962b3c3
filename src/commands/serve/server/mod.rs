//! The server's loop: look at the schedules, do what is decided, wait for what comes next.

mod at_work;
mod files;
mod owed;
mod slots;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use runbook_core::journal::{Slots, Store};
use tokio::sync::mpsc::UnboundedReceiver;

use self::at_work::{AtWork, Running};
use self::files::Missed;
use self::owed::Owing;
use super::ServeArguments;
use super::events::Speaker;
use super::metrics::{Look, Metrics};
use super::presence::Presence;
use super::recover::take_over;
use super::work::{Manner, Planners};
use crate::arguments::EventFormat;
use crate::commands::Session;
use crate::commands::carry_out::{journal, leave_now};
use crate::commands::schedule::sources::{Entry, Source};
use crate::exit::Signal;
use crate::state::Lease;
use crate::target::Target;
use crate::target::clock::real_now;
use crate::trouble::Trouble;
use crate::view::words;

/// How often files are looked at, and others' slots, in real time.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long a slot that waits for another process lets world time pass before it asks again.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// Why a server stopped.
pub(crate) enum Stopped {
    /// It was told to end then.
    Until,
    /// A signal.
    Asked(Signal),
}

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
    missed: Missed,
    since: BTreeMap<String, Timestamp>,
    at_work: BTreeMap<(String, Timestamp), AtWork>,
    running: Running<'a>,
    /// The lease of the state folder, while anything of this server applies.
    lease: Weak<Lease>,
    /// Slots that wait for another process's lease, so that it is said once.
    waiting: BTreeMap<(String, Timestamp), String>,
    /// Deliveries that are owed.
    owing: Owing<'a>,
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
            missed: Missed::default(),
            since: BTreeMap::new(),
            at_work: BTreeMap::new(),
            running: FuturesUnordered::new(),
            lease: Weak::new(),
            waiting: BTreeMap::new(),
            owing: Owing::new(session.state.outbox(target.on)),
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
            if self.running.is_empty() && !self.owing.is_sending() {
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
                round = self.owing.sent() => self.sent(round),
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
            wake = wake.into_iter().chain(self.send_owed(now)).min();
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
}
