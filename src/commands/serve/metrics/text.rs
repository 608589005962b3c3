//! Prometheus' text form.

use jiff::Timestamp;

use super::super::figures::Seen;
use super::State;

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
    pub(super) fn text(&self) -> String {
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
        text.push_str(&self.looks());
        text.push_str(&self.deliveries());
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

    fn looks(&self) -> String {
        let name = "samples_looks_total";
        let family = Family::new(name, "counter", "Looks at the cluster for samples, by outcome.");
        let family = family.sample(name, &[("outcome", "taken")], self.looks);
        let mut text = family.sample(name, &[("outcome", "failed")], self.looks_failed).0;
        if let Some(at) = self.last_look {
            let name = "samples_last_look_timestamp_seconds";
            let family = Family::new(name, "gauge", "The last look for samples, world time.");
            text.push_str(&family.sample(name, &[], at.as_second()).0);
        }
        text
    }

    fn deliveries(&self) -> String {
        let name = "deliveries_owed";
        let mut owed = Family::new(name, "gauge", "Deliveries that have not arrived, by state.");
        for (state, count) in &self.owed {
            owed = owed.sample(name, &[("state", state)], count);
        }
        let sent = counted(
            "deliveries_retried_total",
            "Deliveries that the server sent again, by outcome.",
            self.sent.iter().map(|(outcome, count)| (vec![("outcome", *outcome)], *count)),
        );
        let name = "deliveries_unresolved";
        let help = "Deliveries whose destination no served runbook tells.";
        let unresolved = Family::new(name, "gauge", help).sample(name, &[], self.unresolved);
        format!("{}{sent}{}", owed.0, unresolved.0)
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

/// What was seen in the last 24 hours.
pub(super) fn of_seen(seen: &Seen, world: Timestamp) -> String {
    let gauge = |name: &str, help: &str, value: String| {
        Family::new(name, "gauge", help).sample(name, &[], value).0
    };
    let mut text = String::new();
    let (found, billed) = seen.node_seconds;
    if billed > 0 {
        // Ten-thousandths, down: what was not seen is not rounded away.
        let share = (i128::from(found) * 10_000 / i128::from(billed)).clamp(0, 10_000);
        text.push_str(&gauge(
            "samples_coverage_ratio",
            "Node-hours that were seen over node-hours that cost, in the last 24 hours.",
            format!("{}.{:04}", share / 10_000, share % 10_000),
        ));
    }
    text.push_str(&gauge(
        "samples_largest_hole_seconds",
        "The longest time in which nobody looked, in the last 24 hours.",
        seen.largest_hole.to_string(),
    ));
    if let Some(last) = seen.last_look {
        text.push_str(&gauge(
            "samples_last_look_age_seconds",
            "How long ago the cluster was looked at last.",
            world.duration_since(last).as_secs().max(0).to_string(),
        ));
    }
    let name = "cost_dollars";
    let mut cost = Family::new(name, "gauge", "What the last 24 hours cost at list prices.");
    for (class, micros) in &seen.cost {
        cost = cost.sample(name, &[("class", class)], runbook_tasks::restate::dollars(*micros));
    }
    text.push_str(&cost.0);
    let help = "Things of the last 24 hours without a price, which are in no cost.";
    text + &gauge("unpriced_things", help, seen.unpriced.to_string())
}
