//! What waits for the world: tasks that have to converge, pauses before the next attempt.
//!
//! Thousands may wait at once, and most of them sleep. They are polled by the loop itself: a task of
//! the runtime for each would wake another thread whenever one begins to wait or wakes up, which costs
//! more than what it then does.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::state::Effect;

/// The work of an effect, which tells the loop itself how it ended.
pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All waits that are under way.
#[derive(Default)]
pub(super) struct Waits(FuturesUnordered<Wait>);

struct Wait {
    effect: Effect,
    work: Work,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.work.as_mut().poll(context)
    }
}

impl Waits {
    /// One more.
    pub(super) fn add(&mut self, effect: Effect, work: Work) {
        self.0.push(Wait { effect, work });
    }

    /// Lets those go on that were woken.
    pub(super) async fn go_on(&mut self) {
        std::future::poll_fn(|context| {
            while let Poll::Ready(Some(())) = self.0.poll_next_unpin(context) {}
            Poll::Ready(())
        })
        .await;
    }

    /// Until one of them ends.
    pub(super) async fn ended(&mut self) {
        if self.0.next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Drops all of them, and says what they were.
    pub(super) fn drop_all(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.0).into_iter().map(|wait| wait.effect).collect()
    }
}
