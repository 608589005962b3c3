//! What Cost Explorer has answered, kept by question: one file each, replaced whole or not at all.
//!
//! A file says its version; one of a newer version, or one that is damaged, is an error that names it and
//! leaves it as it is. Answers hold costs, so only their owner can read the folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::civil::Date;
use runbook_clients::aws::cost_explorer::{Day, Group, Metric};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// 1: days by question.
const VERSION: u32 = 1;

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file system.
    #[error("failed to {action} `{}`", .file.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// Which file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What is in it.
    #[error("`{}` holds no answer of Cost Explorer that this version can read: {why}; remove it, and it is asked again", .file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// A folder of answers, of one account at one place.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    metric: Mutex<Option<String>>,
}

/// A day, and when it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) asked: Date,
    pub(super) day: Day,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    question: String,
    #[serde(default)]
    days: BTreeMap<Date, StoredDay>,
    #[serde(default)]
    tag: Option<StoredTag>,
}

#[derive(Serialize, Deserialize)]
struct StoredTag {
    asked: Date,
    is_active: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredDay {
    asked: Date,
    is_estimated: bool,
    groups: Vec<StoredGroup>,
}

#[derive(Serialize, Deserialize)]
struct StoredGroup {
    keys: Vec<String>,
    /// Amount and unit by metric.
    metrics: BTreeMap<String, (String, String)>,
}

impl Cache {
    /// A folder, which need not be there.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), metric: Mutex::new(None) }
    }

    /// The cost that the account was found to have.
    pub(super) fn metric(&self) -> Option<&'static str> {
        let known = self.metric.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        [super::NET, super::GROSS].into_iter().find(|name| known.as_deref() == Some(*name))
    }

    pub(super) fn remember_metric(&self, name: &str) {
        let mut known = self.metric.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *known = Some(name.to_owned());
    }

    /// The days that were answered to a question.
    pub(super) fn days(&self, question: &str) -> Result<BTreeMap<Date, Kept>, CacheError> {
        let Some(file) = self.read(question)? else { return Ok(BTreeMap::new()) };
        Ok(file.days.into_iter().map(|(date, day)| (date, day.kept(date))).collect())
    }

    /// Keeps the days of a question.
    pub(super) fn keep(
        &self,
        question: &str,
        days: &BTreeMap<Date, Kept>,
    ) -> Result<(), CacheError> {
        let days = days.iter().map(|(date, kept)| (*date, StoredDay::of(kept))).collect();
        self.write(&File { version: VERSION, question: question.to_owned(), days, tag: None })
    }

    /// Whether a tag was active, if that was asked on this day.
    pub(super) fn tag(&self, key: &str, today: Date) -> Result<Option<bool>, CacheError> {
        let file = self.read(&format!("tag {key}"))?;
        Ok(file.and_then(|file| file.tag).filter(|tag| tag.asked == today).map(|tag| tag.is_active))
    }

    /// Keeps whether a tag is active.
    pub(super) fn keep_tag(
        &self,
        key: &str,
        today: Date,
        is_active: bool,
    ) -> Result<(), CacheError> {
        let tag = Some(StoredTag { asked: today, is_active });
        self.write(&File {
            version: VERSION,
            question: format!("tag {key}"),
            days: BTreeMap::new(),
            tag,
        })
    }

    fn path(&self, question: &str) -> PathBuf {
        let digest = Sha256::digest(question.as_bytes());
        let name: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{name}.json"))
    }

    fn read(&self, question: &str) -> Result<Option<File>, CacheError> {
        let path = self.path(question);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CacheError::Io { action: "read", file: path, source }),
        };
        let unreadable = |why: String| CacheError::Unreadable { file: path.clone(), why };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        match value["version"].as_u64() {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => return Err(unreadable(format!("it is of version {version}"))),
            None => return Err(unreadable("it says no version".to_owned())),
        }
        let file: File =
            serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
        if file.question != question {
            return Err(unreadable("it is about another question".to_owned()));
        }
        Ok(Some(file))
    }

    fn write(&self, file: &File) -> Result<(), CacheError> {
        let path = self.path(&file.question);
        let io = |action| {
            let file = path.clone();
            move |source| CacheError::Io { action, file, source }
        };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder).map_err(io("create the folder of"))?;
        let text = serde_json::to_vec(file).map_err(|error| CacheError::Unreadable {
            file: path.clone(),
            why: error.to_string(),
        })?;
        let beside = path.with_extension("part");
        std::fs::write(&beside, text).map_err(io("write"))?;
        std::fs::rename(&beside, &path).map_err(io("replace"))
    }
}

impl StoredDay {
    fn of(kept: &Kept) -> Self {
        let group = |group: &Group| StoredGroup {
            keys: group.keys.clone(),
            metrics: group
                .metrics
                .iter()
                .map(|(name, one)| (name.clone(), (one.amount.clone(), one.unit.clone())))
                .collect(),
        };
        let day = &kept.day;
        Self {
            asked: kept.asked,
            is_estimated: day.is_estimated,
            groups: day.groups.iter().map(group).collect(),
        }
    }

    fn kept(self, date: Date) -> Kept {
        let group = |group: StoredGroup| Group {
            keys: group.keys,
            metrics: group
                .metrics
                .into_iter()
                .map(|(name, (amount, unit))| (name, Metric { amount, unit }))
                .collect(),
        };
        let groups = self.groups.into_iter().map(group).collect();
        let day = Day { start: date.to_string(), groups, is_estimated: self.is_estimated };
        Kept { asked: self.asked, day }
    }
}
