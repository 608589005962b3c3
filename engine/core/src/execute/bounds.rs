//! The bounds of an attempt: how long, how often, and what the plan allows.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

use crate::change::Action;
use crate::failure::{Class, Failure};
use crate::graph::Graph;
use crate::plan::look::Seen;
use crate::plan::{Kind, Plan, PlannedTask};
use crate::task::InstanceKey;

/// What is said when verify gives up.
pub(super) fn gave_up(timeout: Duration, reason: &str) -> Failure {
    let minutes = timeout.as_secs() / 60;
    let time = if minutes > 0 { format!("{minutes}m") } else { format!("{}s", timeout.as_secs()) };
    let mut lines = reason.lines();
    let first = lines.next().unwrap_or_default();
    let mut failure = Failure::new(Class::Timeout, format!("not converged after {time}: {first}"));
    failure.evidence = lines.map(|line| line.trim().to_owned()).collect();
    failure
}

/// World time that long after `from`.
pub(super) fn after(from: Timestamp, duration: Duration) -> Timestamp {
    let signed = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    from.saturating_add(signed).unwrap_or(Timestamp::MAX)
}

/// The delay before the attempt after `attempts`, spread by address so that it is the same each
/// time.
pub(super) fn delay(retry: &crate::graph::Retry, attempts: u32, address: &str) -> Duration {
    let factor = u128::from(retry.backoff_thousandths);
    let mut millis = retry.delay.as_millis();
    for _ in 1..attempts {
        millis = (millis * factor / 1000).min(retry.max_delay.as_millis());
    }
    let hash = blake3::hash(format!("{address} {attempts}").as_bytes());
    let spread = u128::from(hash.as_bytes().first().copied().unwrap_or_default());
    let jitter = millis * u128::from(retry.jitter_thousandths) / 1000 * spread / 255;
    Duration::from_millis(u64::try_from(millis + jitter).unwrap_or(u64::MAX))
        .min(retry.max_delay.max(retry.delay))
}

/// What the plan says of a task: so much of it lasts as long as the run.
pub(super) struct Covered {
    kind: Kind,
    may: Vec<Action>,
}

impl Covered {
    pub(super) fn by(task: &PlannedTask) -> Self {
        Self { kind: task.kind, may: task.may.clone() }
    }
}

/// What the plan says of all tasks.
pub(super) struct Planned {
    /// By vertex: of its one instance, or of the static path where the plan could not name instances.
    of_vertices: Vec<Option<Covered>>,
    /// Of instances with keys, by address.
    of_keys: BTreeMap<String, Covered>,
}

impl Planned {
    pub(super) fn by(plan: &Plan, graph: &Graph) -> Self {
        let mut named: IndexMap<&str, Covered> =
            plan.tasks.iter().map(|task| (task.address.as_str(), Covered::by(task))).collect();
        let mut of_path = |path: &[String]| match path {
            [only] => named.swap_remove(only.as_str()),
            path => named.swap_remove(path.join("/").as_str()),
        };
        let of_vertices = graph.vertices.iter().map(|vertex| of_path(&vertex.path)).collect();
        let of_keys = named.into_iter().map(|(address, one)| (address.to_owned(), one)).collect();
        Self { of_vertices, of_keys }
    }

    /// The plan's word about an instance; for those that it could not name, about the static path.
    pub(super) fn of(&self, address: &str, key: &InstanceKey) -> Option<&Covered> {
        let has_keys = key.own.is_some() || !key.keys.is_empty();
        let of_key = if has_keys { self.of_keys.get(address) } else { None };
        of_key.or_else(|| self.of_vertices.get(key.vertex.0 as usize)?.as_ref())
    }
}

/// Whether the plan allows the action at this address.
pub(super) fn covers(planned: Option<&Covered>, action: Action, seen: &Seen) -> Result<(), String> {
    if matches!(action, Action::None | Action::Wait) {
        return Ok(());
    }
    let ours = matches!(&seen.observed, crate::module::Observed::Present(one)
        if matches!(one.ownership, crate::owner::Ownership::Ours { .. } | crate::owner::Ownership::Setting));
    let Some(planned) = planned else { return Err("the plan does not name this task".to_owned()) };
    let allowed = match planned.kind {
        // What was half made by this run, or by the one that it resumes, is completed.
        Kind::Create => action == Action::Create || (action == Action::Update && ours),
        Kind::Update => action == Action::Update,
        Kind::Replace => matches!(action, Action::Replace | Action::Create),
        Kind::Delete => action == Action::Delete,
        Kind::Conditional | Kind::Expands | Kind::Deferred => {
            planned.may.contains(&action)
                || (action == Action::Update && ours && planned.may.contains(&Action::Create))
        }
        Kind::Wait | Kind::NoChange | Kind::Skipped => false,
    };
    if allowed {
        Ok(())
    } else {
        let fields: Vec<&str> =
            seen.change.fields.iter().map(|field| field.path.as_str()).collect();
        Err(format!("{action:?} of {} where {:?} was planned", fields.join(", "), planned.kind)
            .to_lowercase())
    }
}
