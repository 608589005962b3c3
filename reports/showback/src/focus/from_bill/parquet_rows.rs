//! A bill in Parquet: block by block, value by value.
//!
//! Columns that are divided become DECIMAL(38, s): a binary number stands for the shortest decimal that
//! means it, and `s` is what the finest of a column needs, which a first pass over those columns alone
//! finds. A decimal column keeps its places, at least ten; text stays text. All other columns keep type
//! and values.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{Decimal128Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;

use super::super::decimal::Decimal;
use super::super::export::{Cells, Export, ExportError, text};
use super::super::sheet::properties;
use super::super::{WriteError, Written};
use super::{PLACES, PartCells, Plan, Replacement, Tally};

/// How a column is written.
enum Out {
    /// As it was.
    Same(usize),
    /// Divided: the place in the bill, the index among what is divided, the digits behind the point.
    Decimal(usize, usize, u32),
    /// Divided, and text.
    Figure(usize, usize),
    /// Of the allocation, as text; its place in the bill where it has one.
    Allocation(Option<usize>),
}

/// Writes the bill anew.
pub(super) fn write<W: Write + Send>(
    bill: &Export,
    replacement: &Replacement<'_>,
    out: W,
) -> Result<Written, WriteError> {
    let batches = bill.batches(None).map_err(WriteError::Bill)?;
    let schema = arrow_array::RecordBatchReader::schema(&batches);
    let header: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let plan = Plan::new(bill, &header, replacement).map_err(WriteError::Bill)?;
    let outs = outs(bill, &plan, &schema).map_err(WriteError::Bill)?;
    let out_schema = Arc::new(Schema::new(fields(&plan, &outs, &schema)));
    let mut metadata: Vec<(&str, String)> =
        schema.metadata().iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    metadata.sort();
    metadata.push(("runbook.source", "bill".to_owned()));
    let mut writer =
        ArrowWriter::try_new(out, Arc::clone(&out_schema), Some(properties(&metadata)))
            .map_err(WriteError::Parquet)?;
    let (mut tally, mut row) = (Tally::default(), 0);
    for batch in batches {
        let batch = batch.map_err(|why| WriteError::Bill(bill.arrow(why)))?;
        let block = Block::of(bill, &plan, &batch, &mut row, &mut tally)?;
        let columns = outs
            .iter()
            .enumerate()
            .map(|(at, out)| block.column(bill, &plan, &batch, (at, out)))
            .collect::<Result<Vec<ArrayRef>, WriteError>>()?;
        let batch =
            RecordBatch::try_new(Arc::clone(&out_schema), columns).map_err(WriteError::Columns)?;
        writer.write(&batch).map_err(WriteError::Parquet)?;
    }
    writer.into_inner().map_err(WriteError::Parquet)?;
    Ok(plan.written(tally))
}

/// How each column is written.
fn outs(bill: &Export, plan: &Plan<'_>, schema: &Schema) -> Result<Vec<Out>, ExportError> {
    let mut outs = Vec::new();
    for (at, name) in plan.names.iter().enumerate() {
        let is_allocation =
            super::ALLOCATED.iter().any(|column| plan.version.allocated(column) == *name)
                || super::ADDED.contains(&name.as_str());
        let divided = plan.summable.iter().position(|summable| *summable == at);
        outs.push(match divided {
            _ if at >= plan.of_bill => Out::Allocation(None),
            _ if is_allocation => Out::Allocation(Some(at)),
            None => Out::Same(at),
            Some(index) => match schema.field(at).data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Out::Figure(at, index),
                DataType::Decimal128(_, scale) => {
                    Out::Decimal(at, index, u32::try_from(*scale).unwrap_or(0).max(PLACES))
                }
                kind if kind.is_numeric() || *kind == DataType::Null => {
                    Out::Decimal(at, index, places(bill, name, at)?)
                }
                kind => {
                    return Err(ExportError::ColumnType {
                        path: bill.path().to_owned(),
                        column: name.clone(),
                        kind: kind.to_string(),
                    });
                }
            },
        });
    }
    Ok(outs)
}

/// The places that the finest number of a column needs.
fn places(bill: &Export, name: &str, at: usize) -> Result<u32, ExportError> {
    let (mut places, mut row) = (PLACES, 0);
    for batch in bill.batches(Some(&[at]))? {
        let batch = batch.map_err(|why| bill.arrow(why))?;
        let column = batch.column(0);
        for index in 0..batch.num_rows() {
            row += 1;
            if let Some(number) = number(bill, name, column, index, row)? {
                places = places.max(number.scale());
            }
        }
    }
    Ok(places)
}

/// A number of a column.
fn number(
    bill: &Export,
    name: &str,
    column: &ArrayRef,
    index: usize,
    row: u64,
) -> Result<Option<Decimal>, ExportError> {
    let text = text(column, index).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let number = Decimal::parse(&text).map_err(|why| ExportError::Cell {
        path: bill.path().to_owned(),
        row,
        column: name.to_owned(),
        value: text.clone(),
        why: why.to_string(),
    })?;
    Ok(Some(number))
}

fn fields(plan: &Plan<'_>, outs: &[Out], schema: &Schema) -> Vec<Field> {
    plan.names
        .iter()
        .zip(outs)
        .map(|(name, out)| match out {
            Out::Same(at) => schema.field(*at).clone(),
            Out::Decimal(_, _, places) => Field::new(name, decimal(*places), true),
            Out::Figure(..) | Out::Allocation(_) => Field::new(name, DataType::Utf8, true),
        })
        .collect()
}

fn decimal(places: u32) -> DataType {
    DataType::Decimal128(38, i8::try_from(places).unwrap_or(38))
}

/// What becomes of the rows of a block.
struct Block {
    /// The first row's number, from 1.
    first: u64,
    /// For each row that is written: the row of the block, and the part of it.
    rows: Vec<(usize, Option<PartCells>)>,
    /// What rows that pass get in added columns.
    added: Vec<Vec<(String, String)>>,
    has_parts: bool,
}

impl Block {
    fn of(
        bill: &Export,
        plan: &Plan<'_>,
        batch: &RecordBatch,
        row: &mut u64,
        tally: &mut Tally,
    ) -> Result<Self, WriteError> {
        let mut block =
            Self { first: *row + 1, rows: Vec::new(), added: Vec::new(), has_parts: false };
        let mut cells = vec![String::new(); plan.of_bill];
        let read: Vec<usize> = plan.columns_read();
        for index in 0..batch.num_rows() {
            *row += 1;
            for at in &read {
                cells[*at] = cell(bill, plan, batch, *at, index)?;
            }
            let values = Cells::Text(&cells);
            let group = plan.group(values, tally);
            let Some(group) = group else {
                tally.untouched += 1;
                block.rows.push((index, None));
                block.added.push(plan.added(values));
                continue;
            };
            for at in &plan.summable {
                cells[*at] = cell(bill, plan, batch, *at, index)?;
            }
            let parts =
                plan.parts(bill, *row, Cells::Text(&cells), group).map_err(WriteError::Bill)?;
            block.has_parts = true;
            tally.replaced += 1;
            tally.allocated += parts.len() as u64;
            for part in parts {
                block.rows.push((index, Some(part)));
                block.added.push(Vec::new());
            }
        }
        Ok(block)
    }

    fn column(
        &self,
        bill: &Export,
        plan: &Plan<'_>,
        batch: &RecordBatch,
        (at, out): (usize, &Out),
    ) -> Result<ArrayRef, WriteError> {
        match out {
            Out::Same(at) if !self.has_parts => Ok(Arc::clone(batch.column(*at))),
            Out::Same(at) => {
                let rows = self.rows.iter().map(|(row, _)| u32::try_from(*row).unwrap_or(0));
                let rows = UInt32Array::from_iter_values(rows);
                arrow_select::take::take(batch.column(*at), &rows, None)
                    .map_err(WriteError::Columns)
            }
            Out::Decimal(at, index, places) => {
                self.decimals(bill, plan, batch.column(*at), (*at, *index, *places))
            }
            Out::Figure(at, index) => self.texts(|row, part, _| match part {
                Some(part) => Ok(part.figures[*index].map(|figure| figure.to_string())),
                None => cell(bill, plan, batch, *at, row).map(Some),
            }),
            Out::Allocation(there) => {
                let name = &plan.names[at];
                let of = |cells: &[(String, String)]| {
                    cells.iter().find(|(column, _)| column == name).map(|(_, value)| value.clone())
                };
                self.texts(|row, part, added| match (part, there) {
                    (Some(part), _) => Ok(of(&part.allocation)),
                    (None, Some(there)) => cell(bill, plan, batch, *there, row).map(Some),
                    (None, None) => Ok(of(added)),
                })
            }
        }
    }

    fn decimals(
        &self,
        bill: &Export,
        plan: &Plan<'_>,
        column: &ArrayRef,
        (at, index, places): (usize, usize, u32),
    ) -> Result<ArrayRef, WriteError> {
        let mut builder = Decimal128Builder::new().with_data_type(decimal(places));
        let name = &plan.names[at];
        for (row, part) in &self.rows {
            let value = match part {
                Some(part) => part.figures[index],
                None => number(bill, name, column, *row, self.first + *row as u64)
                    .map_err(WriteError::Bill)?,
            };
            let units = value.map(|value| {
                value.units_at(places).ok_or_else(|| WriteError::Misfit {
                    column: name.clone(),
                    value: value.to_string(),
                    why: format!("it needs more than 38 digits at {places} places"),
                })
            });
            builder.append_option(units.transpose()?);
        }
        Ok(Arc::new(builder.finish()))
    }

    fn texts(
        &self,
        text: impl Fn(
            usize,
            Option<&PartCells>,
            &[(String, String)],
        ) -> Result<Option<String>, WriteError>,
    ) -> Result<ArrayRef, WriteError> {
        let mut builder = StringBuilder::new();
        for ((row, part), added) in self.rows.iter().zip(&self.added) {
            let value = text(*row, part.as_ref(), added)?;
            builder.append_option(value.filter(|value| !value.is_empty()));
        }
        Ok(Arc::new(builder.finish()))
    }
}

impl Plan<'_> {
    /// The columns that say what a row is.
    fn columns_read(&self) -> Vec<usize> {
        let at = &self.at;
        let some = [
            at.service_category,
            at.service,
            at.units[0],
            at.units[1],
            at.method,
            at.contract,
            at.tags,
            at.provider,
        ];
        let mut read = vec![at.resource, at.start, at.end, at.category];
        read.extend(some.into_iter().flatten());
        read
    }
}

fn cell(
    bill: &Export,
    plan: &Plan<'_>,
    batch: &RecordBatch,
    at: usize,
    row: usize,
) -> Result<String, WriteError> {
    text(batch.column(at), row).ok_or_else(|| {
        WriteError::Bill(ExportError::ColumnType {
            path: bill.path().to_owned(),
            column: plan.names[at].clone(),
            kind: batch.column(at).data_type().to_string(),
        })
    })
}
