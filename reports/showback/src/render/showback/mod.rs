//! Who pays, in every form: text, CSV, JSON, Markdown and a page, all made of one rounding.
//!
//! | module | what it is |
//! |---|---|
//! | [`rounded`] | the one step from exact amounts to cents, top down; what does not add up is refused |
//! | `apportion` | largest remainder, for parts of a whole and for the cells of a table |
//! | `grain` | cents of a period, hundredths of a cent of an hourly rate |
//! | `words` | titles, names, and what a reader has to know |
//! | [`text()`], [`csv()`], [`json()`], [`markdown()`], [`html()`] | the forms |
//!
//! Every form says where the figures are from, for which window, at list prices of which days, whether
//! they are an *estimate* or *provisional*, and what is not in them.

pub(in crate::render) mod apportion;
mod csv;
mod grain;
mod json;
mod markdown;
mod page;
pub mod rounded;
mod schema;
mod text;
mod words;

use runbook_capacity::answer::written;

use crate::allocate::showback::{Basis, Group, Showback};
use crate::render::figures::grouped;
use crate::render::page::Page;

pub use grain::Grain;
pub use rounded::{NotConserved, Rounded};
pub use schema::SCHEMA;
pub use text::{Layout, Voice};

/// Why a showback is not written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// Its parts are not its whole.
    #[error(transparent)]
    NotConserved(#[from] NotConserved),
    /// It is no JSON.
    #[error("failed to write the showback as JSON")]
    Json(#[from] serde_json::Error),
}

/// For a terminal or a pipe.
pub fn text(showback: &Showback, layout: &Layout<'_>) -> Result<String, Unwritten> {
    Ok(Rounded::of(showback).map(|rounded| text::text(&rounded, layout))?)
}

/// For a spreadsheet.
pub fn csv(showback: &Showback) -> Result<String, Unwritten> {
    Ok(Rounded::of(showback).map(|rounded| csv::csv(&rounded))?)
}

/// For programs.
pub fn json(showback: &Showback) -> Result<String, Unwritten> {
    let answer = json::Answer::of(showback)?;
    Ok(format!("{}\n", written::json(&answer)?))
}

/// For a pull request or a message.
pub fn markdown(showback: &Showback) -> Result<String, Unwritten> {
    Ok(Rounded::of(showback).map(|rounded| markdown::markdown(&rounded))?)
}

/// What goes on its page.
pub fn page(showback: &Showback) -> Result<Page, Unwritten> {
    Ok(Rounded::of(showback).map(|rounded| page::page(&rounded))?)
}

/// One page to look at, for a mail or a wiki.
pub fn html(showback: &Showback) -> Result<String, Unwritten> {
    page(showback).map(|page| page.html())
}

/// One line that can stand alone: a mail's subject, a page's title.
pub fn title(showback: &Showback) -> String {
    words::title(showback)
}

/// What amounts are in, for programs.
fn unit_name(basis: Basis) -> &'static str {
    match basis {
        Basis::Period => "USD",
        Basis::HourlyRate => "USD per hour",
    }
}

/// vCPU-hours with three places.
fn core_hours(group: &Group) -> String {
    thousandths(group.cpu_millicore_seconds, 3_600)
}

/// GiB-hours with three places.
fn gib_hours(group: &Group) -> String {
    thousandths(group.memory_byte_seconds.saturating_mul(1_000), 3_600 << 30)
}

/// Thousandths over something, written with three places.
fn thousandths(thousandths: i128, over: i128) -> String {
    let rounded = (thousandths * 2 + over).div_euclid(2 * over).max(0);
    format!("{}.{:03}", grouped(rounded / 1_000).replace(',', ""), rounded % 1_000)
}
