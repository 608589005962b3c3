//! Numbers of a bill as they are written: decimal, exact, never a float.
//!
//! A [`Decimal`] is an integer and how many of its digits stand behind the point. What a bill says is
//! divided in these integers by largest remainder, so that the parts add up to it in every column.

use std::fmt;

/// The most digits that an integer of 128 bits always holds.
const DIGITS: usize = 38;

/// `units` of 10⁻ˢᶜᵃˡᵉ.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    units: i128,
    scale: u32,
}

/// Why a text is no number, or none that can be divided exactly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// It is something else.
    #[error("`{0}` is no decimal number")]
    NotANumber(String),
    /// It has more than 38 digits, counted from the highest to the place that is needed.
    #[error("`{0}` needs more than 38 digits")]
    TooManyDigits(String),
}

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self { units: 0, scale: 0 };

    /// From its integer and how many digits are behind the point.
    pub const fn new(units: i128, scale: u32) -> Self {
        Self { units, scale }
    }

    /// Reads `-12.50` and, as some exports write small numbers, `1.25e-7` or `1.25E+2`.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let wrong = || DecimalError::NotANumber(text.to_owned());
        let many = || DecimalError::TooManyDigits(text.to_owned());
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().map_err(|_| wrong())?),
        };
        let (sign, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = !(whole.is_empty() && fraction.is_empty())
            && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !is_number {
            return Err(wrong());
        }
        // Zeros at the end say nothing, and exports have many of them.
        let fraction = fraction.trim_end_matches('0');
        let all = format!("{whole}{fraction}");
        let kept = all.trim_start_matches('0');
        if kept.len() > DIGITS {
            return Err(many());
        }
        let units: i128 = if kept.is_empty() { 0 } else { kept.parse().map_err(|_| many())? };
        let places = i32::try_from(fraction.len()).map_err(|_| many())?;
        let scale = places.checked_sub(power).ok_or_else(many)?;
        let value = if units == 0 {
            Self::ZERO
        } else if scale >= 0 {
            Self { units: sign * units, scale: scale.unsigned_abs() }
        } else {
            let shift = 10_i128.checked_pow(scale.unsigned_abs()).ok_or_else(many)?;
            Self { units: sign * units.checked_mul(shift).ok_or_else(many)?, scale: 0 }
        };
        if value.scale as usize > DIGITS { Err(many()) } else { Ok(value) }
    }

    /// How many digits are behind the point.
    pub const fn scale(self) -> u32 {
        self.scale
    }

    /// The integer at another scale; none where that would lose a digit or does not fit.
    pub fn units_at(self, scale: u32) -> Option<i128> {
        if scale >= self.scale {
            self.units.checked_mul(10_i128.checked_pow(scale - self.scale)?)
        } else {
            let shift = 10_i128.checked_pow(self.scale - scale)?;
            (self.units % shift == 0).then(|| self.units / shift)
        }
    }

    /// The sum, at the finer scale of the two; none where it does not fit.
    pub fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let units = self.units_at(scale)?.checked_add(other.units_at(scale)?)?;
        Some(Self { units, scale })
    }

    /// The product; none where it does not fit.
    pub fn times(self, other: Self) -> Option<Self> {
        let units = self.trimmed().units.checked_mul(other.trimmed().units)?;
        Some(Self { units, scale: self.trimmed().scale + other.trimmed().scale })
    }

    /// The same without zeros at its end.
    #[must_use]
    pub fn trimmed(self) -> Self {
        let (mut units, mut scale) = (self.units, self.scale);
        while scale > 0 && units % 10 == 0 {
            (units, scale) = (units / 10, scale - 1);
        }
        Self { units, scale }
    }

    /// Whether it is below nothing.
    pub const fn is_negative(self) -> bool {
        self.units < 0
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.units == 0
    }

    /// Without its sign.
    #[must_use]
    pub const fn magnitude(self) -> Self {
        Self { units: self.units.abs(), scale: self.scale }
    }

    /// Its parts in proportion to `weights`, with at least `places` digits behind the point, by largest
    /// remainder: they add up to it exactly.
    pub fn split(self, weights: &[u128], places: u32) -> Result<Vec<Self>, DecimalError> {
        let scale = self.scale.max(places);
        let units =
            self.units_at(scale).ok_or_else(|| DecimalError::TooManyDigits(self.to_string()))?;
        Ok(shares(units, weights).into_iter().map(|units| Self { units, scale }).collect())
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (self.trimmed(), other.trimmed());
        (one.units, one.scale) == (two.units, two.scale)
    }
}

impl Eq for Decimal {}

impl fmt::Display for Decimal {
    /// Plain, without zeros at the end: `-0.05`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { units, scale } = self.trimmed();
        let sign = if units < 0 { "-" } else { "" };
        if scale == 0 {
            return write!(formatter, "{units}");
        }
        let width = scale as usize + 1;
        let digits = format!("{:0width$}", units.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
        write!(formatter, "{sign}{whole}.{fraction}")
    }
}

/// Shares of `units` in proportion to `weights`, by largest remainder: they add up to it. With equal
/// remainders the earlier share gets the unit; all weights zero: equal shares.
///
/// Weights are cut to 62 bits together, so that every product fits; that moves a proportion by less
/// than 10⁻¹⁸ and never the sum.
pub fn shares(units: i128, weights: &[u128]) -> Vec<i128> {
    if weights.is_empty() {
        return Vec::new();
    }
    let most = weights.iter().copied().max().unwrap_or(0);
    let count_bits = usize::BITS - weights.len().leading_zeros();
    let surplus = (u128::BITS - most.leading_zeros() + count_bits).saturating_sub(62);
    let cut = |weight: &u128| i128::try_from(weight >> surplus).unwrap_or(0);
    let mut weights: Vec<i128> = weights.iter().map(cut).collect();
    if weights.iter().all(|weight| *weight == 0) {
        weights.fill(1);
    }
    let total: i128 = weights.iter().sum();
    let (each, over) = (units.div_euclid(total), units.rem_euclid(total));
    let mut parts: Vec<(i128, i128)> = weights
        .iter()
        .map(|weight| (each * weight + over * weight / total, over * weight % total))
        .collect();
    let missing = units - parts.iter().map(|(part, _)| part).sum::<i128>();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|index| (-parts[*index].1, *index));
    for index in order.into_iter().take(usize::try_from(missing).unwrap_or(0)) {
        parts[index].0 += 1;
    }
    parts.into_iter().map(|(part, _)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (text, read) in [
            ("12.50", "12.5"),
            ("-0.0", "0"),
            ("-3", "-3"),
            (".5", "0.5"),
            ("1.25e-7", "0.000000125"),
            ("1.25E+2", "125"),
            ("1E3", "1000"),
            ("0e99", "0"),
            (
                "0.00000000000000000000000000000000000001",
                "0.00000000000000000000000000000000000001",
            ),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), read, "{text}");
        }
        for text in ["", "-", ".", "+1", "1,5", "1.2.3", "0x1", "NaN", "1e", "e1", " 1", "١"] {
            let refused = Decimal::parse(text);
            assert!(matches!(refused, Err(DecimalError::NotANumber(_))), "{text}: {refused:?}");
        }
        for text in ["999999999999999999999999999999999999999", "1e39", "1e-39", "1e999999999"] {
            let refused = Decimal::parse(text);
            assert!(matches!(refused, Err(DecimalError::TooManyDigits(_))), "{text}: {refused:?}");
        }
    }

    #[test]
    fn a_part_has_ten_places_and_the_rest_goes_to_the_largest_remainder() {
        let third = Decimal::parse("1").unwrap().split(&[1, 1, 1], 10).unwrap();
        let texts: Vec<String> = third.iter().map(Decimal::to_string).collect();
        assert_eq!(texts, ["0.3333333334", "0.3333333333", "0.3333333333"]);
        let credit = Decimal::parse("-0.05").unwrap().split(&[0, 0], 0).unwrap();
        assert_eq!(credit.iter().map(Decimal::to_string).collect::<Vec<_>>(), ["-0.02", "-0.03"]);
    }

    proptest! {
        #[test]
        fn shares_add_up(
            units in any::<i128>(),
            weights in prop::collection::vec(any::<u128>(), 1..40),
        ) {
            // Half of the range: a share of the lowest number itself has no room below it.
            let parts = shares(units / 2, &weights);
            prop_assert_eq!(parts.iter().sum::<i128>(), units / 2);
            let same_sign = parts.iter().all(|part| (*part >= 0) == (units >= 0) || *part == 0);
            prop_assert!(same_sign || units < 0);
        }

        #[test]
        fn what_is_written_is_read_again(units in any::<i64>(), scale in 0_u32..30) {
            let number = Decimal::new(units.into(), scale);
            prop_assert_eq!(Decimal::parse(&number.to_string()).unwrap(), number);
        }
    }
}
