//! Reading bills from files: which format it is, which rows count, and what comes of all of them.
//!
//! Rows are read one after the other and summed by UTC day, resource and usage type as they come, so
//! memory grows with what is billed and not with the length of the file. What is wrong with a file is an
//! error with its name and line, and nothing of it is used: half a bill would reconcile with nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::collect::Collector;
use super::error::BillError;
use super::rows::Rows;
use super::{Bill, cur, focus};
use crate::observed::{Observed, Window};

/// The key of the cost allocation tag by which lines are ours.
pub const OWNER_TAG: &str = "runbook/owner";

/// What is asked of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The days.
    pub window: Window,
    /// The owner whose lines are wanted, `nodeless/myeks`; none for every owner's.
    pub owner: Option<String>,
    /// The clusters whose Fargate pods are wanted; none for all.
    pub clusters: Option<BTreeSet<String>>,
    /// Everything in the account is wanted, whoever owns it.
    pub account_scope: bool,
}

impl Wanted {
    /// Everything of some days that carries a tag of ours; without any, everything.
    pub fn of(window: Window) -> Self {
        Self { window, owner: None, clusters: None, account_scope: false }
    }
}

/// How split rows add up; what a pod costs is decided elsewhere, this only shows that they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SplitCost {
    /// What went to pods by what they asked for or used.
    pub split: runbook_capacity::money::Amount,
    /// What nobody asked for, as it was added to each pod.
    pub unused_of_pods: runbook_capacity::money::Amount,
    /// The same money, as records of its own, where the export has them.
    pub unused_records: Option<runbook_capacity::money::Amount>,
}

impl SplitCost {
    /// All of it, once: unused cost is either in records of its own or with the pods, never both.
    pub fn total(&self) -> runbook_capacity::money::Amount {
        self.split + self.unused_records.unwrap_or(self.unused_of_pods)
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The lines.
    pub bill: Bill,
    /// The pods of split and Fargate rows, and the instances under them.
    pub observed: Observed,
    /// What split rows add up to.
    pub split: SplitCost,
    /// How many rows were read.
    pub rows: u64,
}

/// Reads bills; several files are parts of one bill.
pub fn read_files(files: &[PathBuf], wanted: &Wanted) -> Result<Read, BillError> {
    let mut known = BTreeSet::new();
    let mut collector = Collector::new(wanted.clone());
    for file in files {
        let place = std::fs::canonicalize(file)
            .map_err(|source| BillError::Io { file: file.clone(), source })?;
        if !known.insert(place) {
            return Err(BillError::Twice { file: file.clone() });
        }
        read_into(file, &mut collector)?;
    }
    let names: Vec<String> = files
        .iter()
        .map(|file| {
            file.file_name().map_or_else(String::new, |one| one.to_string_lossy().into_owned())
        })
        .collect();
    collector.done(names.join(", "))
}

fn read_into(file: &std::path::Path, collector: &mut Collector) -> Result<(), BillError> {
    let rows = Rows::open(file)?;
    let has = |name: &str| rows.header.iter().any(|one| one == name);
    if has("line_item_usage_type") || has("line_item_line_item_type") {
        return cur::read(file, rows, collector);
    }
    if has("ChargePeriodStart") || has("BilledCost") {
        return focus::read(file, rows, collector);
    }
    let why = if has("lineItem/UsageType") || has("identity/LineItemId") {
        "it is a legacy Cost and Usage Report; make a data export of the table CUR 2.0, or FOCUS"
    } else {
        "its columns are neither those of CUR 2.0 (`line_item_usage_type` …) nor of FOCUS \
         (`ChargePeriodStart` …)"
    };
    Err(BillError::WrongFile { file: file.to_owned(), why: why.to_owned() })
}
