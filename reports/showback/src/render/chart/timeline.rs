//! Counts over time, each as steps: what was there from one moment to the next.
//!
//! Lines differ by how thick they are: dashes cannot be told apart in a line that steps up and down all
//! day.

use super::canvas::{Anchor, Canvas};
use super::scale::{FULL, Round, Scale};
use crate::render::figures::{clock, grouped};
use crate::render::markup::Markup;

/// A count over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineLine {
    /// What, written at its line.
    pub name: String,
    /// Seconds since the start and the count from then on, in order of time.
    pub points: Vec<(i64, i64)>,
}

/// Counts over one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// What is counted: `nodes`.
    pub up: String,
    /// Where it ends, in seconds.
    pub until: i64,
    /// The lines.
    pub lines: Vec<TimelineLine>,
}

const TOP: i64 = 60;
const HEIGHT: i64 = 200;
const BELOW: i64 = 44;
/// More steps than this cannot be told apart.
const MOST_STEPS: usize = 800;

impl Timeline {
    pub(crate) fn draw(&self, canvas: Canvas, out: &mut Markup) {
        let most = self.lines.iter().flat_map(|line| &line.points).map(|(_, count)| *count).max();
        let mut canvas = canvas.with_gutter();
        let across = Scale::new(0, self.until.max(1).into(), Round::Clock, 6);
        let up = Scale::new(0, most.unwrap_or(0).max(1).into(), Round::Decimal, 4).to_a_tick();
        let y = |count: i128| TOP + HEIGHT - HEIGHT * up.at(count) / FULL;
        canvas.level_unit(42, &self.up);
        for tick in up.ticks() {
            canvas.level(0, FULL, y(tick), if tick == 0 { "base" } else { "grid" });
            canvas.level_figure(y(tick), &grouped(tick));
        }
        for tick in across.ticks() {
            let place = across.at(tick);
            canvas.upright(place, TOP + HEIGHT, TOP + HEIGHT + 4, "base");
            let label = clock(i64::try_from(tick).unwrap_or_default());
            canvas.text(place, 0, TOP + HEIGHT + 18, Anchor::within(place), "n m", &label);
        }
        let unit = if across.step() % 60 == 0 { "h:min" } else { "h:min:s" };
        let unit = format!("time since the start, {unit}");
        canvas.text(FULL, 0, TOP + HEIGHT + 38, Anchor::End, "m", &unit);
        let paths: Vec<(String, String)> = self
            .lines
            .iter()
            .enumerate()
            .map(|(series, line)| (format!("w{}", series % 4), path(line, &across, &up)))
            .collect();
        canvas.paths(TOP, HEIGHT, &paths);
        self.name_lines(&mut canvas);
        canvas.finish(TOP + HEIGHT + BELOW, out);
    }

    /// The lines' names with a piece of each, in one line above: over a whole day two lines cross so
    /// often that no place at them is free.
    fn name_lines(&self, canvas: &mut Canvas) {
        let mut x = 0;
        for (series, line) in self.lines.iter().enumerate() {
            canvas.key(series, x, 10);
            canvas.text(0, x + 36, 14, Anchor::Start, "b", &line.name);
            x += 36 + 8 * i64::try_from(line.name.chars().count()).unwrap_or(0) + 20;
        }
    }
}

fn path(line: &TimelineLine, across: &Scale, up: &Scale) -> String {
    let mut data = String::new();
    let mut before = None;
    for (at, count) in thinned(&line.points) {
        let (x, y) = (across.at(at.into()), FULL - up.at(count.into()));
        match before {
            None => data.push_str(&format!("M{x} {y}")),
            Some(last) if last == y => continue,
            Some(_) => data.push_str(&format!("H{x}V{y}")),
        }
        before = Some(y);
    }
    if before.is_some() {
        data.push_str(&format!("H{FULL}"));
    }
    data
}

/// No more steps than can be told apart: of each stretch its highest count and its last.
fn thinned(points: &[(i64, i64)]) -> Vec<(i64, i64)> {
    if points.len() <= MOST_STEPS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MOST_STEPS / 2);
    let mut kept = Vec::with_capacity(MOST_STEPS);
    for some in points.chunks(stretch) {
        let highest = some.iter().max_by_key(|(at, count)| (*count, std::cmp::Reverse(*at)));
        let last = some.last();
        kept.extend(highest);
        if last != highest {
            kept.extend(last);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_peak_and_the_end() {
        let mut points: Vec<(i64, i64)> = (0..10_000).map(|at| (at, at % 7)).collect();
        points[4321].1 = 99;
        let kept = thinned(&points);
        assert!(kept.len() <= MOST_STEPS);
        assert!(kept.contains(&(4321, 99)));
        assert_eq!(kept.last(), points.last());
        assert!(kept.is_sorted_by_key(|(at, _)| *at));
    }
}
