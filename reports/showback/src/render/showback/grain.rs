//! How fine figures are written: cents of a period, hundredths of a cent of a rate.

use runbook_capacity::money::{Amount, Price, Unit};

use crate::allocate::showback::Basis;
use crate::render::figures::grouped;

/// The smallest amount that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// A cent: money over a period.
    Cent,
    /// A hundredth of a cent: what an hour costs is often less than a cent.
    CentPart,
}

impl Grain {
    /// Of a period or a rate.
    pub fn of(basis: Basis) -> Self {
        match basis {
            Basis::Period => Self::Cent,
            Basis::HourlyRate => Self::CentPart,
        }
    }

    /// Places behind the point.
    fn places(self) -> u32 {
        match self {
            Self::Cent => 2,
            Self::CentPart => 4,
        }
    }

    /// The raw amount of one.
    pub(super) fn unit(self) -> i128 {
        let dollar = 10_000_000_000;
        Price::new(dollar / 10_i64.pow(self.places()), Unit::Piece).amount(1, 0).raw()
    }

    /// An amount by itself, half away from zero.
    pub(super) fn round(self, amount: Amount) -> i128 {
        let unit = self.unit();
        let magnitude = (amount.raw().abs() * 2 + unit).div_euclid(2 * unit);
        if amount.raw() < 0 { -magnitude } else { magnitude }
    }

    /// For people: `1,690.12`, `−48.72`.
    pub fn text(self, count: i128) -> String {
        let scale = 10_i128.pow(self.places());
        let places = self.places() as usize;
        let sign = if count < 0 { "−" } else { "" };
        let magnitude = count.abs();
        format!("{sign}{}.{:0places$}", grouped(magnitude / scale), magnitude % scale)
    }

    /// With its sign even when it is positive; nothing has none.
    pub fn signed(self, count: i128) -> String {
        if count > 0 { format!("+{}", self.text(count)) } else { self.text(count) }
    }

    /// For programs: `1690.12`, `-48.72`.
    pub fn plain(self, count: i128) -> String {
        let scale = 10_i128.pow(self.places());
        let places = self.places() as usize;
        let sign = if count < 0 { "-" } else { "" };
        let magnitude = count.abs();
        format!("{sign}{}.{:0places$}", magnitude / scale, magnitude % scale)
    }

    /// The amount that is written, for a drawing of it.
    pub(super) fn amount(self, count: i128) -> Amount {
        Amount::from_raw(count * self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_as_fine_as_what_they_are_of() {
        let (cent, part) = (Grain::Cent, Grain::CentPart);
        assert_eq!((cent.text(169_012), part.text(169_012)), ("1,690.12".into(), "16.9012".into()));
        assert_eq!((cent.plain(-7), part.plain(-7)), ("-0.07".into(), "-0.0007".into()));
        assert_eq!((cent.signed(5), cent.signed(0)), ("+0.05".into(), "0.00".into()));
        let dollar = Price::new(10_000_000_000, Unit::Piece).amount(1, 0);
        assert_eq!((cent.round(dollar), part.round(dollar)), (100, 10_000));
        assert_eq!(part.amount(10_000), dollar);
        let half = Amount::from_raw(-cent.unit() / 2);
        assert_eq!((cent.round(half), cent.round(Amount::ZERO)), (-1, 0));
    }
}
