//! A showback for a terminal: one screen that says who pays, and what is not known.
//!
//! In a pipe a row is a line and nothing is left out. On a terminal the widest set of columns is taken
//! that fits; where even names do not fit they lose their middle.

use runbook_capacity::answer::written::visible;

use super::rounded::{Rounded, Row};
use super::words::{self, Remark};
use crate::observed::Severity;
use crate::render::figures::Percent;
use crate::render::text::{elided, width};

/// What a piece of text means; whoever shows it may colour it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// A heading, a total.
    Strong,
    /// Of little weight.
    Quiet,
    /// Figures are less sure by it.
    Warning,
    /// Something is missing.
    Bad,
}

/// Where text is shown.
pub struct Layout<'a> {
    /// Columns of the terminal; none in a pipe.
    pub columns: Option<usize>,
    /// Puts a piece of text into the colour of its meaning.
    pub paint: &'a dyn Fn(Voice, &str) -> String,
}

impl Layout<'static> {
    /// Without colour.
    pub fn plain(columns: Option<usize>) -> Self {
        Self { columns, paint: &|_, text| text.to_owned() }
    }
}

impl Layout<'_> {
    fn paint(&self, voice: Voice, text: &str) -> String {
        (self.paint)(voice, text)
    }
}

/// Rows that are shown one by one on a terminal.
const MOST_ROWS: usize = 60;
/// Things of a remark that are named.
const MOST_ITEMS: usize = 5;
/// Rows that moved most.
const MOST_MOVES: usize = 5;
/// Between two columns.
const GAP: usize = 2;
/// A name keeps at least so much.
const LEAST_NAME: usize = 8;
/// Under a remark's label.
const LABEL: usize = 14;

pub(super) fn text(rounded: &Rounded<'_>, layout: &Layout<'_>) -> String {
    let mut out = headline(rounded, layout);
    out.push('\n');
    out.push_str(&rows(rounded, layout));
    out.push('\n');
    out.push_str(&classes(rounded, layout));
    out.push_str(&change(rounded, layout));
    out.push_str(&budgets(rounded, layout));
    for remark in words::remarks(rounded) {
        out.push_str(&remarked(&remark, layout));
    }
    out
}

fn headline(rounded: &Rounded<'_>, layout: &Layout<'_>) -> String {
    let showback = rounded.of;
    let total = format!("{} {}", rounded.text(rounded.total.total()), rounded.unit());
    let mut parts = vec![total, words::window(showback)];
    let marks = words::marks(showback);
    if !marks.is_empty() {
        parts.push(marks.join(", "));
    }
    parts.push(format!("from {}", words::source(showback)));
    let question = layout.paint(Voice::Strong, "who pays?");
    let mut out = String::new();
    let first = folded(&parts.join(" · "), layout.columns.map(|room| room.saturating_sub(12)));
    for (index, line) in first.iter().enumerate() {
        let before = if index == 0 { format!("{question}   ") } else { " ".repeat(12) };
        out.push_str(&format!("{before}{line}\n"));
    }
    let second = format!(
        "{} · {} · {}",
        words::dimensions(showback),
        words::clusters(showback),
        words::prices(showback)
    );
    for line in folded(&visible(&second), layout.columns) {
        out.push_str(&format!("{line}\n"));
    }
    out
}

/// A column of figures.
struct Figures {
    title: String,
    of: fn(&Rounded<'_>, Option<&Row<'_>>) -> String,
}

fn column(title: impl Into<String>, of: fn(&Rounded<'_>, Option<&Row<'_>>) -> String) -> Figures {
    Figures { title: title.into(), of }
}

/// The sets of columns, the widest first.
fn sets(rounded: &Rounded<'_>) -> Vec<Vec<Figures>> {
    let total = || {
        column(rounded.unit(), |rounded, row| {
            rounded.text(row.map_or(rounded.total, |row| row.cost).total())
        })
    };
    let pods = || {
        column("pods", |rounded, row| match row {
            Some(row) => row.of.pods.to_string(),
            None => rounded.rows.iter().map(|row| row.of.pods).sum::<u64>().to_string(),
        })
    };
    let own = || {
        column("requested", |rounded, row| {
            rounded.text(row.map_or(rounded.total, |row| row.cost).own())
        })
    };
    let rest = || {
        column("idle, shared", |rounded, row| {
            let cost = row.map_or(rounded.total, |row| row.cost);
            rounded.text(cost.total() - cost.own())
        })
    };
    let change = |set: &mut Vec<Figures>| {
        if rounded.change.is_some() {
            set.push(column("change", changed));
        }
    };
    let mut wide = vec![
        pods(),
        own(),
        column("idle", |rounded, row| {
            rounded.text(row.map_or(rounded.total, |row| row.cost).idle())
        }),
        column("overhead", |rounded, row| {
            rounded.text(row.map_or(rounded.total, |row| row.cost).node_overhead())
        }),
        column("shared", |rounded, row| {
            rounded.text(row.map_or(rounded.total, |row| row.cost).shared())
        }),
        total(),
        column("share", |rounded, row| row.map(|row| share(rounded, row)).unwrap_or_default()),
    ];
    change(&mut wide);
    let mut middle = vec![pods(), own(), rest(), total()];
    change(&mut middle);
    let mut narrow = vec![total()];
    change(&mut narrow);
    vec![wide, middle, narrow]
}

fn changed(rounded: &Rounded<'_>, row: Option<&Row<'_>>) -> String {
    let change = match row {
        Some(row) => Some(row.change()),
        None => rounded.change.as_ref().map(|change| change.difference),
    };
    change.map(|change| rounded.grain.signed(change)).unwrap_or_default()
}

fn share(rounded: &Rounded<'_>, row: &Row<'_>) -> String {
    let grain = rounded.grain;
    let whole = grain.amount(rounded.total.total());
    let share = Percent::share(grain.amount(row.cost.total()), whole);
    share.map(|share| format!("{} %", share.bare())).unwrap_or_default()
}

fn rows(rounded: &Rounded<'_>, layout: &Layout<'_>) -> String {
    let showback = rounded.of;
    let dimensions = showback.by.len().max(1);
    let most = if layout.columns.is_some() { MOST_ROWS } else { usize::MAX };
    let shown: Vec<&Row<'_>> = rounded.rows.iter().take(most).collect();
    let mut head: Vec<String> = showback.by.clone();
    head.resize(dimensions, String::new());
    let names: Vec<Vec<String>> = shown
        .iter()
        .map(|row| {
            let keys = words::keys(row.of, dimensions);
            keys.iter().map(|key| visible(key).into_owned()).collect()
        })
        .collect();
    let mut last = vec![String::new(); dimensions];
    "total".clone_into(&mut last[0]);
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(&names).chain([&last]).collect();
    let natural: Vec<usize> = (0..dimensions)
        .map(|at| lines.iter().map(|line| width(&line[at])).max().unwrap_or_default())
        .collect();
    let (figures, widths) = fitting(rounded, &shown, &natural, layout.columns);
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        let cells: Vec<String> = match index {
            0 => figures.iter().map(|figures| figures.0.clone()).collect(),
            _ => figures.iter().map(|figures| figures.1[index - 1].clone()).collect(),
        };
        let line = aligned(line, &widths, &cells, &figures);
        let is_strong = index == 0 || index == lines.len() - 1;
        if index == lines.len() - 1 && rounded.rows.len() > shown.len() {
            out.push_str(&left_out(rounded, shown.len(), layout));
        }
        let line = if is_strong { layout.paint(Voice::Strong, &line) } else { line };
        out.push_str(&format!("{line}\n"));
    }
    out
}

/// What rows that are not shown come to.
fn left_out(rounded: &Rounded<'_>, shown: usize, layout: &Layout<'_>) -> String {
    let rest: i128 = rounded.rows[shown..].iter().map(|row| row.cost.total()).sum();
    let text = format!(
        "… {} more rows come to {} {} (-o csv has them)",
        rounded.rows.len() - shown,
        rounded.text(rest),
        rounded.unit()
    );
    format!("{}\n", layout.paint(Voice::Quiet, &text))
}

/// A title and its cells from top to bottom, the total's last.
type Cells = (String, Vec<String>);

/// The columns that fit, and how wide names may be.
fn fitting(
    rounded: &Rounded<'_>,
    shown: &[&Row<'_>],
    natural: &[usize],
    columns: Option<usize>,
) -> (Vec<Cells>, Vec<usize>) {
    let mut made: Vec<Vec<Cells>> = sets(rounded)
        .into_iter()
        .map(|set| {
            let cells = |figures: Figures| {
                let rows = shown.iter().map(|row| Some(*row)).chain([None]);
                (figures.title, rows.map(|row| (figures.of)(rounded, row)).collect())
            };
            set.into_iter().map(cells).collect()
        })
        .collect();
    let Some(columns) = columns else { return (made.swap_remove(0), natural.to_vec()) };
    let taken = |set: &Vec<Cells>| set.iter().map(|cells| GAP + widest(cells)).sum::<usize>();
    let gaps = GAP * natural.len().saturating_sub(1);
    // Names may lose their middle for a figure, but not most of themselves.
    let wanted = |least: usize| natural.iter().map(|one| (*one).min(least)).sum::<usize>() + gaps;
    let index =
        made.iter().position(|set| taken(set) + wanted(18) <= columns).unwrap_or(made.len() - 1);
    let set = made.swap_remove(index);
    let room = columns.saturating_sub(taken(&set) + gaps);
    (set, shrunk(natural, room))
}

/// Widths of names that come to no more than the room, the widest cut first.
fn shrunk(natural: &[usize], room: usize) -> Vec<usize> {
    let mut widths = natural.to_vec();
    while widths.iter().sum::<usize>() > room {
        let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > LEAST_NAME) else {
            break;
        };
        *widest -= 1;
    }
    widths
}

fn widest(cells: &Cells) -> usize {
    cells.1.iter().chain([&cells.0]).map(|cell| width(cell)).max().unwrap_or_default()
}

fn aligned(names: &[String], widths: &[usize], cells: &[String], figures: &[Cells]) -> String {
    let mut line = String::new();
    for (index, (name, room)) in names.iter().zip(widths).enumerate() {
        if index > 0 {
            line.push_str(&" ".repeat(GAP));
        }
        let name = elided(name, *room);
        line.push_str(&name);
        line.push_str(&" ".repeat(room.saturating_sub(width(&name))));
    }
    for (cell, figures) in cells.iter().zip(figures) {
        line.push_str(&" ".repeat(GAP + widest(figures).saturating_sub(width(cell))));
        line.push_str(cell);
    }
    line.trim_end().to_owned()
}

fn classes(rounded: &Rounded<'_>, layout: &Layout<'_>) -> String {
    let parts: Vec<String> = rounded
        .of
        .classes
        .iter()
        .zip(&rounded.classes)
        .map(|((class, _), count)| format!("{} {}", class.title(), rounded.text(*count)))
        .collect();
    labelled("made of", Voice::Quiet, &parts.join(" · "), layout)
}

fn change(rounded: &Rounded<'_>, layout: &Layout<'_>) -> String {
    let Some(moved) = &rounded.change else { return String::new() };
    let unit = rounded.unit();
    let text = format!(
        "{} {unit} against {} ({} {unit})",
        rounded.grain.signed(moved.difference),
        moved.of.before,
        rounded.text(moved.before)
    );
    let mut out = labelled("change", Voice::Strong, &text, layout);
    if moved.gone != 0 {
        let gone = rounded.grain.signed(-moved.gone);
        let text = format!("{gone} of rows that are no more, beside those above");
        out.push_str(&labelled("", Voice::Quiet, &text, layout));
    }
    let causes: Vec<String> = moved
        .of
        .causes
        .iter()
        .zip(&moved.causes)
        .map(|((cause, _), count)| {
            format!("{} {}", words::cause_title(*cause), rounded.grain.signed(*count))
        })
        .collect();
    out.push_str(&labelled("", Voice::Quiet, &causes.join(" · "), layout));
    for ((key, _, cause), count) in moved.of.largest.iter().zip(&moved.largest).take(MOST_MOVES) {
        let text = format!(
            "{} {} ({})",
            rounded.grain.signed(*count),
            visible(&key.join(" / ")),
            words::cause_title(*cause)
        );
        out.push_str(&labelled("", Voice::Quiet, &text, layout));
    }
    out
}

fn budgets(rounded: &Rounded<'_>, layout: &Layout<'_>) -> String {
    let mut out = String::new();
    for line in &rounded.of.budgets {
        let grain = rounded.grain;
        let mut text = format!(
            "{}: {} of {} $ spent, {} $ at the end of the month",
            visible(&line.owner),
            grain.text(grain.round(line.spent)),
            grain.text(grain.round(line.budget)),
            grain.text(grain.round(line.projected))
        );
        text.push_str(&format!(": {}", words::budget_state(line)));
        let is_bad = line.breach.is_some() || line.passed_percent.is_some();
        let voice = if is_bad { Voice::Warning } else { Voice::Quiet };
        out.push_str(&labelled("budget", voice, &text, layout));
    }
    out
}

fn remarked(remark: &Remark, layout: &Layout<'_>) -> String {
    let voice = match remark.severity {
        Severity::Note => Voice::Quiet,
        Severity::Warning => Voice::Warning,
        Severity::Loss => Voice::Bad,
    };
    let mut out = labelled(remark.label, voice, &visible(&remark.text), layout);
    for item in remark.items.iter().take(MOST_ITEMS) {
        out.push_str(&labelled("", voice, &format!("· {}", visible(item)), layout));
    }
    if remark.items.len() > MOST_ITEMS {
        let more = format!("· and {} more (-o json)", remark.items.len() - MOST_ITEMS);
        out.push_str(&labelled("", voice, &more, layout));
    }
    out
}

/// A label and what belongs to it, folded behind the label on a terminal.
fn labelled(label: &str, voice: Voice, text: &str, layout: &Layout<'_>) -> String {
    let room = layout.columns.map(|columns| columns.saturating_sub(LABEL));
    let mut out = String::new();
    for (index, line) in folded(text, room).iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        let blanks = " ".repeat(LABEL.saturating_sub(width(label)));
        let label = if label.is_empty() { String::new() } else { layout.paint(voice, label) };
        out.push_str(format!("{label}{blanks}{line}").trim_end());
        out.push('\n');
    }
    out
}

/// Lines of at most so many columns; a word that is longer loses its middle.
fn folded(text: &str, room: Option<usize>) -> Vec<String> {
    let Some(room) = room.map(|room| room.max(20)) else { return vec![text.to_owned()] };
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let word = elided(word, room);
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(&word) <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word.into_owned()),
        }
    }
    lines
}
