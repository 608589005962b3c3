//! Columns over time: what each day cost, in parts of a whole.
//!
//! Series are named beside the last column, each with a piece of what it is drawn with; where there is
//! no room for that the names stand below.

use runbook_capacity::money::Amount;

use super::bars::tick_label;
use super::canvas::{Anchor, Canvas};
use super::scale::{FULL, Round, Scale};
use crate::render::figures::Cents;
use crate::render::markup::Markup;
use crate::render::text::{elided, visible};

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Which day: `10-01`.
    pub label: String,
    /// An amount for each series.
    pub amounts: Vec<Amount>,
}

/// Columns over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// What goes up: `$ a day`.
    pub up: String,
    /// What the parts of a column are, from the bottom up.
    pub series: Vec<String>,
    /// The columns from left to right.
    pub stacks: Vec<Stack>,
}

const TOP: i64 = 28;
const HEIGHT: i64 = 220;
const BELOW: i64 = 28;
/// Labels of days that a narrow screen has room for.
const MOST_LABELS: usize = 6;
/// The room of a name beside the columns.
const NAME: usize = 22;
/// Between two names.
const LINE: i64 = 18;

impl Columns {
    pub(crate) fn draw(&self, canvas: Canvas, out: &mut Markup) {
        let mut canvas = canvas.with_gutter().with_names();
        let most = self.stacks.iter().map(whole).max().unwrap_or_default();
        let up = Scale::new(0, Cents::of(most).count(), Round::Decimal, 4).to_a_tick();
        let y = |amount: Amount| TOP + HEIGHT - HEIGHT * up.at(Cents::of(amount).count()) / FULL;
        canvas.level_unit(12, &self.up);
        for tick in up.ticks() {
            let level = TOP + HEIGHT - HEIGHT * up.at(tick) / FULL;
            canvas.level(0, FULL, level, if tick == 0 { "base" } else { "grid" });
            canvas.level_figure(level, &tick_label(tick, up.step()));
        }
        let count = i64::try_from(self.stacks.len()).unwrap_or(i64::MAX).max(1);
        let every = self.stacks.len().div_ceil(MOST_LABELS).max(1);
        for (index, stack) in self.stacks.iter().enumerate() {
            let at = i64::try_from(index).unwrap_or(i64::MAX);
            let (from, to) = (FULL * at / count, FULL * (at + 1) / count);
            let gap = (to - from) / 8;
            let mut sum = Amount::ZERO;
            for (series, amount) in stack.amounts.iter().enumerate() {
                let bottom = y(sum);
                sum += *amount;
                let top = y(sum);
                if top < bottom {
                    canvas.bar(series, from + gap, to - gap, top, bottom - top);
                }
            }
            if index % every == 0 {
                let middle = i64::midpoint(from, to);
                let anchor = Anchor::within(middle);
                canvas.text(middle, 0, TOP + HEIGHT + 18, anchor, "n m", &stack.label);
            }
        }
        self.name_series(&mut canvas, &y);
        let id = canvas.id().to_owned();
        canvas.finish(TOP + HEIGHT + BELOW, out);
        self.key(&id, out);
    }

    /// Names beside the last column, in the order of its parts and never over each other.
    fn name_series(&self, canvas: &mut Canvas, y: &impl Fn(Amount) -> i64) {
        let Some(last) = self.stacks.last() else { return };
        let mut sum = Amount::ZERO;
        let mut middles: Vec<i64> = last
            .amounts
            .iter()
            .map(|amount| {
                let bottom = y(sum);
                sum += *amount;
                i64::midpoint(bottom, y(sum))
            })
            .collect();
        let parts = middles.clone();
        // From the bottom up each name keeps clear of the one below; then from the top down.
        let mut below = TOP + HEIGHT + LINE;
        for middle in &mut middles {
            *middle = (*middle).min(below - LINE);
            below = *middle;
        }
        let mut above = TOP - LINE;
        for middle in middles.iter_mut().rev() {
            *middle = (*middle).max(above + LINE);
            above = *middle;
        }
        for (series, (name, (part, at))) in
            self.series.iter().zip(parts.into_iter().zip(middles)).enumerate()
        {
            let whole = visible(name);
            canvas.name_beside(series, part, at, &elided(&whole, NAME));
        }
    }

    /// The same names below, for a narrow screen.
    fn key(&self, id: &str, out: &mut Markup) {
        out.line();
        out.element("ul", &[("class", "key"), ("aria-hidden", "true")], |out| {
            for (series, name) in self.series.iter().enumerate() {
                out.element("li", &[], |out| {
                    super::canvas::swatch(id, series, out);
                    out.say(&elided(&visible(name), 40));
                });
            }
        });
    }
}

fn whole(stack: &Stack) -> Amount {
    stack.amounts.iter().copied().sum()
}
