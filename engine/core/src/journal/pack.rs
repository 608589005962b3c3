//! How events and blobs are kept as bytes.
//!
//! Events that are appended together are lines of JSON in one row: one insertion for all of them
//! costs a tenth of one for each. Blobs that are too small to compress lie beside them. Their
//! digests come in no order: in a table of their own each would touch a page of its own, and most
//! of what a commit writes would be pages of which it changed one row.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use jiff::Timestamp;
use serde::Serialize;

use super::Blob;
use super::format::MOST_EVENT;
use crate::event::Event;

/// Bytes below which compressing costs more than it saves.
const SMALL: usize = 512;

/// Whether a blob lies beside the events that name it.
pub(super) fn is_small(blob: &Blob) -> bool {
    blob.bytes.len() < SMALL
}

/// Events as lines of JSON.
pub(super) fn lines(events: &[Event]) -> String {
    let mut bytes = Vec::with_capacity(events.len() * 256);
    let mut moments = (Moment::default(), Moment::default());
    for event in events {
        if !bytes.is_empty() {
            bytes.push(b'\n');
        }
        encode(event, &mut moments, &mut bytes);
    }
    // JSON is UTF-8.
    String::from_utf8(bytes).unwrap_or_default()
}

/// A time with its text: events that are appended together have happened together, in world time
/// above all.
#[derive(Default)]
struct Moment {
    at: Option<Timestamp>,
    text: String,
}

impl Moment {
    fn text(&mut self, at: Timestamp) -> &str {
        if self.at != Some(at) {
            self.at = Some(at);
            self.text = at.to_string();
        }
        &self.text
    }
}

/// An event as JSON, within its bound: texts from the world are cut, never the event's structure.
fn encode(event: &Event, moments: &mut (Moment, Moment), bytes: &mut Vec<u8>) {
    let start = bytes.len();
    let written = write(event, moments, bytes);
    if written.is_ok() && bytes.len() - start <= MOST_EVENT {
        return;
    }
    bytes.truncate(start);
    let mut json = serde_json::to_value(event).unwrap_or_default();
    shorten(&mut json, 400);
    let mut text = json.to_string();
    if text.len() > MOST_EVENT {
        shorten(&mut json, 80);
        text = json.to_string();
    }
    bytes.extend(text.bytes());
}

/// The JSON of an event, as serde derives it. The body's fields stand beside the event's own: for that
/// serde goes through each of them by name, which takes several times as long as writing them.
fn write(
    event: &Event,
    (real, world): &mut (Moment, Moment),
    bytes: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let Event { v, seq, time, world_time, run, address, attempt, body } = event;
    member(bytes, r#"{"v":"#, v)?;
    member(bytes, r#","seq":"#, seq)?;
    member(bytes, r#","time":"#, real.text(*time))?;
    member(bytes, r#","world_time":"#, world.text(*world_time))?;
    member(bytes, r#","run":"#, run)?;
    if let Some(address) = address {
        member(bytes, r#","address":"#, address)?;
    }
    if let Some(attempt) = attempt {
        member(bytes, r#","attempt":"#, attempt)?;
    }
    // A body is a map that has at least its tag: its brace becomes a comma.
    let brace = bytes.len();
    serde_json::to_writer(&mut *bytes, body)?;
    bytes[brace] = b',';
    Ok(())
}

fn member(
    bytes: &mut Vec<u8>,
    name: &str,
    value: &(impl Serialize + ?Sized),
) -> serde_json::Result<()> {
    bytes.extend(name.as_bytes());
    serde_json::to_writer(bytes, value)
}

fn shorten(json: &mut serde_json::Value, most: usize) {
    match json {
        serde_json::Value::String(text) if text.chars().count() > most => {
            *text = text.chars().take(most).chain("…".chars()).collect();
        }
        serde_json::Value::Array(items) => {
            items.truncate(10);
            for item in items {
                shorten(item, most);
            }
        }
        serde_json::Value::Object(entries) => {
            for value in entries.values_mut() {
                shorten(value, most);
            }
        }
        _ => {}
    }
}

/// Small blobs, one behind the other: the length of the digest, the digest, the length of the
/// bytes, the bytes. Lengths are 16 bits, the lower ones first.
pub(super) fn join(blobs: &[&Blob]) -> Vec<u8> {
    let mut joined = Vec::new();
    for blob in blobs {
        for part in [blob.digest.as_bytes(), &blob.bytes] {
            // What is small is shorter than this can say.
            joined.extend(u16::try_from(part.len()).unwrap_or(u16::MAX).to_le_bytes());
            joined.extend(part);
        }
    }
    joined
}

/// The blobs of [`join`], by digest.
pub(super) fn split(joined: &[u8], blobs: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    let mut rest = joined;
    while !rest.is_empty() {
        let (digest, after) = part(rest)?;
        let (bytes, after) = part(after)?;
        let digest = std::str::from_utf8(digest).map_err(|_| damaged())?;
        blobs.insert(digest.to_owned(), bytes.to_vec());
        rest = after;
    }
    Ok(())
}

fn part(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or_else(damaged)?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length))).ok_or_else(damaged)
}

/// The first byte says how the rest is kept: 0 as it is, 1 zlib.
pub(super) fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(vec![1], Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

pub(super) fn decompress(stored: &[u8]) -> Result<Vec<u8>> {
    match stored.split_first() {
        Some((0, bytes)) => Ok(bytes.to_vec()),
        Some((1, packed)) => {
            let mut bytes = Vec::new();
            ZlibDecoder::new(packed).read_to_end(&mut bytes)?;
            Ok(bytes)
        }
        _ => Err(damaged()),
    }
}

fn damaged() -> Error {
    Error::from(ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Action;
    use crate::event::{Body, Step, TaskState};
    use crate::failure::{Class, Failure};

    #[test]
    fn a_line_is_what_serde_writes() {
        let started: Timestamp = "2026-01-01T00:00:00.000000001Z".parse().unwrap();
        let bodies = [
            Body::TaskStarted,
            Body::TaskWaiting { reason: "\"quoted\"\n".to_owned() },
            Body::Step(Step::Acknowledged),
            Body::Step(Step::Intended {
                action: Action::Create,
                change: "c".to_owned(),
                token: "t".to_owned(),
                noted: true,
            }),
            Body::Step(Step::Rejected { failure: Failure::new(Class::Invalid, "no").code("No") }),
            Body::TaskFinished { state: TaskState::Failed, action: Action::None, because: None },
        ];
        let events: Vec<Event> = (1..)
            .zip(bodies)
            .map(|(seq, body)| Event {
                v: 1,
                seq,
                time: started + jiff::SignedDuration::from_millis(i64::try_from(seq / 2).unwrap()),
                world_time: started,
                run: "r \"1\"".into(),
                address: (seq > 1).then(|| format!("fargate/profile[\"{seq}\"]")),
                attempt: (seq > 2).then_some(1),
                body,
            })
            .collect();
        let expected: Vec<String> =
            events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        assert_eq!(lines(&events), expected.join("\n"));
    }
}
