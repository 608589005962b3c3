//! Locks: all of a task's at once or none, in an order that is not chance.

use std::cmp::Reverse;
use std::time::Duration;

use super::state::{Effect, Intended, Phase, Record, State, Stepped, Task};
use crate::event::{Body, Step};
use crate::module::LockUntil;
use crate::task::InstanceKey;

impl State {
    /// Gives locks to those that wait for them: all of a task's at once, or none.
    pub(super) fn grant_locks(&mut self, out: &mut Stepped) {
        if self.locking.is_empty() {
            return;
        }
        let waiting: Vec<(Reverse<Duration>, InstanceKey)> = self.locking.iter().cloned().collect();
        for (urgency, key) in waiting {
            let Some(Task { phase: Phase::Locking(intended), looked_with_locks, .. }) =
                self.tasks.get(&key)
            else {
                continue;
            };
            let taken = intended.locks.iter().find_map(|lock| {
                let holder = self.locks.get(&lock.name).filter(|holder| **holder != key)?;
                Some((lock.name.clone(), holder.clone()))
            });
            if taken.is_none() && !intended.locks.is_empty() && self.comes_before(&urgency, &key) {
                continue;
            }
            if let Some((lock, holder)) = taken {
                let reason = format!("{lock} held by {}", self.name(&holder));
                self.tell(&key, reason, out);
                continue;
            }
            if self.busy >= self.settings.parallelism {
                continue;
            }
            let (intended, looked) = (intended.clone(), *looked_with_locks);
            self.locking.remove(&(urgency, key.clone()));
            for lock in &intended.locks {
                self.locks.insert(lock.name.clone(), key.clone());
                if lock.until == LockUntil::Acknowledged {
                    self.early.entry(key.clone()).or_default().push(lock.name.clone());
                }
            }
            let waited = self.tasks.get(&key).is_some_and(|task| task.told.is_some());
            self.busy += 1;
            if waited && !looked {
                // It waited: the world may have moved, so it is looked at again under its locks.
                if let Some(task) = self.tasks.get_mut(&key) {
                    task.looked_with_locks = true;
                    task.told = None;
                    task.phase = Phase::Looking;
                }
                self.looking.insert(key.clone());
                out.1.push(Effect::Look(key));
            } else {
                self.write(&key, &intended, out);
            }
        }
    }

    /// Whether a task of the same module, which is likely to want the same lock, is being looked at
    /// and has precedence. Which look ends first is chance, who gets a lock must not be.
    pub(super) fn comes_before(&self, urgency: &Reverse<Duration>, key: &InstanceKey) -> bool {
        let module = |key: &InstanceKey| self.graph.vertex(key.vertex).module.schema().name;
        self.looking.iter().any(|other| {
            other != key
                && module(other) == module(key)
                && (self.urgency(other), other) < (*urgency, key)
        })
    }

    pub(super) fn tell(&mut self, key: &InstanceKey, reason: String, out: &mut Stepped) {
        let Some(task) = self.tasks.get_mut(key) else { return };
        if task.told.as_ref() != Some(&reason) {
            task.told = Some(reason.clone());
            out.0.push(Record {
                key: Some(key.clone()),
                attempt: Some(task.attempt),
                body: Body::TaskWaiting { reason },
            });
        }
    }

    pub(super) fn write(&mut self, key: &InstanceKey, intended: &Intended, out: &mut Stepped) {
        let noted = self.is_noted(key);
        let Some(task) = self.tasks.get_mut(key) else { return };
        task.phase = Phase::Writing;
        task.action = intended.action;
        let step = Step::Intended {
            action: intended.action,
            change: intended.change.clone(),
            token: intended.token.clone(),
            noted,
        };
        out.0.push(Record {
            key: Some(key.clone()),
            attempt: Some(task.attempt),
            body: Body::Step(step),
        });
        out.1.push(Effect::Write(key.clone()));
    }
}
