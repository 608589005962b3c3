//! A table: figures to the right with their unit in the header, names to the left, totals last.

use super::figures::{Cents, Percent, grouped};
use super::markup::Markup;
use super::text::{elided, visible, width};

/// How many columns of a name are shown before its middle is elided.
const NAME_WIDTH: usize = 48;
/// Words beyond this many columns go on in a second line.
const LONG: usize = 40;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    title: String,
    unit: Option<String>,
    is_figure: bool,
}

impl Column {
    /// Of words.
    pub fn words(title: impl Into<String>) -> Self {
        Self { title: title.into(), unit: None, is_figure: false }
    }

    /// Of plain numbers.
    pub fn count(title: impl Into<String>) -> Self {
        Self { title: title.into(), unit: None, is_figure: true }
    }

    /// Of figures with a unit.
    pub fn figure(title: impl Into<String>, unit: impl Into<String>) -> Self {
        Self { title: title.into(), unit: Some(unit.into()), is_figure: true }
    }
}

/// How a word is coloured; the word says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Less money.
    Good,
    /// More money.
    Bad,
    /// Undecided.
    Open,
    /// Not known.
    Faint,
}

impl Tone {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Open => "open",
            Self::Faint => "faint",
        }
    }
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A name from elsewhere: elided when it is long, whole in its title.
    Name(String),
    /// Money.
    Money(Cents),
    /// More or less money.
    Change(Cents),
    /// How many.
    Count(i128),
    /// A share; the header says per cent.
    Share(Percent),
    /// More or less of a share.
    ShareChange(Percent),
    /// A figure that was written elsewhere.
    Figure(String),
    /// A symbol and what it means.
    Mark(&'static str, String, Tone),
    /// No figure, and why.
    Missing(String),
    /// Nothing belongs here.
    Nothing,
}

impl Cell {
    /// Money, or that there is none.
    pub fn money(amount: Option<Cents>) -> Self {
        amount.map_or(Self::Nothing, Self::Money)
    }

    /// The words of the cell.
    fn text(&self) -> String {
        match self {
            Self::Text(text) | Self::Name(text) | Self::Figure(text) | Self::Missing(text) => {
                text.clone()
            }
            Self::Money(cents) => cents.text(),
            Self::Change(cents) => cents.signed(),
            Self::Count(count) => grouped(*count),
            Self::Share(percent) => percent.bare(),
            Self::ShareChange(percent) => percent.bare_signed(),
            Self::Mark(symbol, words, _) => format!("{symbol} {words}"),
            Self::Nothing => String::new(),
        }
    }

    fn is_figure(&self) -> bool {
        matches!(
            self,
            Self::Money(_)
                | Self::Change(_)
                | Self::Count(_)
                | Self::Share(_)
                | Self::ShareChange(_)
                | Self::Figure(_)
                | Self::Nothing
        )
    }

    fn html(&self, out: &mut Markup) {
        match self {
            Self::Name(name) => named(out, name, NAME_WIDTH),
            Self::Mark(symbol, words, tone) => {
                out.element("span", &[("class", tone.class())], |out| {
                    out.leaf("span", &[("class", "mark"), ("aria-hidden", "true")], symbol);
                    out.say(words);
                });
            }
            Self::Missing(reason) => out.leaf("span", &[("class", "faint")], reason),
            other => out.say(&other.text()),
        }
    }
}

/// A name, elided where it is long, and then whole in its title.
pub(crate) fn named(out: &mut Markup, name: &str, most: usize) {
    let whole = visible(name);
    let short = elided(&whole, most);
    if short == whole {
        out.say(name);
    } else {
        out.leaf("span", &[("title", name)], &short);
    }
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowKind {
    /// One of many.
    #[default]
    Plain,
    /// A sum of some above it.
    Subtotal,
    /// The sum of all.
    Total,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its cells, as many as columns.
    pub cells: Vec<Cell>,
    /// What it is.
    pub kind: RowKind,
}

impl Row {
    /// One of many.
    pub fn plain(cells: Vec<Cell>) -> Self {
        Self { cells, kind: RowKind::Plain }
    }

    /// The sum of some.
    pub fn subtotal(cells: Vec<Cell>) -> Self {
        Self { cells, kind: RowKind::Subtotal }
    }

    /// The sum of all.
    pub fn total(cells: Vec<Cell>) -> Self {
        Self { cells, kind: RowKind::Total }
    }

    fn html(&self, out: &mut Markup) {
        let class: &[(&str, &str)] = match self.kind {
            RowKind::Plain => &[],
            RowKind::Subtotal => &[("class", "sub")],
            RowKind::Total => &[("class", "sum")],
        };
        out.element("tr", class, |out| {
            for (index, cell) in self.cells.iter().enumerate() {
                if index == 0 {
                    let scope = ("scope", "row");
                    let attributes = [scope, ("class", "n")];
                    let used = if cell.is_figure() { &attributes[..] } else { &attributes[..1] };
                    out.element("th", used, |out| cell.html(out));
                } else if cell.is_figure() {
                    // Most cells are figures: the style takes a cell without class for one.
                    out.element("td", &[], |out| cell.html(out));
                } else {
                    let class = if width(&cell.text()) > LONG { "t long" } else { "t" };
                    out.element("td", &[("class", class)], |out| cell.html(out));
                }
            }
        });
        out.line();
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Its columns; the first names the row.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Row>,
}

impl Table {
    /// A table of plain rows to be added to.
    pub fn new(caption: impl Into<String>, columns: Vec<Column>) -> Self {
        Self { caption: caption.into(), columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn html(&self, out: &mut Markup) {
        // A wide table scrolls by itself, also by keyboard; the page never does sideways.
        let region = [
            ("class", "scroll"),
            ("role", "region"),
            ("tabindex", "0"),
            ("aria-label", &*self.caption),
        ];
        out.element("div", &region, |out| {
            out.element("table", &[], |out| {
                out.leaf("caption", &[], &self.caption);
                out.element("thead", &[], |out| out.element("tr", &[], |out| self.header(out)));
                out.line();
                out.element("tbody", &[], |out| {
                    out.line();
                    for row in &self.rows {
                        row.html(out);
                    }
                });
            });
        });
        out.line();
    }

    fn header(&self, out: &mut Markup) {
        for column in &self.columns {
            let class = if column.is_figure { "n" } else { "t" };
            out.element("th", &[("scope", "col"), ("class", class)], |out| {
                out.say(&column.title);
                if let Some(unit) = &column.unit {
                    out.say(" ");
                    out.leaf("span", &[("class", "unit")], unit);
                }
            });
        }
    }
}
