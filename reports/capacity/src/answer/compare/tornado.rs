//! A tornado as text: each lever with its bar, the widest first, and where the difference is nothing.

use super::{BarAnswer, Comparison, VerdictAnswer};

/// How wide a bar is drawn.
const WIDTH: usize = 24;

/// The columns of a tornado.
pub const COLUMNS: [&str; 6] = ["lever", "low", "", "high", "$/month", "break-even"];

/// A row for each lever: its name and base, its low end, its bar, its high end, both differences, and
/// its break-even. The `│` in a bar is where both sides cost the same, `●` what was billed.
pub fn rows(verdict: &VerdictAnswer) -> Vec<Vec<String>> {
    let Some(base) = verdict.difference_usd else { return Vec::new() };
    let scale = Scale::of(base, &verdict.tornado);
    verdict.tornado.iter().map(|bar| row(bar, base, scale)).collect()
}

fn row(bar: &BarAnswer, base: f64, scale: Scale) -> Vec<String> {
    vec![
        format!("{} ({})", bar.lever, bar.base),
        bar.low.setting.clone(),
        scale.draw(bar, base),
        bar.high.setting.clone(),
        format!("{:+.2} to {:+.2}", bar.low.difference_usd, bar.high.difference_usd),
        bar.break_even.clone().unwrap_or_else(|| "none".to_owned()),
    ]
}

/// From the least to the most difference, zero included.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn of(base: f64, bars: &[BarAnswer]) -> Self {
        let ends = bars.iter().flat_map(|bar| [bar.low.difference_usd, bar.high.difference_usd]);
        let (low, high) = ends
            .fold((base.min(0.0), base.max(0.0)), |(low, high), end| (low.min(end), high.max(end)));
        Self { low, high }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a column between nothing and the width of a bar"
    )]
    fn column(self, at: f64) -> usize {
        let span = self.high - self.low;
        if span <= 0.0 {
            return 0;
        }
        let last = WIDTH - 1;
        ((((at - self.low) / span) * last as f64).round().max(0.0) as usize).min(last)
    }

    fn draw(self, bar: &BarAnswer, base: f64) -> String {
        let (from, to) =
            (self.column(bar.low.difference_usd), self.column(bar.high.difference_usd));
        let (zero, billed) = (self.column(0.0), self.column(base));
        (0..WIDTH)
            .map(|column| match column {
                column if column == billed => '●',
                column if column == zero => '│',
                column if (from..=to).contains(&column) => '━',
                _ => ' ',
            })
            .collect()
    }
}

impl Comparison {
    /// The tornado of the verdict on a side.
    pub fn tornado(&self, side: &str) -> Vec<Vec<String>> {
        self.verdicts.iter().find(|one| one.side == side).map(rows).unwrap_or_default()
    }
}
