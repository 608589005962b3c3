//! What follows from an answer: of a look, of a write, of verify.

use std::time::Duration;

use super::state::{Effect, Intended, Looked, Phase, Record, State, Stepped, Verified, Written};
use crate::change::Action;
use crate::event::{Body, Step, TaskState};
use crate::failure::{Class, Failure};
use crate::graph::VertexId;
use crate::module::LockUntil;
use crate::task::InstanceKey;

impl State {
    pub(super) fn looked(&mut self, key: &InstanceKey, looked: Looked, out: &mut Stepped) {
        self.busy -= 1;
        self.looking.remove(key);
        match looked {
            Looked::Skipped(why) => self.end(key, TaskState::Skipped, Some(why), out),
            Looked::Converged { outputs } => self.converge(key, outputs, out),
            Looked::Wait(_) => self.verify(key, out),
            Looked::Change { action, change, token, locks } => {
                let intended = Intended { action, change, token, locks };
                if self.is_noted(key) && intended.locks.is_empty() && !self.is_stopping() {
                    // It has the room that its look had.
                    self.busy += 1;
                    self.write(key, &intended, out);
                    return;
                }
                let urgency = self.urgency(key);
                if let Some(task) = self.tasks.get_mut(key) {
                    task.phase = Phase::Locking(intended);
                    self.locking.insert((urgency, key.clone()));
                }
            }
            Looked::Uncovered(why) => {
                self.uncovered = true;
                self.fail(key, format!("the plan did not cover this: {why}"), out);
            }
            Looked::Asks(why) => {
                self.asks = true;
                self.end(key, TaskState::Interrupted, Some(why), out);
            }
            Looked::Failed(failure) => self.fail(key, failure.message, out),
        }
    }

    pub(super) fn verify(&mut self, key: &InstanceKey, out: &mut Stepped) {
        if let Some(task) = self.tasks.get_mut(key) {
            task.phase = Phase::Verifying;
            out.1.push(Effect::Verify(key.clone()));
        }
    }

    pub(super) fn step_record(&self, key: &InstanceKey, step: Step) -> Record {
        Record { key: Some(key.clone()), attempt: Some(self.attempt(key)), body: Body::Step(step) }
    }

    pub(super) fn written(&mut self, key: &InstanceKey, written: Written, out: &mut Stepped) {
        self.busy -= 1;
        match written {
            Written::Acknowledged => {
                out.0.push(self.step_record(key, Step::Acknowledged));
                self.release(key, LockUntil::Acknowledged);
                self.verify(key, out);
            }
            Written::Rejected(failure, pause) => {
                out.0.push(self.step_record(key, Step::Rejected { failure: failure.clone() }));
                self.release(key, LockUntil::Converged);
                self.again(key, &failure, pause, out);
            }
            Written::Ambiguous(failure) => {
                // It may have happened: look again, never write blindly. The look counts as busy.
                out.0.push(self.step_record(key, Step::Ambiguous { failure }));
                self.release(key, LockUntil::Converged);
                if let Some(task) = self.tasks.get_mut(key) {
                    task.goes_on = true;
                }
                self.make_ready(key);
            }
            Written::Withdrawn => {
                out.0.push(self.step_record(key, Step::Withdrawn));
                if let Some(task) = self.tasks.get_mut(key) {
                    task.goes_on = true;
                    task.action = Action::None;
                }
                if self.is_stopping() {
                    let why = format!("{} before it began", self.why_it_stops());
                    self.end(key, TaskState::Interrupted, Some(why), out);
                } else {
                    self.make_ready(key);
                }
            }
        }
    }

    pub(super) fn verified(&mut self, key: &InstanceKey, verified: Verified, out: &mut Stepped) {
        match verified {
            Verified::Converged { outputs } => self.converge(key, outputs, out),
            Verified::NotConverged(failure, pause) => {
                out.0.push(self.step_record(key, Step::NotConverged { failure: failure.clone() }));
                self.release(key, LockUntil::Converged);
                self.again(key, &failure, pause, out);
            }
            Verified::Dropped => {
                self.end(
                    key,
                    TaskState::Interrupted,
                    Some("the run was cancelled".to_owned()),
                    out,
                );
            }
        }
    }

    pub(super) fn again(
        &mut self,
        key: &InstanceKey,
        failure: &Failure,
        pause: Option<Duration>,
        out: &mut Stepped,
    ) {
        match pause {
            Some(pause) if !self.is_stopping() => {
                self.tell(key, failure.message.clone(), out);
                if let Some(task) = self.tasks.get_mut(key) {
                    task.phase = Phase::Pausing;
                    out.1.push(Effect::Pause(key.clone(), pause));
                }
            }
            // It would be tried again, as what pauses already: to be stopped before is no failure.
            Some(_) => {
                let why = format!("{} before it was tried again", self.why_it_stops());
                self.end(key, TaskState::Interrupted, Some(why), out);
            }
            _ if failure.class == Class::Cancelled => {
                self.end(key, TaskState::Interrupted, Some(failure.message.clone()), out);
            }
            _ => self.fail(key, failure.message.clone(), out),
        }
    }

    pub(super) fn converge(&mut self, key: &InstanceKey, outputs: String, out: &mut Stepped) {
        out.0.push(self.step_record(key, Step::Converged { outputs }));
        if self.tasks.get(key).is_some_and(|task| task.action.writes()) {
            self.counts.changed += 1;
        }
        self.end(key, TaskState::Succeeded, None, out);
    }

    pub(super) fn fail(&mut self, key: &InstanceKey, why: String, out: &mut Stepped) {
        self.counts.failed += 1;
        self.stopped |= self.settings.fail_fast;
        self.end(key, TaskState::Failed, Some(why), out);
    }

    pub(super) fn end(
        &mut self,
        key: &InstanceKey,
        state: TaskState,
        because: Option<String>,
        out: &mut Stepped,
    ) {
        self.release(key, LockUntil::Converged);
        let Some(task) = self.tasks.get_mut(key) else { return };
        task.phase = Phase::Ended(state);
        self.open -= 1;
        self.unended[key.vertex.0 as usize] -= 1;
        if state == TaskState::Blocked {
            self.counts.blocked += 1;
        }
        task.because.clone_from(&because);
        let body = Body::TaskFinished { state, action: task.action, because };
        out.0.push(Record { key: Some(key.clone()), attempt: Some(task.attempt.max(1)), body });
        self.after_end(key.vertex, out);
    }

    /// What follows a vertex may start now.
    pub(super) fn after_end(&mut self, id: VertexId, out: &mut Stepped) {
        // Outside of repeated calls whatever follows one instance follows all of them.
        if self.graph.depth(self.graph.vertex(id).scope) == 0 && !self.vertex_is_done(id) {
            return;
        }
        for follower in self.followers[id.0 as usize].clone() {
            if self.wants(follower) {
                self.try_expand(follower, out);
            }
            for key in self.instances[follower.0 as usize].clone().into_iter().flatten() {
                self.consider(&key, out);
            }
        }
    }

    pub(super) fn release(&mut self, key: &InstanceKey, until: LockUntil) {
        let early = self.early.remove(key).unwrap_or_default();
        if until == LockUntil::Converged {
            if !self.locks.is_empty() {
                self.locks.retain(|_, holder| holder != key);
            }
        } else {
            for name in early {
                self.locks.remove(&name);
            }
        }
    }
}
