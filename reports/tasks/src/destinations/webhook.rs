//! A webhook: the message as JSON, for Slack and what speaks like it, or plain.

use std::time::Duration;

use runbook_clients::post::{Post, may_pass};
use runbook_core::value::Secret;
use serde_json::{Value, json};

use super::{Means, Outcome, Parcel};
use crate::message::{Message, Totals};

/// How long a text block of Slack may be, less what surrounds it.
const MOST_TEXT: usize = 2_900;
/// How long a header of Slack may be.
const MOST_HEADER: usize = 150;

/// What is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `{text, blocks}`.
    Slack,
    /// Everything but the files' bytes.
    Json,
}

/// A webhook.
#[derive(Clone)]
pub(super) struct Webhook {
    /// What it is called.
    pub(super) name: String,
    /// Where it is: whoever knows it may write there.
    pub(super) url: Secret,
    /// What is posted.
    pub(super) format: Format,
    /// How long the answer may take.
    pub(super) timeout: Duration,
}

impl Webhook {
    pub(super) async fn deliver(&self, parcel: &Parcel<'_>, means: &Means) -> Outcome {
        let body = match self.format {
            Format::Slack => slack(parcel.message),
            Format::Json => plain(parcel),
        };
        let name = format!("webhook {}", self.name);
        let post = Post {
            name: &name,
            url: self.url.expose().as_str().unwrap_or_default(),
            media_type: "application/json",
            key: parcel.key.as_str(),
            body: body.to_string().into_bytes(),
            timeout: self.timeout,
        };
        match means.poster.send(&post).await {
            Ok(status) => Outcome::Delivered(format!("it answered {status}")),
            Err(undone) if may_pass(&undone) => Outcome::Failed {
                why: undone.error().message().to_owned(),
                after: undone.error().retry_after(),
            },
            Err(undone) => Outcome::Refused(undone.error().message().to_owned()),
        }
    }
}

/// As Slack takes it. What came from a cluster may hold its markup, so that is escaped.
fn slack(message: &Message) -> Value {
    let subject = &message.rendered.subject;
    let summary = shortened(&escaped(&message.rendered.summary), MOST_TEXT);
    json!({
        "text": escaped(subject),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": shortened(subject, MOST_HEADER), "emoji": false}},
            {"type": "section", "text": {"type": "mrkdwn", "text": format!("```\n{summary}\n```")}},
        ],
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("```", "'''")
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    // Whole lines, so that no escape and no figure is cut.
    let mut short = String::new();
    let mut left = most.saturating_sub(2);
    for line in text.split_inclusive('\n') {
        let length = line.chars().count();
        if length > left {
            break;
        }
        left -= length;
        short.push_str(line);
    }
    if short.is_empty() {
        short = text.chars().take(most.saturating_sub(2)).collect();
    }
    short.push('…');
    short
}

/// Everything that is known of the message but its bytes.
fn plain(parcel: &Parcel<'_>) -> Value {
    let message = parcel.message;
    let files: Vec<Value> = message
        .rendered
        .files
        .iter()
        .map(|file| json!({"name": file.name, "media_type": file.media_type, "bytes": file.bytes.len()}))
        .collect();
    json!({
        "v": 1,
        "key": parcel.key,
        "report": message.about.report,
        "scope": message.about.scope,
        "window": message.about.window,
        "revision": message.revision,
        "made": message.made,
        "subject": message.rendered.subject,
        "summary": message.rendered.summary,
        "totals": dollars(&message.rendered.totals),
        "files": files,
    })
}

/// Totals as decimal texts, so that no reader makes floats of them.
fn dollars(totals: &Totals) -> Value {
    totals
        .iter()
        .map(|(name, micros)| (name.clone(), Value::from(crate::restate::dollars(*micros))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_and_long_texts_end_at_a_line() {
        assert_eq!(escaped("a <!channel> & ```"), "a &lt;!channel&gt; &amp; '''");
        assert_eq!(shortened("one\ntwo\nthree\n", 10), "one\ntwo\n…");
        assert_eq!(shortened("abcdefghij", 5), "abc…");
        assert_eq!(shortened("short", 5), "short");
    }
}
