//! The loop of a run, carried on by whoever has news for it.
//!
//! It is a task of the runtime like any other. But a thread that has just seen a process end knows what
//! the loop is to take note of next, and would be the one to start what follows: instead of waking
//! another thread for that, and being woken by it again, it carries the loop on itself. One at a time
//! does; who comes meanwhile leaves word, and the loop is carried on once more.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

/// A future that several threads carry on.
pub(super) struct Relay<T> {
    state: Mutex<State<T>>,
    /// Somebody came with news, and the loop may not have seen them.
    has_news: AtomicBool,
}

struct State<T> {
    /// None when it has ended, or was abandoned.
    carried: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    /// Of the task of the runtime, which whatever the loop waits for wakes.
    waker: Waker,
    /// How it ended: also by a panic, on whichever thread.
    outcome: Option<std::thread::Result<T>>,
}

impl<T> Relay<T> {
    pub(super) fn new(carried: impl Future<Output = T> + Send + 'static) -> Self {
        let state =
            State { carried: Some(Box::pin(carried)), waker: Waker::noop().clone(), outcome: None };
        Self { state: Mutex::new(state), has_news: AtomicBool::new(false) }
    }

    /// Carries it on to its end, as the task of the runtime.
    pub(super) async fn outcome(&self) -> T {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &Context<'_>) -> Poll<T> {
        self.has_news.store(true, Ordering::SeqCst);
        // Whoever has it sees the news, and wakes this task when it has ended.
        let Some(mut state) = self.try_lock() else { return Poll::Pending };
        state.waker.clone_from(context.waker());
        self.carry(state);
        match self.try_lock().and_then(|mut state| state.outcome.take()) {
            None => Poll::Pending,
            Some(Ok(outcome)) => Poll::Ready(outcome),
            Some(Err(panic)) => resume_unwind(panic),
        }
    }

    /// Carries it on from a thread that has news and may wait for another one that does.
    pub(super) fn go_on(&self) {
        self.has_news.store(true, Ordering::SeqCst);
        self.carry(self.lock());
    }

    /// Carries it on from a thread that has news and something else to do, unless another one does: that one
    /// sees them.
    pub(super) fn go_on_unless_it_does(&self) {
        self.has_news.store(true, Ordering::SeqCst);
        if let Some(state) = self.try_lock() {
            self.carry(state);
        }
    }

    fn carry<'a>(&'a self, mut state: MutexGuard<'a, State<T>>) {
        loop {
            while self.has_news.swap(false, Ordering::SeqCst) {
                state.carry_on();
            }
            // Who is woken finds the lock free.
            let ended = state.outcome.is_some().then(|| state.waker.clone());
            drop(state);
            if let Some(waker) = ended {
                waker.wake();
            }
            // Somebody may have come when it had been carried on for the last time and was not free yet.
            if !self.has_news.load(Ordering::SeqCst) {
                return;
            }
            let Some(again) = self.try_lock() else { return };
            state = again;
        }
    }

    /// Ends it where it is.
    pub(super) fn abandon(&self) {
        let carried = self.lock().carried.take();
        drop(carried);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, State<T>>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl<T> State<T> {
    fn carry_on(&mut self) {
        let Some(carried) = &mut self.carried else { return };
        let context = &mut Context::from_waker(&self.waker);
        let outcome = match catch_unwind(AssertUnwindSafe(|| carried.as_mut().poll(context))) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(outcome)) => Ok(outcome),
            Err(panic) => Err(panic),
        };
        self.carried = None;
        self.outcome = Some(outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    /// Ends when it has seen that much news; what it counts is told without waking anybody.
    fn counting(news: &Arc<AtomicUsize>, until: usize) -> Arc<Relay<usize>> {
        let news = news.clone();
        Arc::new(Relay::new(std::future::poll_fn(move |_| match news.load(Ordering::SeqCst) {
            seen if seen >= until => Poll::Ready(seen),
            _ => Poll::Pending,
        })))
    }

    #[tokio::test]
    async fn whoever_has_the_last_news_ends_it_and_the_task_hears_of_it() {
        for _ in 0..200 {
            let news = Arc::new(AtomicUsize::new(0));
            let relay = counting(&news, 40);
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (relay, news) = (relay.clone(), news.clone());
                    std::thread::spawn(move || {
                        for round in 0..10 {
                            news.fetch_add(1, Ordering::SeqCst);
                            if round % 2 == 0 {
                                relay.go_on();
                            } else {
                                relay.go_on_unless_it_does();
                            }
                        }
                    })
                })
                .collect();
            let outcome = tokio::time::timeout(Duration::from_mins(1), relay.outcome()).await;
            assert_eq!(outcome, Ok(40));
            threads.into_iter().for_each(|thread| drop(thread.join()));
        }
    }

    #[tokio::test]
    async fn a_panic_on_another_thread_is_one_of_the_task() {
        let relay = Arc::new(Relay::<()>::new(std::future::poll_fn(|_| {
            assert!(std::thread::current().name() != Some("other"), "as the test asked");
            Poll::Pending
        })));
        let task = tokio::spawn({
            let relay = relay.clone();
            async move { relay.outcome().await }
        });
        tokio::task::yield_now().await;
        let other = std::thread::Builder::new().name("other".to_owned());
        let other = other.spawn(move || relay.go_on());
        assert!(other.is_ok_and(|other| other.join().is_ok()), "it goes on there");
        assert!(task.await.is_err_and(|error| error.is_panic()));
    }
}
