//! What a server has done, counted, and in the text form that Prometheus reads.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use runbook_core::journal::slots::Ending;
use runbook_core::schedule::decide::Reason;

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

    /// In Prometheus' text form.
    pub(crate) fn text(&self) -> String {
        self.with(|state| state.text())
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

/// A metric with its samples.
struct Family(String);

impl Family {
    fn new(name: &str, kind: &str, help: &str) -> Self {
        Self(format!("# HELP runbook_{name} {help}\n# TYPE runbook_{name} {kind}\n"))
    }

    fn sample(
        mut self,
        name: &str,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) -> Self {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.0.push_str(&format!("runbook_{name}{labels} {value}\n"));
        self
    }
}

/// A label's value.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl State {
    fn text(&self) -> String {
        let mut text = String::new();
        text.push_str(&counted(
            "slots_started_total",
            "Slots that were started.",
            self.started.iter().map(|(schedule, count)| (vec![("schedule", &**schedule)], *count)),
        ));
        text.push_str(&counted(
            "slots_skipped_total",
            "Slots that were skipped, by reason.",
            self.skipped.iter().map(|((schedule, reason), count)| {
                (vec![("schedule", &**schedule), ("reason", *reason)], *count)
            }),
        ));
        text.push_str(&counted(
            "slots_ended_total",
            "Slots that ended, by outcome.",
            self.ended.iter().map(|((schedule, outcome), count)| {
                (vec![("schedule", &**schedule), ("outcome", *outcome)], *count)
            }),
        ));
        for (name, help, times) in [
            (
                "schedule_last_success_timestamp_seconds",
                "When a slot ended well last, world time.",
                &self.last_success,
            ),
            ("schedule_next_slot_timestamp_seconds", "The next slot, world time.", &self.next),
        ] {
            let mut family = Family::new(name, "gauge", help);
            for (schedule, at) in times {
                family = family.sample(name, &[("schedule", schedule)], at.as_second());
            }
            text.push_str(&family.0);
        }
        let name = "schedule_failures_in_a_row";
        let mut family = Family::new(name, "gauge", "Failures in a row, up to now.");
        for (schedule, failures) in &self.failures {
            family = family.sample(name, &[("schedule", schedule)], failures);
        }
        text.push_str(&family.0);
        let name = "samples_looks_total";
        let family = Family::new(name, "counter", "Looks at the cluster for samples, by outcome.");
        let family = family.sample(name, &[("outcome", "taken")], self.looks);
        text.push_str(&family.sample(name, &[("outcome", "failed")], self.looks_failed).0);
        if let Some(at) = self.last_look {
            let name = "samples_last_look_timestamp_seconds";
            let family = Family::new(name, "gauge", "The last look for samples, world time.");
            text.push_str(&family.sample(name, &[], at.as_second()).0);
        }
        for (name, help, value) in [
            ("runs_in_progress", "Slots at work.", i128::from(self.at_work)),
            ("runbooks_broken", "Runbooks whose text is broken now.", i128::from(self.broken)),
            (
                "world_time_seconds",
                "World time.",
                self.world.map_or(0, |world| i128::from(world.as_second())),
            ),
        ] {
            text.push_str(&Family::new(name, "gauge", help).sample(name, &[], value).0);
        }
        text
    }
}

fn counted<'a>(
    name: &str,
    help: &str,
    samples: impl Iterator<Item = (Vec<(&'a str, &'a str)>, u64)>,
) -> String {
    samples
        .fold(Family::new(name, "counter", help), |family, (labels, count)| {
            family.sample(name, &labels, count)
        })
        .0
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
        let samples: Vec<String> = metrics
            .text()
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
                "runbook_runs_in_progress 1",
                "runbook_runbooks_broken 0",
                "runbook_world_time_seconds 5",
            ]
        );
    }
}
