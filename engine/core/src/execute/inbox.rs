//! What has been told to the loop: by tasks of the runtime, which wake it, by threads, which carry it on
//! themselves, and by itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::mpsc::UnboundedReceiver;

use super::driver::Message;
use super::threads::Threads;

/// The messages to one loop.
pub(super) struct Inbox {
    pub(super) receiver: UnboundedReceiver<Message>,
    pub(super) threads: Arc<Threads>,
    /// Of effects that the loop performed itself.
    pub(super) own: VecDeque<Message>,
}

impl Inbox {
    /// Keeps one of the loop's own for its turn.
    pub(super) fn keep(&mut self, message: Message) {
        self.own.push_back(message);
    }

    /// Whether the loop has told itself something that it has not taken yet.
    pub(super) fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// One that has been told by now.
    pub(super) fn take(&mut self) -> Option<Message> {
        let own = self.own.pop_front();
        own.or_else(|| self.threads.told()).or_else(|| self.receiver.try_recv().ok())
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Message {
        std::future::poll_fn(|context| {
            if let Some(message) = self.own.pop_front().or_else(|| self.threads.told()) {
                return Poll::Ready(message);
            }
            match self.receiver.poll_recv(context) {
                Poll::Ready(Some(message)) => Poll::Ready(message),
                // The loop has a sender itself: there is no end.
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}
