//! How long a plan takes: the tasks laid on a time line, locks included.
//!
//! Every task starts when what it needs has ended and its locks are free, in the scheduler's own
//! order (longest remaining path first). The critical path is followed back from the task that
//! ends last along whatever each one waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;

use super::{Estimate, PlannedTask};

/// Longest time from the start of each task to the end of everything that follows it.
pub fn remaining(tasks: &[PlannedTask]) -> Vec<Duration> {
    remaining_by(tasks, &index(tasks))
}

/// The position of each task, by address.
type Index<'a> = IndexMap<&'a str, usize>;

fn index(tasks: &[PlannedTask]) -> Index<'_> {
    tasks.iter().enumerate().map(|(at, task)| (task.address.as_str(), at)).collect()
}

fn remaining_by(tasks: &[PlannedTask], index: &Index<'_>) -> Vec<Duration> {
    let mut remaining: Vec<Duration> = tasks.iter().map(|task| task.expected).collect();
    // Tasks are in graph order, so followers come later: one pass from the end is enough.
    for at in (0..tasks.len()).rev() {
        let mine = remaining[at];
        for need in &tasks[at].needs {
            if let Some(before) = index.get(need.as_str()).copied().filter(|before| *before < at) {
                let through = mine + tasks[before].expected;
                if through > remaining[before] {
                    remaining[before] = through;
                }
            }
        }
    }
    remaining
}

/// Lays the tasks on a time line.
pub fn estimate(tasks: &[PlannedTask]) -> Estimate {
    let index = index(tasks);
    let remaining = remaining_by(tasks, &index);
    let mut waiting: Vec<usize> = vec![0; tasks.len()];
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
    for (at, task) in tasks.iter().enumerate() {
        for before in task.needs.iter().filter_map(|need| index.get(need.as_str()).copied()) {
            waiting[at] += 1;
            followers[before].push(at);
        }
    }
    let urgency = |at: usize| (std::cmp::Reverse(remaining[at]), at);
    let mut ready: BTreeSet<(std::cmp::Reverse<Duration>, usize)> =
        (0..tasks.len()).filter(|at| waiting[*at] == 0).map(urgency).collect();
    let mut ends: Vec<Option<Duration>> = vec![None; tasks.len()];
    let mut because: Vec<Option<usize>> = vec![None; tasks.len()];
    let mut locks: BTreeMap<&str, (Duration, usize)> = BTreeMap::new();
    while let Some((_, at)) = ready.pop_first() {
        for follower in &followers[at] {
            waiting[*follower] -= 1;
            if waiting[*follower] == 0 {
                ready.insert(urgency(*follower));
            }
        }
        let mut start = Duration::ZERO;
        for need in &tasks[at].needs {
            let Some(before) = index.get(need.as_str()).copied() else { continue };
            if let Some(end) = ends[before].filter(|end| *end > start) {
                start = end;
                because[at] = Some(before);
            }
        }
        for lock in &tasks[at].locks {
            if let Some((free, holder)) = locks.get(lock.as_str()).filter(|(free, _)| *free > start)
            {
                start = *free;
                because[at] = Some(*holder);
            }
        }
        let end = start + tasks[at].expected;
        ends[at] = Some(end);
        if !tasks[at].expected.is_zero() {
            for lock in &tasks[at].locks {
                locks.insert(lock, (end, at));
            }
        }
    }
    let last = (0..tasks.len()).max_by_key(|at| (ends[*at], std::cmp::Reverse(*at)));
    let mut path = Vec::new();
    let mut next = last.filter(|at| ends[*at].is_some_and(|end| !end.is_zero()));
    while let Some(at) = next {
        if !tasks[at].expected.is_zero() {
            path.insert(0, tasks[at].address.clone());
        }
        next = because[at];
    }
    Estimate { duration: last.and_then(|at| ends[at]).unwrap_or_default(), critical_path: path }
}
