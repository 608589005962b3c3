//! What a run says at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::driver::Driver;
use super::state::{Counts, Task};
use crate::change::Action;
use crate::event::{Outcome, TaskState};
use crate::failure::Failure;
use crate::graph::{Graph, Place, ScopeId};
use crate::task::InstanceKey;
use crate::value::Value;

/// A task at the end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskReport {
    /// Its address.
    pub address: String,
    /// Its state.
    pub state: TaskState,
    /// What was done.
    pub action: Action,
    /// Why, for skipped, blocked and failed tasks.
    pub because: Option<String>,
    /// The failure in full, for failed tasks.
    pub failure: Option<Failure>,
}

/// A run at its end.
#[derive(Debug)]
pub struct RunReport {
    /// Its id.
    pub run: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How many tasks ended how.
    pub counts: Counts,
    /// All tasks, in graph order.
    pub tasks: Vec<TaskReport>,
    /// World time from start to end.
    pub took: Duration,
    /// The root's outputs; unknown where tasks did not run.
    pub outputs: BTreeMap<String, Value>,
}

impl Driver {
    /// The report of a run that has ended.
    pub(super) fn report(self, graph: &Graph, took: Duration) -> RunReport {
        let reported = |(key, task): (&InstanceKey, &Task)| {
            let state = task.state();
            TaskReport {
                address: self.state.name(key),
                state,
                action: task.action,
                because: task.because.clone(),
                failure: self.failures.get(key).filter(|_| state == TaskState::Failed).cloned(),
            }
        };
        let mut tasks = Vec::with_capacity(self.state.graph.vertices.len());
        tasks.extend(self.state.tasks.iter().map(reported));
        let knowledge =
            self.worker.knowledge.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let place = Place { scope: ScopeId(0), keys: Vec::new(), each: None };
        let outputs = graph
            .outputs
            .iter()
            .filter_map(|(name, template)| {
                let evaluated =
                    graph.evaluate_template(*template, &place, &knowledge.root_view(graph)).ok()?;
                Some((name.clone(), evaluated.value))
            })
            .collect();
        RunReport {
            run: self.run.to_string(),
            outcome: self.state.outcome(),
            counts: self.state.counts(),
            tasks,
            took,
            outputs,
        }
    }
}
