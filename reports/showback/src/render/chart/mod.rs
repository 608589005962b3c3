//! Charts as SVG, written on this side, readable without script at any width.
//!
//! A drawing is as wide as its place: horizontal positions are shares of the width, vertical ones and
//! all text are in pixels, so that text keeps its size on a narrow screen and in print. Series differ
//! by pattern or dashes as well as by colour, and are named where they are drawn. Each chart carries
//! its title, a description for a reader that hears, and its figures as a table.

mod bars;
mod canvas;
mod columns;
mod curve;
mod moves;
mod scale;
mod spans;
mod timeline;
mod tornado;

pub use bars::{Arrangement, Bar, BarRow, Bars};
pub use columns::{Columns, Stack};
pub use curve::{Crossing, Curve, CurveLine};
pub use moves::{Move, Moves};
pub use spans::{Span, Spans, Way};
pub use timeline::{Timeline, TimelineLine};
pub use tornado::{Lever, Tornado};

use canvas::Canvas;

use super::markup::Markup;
use super::table::Table;
use super::text::prose;

/// A drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drawing {
    /// Amounts of things beside each other.
    Bars(Bars),
    /// Money over a share.
    Curve(Curve),
    /// What a difference becomes when one thing is otherwise.
    Tornado(Tornado),
    /// Counts over time.
    Timeline(Timeline),
    /// Steps on one clock.
    Spans(Spans),
    /// Amounts of days, in parts.
    Columns(Columns),
    /// What causes add or take away.
    Moves(Moves),
}

/// A drawing with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// What it shows, as a person would say it.
    pub title: String,
    /// What is to be seen in it, in sentences.
    pub description: String,
    /// The drawing.
    pub drawing: Drawing,
    /// Its figures.
    pub table: Table,
}

impl Chart {
    /// As a figure of the page; `id` is unique in it.
    pub(crate) fn html(&self, id: &str, out: &mut Markup) {
        out.element("figure", &[("id", id)], |out| {
            out.line();
            out.element("figcaption", &[], |out| {
                out.leaf("strong", &[], &self.title);
                out.leaf("span", &[], &prose(&self.description));
            });
            out.line();
            let canvas = Canvas::new(id, &self.title, &self.description);
            match &self.drawing {
                Drawing::Bars(bars) => bars.draw(canvas, out),
                Drawing::Curve(curve) => curve.draw(canvas, out),
                Drawing::Tornado(tornado) => tornado.draw(canvas, out),
                Drawing::Timeline(timeline) => timeline.draw(canvas, out),
                Drawing::Spans(spans) => spans.draw(canvas, out),
                Drawing::Columns(columns) => columns.draw(canvas, out),
                Drawing::Moves(moves) => moves.draw(canvas, out),
            }
            out.line();
            out.element("details", &[("class", "data")], |out| {
                out.leaf("summary", &[], "These figures as a table");
                out.line();
                self.table.html(out);
            });
        });
        out.line();
    }
}
