//! What is wrong with a FOCUS file.
//!
//! The Foundation's validator runs a part of its rules; this holds a file to what matters for money
//! that is allocated: mandatory columns, values, nulls, periods, currency, numbers, and that a charge
//! and its parts are never in one file and always add up ([`Rule`] has them all). The file is read
//! twice, for what is a part of what is known only at its end; memory is bounded by what is open: the
//! origins whose parts have not all been seen, and a hash per allocated charge.
//!
//! The same mistake in many rows is one [`Violation`] with the first of them and how many there are.

mod cells;
mod origins;
mod rows;

use std::collections::BTreeMap;
use std::fmt;

use super::columns;
use super::export::Export;
use super::{ExportError, Version};
use crate::render::visible;

/// What a file is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A mandatory column is there.
    Column,
    /// No column is there twice.
    ColumnOnce,
    /// What FOCUS does not define begins with `x_`.
    CustomColumn,
    /// A column that may not be null is not.
    NotNull,
    /// A value is one of those that are allowed.
    AllowedValue,
    /// A number is written as one.
    Number,
    /// A moment is UTC, with a `Z`.
    Moment,
    /// JSON is an object.
    Json,
    /// A currency is one of ISO 4217.
    Currency,
    /// A period begins before it ends.
    Period,
    /// Usage is inside its billing period.
    BillingPeriod,
    /// What belongs together is there together: a quantity and its unit, a region and its name.
    Together,
    /// The unit price times the quantity is the cost.
    Product,
    /// A charge that is not usage is not usage-based, and has no consumption.
    Category,
    /// The parts of a charge add up to it, in every column.
    SumOfParts,
    /// The ratios of the parts add up to one.
    Ratio,
    /// A charge is replaced by its parts, not joined by them.
    OriginBesideParts,
    /// A pod is in `AllocatedResourceId`; `ResourceId` is what was billed.
    PodAsResource,
    /// Nothing of an estimate is billed.
    EstimateIsNotBilled,
    /// An estimate says how old its prices are, and what it saw.
    EstimateSaysHow,
}

impl Rule {
    /// Its name, in lower case with `-`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Column => "column",
            Self::ColumnOnce => "column-once",
            Self::CustomColumn => "custom-column",
            Self::NotNull => "not-null",
            Self::AllowedValue => "allowed-value",
            Self::Number => "number",
            Self::Moment => "moment",
            Self::Json => "json",
            Self::Currency => "currency",
            Self::Period => "period",
            Self::BillingPeriod => "billing-period",
            Self::Together => "together",
            Self::Product => "product",
            Self::Category => "category",
            Self::SumOfParts => "sum-of-parts",
            Self::Ratio => "ratio",
            Self::OriginBesideParts => "origin-beside-parts",
            Self::PodAsResource => "pod-as-resource",
            Self::EstimateIsNotBilled => "estimate-is-not-billed",
            Self::EstimateSaysHow => "estimate-says-how",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A mistake, and where it is first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Of which rule.
    pub rule: Rule,
    /// In which column, where it is of one.
    pub column: Option<String>,
    /// The first row that has it, from 1 without the header; none where it is the file's.
    pub row: Option<u64>,
    /// How many rows have it.
    pub rows: u64,
    /// What is there and what should be.
    pub message: String,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Rows that were read.
    pub rows: u64,
    /// The version whose columns it has.
    pub version: Version,
    /// What is wrong, by rule and column.
    pub violations: Vec<Violation>,
}

/// Mistakes, one per rule and column.
#[derive(Debug, Default)]
struct Found(BTreeMap<(Rule, String), Violation>);

impl Found {
    fn add(&mut self, rule: Rule, column: &str, row: Option<u64>, message: impl Fn() -> String) {
        self.0
            .entry((rule, column.to_owned()))
            .and_modify(|violation| violation.rows += 1)
            .or_insert_with(|| Violation {
                rule,
                column: (!column.is_empty()).then(|| visible(column).into_owned()),
                row,
                rows: u64::from(row.is_some()),
                message: visible(&message()).into_owned(),
            });
    }
}

/// Where the columns of a file are.
struct Layout<'a> {
    header: &'a [String],
    positions: BTreeMap<&'a str, usize>,
    version: Version,
}

impl<'a> Layout<'a> {
    fn new(header: &'a [String]) -> Self {
        let positions: BTreeMap<&str, usize> =
            header.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        let is_newer = columns::of(Version::V1_3)
            .filter(|column| column.since == Version::V1_3)
            .any(|column| positions.contains_key(column.name.as_str()));
        let version = if is_newer { Version::V1_3 } else { Version::V1_2 };
        Self { header, positions, version }
    }

    fn at(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// A column of an allocation, wherever this version has it.
    fn allocated(&self, name: &str) -> Option<usize> {
        self.at(name).or_else(|| self.at(&format!("x_{name}")))
    }
}

/// Checks a file.
pub fn check(export: &Export) -> Result<Checked, ExportError> {
    let mut found = Found::default();
    let mut rows = export.rows()?;
    let header = rows.header().to_vec();
    let layout = Layout::new(&header);
    columns_of(&layout, &mut found);
    let cells = cells::Cells::new(&layout);
    let of_rows = rows::Rows::new(&layout);
    let mut origins = origins::Origins::new(&layout);
    let mut count = 0;
    while let Some((row, values)) = rows.read()? {
        count = row;
        cells.check(row, values, &mut found);
        of_rows.check(row, values, &mut found);
        origins.part(row, values, &mut found);
    }
    let parts = origins.finish(&mut found);
    if parts.has_any() {
        let mut again = export.rows()?;
        while let Some((row, values)) = again.read()? {
            parts.whole(row, values, &mut found);
        }
    }
    let violations = found.0.into_values().collect();
    Ok(Checked { rows: count, version: layout.version, violations })
}

fn columns_of(layout: &Layout<'_>, found: &mut Found) {
    for column in columns::of(layout.version).filter(|column| column.is_mandatory) {
        if layout.at(&column.name).is_none() {
            found.add(Rule::Column, &column.name, None, || {
                format!("{} is mandatory in FOCUS {}", column.name, layout.version)
            });
        }
    }
    for (at, name) in layout.header.iter().enumerate() {
        if layout.header[..at].contains(name) {
            found.add(Rule::ColumnOnce, name, None, || format!("{name} is there twice"));
        }
        if columns::named(name).is_none() && !name.starts_with("x_") {
            found.add(Rule::CustomColumn, name, None, || {
                format!("{name} is no column of FOCUS: a custom one begins with `x_`")
            });
        }
    }
}
