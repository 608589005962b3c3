//! A thread that a write has to itself.
//!
//! Most writes wait for a service, and thousands of them share two threads. A command waits for a
//! process, and to be told of its end by events costs as much as a short one takes: it may wait right
//! where it was started ([`crate::module::Module::occupies_thread`]). Such a thread cannot be
//! dropped as a future can. What has to end with the run (the process) is therefore left in its
//! keeping while it waits, and dropped when the run is abandoned.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{self, PipeReader, PipeWriter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A thread for one write alone. It may block.
#[derive(Clone, Default)]
pub struct OwnThread(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    is_abandoned: bool,
    next: u64,
    held: BTreeMap<u64, Box<dyn Any + Send>>,
    /// One pipe for all that wait: made when the first of them asks.
    ending: Option<Ending>,
}

struct Ending {
    reader: Arc<PipeReader>,
    /// Its closing wakes all.
    writer: Option<PipeWriter>,
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OwnThread {
    /// Keeps something until this guard is dropped, or the run is abandoned; it is dropped then. At once,
    /// when the run was abandoned before.
    pub fn keep(&self, held: impl Any + Send) -> Keeping<'_> {
        let mut kept = lock(&self.0);
        let number = kept.next;
        kept.next += 1;
        if !kept.is_abandoned {
            kept.held.insert(number, Box::new(held));
        }
        Keeping { thread: self, number }
    }

    /// Readable as soon as the run is abandoned: for who waits in a poll.
    pub fn ending(&self) -> io::Result<Arc<PipeReader>> {
        let mut kept = lock(&self.0);
        if let Some(ending) = &kept.ending {
            return Ok(ending.reader.clone());
        }
        let (reader, writer) = io::pipe()?;
        let reader = Arc::new(reader);
        let writer = (!kept.is_abandoned).then_some(writer);
        kept.ending = Some(Ending { reader: reader.clone(), writer });
        Ok(reader)
    }

    /// Whether it was: what ends then may have been ended by that.
    pub(crate) fn is_abandoned(&self) -> bool {
        lock(&self.0).is_abandoned
    }

    /// Nobody waits any more for what is done on threads like this one: what they keep is dropped.
    pub fn abandon(&self) {
        let held = {
            let mut kept = lock(&self.0);
            kept.is_abandoned = true;
            let writer = kept.ending.as_mut().and_then(|ending| ending.writer.take());
            (std::mem::take(&mut kept.held), writer)
        };
        drop(held);
    }
}

/// Something that is kept.
pub struct Keeping<'a> {
    thread: &'a OwnThread,
    number: u64,
}

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        let held = lock(&self.thread.0).held.remove(&self.number);
        drop(held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_ends_with_its_guard_or_with_the_run() {
        let thread = OwnThread::default();
        let (first, second, third) = (Arc::new(()), Arc::new(()), Arc::new(()));
        drop(thread.keep(first.clone()));
        assert_eq!(Arc::strong_count(&first), 1);
        let keeping = thread.clone();
        let guard = keeping.keep(second.clone());
        assert_eq!(Arc::strong_count(&second), 2);
        thread.abandon();
        assert_eq!(Arc::strong_count(&second), 1);
        drop(guard);
        let _guard = thread.keep(third.clone());
        assert_eq!(Arc::strong_count(&third), 1, "abandoned before");
    }

    #[test]
    fn who_waits_in_a_poll_is_woken_when_the_run_is_abandoned() {
        use std::io::Read as _;
        let thread = OwnThread::default();
        let waiting = thread.clone();
        let ending = waiting.ending().unwrap();
        let waiting = std::thread::spawn(move || (&*ending).read(&mut [0]).unwrap());
        thread.abandon();
        assert_eq!(waiting.join().unwrap(), 0, "the end, as a reader sees it");
        let late = OwnThread::default();
        late.abandon();
        assert_eq!((&*late.ending().unwrap()).read(&mut [0]).unwrap(), 0, "abandoned before");
    }
}
