//! S3: objects that are written once, and looked at.
//!
//! [`Client::put_new`] writes where nothing is (`If-None-Match: *`), so two who write the same key do
//! not overwrite each other: the second one is told that something is there, and looks what.

use std::collections::BTreeMap;

use aws_sdk_s3::primitives::ByteStream;

use super::call::Calls;
use crate::error::{Class, Error, Outcome, Said};

/// Calls S3.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_s3::Client,
    calls: Calls,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// `text/html; charset=utf-8`.
    pub media_type: &'a str,
    /// `x-amz-meta-…`, without that prefix.
    pub metadata: BTreeMap<String, String>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// More bytes than were asked for.
    Longer,
}

impl Client {
    pub(super) fn new(sdk: aws_sdk_s3::Client, calls: Calls) -> Self {
        Self { sdk, calls }
    }

    /// Writes an object where there is none; its entity tag. Where there is one, that is a conflict.
    pub async fn put_new(&self, object: &NewObject<'_>) -> Outcome<Option<String>> {
        let output = self
            .calls
            .write_once("PutObject", || {
                let mut request = self
                    .sdk
                    .put_object()
                    .bucket(object.bucket)
                    .key(object.key)
                    .content_type(object.media_type)
                    .if_none_match("*")
                    .body(ByteStream::from(object.bytes.clone()));
                for (name, value) in &object.metadata {
                    request = request.metadata(name, value);
                }
                request.send()
            })
            .await?;
        Ok(output.e_tag)
    }

    /// An object, when it is at most so long.
    pub async fn object(&self, bucket: &str, key: &str, most: u64) -> Result<Option<Found>, Error> {
        const NAME: &str = "GetObject";
        let output =
            self.calls.find(NAME, || self.sdk.get_object().bucket(bucket).key(key).send()).await?;
        let Some(output) = output else { return Ok(None) };
        let length = output.content_length.and_then(|it| u64::try_from(it).ok());
        if length.is_none_or(|length| length > most) {
            return Ok(Some(Found::Longer));
        }
        match output.body.collect().await {
            Ok(bytes) => Ok(Some(Found::Bytes(bytes.to_vec()))),
            Err(error) => {
                let what = format!("the object broke off: {error}");
                Err(self.calls.error(NAME, Said::unanswered(Class::Unavailable, what)))
            }
        }
    }
}
