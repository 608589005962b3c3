//! From figures to places, with ticks at round numbers.

/// Which numbers are round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// One, two and five times a power of ten.
    Decimal,
    /// What a clock has: seconds, minutes, hours, days.
    Clock,
}

/// Steps on a clock, in seconds.
const CLOCK: [i128; 15] =
    [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800];

/// The length of every axis.
pub(crate) const FULL: i64 = 10_000;

/// A part of the number line as long as an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    low: i128,
    high: i128,
    step: i128,
}

impl Scale {
    /// From one figure to another, with at most so many steps between ticks.
    pub(crate) fn new(low: i128, high: i128, round: Round, most: u32) -> Self {
        let high = high.max(low + 1);
        let enough = (high - low).div_euclid(i128::from(most.max(1))).max(1);
        let step = match round {
            Round::Decimal => decimal_step(enough),
            Round::Clock => CLOCK
                .into_iter()
                .find(|step| *step >= enough)
                .unwrap_or_else(|| (enough + 86_399).div_euclid(86_400) * 86_400),
        };
        Self { low, high, step }
    }

    /// The same, ending on a tick.
    pub(crate) fn to_a_tick(mut self) -> Self {
        self.high = -(-self.high).div_euclid(self.step) * self.step;
        self
    }

    /// Where a figure is, between nothing and [`FULL`].
    pub(crate) fn at(&self, figure: i128) -> i64 {
        let inside = figure.clamp(self.low, self.high) - self.low;
        let place = (inside * i128::from(FULL) * 2 + (self.high - self.low))
            .div_euclid(2 * (self.high - self.low));
        i64::try_from(place).unwrap_or(FULL)
    }

    /// Whether a figure is on it.
    pub(crate) fn holds(&self, figure: i128) -> bool {
        (self.low..=self.high).contains(&figure)
    }

    /// The round figures on it.
    pub(crate) fn ticks(&self) -> Vec<i128> {
        let first = -(-self.low).div_euclid(self.step) * self.step;
        let mut ticks = Vec::new();
        let mut tick = first;
        while tick <= self.high {
            ticks.push(tick);
            tick += self.step;
        }
        ticks
    }

    /// What lies between two ticks.
    pub(crate) fn step(&self) -> i128 {
        self.step
    }
}

fn decimal_step(enough: i128) -> i128 {
    let mut power = 1;
    loop {
        for factor in [1, 2, 5] {
            if factor * power >= enough {
                return factor * power;
            }
        }
        power *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(Scale::new(0, 290_477, Round::Decimal, 5).ticks(), [0, 100_000, 200_000]);
        assert_eq!(Scale::new(-130, 90, Round::Decimal, 5).ticks(), [-100, -50, 0, 50]);
        assert_eq!(
            Scale::new(0, 86_400, Round::Clock, 6).ticks(),
            [0, 14_400, 28_800, 43_200, 57_600, 72_000, 86_400]
        );
        assert_eq!(Scale::new(0, 29, Round::Decimal, 4).to_a_tick().ticks(), [0, 10, 20, 30]);
    }

    #[test]
    fn places_are_shares_of_the_axis() {
        let scale = Scale::new(-100, 300, Round::Decimal, 4);
        assert_eq!(
            (scale.at(-100), scale.at(0), scale.at(300), scale.at(999)),
            (0, 2500, FULL, FULL)
        );
    }

    proptest! {
        #[test]
        fn there_are_never_more_ticks_than_fit(low in -10_i128.pow(12)..10_i128.pow(12), span in 1_i128..10_i128.pow(13), most in 1_u32..8, clock in any::<bool>()) {
            let round = if clock { Round::Clock } else { Round::Decimal };
            let scale = Scale::new(low, low + span, round, most);
            prop_assert!(scale.ticks().len() <= most as usize + 2);
            prop_assert!(scale.ticks().iter().all(|tick| scale.holds(*tick)));
        }
    }
}
