//! What goes on the page of a showback: who pays, over time, what is idle, what changed, pods, and how
//! much of it was seen.
//!
//! The page is bounded whatever the cluster is: rows and pods beyond a number or a share of the page's
//! bytes are summed in a line of their own, so each table still adds up.

mod known;
mod moved;
mod pods;
mod rows;
mod time;

use super::rounded::Rounded;
use super::words;
use crate::allocate::showback::Basis;
use crate::observed::Severity;
use crate::render::figures::grouped;
use crate::render::page::{Origin, Page};
use crate::render::table::{Cell, Column};
use crate::render::text::counted;

pub(super) fn page(rounded: &Rounded<'_>) -> Page {
    let showback = rounded.of;
    let mut sections = vec![rows::section(rounded)];
    sections.extend(time::section(rounded));
    sections.extend(rows::idle(rounded));
    sections.extend(moved::change(rounded));
    sections.extend(moved::budgets(rounded));
    sections.extend(pods::section(rounded));
    sections.extend(known::sections(rounded));
    Page {
        title: words::title(showback),
        origin: origin(rounded),
        heading: format!("Who pays? {}", words::window(showback)),
        answer: answer(rounded),
        besides: besides(rounded),
        about: about(rounded),
        sections,
    }
}

fn origin(rounded: &Rounded<'_>) -> Origin {
    let is_sandbox = words::is_sandbox(rounded.of);
    let words = if is_sandbox {
        rounded.of.from.replacen("sandbox", "sandbox: a simulated account", 1)
    } else {
        rounded.of.from.clone()
    };
    Origin { words, is_sandbox }
}

fn answer(rounded: &Rounded<'_>) -> String {
    let showback = rounded.of;
    let total = rounded.text(rounded.total.total());
    let words = match showback.basis {
        Basis::Period => format!("{total} $"),
        Basis::HourlyRate => format!("{total} $ an hour, as things stood"),
    };
    let marks = words::marks(showback);
    let marks = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) };
    format!("{words}{marks}.")
}

fn besides(rounded: &Rounded<'_>) -> Vec<String> {
    let showback = rounded.of;
    let (total, idle) = (rounded.total.total(), rounded.total.idle());
    let unit = rounded.unit();
    let mut besides = Vec::new();
    if total != 0 {
        besides.push(format!(
            "Of it {} {unit} were asked for or used, {} {unit} idle, {} {unit} overhead of nodes and \
             {} {unit} shared.",
            rounded.text(rounded.total.own()),
            rounded.text(idle),
            rounded.text(rounded.total.node_overhead()),
            rounded.text(rounded.total.shared())
        ));
    }
    if let Some(moved) = &rounded.change {
        let word = if moved.difference < 0 { "less" } else { "more" };
        besides.push(format!(
            "That is {} {unit} {word} than in {}.",
            rounded.text(moved.difference.abs()),
            moved.of.before
        ));
    }
    if showback.is_provisional {
        besides.push("Provisional: the last days can still move.".to_owned());
    }
    // The rest is in a part of its own; what is lost or less sure must not be overlooked.
    let grave = words::remarks(rounded)
        .into_iter()
        .filter(|remark| remark.severity == Severity::Loss || remark.label == "coverage");
    besides.extend(grave.take(6).map(|remark| remark.sentence(240)));
    besides
}

fn about(rounded: &Rounded<'_>) -> Vec<String> {
    let showback = rounded.of;
    let pods = i64::try_from(showback.coverage.pods).unwrap_or(i64::MAX);
    vec![
        words::dimensions(showback),
        words::clusters(showback),
        counted(pods, "pod", "pods"),
        words::prices(showback),
    ]
}

/// The columns of a cost behind its name.
fn cost_columns(rounded: &Rounded<'_>) -> Vec<Column> {
    ["requested", "idle", "overhead", "shared", "total"]
        .map(|title| Column::figure(title, rounded.unit()))
        .into()
}

/// A cost in these columns.
fn cost_cells(rounded: &Rounded<'_>, cost: &super::rounded::Parts) -> Vec<Cell> {
    [cost.own(), cost.idle(), cost.node_overhead(), cost.shared(), cost.total()]
        .map(|count| Cell::Figure(rounded.text(count)))
        .into()
}

/// `1,200 more rows`.
fn more(count: usize, what: &str) -> String {
    format!("{} more {what}", grouped(count as i128))
}

/// How many of the first fit into a number of bytes and of things.
fn fitting<T>(all: &[T], most: usize, mut room: usize, bytes: impl Fn(&T) -> usize) -> usize {
    let fits = all.iter().take(most).take_while(|one| {
        let taken = bytes(one);
        let has_room = taken <= room;
        room = room.saturating_sub(taken);
        has_room
    });
    fits.count()
}
