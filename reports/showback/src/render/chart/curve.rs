//! Curves: money over a share, and where two of them cross.

use runbook_capacity::money::Amount;

use super::bars::tick_label;
use super::canvas::{Anchor, Canvas};
use super::scale::{FULL, Round, Scale};
use crate::render::figures::{Cents, Percent};
use crate::render::markup::Markup;

/// A line of the drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurveLine {
    /// What it is, written at it.
    pub name: String,
    /// Where it is written.
    pub named_at: Percent,
    /// Whether it is written below the line.
    pub is_named_below: bool,
    /// Its points from left to right.
    pub points: Vec<(Percent, Amount)>,
}

/// A place that is marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// Where.
    pub at: Percent,
    /// How much, where it is a point; none marks the whole height.
    pub amount: Option<Amount>,
    /// What is there.
    pub label: String,
}

/// Money over a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curve {
    /// What goes to the right: `how full the nodes are`.
    pub across: String,
    /// What goes up: `$ a month`.
    pub up: String,
    /// Where the drawing begins and ends.
    pub from: Percent,
    /// Where it ends.
    pub to: Percent,
    /// No higher than this; what is higher leaves the drawing.
    pub most: Amount,
    /// The lines; the first is drawn with the first series' colour and so on.
    pub lines: Vec<CurveLine>,
    /// What is marked.
    pub marks: Vec<Crossing>,
}

const TOP: i64 = 44;
const HEIGHT: i64 = 260;
const BELOW: i64 = 44;

impl Curve {
    pub(crate) fn draw(&self, canvas: Canvas, out: &mut Markup) {
        let mut canvas = canvas.with_gutter();
        let across =
            Scale::new(self.from.count().into(), self.to.count().into(), Round::Decimal, 5);
        let up = Scale::new(0, Cents::of(self.most).count(), Round::Decimal, 4).to_a_tick();
        let y = |cents: i128| TOP + HEIGHT - HEIGHT * up.at(cents) / FULL;
        canvas.level_unit(14, &self.up);
        for tick in up.ticks() {
            canvas.level(0, FULL, y(tick), if tick == 0 { "base" } else { "grid" });
            canvas.level_figure(y(tick), &tick_label(tick, up.step()));
        }
        for tick in across.ticks() {
            let place = across.at(tick);
            canvas.upright(place, TOP + HEIGHT, TOP + HEIGHT + 4, "base");
            let label = format!("{}\u{a0}%", tick / 100);
            let anchor = Anchor::within(place);
            canvas.text(place, 0, TOP + HEIGHT + 18, anchor, "n m", &label);
        }
        canvas.text(FULL, 0, TOP + HEIGHT + 38, Anchor::End, "m", &self.across);
        let paths: Vec<(String, String)> = self
            .lines
            .iter()
            .enumerate()
            .map(|(series, line)| (format!("l{}", series % 4), path(line, &across, &up)))
            .collect();
        canvas.paths(TOP, HEIGHT, &paths);
        self.mark(&mut canvas, &across, &y);
        for line in &self.lines {
            let nearest =
                line.points.iter().min_by_key(|(at, _)| (at.count() - line.named_at.count()).abs());
            if let Some((at, amount)) = nearest {
                let place = across.at(at.count().into());
                let dy = if line.is_named_below { 18 } else { -8 };
                let level = y(Cents::of(*amount).count()) + dy;
                canvas.text(place, 0, level, Anchor::within(place), "b halo", &line.name);
            }
        }
        canvas.finish(TOP + HEIGHT + BELOW, out);
    }

    fn mark(&self, canvas: &mut Canvas, across: &Scale, y: &impl Fn(i128) -> i64) {
        // Words of places that are marked from top to bottom go above the drawing, one below the other.
        let mut above = TOP - 14;
        for mark in self.marks.iter().filter(|mark| across.holds(mark.at.count().into())) {
            let place = across.at(mark.at.count().into());
            let (anchor, dx) =
                if place < FULL / 2 { (Anchor::Start, 6) } else { (Anchor::End, -6) };
            if let Some(amount) = mark.amount {
                let level = y(Cents::of(amount).count());
                canvas.upright(place, level, TOP + HEIGHT, "guide");
                canvas.dot(place, level, "dot");
                canvas.text(place, dx, TOP + HEIGHT - 8, anchor, "b halo", &mark.label);
            } else {
                canvas.upright(place, above + 4, TOP + HEIGHT, "today");
                canvas.text(place, dx, above + 10, anchor, "m halo", &mark.label);
                above += 16;
            }
        }
    }
}

fn path(line: &CurveLine, across: &Scale, up: &Scale) -> String {
    let mut data = String::new();
    let highest = up.ticks().last().copied().unwrap_or_default();
    for (at, amount) in &line.points {
        let cents = Cents::of(*amount).count();
        if cents > highest || !across.holds(at.count().into()) {
            continue;
        }
        let letter = if data.is_empty() { 'M' } else { 'L' };
        data.push_str(&format!("{letter}{} {}", across.at(at.count().into()), FULL - up.at(cents)));
    }
    data
}
