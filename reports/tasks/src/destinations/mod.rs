//! Where messages go: a folder, S3, a webhook, mail.
//!
//! Each recognises a repetition in its own way, always by the delivery's key or by the content that
//! belongs to it:
//!
//! | destination | how a repetition is made harmless |
//! |---|---|
//! | folder | the same content in its place is the delivery; other content is refused by name |
//! | S3 | a put where nothing is; the same content there is the delivery |
//! | webhook | the header `Idempotency-Key` |
//! | SMTP | the `Message-ID` |
//!
//! A destination has an identity, which is stored and shown, so it holds no secret: a webhook is known
//! by its name, never by its address.

mod folder;
mod read;
mod s3;
mod smtp;
mod template;
mod webhook;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runbook_clients::aws;
use runbook_clients::post::Poster;
use runbook_core::clock::Clock;

use crate::message::{Key, Message};

pub use read::destinations;

/// What destinations are reached by.
#[derive(Clone)]
pub struct Means {
    /// World time.
    pub clock: Arc<dyn Clock>,
    /// The account whose buckets are written to.
    pub aws: Option<aws::Connection>,
    /// Sends to webhooks.
    pub poster: Poster,
    /// What relative folders are relative to.
    pub working_directory: PathBuf,
}

/// A message on its way to one destination.
pub struct Parcel<'a> {
    /// The delivery's key.
    pub key: &'a Key,
    /// The message.
    pub message: &'a Message,
    /// The hashes that its files had in earlier revisions: such content may be replaced.
    pub replaceable: &'a [String],
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The destination has it.
    Delivered(String),
    /// Another try may help.
    Failed {
        /// What happened.
        why: String,
        /// How long the destination asks to wait.
        after: Option<Duration>,
    },
    /// Another try would not.
    Refused(String),
}

/// Where messages go.
#[derive(Clone)]
pub struct Destination {
    identity: String,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Folder(folder::Folder),
    S3(s3::Bucket),
    Webhook(webhook::Webhook),
    Smtp(Box<smtp::Mail>),
}

impl Destination {
    /// What it is recognised by: stored, shown, part of every key.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether it needs an account.
    pub fn needs_aws(&self) -> bool {
        matches!(self.place, Place::S3(_))
    }

    /// Whether a later revision finds a place of its own, or may replace the one before.
    pub fn takes_revisions(&self) -> bool {
        match &self.place {
            Place::S3(bucket) => bucket.key.tells_revisions_apart(),
            Place::Folder(_) | Place::Webhook(_) | Place::Smtp(_) => true,
        }
    }

    /// Where a message would go, for a plan.
    pub fn shown(&self, message: &Message) -> String {
        let first = message.rendered.files.first().map_or("", |file| file.name.as_str());
        match &self.place {
            Place::Folder(folder) => folder.path.path(message, first),
            Place::S3(bucket) => bucket.address(message, first),
            Place::Webhook(_) | Place::Smtp(_) => self.identity.clone(),
        }
    }

    /// Sends a message there, once.
    pub async fn deliver(&self, parcel: &Parcel<'_>, means: &Means) -> Outcome {
        match &self.place {
            Place::Folder(folder) => folder.deliver(parcel, means).await,
            Place::S3(bucket) => bucket.deliver(parcel, means).await,
            Place::Webhook(webhook) => webhook.deliver(parcel, means).await,
            Place::Smtp(mail) => mail.deliver(parcel).await,
        }
    }
}

/// The engine's clock, as the clients know one.
pub(crate) struct ClientClock(pub(crate) Arc<dyn Clock>);

impl runbook_clients::Clock for ClientClock {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    fn real_now(&self) -> jiff::Timestamp {
        self.0.real_now()
    }

    fn sleep(&self, duration: Duration) -> futures::future::BoxFuture<'_, ()> {
        Box::pin(runbook_core::clock::sleep(self.0.as_ref(), duration))
    }
}
