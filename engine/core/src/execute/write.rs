//! The effect that changes something: writing one instance, on the runtime or on a thread of its own.

use std::sync::Arc;

use super::attempt::{Ended, Worker, bug, lock};
use super::bounds::after;
use super::state::{Happened, Written};
use crate::change::{Action, Change};
use crate::failure::{Class, Failure};
use crate::module::{Applied, Intent, Observed, Verdict};
use crate::owner::Mark;
use crate::plan::look::Seen;
use crate::task::InstanceKey;
use crate::thread::OwnThread;

impl Worker {
    /// Writes. The reducer has seen to it that `intended` is durable.
    pub(super) async fn write(
        &self,
        key: InstanceKey,
        token: String,
        thread: Option<&OwnThread>,
    ) -> Ended {
        let Some(seen) = lock(&self.seen).get(&key).cloned() else {
            return (
                Happened::Written(key, Written::Rejected(bug("a write without a look"), None)),
                Vec::new(),
            );
        };
        let applied = match seen.change.action {
            Action::Replace => self.replace(&key, &seen, &token, thread).await,
            _ => self.apply(&key, &seen, &seen.change, &token, thread).await,
        };
        let written = match applied {
            Applied::Acknowledged(_) => {
                lock(&self.passing).remove(&key);
                drop(seen);
                self.forget_change(&key);
                Written::Acknowledged
            }
            Applied::Ambiguous(failure) => Written::Ambiguous(failure),
            Applied::Rejected(failure) => {
                let pause = self.pause(&key, &failure);
                Written::Rejected(failure, pause)
            }
        };
        (Happened::Written(key, written), Vec::new())
    }

    /// Whether a write keeps a thread busy to its end. One that is bounded in time must be dropped when it
    /// has passed, as a thread cannot be.
    pub(super) fn occupies_thread(&self, key: &InstanceKey) -> bool {
        let vertex = self.looker.graph.vertex(key.vertex);
        vertex.timeout.is_none() && vertex.module.occupies_thread()
    }

    /// Whether its last write happened is not known.
    pub(super) fn doubt(&self, key: &InstanceKey) {
        lock(&self.doubtful).insert(key.clone());
    }

    /// What was written is not asked for any more, and thousands may wait to converge.
    fn forget_change(&self, key: &InstanceKey) {
        let mut all = lock(&self.seen);
        if let Some(seen) = all.get_mut(key).and_then(Arc::get_mut) {
            seen.change.fields = Vec::new();
            seen.observed = Observed::Absent;
        }
    }

    async fn apply(
        &self,
        key: &InstanceKey,
        seen: &Seen,
        change: &Change,
        token: &str,
        thread: Option<&OwnThread>,
    ) -> Applied {
        if let Err(failure) = self.leases.before_write(&seen.context).await {
            return Applied::Rejected(failure);
        }
        let module = &self.looker.graph.vertex(key.vertex).module;
        let mark = Mark { owner: self.looker.owner.clone(), address: seen.context.address.clone() };
        let intent = Intent {
            arguments: &seen.arguments.values,
            change,
            observed: &seen.observed,
            token,
            mark: &mark,
            thread,
        };
        let applied = module.apply(&seen.context, intent);
        let Some(limit) = self.looker.graph.vertex(key.vertex).timeout else {
            return applied.await;
        };
        // World time may stand while a process of this machine hangs: this bound is real time.
        match tokio::time::timeout(limit, applied).await {
            Ok(applied) => applied,
            Err(_) => Applied::Ambiguous(Failure::new(
                Class::Timeout,
                format!("it gave no answer within {} s", limit.as_secs()),
            )),
        }
    }

    /// Deletes, waits until it is gone, makes it anew.
    async fn replace(
        &self,
        key: &InstanceKey,
        seen: &Seen,
        token: &str,
        thread: Option<&OwnThread>,
    ) -> Applied {
        let module = self.looker.graph.vertex(key.vertex).module.clone();
        let (delete, first) = (Change::of(Action::Delete), format!("{token}-d"));
        match self.apply(key, seen, &delete, &first, thread).await {
            Applied::Acknowledged(_) => {}
            other => return other,
        }
        let patience = module.patience();
        let deadline = after(self.looker.clock.now(), self.timeout(key));
        loop {
            match module.verify_absent(&seen.context, &seen.arguments.values).await {
                Ok(Verdict::Converged(_)) => break,
                Ok(Verdict::NotYet(reason)) => self.not_yet(key, format!("deleting: {reason}")),
                Ok(Verdict::Terminal(failure)) => return Applied::Rejected(failure),
                Err(failure) => return Applied::Ambiguous(failure),
            }
            if self.looker.clock.now() >= deadline {
                return Applied::Rejected(Failure::new(
                    Class::Timeout,
                    "the old object was not gone in time",
                ));
            }
            crate::clock::sleep(self.looker.clock.as_ref(), patience.interval).await;
        }
        let mut change = seen.change.clone();
        change.action = Action::Create;
        self.apply(key, seen, &change, token, thread).await
    }
}
