//! What a page is made of, whatever it is about.
//!
//! An adapter makes a [`Page`] of an answer, and [`Page::html`] writes it; so an answer that is new needs
//! an adapter and nothing else.

use super::chart::Chart;
use super::html;
use super::table::Table;

/// Where the figures are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// In words: `the sandbox`, a file's name.
    pub words: String,
    /// Whether nothing of it is real.
    pub is_sandbox: bool,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The name in a list of pages.
    pub title: String,
    /// Where the figures are from.
    pub origin: Origin,
    /// What it answers.
    pub heading: String,
    /// The answer, in a sentence.
    pub answer: String,
    /// What else belongs to the answer, in a sentence each.
    pub besides: Vec<String>,
    /// What the answer is about: `42 workloads`, `ap-northeast-2`.
    pub about: Vec<String>,
    /// Its parts.
    pub sections: Vec<Section>,
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its anchor, unique in the page.
    pub id: &'static str,
    /// Its heading.
    pub title: String,
    /// What is in it.
    pub blocks: Vec<Block>,
}

impl Section {
    /// An empty part.
    pub fn new(id: &'static str, title: impl Into<String>) -> Self {
        Self { id, title: title.into(), blocks: Vec::new() }
    }

    /// Adds something.
    #[must_use]
    pub fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }
}

/// Something in a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading below the part's.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A list.
    List(Vec<String>),
    /// A table.
    Table(Table),
    /// A chart.
    Chart(Box<Chart>),
    /// Something that is opened by who wants it.
    Fold(Fold),
    /// Ways of doing the same, step by step, beside each other.
    Flows(Vec<Flow>),
}

/// Something that is opened by who wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// What it is.
    pub title: String,
    /// What is said of it while it is closed.
    pub aside: String,
    /// What is in it.
    pub blocks: Vec<Block>,
}

/// A way of doing something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Whose.
    pub title: String,
    /// Its steps in order.
    pub steps: Vec<Step>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When, or for how long.
    pub when: String,
    /// Who does what.
    pub what: String,
    /// What is to be known about it.
    pub detail: String,
}

impl Page {
    /// As one self-contained HTML file.
    pub fn html(&self) -> String {
        html::page(self)
    }
}
