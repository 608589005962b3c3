//! What a server has done, counted, and in the text form that Prometheus reads.

mod text;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use runbook_core::journal::slots::Ending;
use runbook_core::schedule::decide::Reason;

use super::figures::Seen;

/// Counts, and what is known of each schedule.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<State>);

#[derive(Default)]
struct State {
    started: BTreeMap<String, u64>,
    skipped: BTreeMap<(String, &'static str), u64>,
    ended: BTreeMap<(String, &'static str), u64>,
    last_success: BTreeMap<String, Timestamp>,
    next: BTreeMap<String, Timestamp>,
    failures: BTreeMap<String, u32>,
    looks: u64,
    looks_failed: u64,
    last_look: Option<Timestamp>,
    at_work: u64,
    broken: u64,
    world: Option<Timestamp>,
    /// Deliveries that have not arrived, by where they stand.
    owed: BTreeMap<&'static str, u64>,
    /// Of those, how many no runbook here says how to send.
    unresolved: u64,
    /// Deliveries that were sent again, by outcome.
    sent: BTreeMap<&'static str, u64>,
    /// Real time of the last look; whether it takes anything on.
    looked: Option<Timestamp>,
    stopping: bool,
}

/// Whether a server is well.
pub(crate) enum Health {
    Well,
    /// And why not.
    Ill(String),
}

/// After so long without a look, in seconds of real time, something hangs.
const QUIET: i64 = 60;

impl Metrics {
    fn with<R>(&self, body: impl FnOnce(&mut State) -> R) -> R {
        body(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A slot starts.
    pub(crate) fn started(&self, schedule: &str) {
        self.with(|state| *state.started.entry(schedule.to_owned()).or_default() += 1);
    }

    /// A slot is skipped.
    pub(crate) fn skipped(&self, schedule: &str, why: &Reason) {
        let key = (schedule.to_owned(), why.label());
        self.with(|state| *state.skipped.entry(key).or_default() += 1);
    }

    /// Slots were missed that are only counted.
    pub(crate) fn forgotten(&self, schedule: &str, count: u64) {
        let key = (schedule.to_owned(), Reason::TooOld.label());
        self.with(|state| *state.skipped.entry(key).or_default() += count);
    }

    /// A slot ended.
    pub(crate) fn ended(&self, schedule: &str, how: Ending, at: Timestamp) {
        let key = (schedule.to_owned(), how.name());
        self.with(|state| {
            *state.ended.entry(key).or_default() += 1;
            if matches!(how, Ending::Succeeded | Ending::NothingToChange | Ending::Changes) {
                state.last_success.insert(schedule.to_owned(), at);
            }
        });
    }

    /// The cluster was looked at for samples then, or could not be.
    pub(crate) fn collected(&self, at: Option<Timestamp>) {
        self.with(|state| match at {
            Some(at) => {
                state.looks += 1;
                state.last_look = Some(at);
            }
            None => state.looks_failed += 1,
        });
    }

    /// Deliveries have not arrived, each in that state.
    pub(crate) fn owed(&self, states: impl Iterator<Item = &'static str>) {
        self.with(|state| {
            state.owed.clear();
            states.for_each(|one| *state.owed.entry(one).or_default() += 1);
            if state.owed.is_empty() {
                state.unresolved = 0;
            }
        });
    }

    /// So many of them nobody here knows how to send.
    pub(crate) fn unresolved(&self, count: usize) {
        self.with(|state| state.unresolved = count as u64);
    }

    /// A delivery was sent again.
    pub(crate) fn sent(&self, outcome: &'static str) {
        self.with(|state| *state.sent.entry(outcome).or_default() += 1);
    }

    /// A schedule was looked at.
    pub(crate) fn schedule(&self, schedule: &str, next: Option<Timestamp>, failures: u32) {
        self.with(|state| {
            state.failures.insert(schedule.to_owned(), failures);
            match next {
                Some(next) => drop(state.next.insert(schedule.to_owned(), next)),
                None => drop(state.next.remove(schedule)),
            }
        });
    }

    /// All schedules were looked at.
    pub(crate) fn looked(&self, look: &Look) {
        self.with(|state| {
            state.at_work = look.at_work;
            state.broken = look.broken;
            state.world = Some(look.world);
            state.looked = Some(look.real);
            state.stopping = look.stopping;
        });
    }

    /// Whether it looks at its schedules.
    pub(crate) fn health(&self, now: Timestamp) -> Health {
        let quiet = self.with(|state| {
            state.looked.map_or(i64::MAX, |looked| now.duration_since(looked).as_secs())
        });
        if quiet <= QUIET {
            return Health::Well;
        }
        Health::Ill("the schedules are not looked at".to_owned())
    }

    /// Whether it takes slots on.
    pub(crate) fn readiness(&self, now: Timestamp) -> Health {
        if self.with(|state| state.stopping) {
            return Health::Ill("it is stopping".to_owned());
        }
        self.health(now)
    }

    /// In Prometheus' text form, with what was seen in the last 24 hours.
    pub(crate) fn text(&self, seen: Option<&Seen>, world: Timestamp) -> String {
        let mut text = self.with(|state| state.text());
        if let Some(seen) = seen {
            text.push_str(&text::of_seen(seen, world));
        }
        text
    }
}

/// What a look found.
pub(crate) struct Look {
    /// Slots at work.
    pub(crate) at_work: u64,
    /// Runbooks whose text is broken.
    pub(crate) broken: u64,
    /// World time.
    pub(crate) world: Timestamp,
    /// Real time.
    pub(crate) real: Timestamp,
    /// Whether nothing new starts.
    pub(crate) stopping: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_text() {
        let metrics = Metrics::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        metrics.started("a/\"b\"#1");
        metrics.skipped("a/\"b\"#1", &Reason::Full);
        metrics.ended("a/\"b\"#1", Ending::Changes, at(10));
        metrics.schedule("a/\"b\"#1", Some(at(20)), 1);
        metrics.collected(Some(at(7)));
        assert!(matches!(metrics.health(at(0)), Health::Ill(_)), "nothing was looked at");
        metrics.looked(&Look {
            at_work: 1,
            broken: 0,
            world: at(5),
            real: at(100),
            stopping: true,
        });
        assert!(matches!(metrics.health(at(160)), Health::Well));
        assert!(matches!(metrics.health(at(161)), Health::Ill(_)));
        assert!(matches!(metrics.readiness(at(100)), Health::Ill(_)), "it is stopping");
        metrics.owed(["failed", "failed", "refused"].into_iter());
        metrics.unresolved(1);
        metrics.sent("failed");
        let seen = Seen {
            node_seconds: (86_000, 86_400),
            largest_hole: 400,
            last_look: Some(at(7)),
            cost: vec![("control_plane".to_owned(), 2_400_000), ("ec2_compute".to_owned(), -5)],
            unpriced: 2,
        };
        let samples: Vec<String> = metrics
            .text(Some(&seen), at(107))
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        assert_eq!(
            samples,
            [
                "runbook_slots_started_total{schedule=\"a/\\\"b\\\"#1\"} 1",
                "runbook_slots_skipped_total{schedule=\"a/\\\"b\\\"#1\",reason=\"full\"} 1",
                "runbook_slots_ended_total{schedule=\"a/\\\"b\\\"#1\",outcome=\"changes\"} 1",
                "runbook_schedule_last_success_timestamp_seconds{schedule=\"a/\\\"b\\\"#1\"} 10",
                "runbook_schedule_next_slot_timestamp_seconds{schedule=\"a/\\\"b\\\"#1\"} 20",
                "runbook_schedule_failures_in_a_row{schedule=\"a/\\\"b\\\"#1\"} 1",
                "runbook_samples_looks_total{outcome=\"taken\"} 1",
                "runbook_samples_looks_total{outcome=\"failed\"} 0",
                "runbook_samples_last_look_timestamp_seconds 7",
                "runbook_deliveries_owed{state=\"failed\"} 2",
                "runbook_deliveries_owed{state=\"refused\"} 1",
                "runbook_deliveries_retried_total{outcome=\"failed\"} 1",
                "runbook_deliveries_unresolved 1",
                "runbook_runs_in_progress 1",
                "runbook_runbooks_broken 0",
                "runbook_world_time_seconds 5",
                "runbook_samples_coverage_ratio 0.9953",
                "runbook_samples_largest_hole_seconds 400",
                "runbook_samples_last_look_age_seconds 100",
                "runbook_cost_dollars{class=\"control_plane\"} 2.400000",
                "runbook_cost_dollars{class=\"ec2_compute\"} -0.000005",
                "runbook_unpriced_things 2",
            ]
        );
    }
}
