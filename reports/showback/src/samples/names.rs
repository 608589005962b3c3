//! The names of a store's folders and files.
//!
//! A cluster's folder is its account, region and name, where that is plain; other characters are written
//! as `=` and two hex digits, and what gets too long ends in a hash. The name is for people: what a file
//! is of says its first line. A day's file is `2026-10-05.jsonl`, with `.gz` once it is compressed; a
//! further part of a day is `2026-10-05.2.jsonl`.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use sha2::{Digest as _, Sha256};

use super::StoreError;
use crate::observed::ClusterId;

/// The longest name of a folder; file systems take 255.
const LONGEST: usize = 160;

/// One file of a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// The day.
    pub(super) day: Date,
    /// From 1.
    pub(super) number: u32,
    /// Whether it is compressed, and so is written no more.
    pub(super) is_sealed: bool,
    /// Where it is.
    pub(super) path: PathBuf,
}

impl Part {
    pub(super) fn new(folder: &Path, day: Date, number: u32) -> Self {
        let name = match number {
            1 => format!("{day}.jsonl"),
            _ => format!("{day}.{number}.jsonl"),
        };
        Self { day, number, is_sealed: false, path: folder.join(name) }
    }

    /// What a file's name says; none when it is not one of ours.
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (name, is_sealed) = match name.strip_suffix(".gz") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let name = name.strip_suffix(".jsonl")?;
        let (day, number) = match name.split_once('.') {
            Some((day, number)) => (day, number.parse().ok().filter(|number| *number > 1)?),
            None => (name, 1),
        };
        let day = day.parse().ok().filter(|_| day.len() == 10)?;
        Some(Self { day, number, is_sealed, path: path.to_owned() })
    }

    /// Where it is when it is compressed.
    pub(super) fn sealed_path(&self) -> PathBuf {
        let mut path = self.path.as_os_str().to_owned();
        path.push(".gz");
        PathBuf::from(path)
    }
}

/// The parts of a cluster's folder, by day and number. Of a file that is there compressed and not, the
/// compressed one counts: it came into its place whole.
pub(super) fn parts(folder: &Path) -> Result<Vec<Part>, StoreError> {
    let failed = StoreError::system("list", folder);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut parts = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::system("list", folder))?;
        parts.extend(Part::of(&entry.path()));
    }
    parts.sort_by_key(|part| (part.day, part.number, !part.is_sealed));
    parts.dedup_by_key(|part| (part.day, part.number));
    Ok(parts)
}

/// The folder of a cluster.
pub(super) fn folder_of(cluster: &ClusterId) -> String {
    let account = cluster.account.as_deref().unwrap_or("-");
    let whole = format!("{account}.{}.{}", cluster.region, cluster.name);
    let mut name = String::new();
    for byte in whole.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if !name.is_empty() => name.push('.'),
            other => name.push_str(&format!("={other:02x}")),
        }
    }
    if name.len() > LONGEST {
        let hash: String = Sha256::digest(whole.as_bytes())
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        name.truncate(LONGEST);
        name.push('-');
        name.push_str(&hash);
    }
    name
}
