//! Look after look, each appended to the store of samples, until a moment or for ever.
//!
//! A look that fails is told and noted, and the next one goes on. Looks are due at the same distance from
//! the first one; those that came due while one was under way are left out. Dropping the future ends a
//! series between two looks: what was appended is whole.

use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use runbook_clients::Clock;

use super::look::Looker;
use super::watch::Watcher;
use crate::observed::Source;
use crate::samples::{Appended, Look, Writer};

/// How a cluster is looked at over time.
#[derive(Clone, Copy)]
pub struct Series<'s> {
    /// How long after a look the next one is due; of a watch, how often it says that it still watches.
    pub every: Duration,
    /// The cluster's time at which it ends, with a last look.
    pub until: Option<Timestamp>,
    /// Of a watch on a clock that jumps.
    pub step: Option<Step<'s>>,
}

/// How a watch stands to a clock that jumps.
#[derive(Clone, Copy)]
pub struct Step<'s> {
    /// The longest jump, which is how coarse the moments of changes are.
    pub longest: Duration,
    /// What a jump is followed by: what it brought is still on its way, and belongs to its moment.
    pub mark: &'s dyn Mark,
}

/// Marks a moment in the watches of a cluster.
pub trait Mark: Send + Sync {
    /// A version: each watch that is open tells it, or a later one, once it has told everything that
    /// happened up to now. None when nothing can be marked.
    fn mark(&self) -> BoxFuture<'_, Option<u64>>;
}

/// What there is to say of a series.
#[derive(Debug)]
pub enum Told<'t> {
    /// A look was taken and written.
    Looked(&'t Look, &'t Appended),
    /// A look failed.
    Failed(Timestamp, String),
    /// A look was taken, and could not be written.
    NotWritten(Timestamp, String),
}

impl Series<'_> {
    pub(super) fn every_seconds(&self) -> i64 {
        i64::try_from(self.every.as_secs()).unwrap_or(i64::MAX)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// Looks again and again.
pub async fn poll(
    looker: &mut Looker,
    writer: &mut Writer,
    series: &Series<'_>,
    clock: &dyn Clock,
    told: &mut (dyn FnMut(Told<'_>) + Send),
) {
    let mut due = clock.now();
    loop {
        match looker.look(Source::Poll, series.every_seconds()).await {
            Ok(look) => append(writer, &look, told),
            Err(error) => fail(writer, clock.now(), in_words(&error), told),
        }
        let now = clock.now();
        if series.is_over(now) {
            return;
        }
        due = next(due, series.every, now);
        let wake = series.until.map_or(due, |until| until.min(due));
        clock.sleep(left(now, wake)).await;
    }
}

/// Watches, and goes on watching after whatever broke it: what happened meanwhile is a hole.
pub async fn watch(
    looker: Looker,
    writer: &mut Writer,
    series: &Series<'_>,
    clock: &dyn Clock,
    told: &mut (dyn FnMut(Told<'_>) + Send),
) {
    let mut watcher = Watcher::new(looker);
    let mut due = clock.now();
    loop {
        if let Some(step) = &series.step
            && let Some(marked) = step.mark.mark().await
        {
            watcher.catch_up(marked).await;
        }
        let now = clock.now();
        let is_over = series.is_over(now);
        let is_due = due <= now;
        if is_due {
            due = next(due, series.every, now);
        }
        let taken = watcher.take(series.every_seconds(), is_due || is_over).await;
        match taken {
            Ok(Some(look)) => append(writer, &look, told),
            Ok(None) => {}
            Err(error) => fail(writer, clock.now(), in_words(&error), told),
        }
        if is_over {
            return;
        }
        let now = clock.now();
        let mut wake = series.until.map_or(due, |until| until.min(due));
        if let Some(step) = &series.step {
            wake = wake.min(after(now, step.longest));
        }
        tokio::select! {
            () = watcher.changed() => {}
            () = clock.sleep(left(now, wake)) => {}
        }
    }
}

/// Writes a look. One that cannot be written now is told; the next one says all that is true then.
fn append(writer: &mut Writer, look: &Look, told: &mut (dyn FnMut(Told<'_>) + Send)) {
    match writer.append(look) {
        Ok(appended) => told(Told::Looked(look, &appended)),
        Err(error) => told(Told::NotWritten(look.at, in_words(&error))),
    }
}

fn fail(writer: &mut Writer, at: Timestamp, why: String, told: &mut (dyn FnMut(Told<'_>) + Send)) {
    let noted = writer.failed(at, &why);
    told(Told::Failed(at, why));
    if let Err(error) = noted {
        told(Told::NotWritten(at, in_words(&error)));
    }
}

/// When the next look is due: at the same distance from the first one, and not in the past. A clock that
/// ran backwards begins anew.
fn next(due: Timestamp, every: Duration, now: Timestamp) -> Timestamp {
    let step = i128::try_from(every.as_millis()).unwrap_or(i128::MAX).max(1);
    let late = now.duration_since(due).as_millis();
    if late < 0 {
        return after(now, every);
    }
    let steps = (late / step + 1).saturating_mul(step);
    let ahead = SignedDuration::from_millis(i64::try_from(steps).unwrap_or(i64::MAX));
    due.saturating_add(ahead).unwrap_or(Timestamp::MAX)
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    now.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

fn left(now: Timestamp, wake: Timestamp) -> Duration {
    Duration::try_from(wake.duration_since(now)).unwrap_or_default()
}

/// An error and the causes behind it.
fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |one| one.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn looks_keep_their_distance_from_the_first() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let next = |due: &str, now: &str| next(at(due), Duration::from_mins(5), at(now));
        let due = "2026-10-01T10:00:00Z";
        assert_eq!(next(due, "2026-10-01T10:00:02Z"), at("2026-10-01T10:05:00Z"));
        assert_eq!(next(due, "2026-10-01T10:05:00Z"), at("2026-10-01T10:10:00Z"));
        assert_eq!(next(due, "2026-10-01T10:31:00Z"), at("2026-10-01T10:35:00Z"));
        assert_eq!(next(due, "2026-10-01T09:00:00Z"), at("2026-10-01T09:05:00Z"));
    }
}
