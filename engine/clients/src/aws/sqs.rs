//! SQS: queues, their attributes and tags.

use super::call::Calls;
use super::{Tags, sorted, unsorted};
use crate::error::{Error, Outcome};

use aws_sdk_sqs::types::QueueAttributeName;

/// Calls SQS.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_sqs::Client,
    calls: Calls,
}

/// A queue's attributes by SQS's names: `MessageRetentionPeriod`, `Policy`, `QueueArn`, …
pub type Attributes = Tags;

impl Client {
    pub(super) fn new(sdk: aws_sdk_sqs::Client, calls: Calls) -> Self {
        Self { sdk, calls }
    }

    /// The URL of the queue of that name.
    pub async fn queue_url(&self, name: &str) -> Result<Option<String>, Error> {
        const NAME: &str = "GetQueueUrl";
        let output =
            self.calls.find(NAME, || self.sdk.get_queue_url().queue_name(name).send()).await?;
        match output {
            None => Ok(None),
            Some(output) => match output.queue_url {
                Some(url) => Ok(Some(url)),
                None => Err(self.calls.incomplete(NAME, "QueueUrl")),
            },
        }
    }

    /// All attributes of a queue.
    pub async fn queue_attributes(&self, url: &str) -> Result<Option<Attributes>, Error> {
        let output = self
            .calls
            .find("GetQueueAttributes", || {
                self.sdk
                    .get_queue_attributes()
                    .queue_url(url)
                    .attribute_names(QueueAttributeName::All)
                    .send()
            })
            .await?;
        Ok(output.map(|output| {
            let attributes = output.attributes.unwrap_or_default().into_iter();
            attributes.map(|(name, value)| (name.as_str().to_owned(), value)).collect()
        }))
    }

    /// The tags of a queue.
    pub async fn queue_tags(&self, url: &str) -> Result<Option<Tags>, Error> {
        let output = self
            .calls
            .find("ListQueueTags", || self.sdk.list_queue_tags().queue_url(url).send())
            .await?;
        Ok(output.map(|output| sorted(output.tags)))
    }

    /// The URLs of all queues whose names begin so.
    pub async fn queues(&self, prefix: Option<&str>) -> Result<Vec<String>, Error> {
        let mut urls = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .read("ListQueues", || {
                    self.sdk
                        .list_queues()
                        .set_queue_name_prefix(prefix.map(str::to_owned))
                        // SQS gives a token for the next page only when it is told how long a
                        // page is.
                        .max_results(1000)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            urls.extend(page.queue_urls.unwrap_or_default());
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(urls),
            }
        }
    }

    /// Makes a queue; its URL. A queue of that name with other attributes is a conflict.
    pub async fn create_queue(
        &self,
        name: &str,
        attributes: &Attributes,
        tags: &Tags,
    ) -> Outcome<String> {
        const NAME: &str = "CreateQueue";
        let output = self
            .calls
            .write_once(NAME, || {
                let mut request = self.sdk.create_queue().queue_name(name);
                for (attribute, value) in attributes {
                    request = request.attributes(attribute.as_str().into(), value);
                }
                request.set_tags((!tags.is_empty()).then(|| unsorted(tags))).send()
            })
            .await?;
        output.queue_url.ok_or_else(|| self.calls.done_but_incomplete(NAME, "QueueUrl"))
    }

    /// Sets attributes; the others stay.
    pub async fn set_queue_attributes(&self, url: &str, attributes: &Attributes) -> Outcome<()> {
        self.calls
            .write_once("SetQueueAttributes", || {
                let mut request = self.sdk.set_queue_attributes().queue_url(url);
                for (attribute, value) in attributes {
                    request = request.attributes(attribute.as_str().into(), value);
                }
                request.send()
            })
            .await
            .map(drop)
    }

    /// Sets tags.
    pub async fn tag_queue(&self, url: &str, tags: &Tags) -> Outcome<()> {
        self.calls
            .write_once("TagQueue", || {
                self.sdk.tag_queue().queue_url(url).set_tags(Some(unsorted(tags))).send()
            })
            .await
            .map(drop)
    }

    /// Removes tags.
    pub async fn untag_queue(&self, url: &str, keys: &[String]) -> Outcome<()> {
        self.calls
            .write_once("UntagQueue", || {
                self.sdk.untag_queue().queue_url(url).set_tag_keys(Some(keys.to_vec())).send()
            })
            .await
            .map(drop)
    }

    /// Deletes a queue. SQS takes no queue of that name for the next 60 seconds.
    pub async fn delete_queue(&self, url: &str) -> Outcome<()> {
        self.calls
            .write_once("DeleteQueue", || self.sdk.delete_queue().queue_url(url).send())
            .await
            .map(drop)
    }
}
