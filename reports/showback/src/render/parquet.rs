//! A showback, or the charges below it, as Parquet for those who ask with SQL.
//!
//! Two tables, each with its name and version in the file's metadata (`runbook.table`,
//! `runbook.schema_version`), so that a reader knows what it has: [`charges`] has a row per charge, the
//! finest grain there is, before idle and shared cost are handed on; [`showback`] a row per row of the
//! table and UTC day, after that.
//!
//! Money is DECIMAL(38, 10) in dollars. It is rounded once, from the top down: the whole to 10⁻¹⁰ $, then
//! by largest remainder each day (of charges) or each row (of a showback), then what is below that. So a
//! sum over any of these levels is what the level above says, to the last digit. Moments are timestamps
//! in UTC, days are dates.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{
    Date32Builder, Decimal128Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use jiff::Timestamp;
use jiff::civil::Date;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use runbook_capacity::money::{Amount, MONTH_HOURS};

use crate::allocate::charge::{Charge, Part, Recipient};
use crate::allocate::showback::{Basis, RowKind, Showback};
use crate::focus::sheet::properties;
use crate::focus::word;
use crate::observed::Window;

/// The version of both tables. 1: the first.
pub const SCHEMA_VERSION: u32 = 1;

/// Units of an [`Amount`] in the last digit of a figure.
const FINENESS: i128 = MONTH_HOURS as i128 * 3600;
/// Rows that are held before they are written.
const BLOCK: usize = 8192;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ParquetWriteError {
    /// Rows do not fit their columns.
    #[error("failed to put the rows into columns")]
    Columns(#[source] ArrowError),
    /// They could not be written.
    #[error("failed to write the rows as Parquet")]
    Write(#[source] ParquetError),
}

/// The charges, by day, in their order otherwise. Gives the rows.
pub fn charges<W: Write + Send>(
    charges: &[Charge],
    window: Window,
    out: W,
) -> Result<u64, ParquetWriteError> {
    let mut order: Vec<&Charge> = charges.iter().collect();
    order.sort_by_key(|charge| charge.day);
    let days: Vec<&[&Charge]> = order.chunk_by(|one, two| one.day == two.day).collect();
    let of_day = |day: &&[&Charge]| day.iter().map(|charge| charge.amount).sum::<Amount>();
    let day_amounts: Vec<Amount> = days.iter().map(of_day).collect();
    let day_units = rounded(whole(&day_amounts), &day_amounts);
    let columns = [
        "day",
        "period_start",
        "period_end",
        "class",
        "cluster",
        "region",
        "resource_id",
        "node",
        "kind",
        "recipient",
        "namespace",
        "pod",
        "pod_uid",
        "workload",
        "owner",
        "part",
        "cost",
    ];
    let mut table = Table::new("charges", window, &columns, out)?;
    for (day, units) in days.into_iter().zip(day_units) {
        let amounts: Vec<Amount> = day.iter().map(|charge| charge.amount).collect();
        for (charge, units) in day.iter().zip(rounded(units, &amounts)) {
            table.charge(charge, units);
            table.end_of_row()?;
        }
    }
    table.finish()
}

/// The rows of a showback by day. Of an hourly rate, which has no days, one row each, with the rate.
pub fn showback<W: Write + Send>(showback: &Showback, out: W) -> Result<u64, ParquetWriteError> {
    let dimensions: Vec<String> = showback.by.iter().map(|name| format!("key:{name}")).collect();
    let mut columns: Vec<&str> = vec!["day", "window_start", "window_end", "basis", "row_kind"];
    columns.extend(dimensions.iter().map(String::as_str));
    columns.push("cost");
    let mut table = Table::new("showback", showback.window, &columns, out)?;
    let amounts: Vec<Amount> = showback.groups.iter().map(of_group).collect();
    let units = rounded(whole(&amounts), &amounts);
    for (group, units) in showback.groups.iter().zip(units) {
        let days: Vec<(Option<Date>, i128)> = match showback.basis {
            Basis::HourlyRate => vec![(None, units)],
            Basis::Period => {
                let units = rounded(units, &group.by_day);
                showback.days.iter().copied().map(Some).zip(units).collect()
            }
        };
        for (day, units) in days {
            table.day("day", day);
            table.moment("window_start", showback.window.start);
            table.moment("window_end", showback.window.end);
            table.text("basis", Some(basis(showback.basis)));
            table.text("row_kind", Some(row_kind(group.kind)));
            for (name, value) in dimensions.iter().zip(&group.key) {
                table.text(name, Some(value));
            }
            table.money("cost", units);
            table.end_of_row()?;
        }
    }
    table.finish()
}

/// What a row of the table came to: its days; of a rate its parts.
fn of_group(group: &crate::allocate::showback::Group) -> Amount {
    if group.by_day.is_empty() {
        group.cost.parts().into_iter().map(|(_, amount)| amount).sum()
    } else {
        group.by_day.iter().copied().sum()
    }
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Period => "period",
        Basis::HourlyRate => "per_hour",
    }
}

fn row_kind(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Owned => "owned",
        RowKind::Unowned => "unowned",
        RowKind::Idle => "idle",
        RowKind::NodeOverhead => "node_overhead",
        RowKind::Shared => "shared",
    }
}

/// All of them in the last digit, half up.
fn whole(amounts: &[Amount]) -> i128 {
    let raw: i128 = amounts.iter().map(|amount| amount.raw()).sum();
    (raw + FINENESS / 2).div_euclid(FINENESS)
}

/// Each of them in the last digit, by largest remainder, so that they add up to a rounded whole. What
/// was rounded above may be off by more than there are parts; then the parts take more than one each.
fn rounded(whole: i128, amounts: &[Amount]) -> Vec<i128> {
    let mut units: Vec<i128> =
        amounts.iter().map(|amount| amount.raw().div_euclid(FINENESS)).collect();
    let mut missing = whole - units.iter().sum::<i128>();
    let mut order: Vec<usize> = (0..amounts.len()).collect();
    order.sort_by_key(|at| (-amounts[*at].raw().rem_euclid(FINENESS), *at));
    let step = missing.signum();
    while missing != 0 && !order.is_empty() {
        for at in &order {
            if missing == 0 {
                break;
            }
            units[*at] += step;
            missing -= step;
        }
    }
    units
}

/// A table that is being written, row by row.
struct Table<W: Write + Send> {
    names: Vec<String>,
    columns: Vec<Column>,
    held: usize,
    rows: u64,
    schema: Arc<Schema>,
    writer: ArrowWriter<W>,
}

enum Column {
    Text(StringBuilder),
    Day(Date32Builder),
    Moment(TimestampMicrosecondBuilder),
    Money(Decimal128Builder),
}

impl<W: Write + Send> Table<W> {
    fn new(name: &str, window: Window, names: &[&str], out: W) -> Result<Self, ParquetWriteError> {
        let fields: Vec<Field> =
            names.iter().map(|name| Field::new(*name, kind(name), *name != "cost")).collect();
        let schema = Arc::new(Schema::new(fields));
        let metadata = [
            ("runbook.table", name.to_owned()),
            ("runbook.schema_version", SCHEMA_VERSION.to_string()),
            ("runbook.window_start", window.start.to_string()),
            ("runbook.window_end", window.end.to_string()),
            ("runbook.currency", "USD".to_owned()),
        ];
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties(&metadata)))
            .map_err(ParquetWriteError::Write)?;
        Ok(Self {
            columns: names.iter().map(|name| Column::new(name)).collect(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            held: 0,
            rows: 0,
            schema,
            writer,
        })
    }

    fn charge(&mut self, charge: &Charge, units: i128) {
        let origin = &charge.origin;
        self.day("day", Some(charge.day));
        self.moment("period_start", charge.period.start);
        self.moment("period_end", charge.period.end);
        self.text("class", Some(charge.class.title()));
        self.text("cluster", Some(&origin.cluster.name));
        self.text("region", Some(&origin.cluster.region));
        self.text("resource_id", origin.resource_id.as_deref());
        self.text("node", Some(&origin.name));
        self.text("kind", Some(&origin.kind));
        self.text("recipient", Some(&word(&charge.recipient)));
        let pod = match &charge.recipient {
            Recipient::Pod(pod) => Some(pod),
            _ => None,
        };
        self.text("namespace", pod.map(|pod| pod.namespace.as_str()));
        self.text("pod", pod.map(|pod| pod.name.as_str()));
        self.text("pod_uid", pod.map(|pod| pod.uid.as_str()));
        let controller = pod.and_then(|pod| pod.controller.as_ref());
        let workload = controller.map(|of| format!("{}/{}", of.kind, of.name));
        self.text("workload", workload.as_deref());
        self.text("owner", pod.map(|pod| &*pod.owner));
        self.text(
            "part",
            Some(match charge.part {
                Part::Cpu => "cpu",
                Part::Memory => "memory",
                Part::Whole => "whole",
            }),
        );
        self.money("cost", units);
    }

    fn column(&mut self, name: &str) -> Option<&mut Column> {
        let at = self.names.iter().position(|column| column == name)?;
        self.columns.get_mut(at)
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(Column::Text(builder)) = self.column(name) {
            builder.append_option(value);
        }
    }

    fn day(&mut self, name: &str, value: Option<Date>) {
        if let Some(Column::Day(builder)) = self.column(name) {
            let days = value.map(|day| Window::day(day).start.as_second().div_euclid(86_400));
            builder.append_option(days.and_then(|days| i32::try_from(days).ok()));
        }
    }

    fn moment(&mut self, name: &str, value: Timestamp) {
        if let Some(Column::Moment(builder)) = self.column(name) {
            builder.append_value(value.as_microsecond());
        }
    }

    fn money(&mut self, name: &str, units: i128) {
        if let Some(Column::Money(builder)) = self.column(name) {
            builder.append_value(units);
        }
    }

    fn end_of_row(&mut self) -> Result<(), ParquetWriteError> {
        self.held += 1;
        self.rows += 1;
        if self.held == BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ParquetWriteError> {
        self.held = 0;
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        // A row that lacks a cell would have columns of unequal length, which is refused here.
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(ParquetWriteError::Columns)?;
        self.writer.write(&batch).map_err(ParquetWriteError::Write)
    }

    fn finish(mut self) -> Result<u64, ParquetWriteError> {
        self.flush()?;
        self.writer.close().map_err(ParquetWriteError::Write)?;
        Ok(self.rows)
    }
}

fn kind(name: &str) -> DataType {
    match name {
        "day" => DataType::Date32,
        "cost" => DataType::Decimal128(38, 10),
        "period_start" | "period_end" | "window_start" | "window_end" => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        _ => DataType::Utf8,
    }
}

impl Column {
    fn new(name: &str) -> Self {
        match kind(name) {
            DataType::Date32 => Self::Day(Date32Builder::new()),
            DataType::Decimal128(..) => {
                Self::Money(Decimal128Builder::new().with_data_type(kind(name)))
            }
            DataType::Timestamp(..) => {
                Self::Moment(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
            }
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Day(builder) => Arc::new(builder.finish()),
            Self::Moment(builder) => Arc::new(builder.finish()),
            Self::Money(builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rounding_conserves_from_the_top_down(
            days in prop::collection::vec(prop::collection::vec(0_i64..1_000_000_000_000, 0..20), 1..10),
        ) {
            let days: Vec<Vec<Amount>> = days
                .iter()
                .map(|day| day.iter().map(|raw| Amount::from_raw((*raw).into())).collect())
                .collect();
            let sums: Vec<Amount> = days.iter().map(|day| day.iter().copied().sum()).collect();
            let total = whole(&sums);
            let units = rounded(total, &sums);
            prop_assert_eq!(units.iter().sum::<i128>(), total);
            for ((day, units), sum) in days.iter().zip(&units).zip(&sums) {
                prop_assert!((units * FINENESS - sum.raw()).abs() < FINENESS);
                if !day.is_empty() {
                    let parts = rounded(*units, day);
                    prop_assert_eq!(parts.iter().sum::<i128>(), *units);
                    for (part, amount) in parts.iter().zip(day) {
                        prop_assert!((part * FINENESS - amount.raw()).abs() < FINENESS);
                    }
                }
            }
        }
    }
}
