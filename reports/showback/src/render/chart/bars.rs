//! Bars: amounts of things below each other, side by side or in parts of a whole.

use runbook_capacity::money::Amount;

use super::canvas::{Anchor, Canvas};
use super::scale::{Round, Scale};
use crate::render::figures::Cents;
use crate::render::markup::Markup;
use crate::render::text::{elided, visible, width};

/// How the bars of a row stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrangement {
    /// One below the other, to be held against each other.
    Beside,
    /// One after the other: parts of a whole.
    Stacked,
}

/// A bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// How long; none when there is no figure.
    pub amount: Option<Amount>,
    /// What is said when there is none.
    pub otherwise: String,
}

impl Bar {
    /// With a figure.
    pub fn of(amount: Amount) -> Self {
        Self { amount: Some(amount), otherwise: String::new() }
    }

    /// Without one, and why.
    pub fn missing(why: impl Into<String>) -> Self {
        Self { amount: None, otherwise: why.into() }
    }
}

/// A thing and its bars, one for each series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarRow {
    /// Its name, from elsewhere.
    pub name: String,
    /// What is said beside the name.
    pub note: String,
    /// Its bars in the order of the series.
    pub bars: Vec<Bar>,
    /// Where the end of the whole may lie.
    pub range: Option<(Amount, Amount)>,
}

/// Bars of things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bars {
    /// What the axis counts: `$ a month`.
    pub unit: String,
    /// What the bars of a row are.
    pub series: Vec<String>,
    /// How they stand.
    pub arrangement: Arrangement,
    /// The rows.
    pub rows: Vec<BarRow>,
}

/// Bars end here, so that the words at their end have room.
const REACH: i64 = 6_600;
/// The longest name and note together that a narrow screen has room for.
const NAME_WIDTH: usize = 52;
const LEGEND: i64 = 26;
const LABEL: i64 = 20;
const ROW_GAP: i64 = 14;
const AXIS: i64 = 24;

impl Bars {
    pub(crate) fn draw(&self, mut canvas: Canvas, out: &mut Markup) {
        let most = self.rows.iter().map(|row| self.longest(row)).max().unwrap_or_default();
        let scale = Scale::new(0, Cents::of(most).count(), Round::Decimal, 4);
        let place = |cents: i128| scale.at(cents) * REACH / super::scale::FULL;
        let mut y = if self.series.len() > 1 { self.legend(&mut canvas) } else { 0 };
        let (thick, between) = match self.arrangement {
            Arrangement::Beside => (14, 3),
            Arrangement::Stacked => (18, 0),
        };
        let deep = |row: &BarRow| match self.arrangement {
            Arrangement::Beside => i64::try_from(row.bars.len()).unwrap_or(1) * (thick + between),
            Arrangement::Stacked => thick,
        };
        let bottom = y + self.rows.iter().map(|row| LABEL + deep(row) + ROW_GAP).sum::<i64>();
        // Where nothing has a figure there is nothing to be measured.
        let ticks = if most == Amount::ZERO { vec![0] } else { scale.ticks() };
        for tick in ticks.iter().copied() {
            canvas.upright(place(tick), y, bottom, if tick == 0 { "base" } else { "grid" });
            let label = tick_label(tick, scale.step());
            canvas.text(place(tick), 0, bottom + 16, Anchor::within(place(tick)), "n m", &label);
        }
        let end = place(ticks.last().copied().unwrap_or_default());
        canvas.text(end, 40, bottom + 16, Anchor::Start, "m", &self.unit);
        for row in &self.rows {
            let whole = visible(&row.name);
            let name = elided(&whole, NAME_WIDTH.saturating_sub(width(&row.note)).max(16));
            let title = (name != whole).then_some(&*whole);
            canvas.line_of_text(y + 14, title, &[("b halo", &name), ("m halo", &row.note)]);
            y += LABEL;
            match self.arrangement {
                Arrangement::Beside => self.beside(&mut canvas, row, y, (thick, between), &place),
                Arrangement::Stacked => stacked(&mut canvas, row, y, thick, &place),
            }
            y += deep(row) + ROW_GAP;
        }
        canvas.finish(bottom + AXIS, out);
    }

    /// Names the series; a line that is full goes on below.
    fn legend(&self, canvas: &mut Canvas) -> i64 {
        let (mut x, mut y) = (0, 4);
        for (series, name) in self.series.iter().enumerate() {
            let wide = 22 + 7 * i64::try_from(width(name)).unwrap_or(0) + 16;
            if x > 0 && x + wide > 350 {
                (x, y) = (0, y + 20);
            }
            canvas.swatch(series, x, y);
            canvas.text(0, x + 18, y + 11, Anchor::Start, "m", name);
            x += wide;
        }
        y + LEGEND
    }

    fn longest(&self, row: &BarRow) -> Amount {
        let known = row.bars.iter().filter_map(|bar| bar.amount);
        let own = match self.arrangement {
            Arrangement::Beside => known.max().unwrap_or_default(),
            Arrangement::Stacked => known.sum(),
        };
        own.max(row.range.map_or(Amount::ZERO, |(_, high)| high))
    }

    fn beside(
        &self,
        canvas: &mut Canvas,
        row: &BarRow,
        mut y: i64,
        (thick, between): (i64, i64),
        place: &impl Fn(i128) -> i64,
    ) {
        for (series, bar) in row.bars.iter().enumerate() {
            let name = self.series.get(series).map_or("", String::as_str);
            if let Some(amount) = bar.amount {
                let cents = Cents::of(amount);
                canvas.bar(series, 0, place(cents.count()), y, thick);
                let words = format!("{} {name}", cents.brief());
                canvas.text(place(cents.count()), 6, y + 11, Anchor::Start, "n", &words);
            } else {
                let words = format!("{name}: {}", bar.otherwise);
                canvas.text(0, 6, y + 11, Anchor::Start, "m", &elided(&visible(&words), 46));
            }
            y += thick + between;
        }
    }
}

fn stacked(canvas: &mut Canvas, row: &BarRow, y: i64, thick: i64, place: &impl Fn(i128) -> i64) {
    let mut sum = Amount::ZERO;
    let mut from = 0;
    for (series, bar) in row.bars.iter().enumerate() {
        let Some(amount) = bar.amount else {
            canvas.text(from, 6, y + 13, Anchor::Start, "m", &elided(&visible(&bar.otherwise), 46));
            return;
        };
        sum += amount;
        let to = place(Cents::of(sum).count());
        canvas.bar(series, from, to, y, thick);
        from = to;
    }
    let mut end = from;
    let mut words = Cents::of(sum).brief();
    if let Some((low, high)) = row.range {
        let (low, high) = (Cents::of(low), Cents::of(high));
        let middle = y + thick / 2;
        canvas.level(place(low.count()), place(high.count()), middle, "range");
        for place in [place(low.count()), place(high.count())] {
            canvas.upright(place, y + 3, y + thick - 3, "range");
        }
        end = end.max(place(high.count()));
        words = format!("{words} ({}–{})", low.brief(), high.brief());
    }
    canvas.text(end, 6, y + 13, Anchor::Start, "n", &words);
}

/// Whole dollars, with cents only where steps are smaller than a dollar.
pub(super) fn tick_label(cents: i128, step: i128) -> String {
    if step % 100 == 0 {
        crate::render::figures::grouped(cents / 100)
    } else {
        let dollars = cents.abs() / 100;
        let sign = if cents < 0 { "−" } else { "" };
        format!("{sign}{dollars}.{:02}", cents.abs() % 100)
    }
}
