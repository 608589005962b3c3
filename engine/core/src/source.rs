//! Where text came from: files, and half-open byte ranges in them.
//!
//! Every node of a document keeps a [`Span`], so that a mistake is shown where it was made. A file
//! is named as the user would type it; shipped files are named `shipped:NAME`.

use std::sync::Arc;

/// One file, by its position in [`Sources`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct FileId(pub u32);

/// A half-open range of bytes in one file.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A text and the name it goes by in diagnostics.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// As the user would type it, or `shipped:NAME`.
    pub name: String,
    /// The text, complete.
    pub text: Arc<str>,
}

/// All files that were read, in the order in which they were first needed.
#[derive(Debug, Clone, Default)]
pub struct Sources(Vec<SourceFile>);

impl Sources {
    /// Adds a file and returns its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.push(SourceFile { name: name.into(), text: text.into() });
        id
    }

    /// The file of that id, if it was added here.
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.0.get(id.0 as usize)
    }

    /// All files with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0u32..).map(FileId).zip(self.0.iter())
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    pub fn position(&self, file: FileId, byte: u32) -> Option<(usize, usize)> {
        let text = &self.get(file)?.text;
        let before = text.get(..byte as usize)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        Some((line, column))
    }
}
