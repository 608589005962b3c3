//! The wish to stop, told to everybody who works for a run.

use std::sync::Arc;

use tokio::sync::watch;

/// Told when the person asks to stop: once to end in order, twice to exit now.
#[derive(Clone)]
pub struct Cancel {
    sender: Arc<watch::Sender<Option<String>>>,
    receiver: watch::Receiver<Option<String>>,
}

impl Default for Cancel {
    fn default() -> Self {
        let (sender, receiver) = watch::channel(None);
        Self { sender: Arc::new(sender), receiver }
    }
}

impl Cancel {
    /// Asks to stop, naming the signal.
    pub fn request(&self, signal: &str) {
        self.sender.send_replace(Some(signal.to_owned()));
    }

    /// Waits until it is asked.
    pub async fn requested(&mut self) {
        // The sender lives as long as any clone of this.
        if self.receiver.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(super) fn is_requested(&self) -> bool {
        self.receiver.borrow().is_some()
    }

    pub(super) fn signal(&self) -> String {
        self.receiver.borrow().clone().unwrap_or_default()
    }
}
