//! A bucket: each file is put where nothing is, and what is there is looked at.

use runbook_clients::aws::s3::{Client, Found, NewObject};
use runbook_clients::post::may_pass;
use runbook_clients::retry::Policy;
use runbook_clients::{Error, Undone};

use super::template::Template;
use super::{Means, Outcome, Parcel};
use crate::message::{File, Message};

/// A bucket.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    /// Its name.
    pub(super) bucket: String,
    /// Where its objects go.
    pub(super) key: Template,
}

impl Bucket {
    /// `s3://bucket/key`.
    pub(super) fn address(&self, message: &Message, file: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key.path(message, file))
    }

    pub(super) async fn deliver(&self, parcel: &Parcel<'_>, means: &Means) -> Outcome {
        let Some(aws) = &means.aws else {
            return Outcome::Refused(format!(
                "the bucket `{}` needs an `aws` connection, and this task has none",
                self.bucket
            ));
        };
        // The outbox repeats; a client that did too would wait while others may not deliver.
        let once = Policy { max_tries: 1, ..Policy::default() };
        let client = aws.with_policy(once).s3();
        for file in &parcel.message.rendered.files {
            if let Err(outcome) = self.put(&client, parcel, file).await {
                return outcome;
            }
        }
        let files = &parcel.message.rendered.files;
        let first = files.first().map_or("", |file| file.name.as_str());
        let more = files.len().saturating_sub(1);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Outcome::Delivered(format!("{}{more}", self.address(parcel.message, first)))
    }

    async fn put(&self, client: &Client, parcel: &Parcel<'_>, file: &File) -> Result<(), Outcome> {
        let key = self.key.path(parcel.message, &file.name);
        let object = NewObject {
            bucket: &self.bucket,
            key: &key,
            media_type: &file.media_type,
            metadata: [("runbook-key".to_owned(), parcel.key.to_string())].into(),
            bytes: file.bytes.clone(),
        };
        match client.put_new(&object).await {
            Ok(_) => Ok(()),
            Err(undone) if undone.error().is_conflict() => {
                self.compare(client, &key, &file.bytes).await
            }
            Err(undone) => Err(self.told(&key, &undone)),
        }
    }

    /// Something is there: is it this?
    async fn compare(&self, client: &Client, key: &str, bytes: &[u8]) -> Result<(), Outcome> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match client.object(&self.bucket, key, length).await {
            Ok(Some(Found::Bytes(there))) if there == bytes => Ok(()),
            Ok(Some(_)) => Err(Outcome::Refused(format!(
                "s3://{}/{key} is there with other content; move it away, or give the key a place for {{revision}}",
                self.bucket
            ))),
            // Another one was putting it at that moment, and has not, or took it away again.
            Ok(None) => Err(Outcome::Failed {
                why: format!("s3://{}/{key} was being written by another one", self.bucket),
                after: None,
            }),
            Err(error) => Err(self.told(key, &Undone::Rejected(error))),
        }
    }

    fn told(&self, key: &str, undone: &Undone) -> Outcome {
        let error: &Error = undone.error();
        let why = format!("s3://{}/{key}: {error}", self.bucket);
        if may_pass(undone) || error.may_have_happened() {
            Outcome::Failed { why, after: error.retry_after() }
        } else {
            Outcome::Refused(why)
        }
    }
}
