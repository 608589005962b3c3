//! How long a node takes from its launch until it is Ready.
//!
//! A distribution by quantiles, straight between them. No two clusters have the same one and AWS
//! publishes none, so the default is an assumption that the answer shows; both autoscalers draw from
//! it in the same sequence, the fifth launch of one takes as long as the fifth of the other.

use super::random::Random;

/// What the draws of launches are kept apart by.
const PURPOSE: u64 = 1;
const WHOLE: i64 = 1_000_000;

/// A distribution of whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchTime {
    /// Points of it: how many of a thousand launches take no longer than so many seconds. The first
    /// point is the shortest launch, the last one the longest.
    points: Vec<(i64, i64)>,
}

/// Why a distribution is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no distribution of launch times: {why}; write seconds (`50`) or quantiles (`p0=35,p50=50,p99=110,p100=150`)"
)]
pub struct LaunchTimeError {
    text: String,
    why: &'static str,
}

impl Default for LaunchTime {
    /// Half of the launches within 50 s, one of a hundred beyond 110 s.
    fn default() -> Self {
        Self { points: vec![(0, 35), (500, 50), (900, 75), (990, 110), (1000, 150)] }
    }
}

impl LaunchTime {
    /// Every launch takes the same time.
    pub fn constant(seconds: i64) -> Self {
        let seconds = seconds.max(0);
        Self { points: vec![(0, seconds), (1000, seconds)] }
    }

    /// Reads seconds, or quantiles from `p0` to `p100`.
    pub fn parse(text: &str) -> Result<Self, LaunchTimeError> {
        let refuse = |why| LaunchTimeError { text: text.to_owned(), why };
        let seconds = |text: &str| {
            text.trim()
                .parse::<i64>()
                .ok()
                .filter(|seconds| (0..=86_400).contains(seconds))
                .ok_or_else(|| refuse("a time is a whole number of seconds up to a day"))
        };
        if !text.contains('=') {
            return seconds(text).map(Self::constant);
        }
        let mut points = Vec::new();
        for point in text.split(',') {
            let (name, time) = point
                .split_once('=')
                .ok_or_else(|| refuse("a point is a percentile and its seconds"))?;
            let percent = name
                .trim()
                .strip_prefix('p')
                .and_then(|percent| percent.parse::<i64>().ok())
                .filter(|percent| (0..=100).contains(percent))
                .ok_or_else(|| refuse("a percentile is p0 to p100"))?;
            points.push((percent * 10, seconds(time)?));
        }
        let rises = points.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1);
        if !rises {
            return Err(refuse("percentiles and seconds must rise"));
        }
        if points.first().is_none_or(|one| one.0 != 0)
            || points.last().is_none_or(|one| one.0 != 1000)
        {
            return Err(refuse("it must begin with p0 and end with p100"));
        }
        Ok(Self { points })
    }

    /// What the launch of that number takes.
    pub(crate) fn draw(&self, seed: u64, number: u64) -> i64 {
        let mut random = Random::apart(Random::apart(seed, PURPOSE).next(), number);
        self.at(i64::from(random.below(1_000_000)))
    }

    /// The quantile of so many millionths.
    fn at(&self, millionths: i64) -> i64 {
        for two in self.points.windows(2) {
            let ((low, from), (high, to)) = (two[0], two[1]);
            let (low, high) = (low * WHOLE / 1000, high * WHOLE / 1000);
            if millionths < high {
                return from + (to - from) * (millionths - low) / (high - low).max(1);
            }
        }
        self.points.last().map_or(0, |(_, seconds)| *seconds)
    }

    /// It in words.
    pub fn title(&self) -> String {
        match self.points.as_slice() {
            [(_, low), .., (_, high)] if low == high => format!("{low} s"),
            points => points
                .iter()
                .map(|(thousandths, seconds)| {
                    let (whole, part) = (thousandths / 10, thousandths % 10);
                    let tenth = if part == 0 { String::new() } else { format!(".{part}") };
                    format!("p{whole}{tenth} {seconds} s")
                })
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_quantiles_and_depend_on_seed_and_number_only() {
        let times = LaunchTime::default();
        let mut drawn: Vec<i64> = (0..2_000).map(|number| times.draw(7, number)).collect();
        assert_eq!(drawn[42], times.draw(7, 42));
        assert_ne!(
            drawn[..20],
            (0..20).map(|number| times.draw(8, number)).collect::<Vec<_>>()[..]
        );
        drawn.sort_unstable();
        assert!((48..=52).contains(&drawn[1_000]) && (70..=80).contains(&drawn[1_800]));
        assert!(drawn[0] >= 35 && drawn[1_999] <= 150);
    }

    #[test]
    fn it_is_read_and_said() {
        let read = |text| LaunchTime::parse(text).expect("a distribution").title();
        assert_eq!(read("45"), "45 s");
        assert_eq!(read("p0=30,p50=40,p100=90"), "p0 30 s, p50 40 s, p100 90 s");
        for bad in ["", "-1", "fast", "p0=30,p50=20,p100=90", "p0=30,p50=40", "p0=1,p101=2", "p0"] {
            assert!(LaunchTime::parse(bad).is_err(), "{bad}");
        }
    }
}
