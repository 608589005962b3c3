//! A tornado: what a difference becomes when one thing is otherwise, the largest step first.
//!
//! Two lines go through it: where nothing differs, and what differs as billed. A bar that crosses the
//! first changes the answer, and says so in words.

use runbook_capacity::money::Amount;

use super::bars::tick_label;
use super::canvas::{Anchor, Canvas};
use super::scale::{Round, Scale};
use crate::render::figures::Cents;
use crate::render::markup::Markup;
use crate::render::text::{elided, visible};

/// One thing that may be otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lever {
    /// What.
    pub what: String,
    /// Between which settings, and where the answer turns.
    pub note: String,
    /// The difference at each of its ends.
    pub ends: Vec<Amount>,
    /// Whether the answer is another one at an end.
    pub turns: bool,
}

/// Levers on a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tornado {
    /// What the axis counts.
    pub unit: String,
    /// What less than nothing means: `cheaper than NodeLess`.
    pub below: String,
    /// What more than nothing means.
    pub above: String,
    /// The difference as billed.
    pub today: Amount,
    /// The levers in the order of their steps.
    pub levers: Vec<Lever>,
}

const TOP: i64 = 50;
const LABEL: i64 = 36;
const THICK: i64 = 14;
const GAP: i64 = 14;
const AXIS: i64 = 24;
/// The longest words that a narrow screen has room for.
const WORDS: usize = 60;

impl Tornado {
    pub(crate) fn draw(&self, mut canvas: Canvas, out: &mut Markup) {
        let cents = |amount: Amount| Cents::of(amount).count();
        let ends = self.levers.iter().flat_map(|lever| &lever.ends).map(|end| cents(*end));
        let ends = ends.chain([0, cents(self.today)]);
        let (low, high) = (ends.clone().min().unwrap_or_default(), ends.max().unwrap_or_default());
        // Room for the figures at the ends of the bars.
        let room = ((high - low) / 4).max(100);
        let scale = Scale::new(low - room, high + room, Round::Decimal, 4);
        let rows = i64::try_from(self.levers.len()).unwrap_or(0);
        let bottom = TOP + rows * (LABEL + THICK + GAP);
        for tick in scale.ticks().into_iter().filter(|tick| *tick != 0) {
            let place = scale.at(tick);
            canvas.upright(place, TOP, bottom, "grid");
            let label = tick_label(tick, scale.step());
            canvas.text(place, 0, bottom + 16, Anchor::within(place), "n m", &label);
        }
        let (zero, today) = (scale.at(0), scale.at(cents(self.today)));
        canvas.text(zero, 0, bottom + 16, Anchor::within(zero), "n b", "0");
        canvas.text(zero, -8, 14, Anchor::End, "m", &format!("← {}", self.below));
        canvas.text(zero, 8, 14, Anchor::Start, "m", &format!("{} →", self.above));
        self.name_today(&mut canvas, today);
        canvas.upright(zero, 20, bottom, "zero");
        canvas.upright(today, 40, bottom, "today");
        let mut y = TOP;
        for lever in &self.levers {
            words(&mut canvas, lever, y);
            y += LABEL;
            let series = usize::from(lever.turns);
            for end in lever.ends.iter().filter(|end| **end != self.today) {
                let then = scale.at(cents(*end));
                canvas.bar(series, today, then, y, THICK);
                let (anchor, dx) =
                    if then < today { (Anchor::End, -6) } else { (Anchor::Start, 6) };
                let figure = Cents::of(*end).brief_signed();
                canvas.text(then, dx, y + 11, anchor, "n halo", &figure);
            }
            y += THICK + GAP;
        }
        canvas.text(0, 0, bottom + AXIS + 14, Anchor::Start, "m", &self.unit);
        canvas.finish(bottom + AXIS + 20, out);
    }

    fn name_today(&self, canvas: &mut Canvas, place: i64) {
        let words = format!("as billed {}", Cents::of(self.today).brief_signed());
        let (anchor, dx) = if place < 5_000 { (Anchor::Start, 6) } else { (Anchor::End, -6) };
        canvas.text(place, dx, 34, anchor, "b halo", &words);
    }
}

fn words(canvas: &mut Canvas, lever: &Lever, y: i64) {
    let (what, note) = (visible(&lever.what), visible(&lever.note));
    let (short, brief) = (elided(&what, 40), elided(&note, WORDS));
    let turns = lever.turns.then_some(("turn halo", "◆ turns it"));
    let parts: Vec<(&str, &str)> = std::iter::once(("b halo", &*short)).chain(turns).collect();
    canvas.line_of_text(y + 14, (short != what).then_some(&*what), &parts);
    canvas.line_of_text(y + 30, (brief != note).then_some(&*note), &[("m halo", &*brief)]);
}
