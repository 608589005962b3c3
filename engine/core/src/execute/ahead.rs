//! How many commands may be intended ahead of their turn.
//!
//! A commit, and everything that is thought between two commands, costs as much for one as for ten. Where
//! commands are short, some are therefore intended while others still run, and those that end are
//! taken note of together. What that could change is kept out: only commands that nothing is known
//! of before they ran, whose outputs nobody reads, which hold no lock and are bounded by nothing but
//! `--parallelism`; only as many as begin within a moment, and those that do not are taken back; and
//! of each it is noted when it begins and how it ended ([`crate::journal::Notes`]), so that after a
//! kill nobody is asked about more of them than were under way.

use std::time::Duration;

use crate::graph::{Graph, Vertex};

/// What is intended ahead begins within about this time.
const MOMENT: Duration = Duration::from_millis(10);

/// When none has begun for twice that, those that wait are taken back.
pub(super) const PATIENCE: Duration = Duration::from_millis(20);

/// So many at most.
const MOST: usize = 64;

/// Whether a task's writes may be intended ahead of their turn.
pub(super) fn may_go_ahead(graph: &Graph, vertex: &Vertex) -> bool {
    let given = &graph.templates[vertex.with.0 as usize].root;
    let is_blind =
        vertex.module.guards().is_some_and(|guards| guards.iter().all(|guard| !given.gives(guard)));
    // A note of how it ended does not hold what it printed.
    let is_read = vertex.is_read || !vertex.postconditions.is_empty();
    let is_bounded = vertex.timeout.is_some()
        || vertex.max_parallel.is_some()
        || vertex.until.is_some()
        || vertex.locks.is_some();
    is_blind
        && vertex.module.occupies_thread()
        && vertex.connection.is_none()
        && !is_bounded
        && !is_read
}

/// How long commands took of late, in real time.
#[derive(Debug, Default)]
pub(super) struct Pace {
    recent: Option<Duration>,
}

impl Pace {
    /// One took that long. A long one shows at once, and for some time.
    pub(super) fn took(&mut self, one: Duration) {
        self.recent = Some(self.recent.map_or(one, |recent| (recent * 3 + one) / 4));
    }

    /// None of those that wait has begun for some time.
    pub(super) fn is_slower(&mut self) {
        self.recent = Some(PATIENCE);
    }

    /// Whether they took too long of late for anything to be intended ahead.
    pub(super) fn is_broken(&self) -> bool {
        self.recent.is_some_and(|recent| recent > MOMENT)
    }

    /// How many begin within a moment, `abreast` at a time: none before one has ended.
    pub(super) fn ahead(&self, abreast: usize) -> usize {
        let Some(recent) = self.recent.filter(|_| !self.is_broken()) else { return 0 };
        let each = usize::try_from(MOMENT.as_micros() / recent.as_micros().max(1)).unwrap_or(MOST);
        each.saturating_mul(abreast).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_go_ahead_as_begin_within_a_moment() {
        let mut pace = Pace::default();
        assert_eq!(pace.ahead(2), 0, "nothing is known");
        pace.took(Duration::from_millis(1));
        assert_eq!((pace.ahead(1), pace.ahead(2), pace.ahead(64)), (10, 20, MOST));
        pace.took(Duration::from_millis(60));
        assert_eq!(pace.ahead(64), 0, "a long one shows at once");
        (0..10).for_each(|_| pace.took(Duration::from_millis(1)));
        assert_eq!(pace.ahead(1), 5);
        pace.took(Duration::ZERO);
        assert!(pace.ahead(1) > 0);
    }
}
