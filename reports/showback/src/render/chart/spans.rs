//! Steps on one clock: how long each took, and when, for ways that are held against each other.

use super::canvas::{Anchor, Canvas};
use super::scale::{FULL, Round, Scale};
use crate::render::figures::lasting;
use crate::render::markup::Markup;
use crate::render::text::{elided, visible};

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What.
    pub name: String,
    /// When it began, in seconds.
    pub from: i64,
    /// When it was done.
    pub to: i64,
}

/// A way, from its first step to its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Whose.
    pub name: String,
    /// Its steps in order.
    pub spans: Vec<Span>,
}

/// Ways on one clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans {
    /// What the axis counts from.
    pub across: String,
    /// The ways.
    pub ways: Vec<Way>,
}

const HEAD: i64 = 26;
const LABEL: i64 = 18;
const THICK: i64 = 8;
const GAP: i64 = 8;
const AFTER: i64 = 14;
const AXIS: i64 = 44;
/// The longest name that a narrow screen has room for.
const NAME_WIDTH: usize = 32;

impl Spans {
    pub(crate) fn draw(&self, mut canvas: Canvas, out: &mut Markup) {
        let end = self.ways.iter().flat_map(|way| &way.spans).map(|span| span.to).max();
        let scale = Scale::new(0, end.unwrap_or(0).max(1).into(), Round::Clock, 6);
        let deep = |way: &Way| {
            let steps = i64::try_from(way.spans.len()).unwrap_or(0);
            HEAD + steps * (LABEL + THICK + GAP) + AFTER
        };
        let bottom: i64 = self.ways.iter().map(deep).sum();
        for tick in scale.ticks() {
            let place = scale.at(tick);
            canvas.upright(place, 0, bottom, if tick == 0 { "base" } else { "grid" });
            let label = lasting(i64::try_from(tick).unwrap_or_default());
            canvas.text(place, 0, bottom + 16, Anchor::within(place), "n m", &label);
        }
        canvas.text(FULL, 0, bottom + 36, Anchor::End, "m", &self.across);
        let mut y = 0;
        for (series, way) in self.ways.iter().enumerate() {
            canvas.line_of_text(y + 16, None, &[("b halo", &way.name)]);
            y += HEAD;
            for span in &way.spans {
                label(&mut canvas, span, y);
                y += LABEL;
                let (from, to) = (scale.at(span.from.into()), scale.at(span.to.into()));
                if from == to {
                    canvas.upright(to, y - 2, y + THICK + 2, "zero");
                } else {
                    canvas.bar(series, from, to, y, THICK);
                }
                y += THICK + GAP;
            }
            y += AFTER;
        }
        canvas.finish(bottom + AXIS, out);
    }
}

fn label(canvas: &mut Canvas, span: &Span, y: i64) {
    let whole = visible(&span.name);
    let name = elided(&whole, NAME_WIDTH);
    let took = match span.to.saturating_sub(span.from) {
        0 => "at once".to_owned(),
        seconds => format!("+{}", lasting(seconds)),
    };
    let title = (name != whole).then_some(&*whole);
    canvas.line_of_text(y + 13, title, &[("halo", &name), ("m halo", &took)]);
}
