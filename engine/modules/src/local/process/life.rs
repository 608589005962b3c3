//! The life of a process that one side follows and another waits for.
//!
//! A thread follows it, for as long as it takes; whoever waits may stop waiting at any moment, and
//! then the process is killed with everything that it has started. Between the two stands the
//! question whether its number is still its own: it is until it has been reaped, so killing and
//! reaping exclude each other.

use std::io::{self, PipeReader, PipeWriter};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

#[derive(Debug, Clone, Copy)]
enum Stage {
    NotStarted,
    Running(Pid),
    /// It has ended, or nobody waits for it any more.
    Over,
}

type Shared = Arc<Mutex<Stage>>;

fn lock(stage: &Shared) -> MutexGuard<'_, Stage> {
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The side that waits. Dropping it kills what has not ended.
pub(super) struct Waiting {
    stage: Shared,
    /// Its closing wakes the thread.
    _open: Option<PipeWriter>,
}

/// The side of the thread.
pub(super) struct Following {
    stage: Shared,
    /// Readable as soon as nobody waits any more.
    pub(super) abandoned: Arc<PipeReader>,
}

/// Both sides of a process that is to be started.
pub(super) fn pair() -> io::Result<(Waiting, Following)> {
    let (abandoned, open) = io::pipe()?;
    Ok(sides(Arc::new(abandoned), Some(open)))
}

/// The same where something else says when nobody waits any more: it drops its side first.
pub(super) fn pair_until(abandoned: Arc<PipeReader>) -> (Waiting, Following) {
    sides(abandoned, None)
}

fn sides(abandoned: Arc<PipeReader>, open: Option<PipeWriter>) -> (Waiting, Following) {
    let stage = Arc::new(Mutex::new(Stage::NotStarted));
    (Waiting { stage: stage.clone(), _open: open }, Following { stage, abandoned })
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut stage = lock(&self.stage);
        if let Stage::Running(leader) = *stage {
            // When it ended in this very moment there is nobody left to kill.
            let _ = kill_process_group(leader, Signal::KILL);
        }
        *stage = Stage::Over;
    }
}

impl Following {
    /// Starts it, unless nobody waits for it any more.
    pub(super) fn start<E>(
        &self,
        start: impl FnOnce() -> Result<Child, E>,
    ) -> Result<Option<Child>, E> {
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::Over) {
            return Ok(None);
        }
        let child = start()?;
        if let Some(leader) = pid(&child) {
            *stage = Stage::Running(leader);
        }
        Ok(Some(child))
    }

    /// Waits for its end.
    pub(super) fn end(&self, child: &mut Child) -> io::Result<ExitStatus> {
        if let Some(leader) = pid(child) {
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(error) = waitid(WaitId::Pid(leader), ended) {
                if error != Errno::INTR {
                    return Err(error.into());
                }
            }
        }
        let mut stage = lock(&self.stage);
        *stage = Stage::Over;
        child.wait()
    }
}

/// It is killed: its end is waited for by nobody, but it must be taken note of.
pub(super) fn leave(mut child: Child) {
    // Without a thread it is taken note of when this program ends.
    drop(std::thread::Builder::new().spawn(move || child.wait()));
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}
