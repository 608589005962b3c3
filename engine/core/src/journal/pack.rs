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
    for event in events {
        if !bytes.is_empty() {
            bytes.push(b'\n');
        }
        encode(event, &mut bytes);
    }
    // JSON is UTF-8.
    String::from_utf8(bytes).unwrap_or_default()
}

/// An event as JSON, within its bound: texts from the world are cut, never the event's structure.
fn encode(event: &Event, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    let written = serde_json::to_writer(&mut *bytes, event);
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
pub(super) fn join<'a>(blobs: impl Iterator<Item = &'a Blob>) -> Vec<u8> {
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
