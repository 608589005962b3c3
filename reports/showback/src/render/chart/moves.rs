//! Moves: how much each of some causes adds or takes away, from a line that is nothing.

use runbook_capacity::money::Amount;

use super::bars::tick_label;
use super::canvas::{Anchor, Canvas};
use super::scale::{FULL, Round, Scale};
use crate::render::figures::Cents;
use crate::render::markup::Markup;
use crate::render::text::{elided, visible};

/// A cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Its name.
    pub name: String,
    /// What is said beside the name.
    pub note: String,
    /// How much more, or less.
    pub amount: Amount,
}

/// Moves below each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moves {
    /// What the axis counts.
    pub unit: String,
    /// The moves.
    pub moves: Vec<Move>,
}

const LABEL: i64 = 20;
const THICK: i64 = 14;
const GAP: i64 = 12;
const AXIS: i64 = 40;
/// Columns of a note that a narrow screen has room for.
const NOTE: usize = 40;
/// Where the bars end on either side, so that their figures have room.
const MARGIN: i64 = 1_400;

impl Moves {
    pub(crate) fn draw(&self, mut canvas: Canvas, out: &mut Markup) {
        let counts = || self.moves.iter().map(|one| Cents::of(one.amount).count());
        let (low, high) = (counts().min().unwrap_or(0).min(0), counts().max().unwrap_or(0).max(0));
        let scale = Scale::new(low, high, Round::Decimal, 4);
        let place = |cents: i128| MARGIN + scale.at(cents) * (FULL - 2 * MARGIN) / FULL;
        let bottom = i64::try_from(self.moves.len()).unwrap_or(i64::MAX) * (LABEL + THICK + GAP);
        for tick in scale.ticks() {
            let class = if tick == 0 { "zero" } else { "grid" };
            canvas.upright(place(tick), 0, bottom, class);
            let label = tick_label(tick, scale.step());
            canvas.text(place(tick), 0, bottom + 16, Anchor::Middle, "n m", &label);
        }
        canvas.text(0, 0, bottom + 34, Anchor::Start, "m", &self.unit);
        let mut y = 0;
        for one in &self.moves {
            let (name, note) = (visible(&one.name), visible(&one.note));
            let (name, note) = (elided(&name, 24), elided(&note, NOTE));
            canvas.line_of_text(y + 14, None, &[("b halo", &name), ("m halo", &note)]);
            y += LABEL;
            let cents = Cents::of(one.amount);
            let (from, to) = (place(0), place(cents.count()));
            // More is dearer: another colour and pattern than less, beside the sign.
            let series = usize::from(cents.count() > 0);
            if from != to {
                canvas.bar(series, from, to, y, THICK);
            }
            let (anchor, dx) = if to < from { (Anchor::End, -6) } else { (Anchor::Start, 6) };
            canvas.text(to, dx, y + 11, anchor, "n halo", &cents.brief_signed());
            y += THICK + GAP;
        }
        canvas.finish(bottom + AXIS, out);
    }
}
