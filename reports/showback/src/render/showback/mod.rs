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

mod apportion;
mod csv;
mod grain;
pub mod rounded;
mod text;
mod words;

use crate::allocate::showback::{Basis, Group, Showback};
use crate::render::figures::grouped;

pub use grain::Grain;
pub use rounded::{NotConserved, Rounded};
pub use text::{Layout, Voice};

/// For a terminal or a pipe.
pub fn text(showback: &Showback, layout: &Layout<'_>) -> Result<String, NotConserved> {
    Rounded::of(showback).map(|rounded| text::text(&rounded, layout))
}

/// For a spreadsheet.
pub fn csv(showback: &Showback) -> Result<String, NotConserved> {
    Rounded::of(showback).map(|rounded| csv::csv(&rounded))
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
