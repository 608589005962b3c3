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

use super::driver::Message;
use super::inbox::Inbox;
use super::state::Effect;

/// The work of an effect: it ends in what the loop is to be told.
pub(super) type Work = Pin<Box<dyn Future<Output = Message> + Send>>;

/// All waits that are under way.
#[derive(Default)]
pub(super) struct Waits(FuturesUnordered<Wait>);

struct Wait {
    effect: Effect,
    work: Work,
}

impl Future for Wait {
    type Output = Message;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Message> {
        self.work.as_mut().poll(context)
    }
}

impl Waits {
    /// One more.
    pub(super) fn add(&mut self, effect: Effect, work: Work) {
        self.0.push(Wait { effect, work });
    }

    /// Lets those go on that were woken; what those that end have to say.
    pub(super) async fn go_on(&mut self, inbox: &mut Inbox) {
        std::future::poll_fn(|context| {
            while let Poll::Ready(Some(message)) = self.0.poll_next_unpin(context) {
                inbox.keep(message);
            }
            Poll::Ready(())
        })
        .await;
    }

    /// The next that ends.
    pub(super) async fn ended(&mut self) -> Message {
        match self.0.next().await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    }

    /// Drops all of them, and says what they were.
    pub(super) fn drop_all(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.0).into_iter().map(|wait| wait.effect).collect()
    }
}
