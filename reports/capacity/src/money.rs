//! Money as integers: prices per their own unit, amounts in which every price times seconds is exact.
//!
//! A [`Price`] counts 10⁻¹⁰ $ per its own [`Unit`]. An [`Amount`] counts 10⁻¹⁰ $ ÷ (730 · 3600), so
//! an hourly price times seconds and a monthly price (a month is 730 hours) times seconds are both
//! whole numbers. An unknown price is [`Unpriced`] with its reason, never zero; a [`Total`] keeps its
//! holes beside its sum. Cents appear only when an amount is written out.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize, Serializer};

/// Hours of a billing month.
pub const MONTH_HOURS: i64 = 730;

const SECONDS_PER_HOUR: i128 = 3600;
/// Amount units in one unit of price.
const FINENESS: i128 = 730 * SECONDS_PER_HOUR;
/// Price units in a dollar.
const DOLLAR: i128 = 10_000_000_000;

/// What a price is for one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// An hour of one thing: an instance, a vCPU, a GB of Fargate memory, an address.
    Hour,
    /// A month of 730 hours of one thing: a GB of volume.
    Month,
    /// One thing used up: a GB of traffic, a request.
    Piece,
}

/// An integer of 10⁻¹⁰ $ per unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Price {
    ten_billionths: i64,
    unit: Unit,
}

/// Why a price string is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a price in dollars: {why}")]
pub struct PriceError {
    text: String,
    why: &'static str,
}

impl Price {
    /// A price from its integer.
    pub const fn new(ten_billionths: i64, unit: Unit) -> Self {
        Self { ten_billionths, unit }
    }

    /// Reads decimal dollars exactly; more than ten places, a sign or a zero is refused, for nothing
    /// that is billed is free and a zero in a table means that nobody knew.
    pub fn parse(dollars: &str, unit: Unit) -> Result<Self, PriceError> {
        let refuse = |why| PriceError { text: dollars.to_owned(), why };
        let (mantissa, power) = match dollars.split_once(['e', 'E']) {
            Some((mantissa, power)) => (
                mantissa,
                power.parse::<i32>().map_err(|_| refuse("it is not a plain decimal number"))?,
            ),
            None => (dollars, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refuse("it is not a plain decimal number"));
        }
        let places = i32::try_from(fraction.len()).map_err(|_| refuse("it has too many digits"))?;
        let value: i128 = digits.parse().map_err(|_| refuse("it has too many digits"))?;
        let shift = 10 + power - places;
        let scale = 10_i128
            .checked_pow(shift.unsigned_abs())
            .ok_or_else(|| refuse("it has too many digits"))?;
        let value = if shift >= 0 {
            value.checked_mul(scale).ok_or_else(|| refuse("it is too large"))?
        } else if value % scale == 0 {
            value / scale
        } else {
            return Err(refuse("it is finer than 10⁻¹⁰ $"));
        };
        match i64::try_from(value) {
            Ok(0) => Err(refuse("a price of zero says that it is not known; leave it out")),
            Ok(ten_billionths) => Ok(Self { ten_billionths, unit }),
            Err(_) => Err(refuse("it is too large")),
        }
    }

    /// The integer.
    pub const fn ten_billionths(self) -> i64 {
        self.ten_billionths
    }

    /// What it is per.
    pub const fn unit(self) -> Unit {
        self.unit
    }

    /// `numerator/denominator` of it, rounded half up: a discount or a fee that is a fraction.
    #[must_use]
    pub fn fraction(self, numerator: i64, denominator: i64) -> Self {
        let denominator = i128::from(denominator.max(1));
        let value = (i128::from(self.ten_billionths) * i128::from(numerator) * 2 + denominator)
            .div_euclid(2 * denominator);
        Self { ten_billionths: i64::try_from(value).unwrap_or(i64::MAX), unit: self.unit }
    }

    /// So many of it, as a price of the bundle.
    #[must_use]
    pub fn times(self, count: i64) -> Self {
        Self { ten_billionths: self.ten_billionths.saturating_mul(count), unit: self.unit }
    }

    /// What it is more than another one for the same unit.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            ten_billionths: self.ten_billionths.saturating_sub(other.ten_billionths),
            unit: self.unit,
        }
    }

    /// What `count` of it cost over so many seconds; a piece costs the same however long it lasts.
    pub fn amount(self, count: i64, seconds: i64) -> Amount {
        let value = i128::from(self.ten_billionths) * i128::from(count);
        Amount(match self.unit {
            Unit::Hour => value * i128::from(seconds) * i128::from(MONTH_HOURS),
            Unit::Month => value * i128::from(seconds),
            Unit::Piece => value * FINENESS,
        })
    }

    /// The same in a calendar month of so many days, over which AWS spreads what has a price per month.
    pub fn amount_in_month(self, count: i64, seconds: i64, days: i8) -> Amount {
        let amount = self.amount(count, seconds);
        if self.unit != Unit::Month {
            return amount;
        }
        let (ours, theirs) = (i128::from(MONTH_HOURS) * 3600, i128::from(days.max(1)) * 86_400);
        Amount((amount.0 * ours * 2 + theirs).div_euclid(theirs * 2))
    }

    /// What it costs for a billing month.
    pub fn monthly(self) -> Amount {
        self.amount(1, MONTH_HOURS * 3600)
    }

    /// What it costs for an hour.
    pub fn hourly(self) -> Amount {
        self.amount(1, 3600)
    }

    /// Dollars as the nearest floating point number, for JSON and charts; nothing is added up in it.
    #[expect(
        clippy::cast_precision_loss,
        reason = "prices stay far below 2⁵³ units; this only writes them out"
    )]
    pub fn dollars(self) -> f64 {
        self.ten_billionths as f64 / 1e10
    }
}

/// Writes a price as dollars, for answers that others read: `#[serde(serialize_with = "as_dollars")]`.
pub fn as_dollars<S: Serializer>(price: &Price, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(price.dollars())
}

/// The same where there may be no price: `null`.
pub fn as_dollars_or_null<S: Serializer>(
    price: &Option<Price>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match price {
        Some(price) => as_dollars(price, serializer),
        None => serializer.serialize_none(),
    }
}

impl fmt::Display for Price {
    /// All its digits, without trailing zeros: `0.118`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) =
            (i128::from(self.ten_billionths) / DOLLAR, i128::from(self.ten_billionths) % DOLLAR);
        let fraction = format!("{rest:010}");
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() {
            write!(formatter, "{whole}")
        } else {
            write!(formatter, "{whole}.{fraction}")
        }
    }
}

/// An integer of 10⁻¹⁰ $ ÷ (730 · 3600).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The integer.
    pub const fn raw(self) -> i128 {
        self.0
    }

    /// From the integer.
    pub const fn from_raw(raw: i128) -> Self {
        Self(raw)
    }

    /// So many times it.
    #[must_use]
    pub fn times(self, count: i64) -> Self {
        Self(self.0 * i128::from(count))
    }

    /// It over `other` in units of 1/10 000, rounded half up; none when `other` is nothing.
    pub fn ratio(self, other: Self) -> Option<i64> {
        (other.0 > 0).then(|| {
            i64::try_from((self.0 * 20_000 + other.0).div_euclid(2 * other.0)).unwrap_or(i64::MAX)
        })
    }

    /// Dollars with so many places (at most ten), rounded half away from zero: `155.44`.
    pub fn dollars(self, places: u32) -> String {
        let scale = 10_i128.pow(places.min(10));
        let unit = FINENESS * DOLLAR / scale;
        let rounded = (self.0.abs() * 2 + unit).div_euclid(2 * unit);
        let sign = if self.0 < 0 && rounded != 0 { "-" } else { "" };
        if places == 0 {
            return format!("{sign}{rounded}");
        }
        let width = usize::try_from(places.min(10)).unwrap_or(10);
        format!("{sign}{}.{:0width$}", rounded / scale, rounded % scale)
    }

    /// Shares of it in proportion to `weights`, by largest remainder, so that they add up to it; with
    /// equal remainders the earlier share gets the unit. All weights zero: equal shares.
    pub fn split(self, weights: &[u64]) -> Vec<Self> {
        let total: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
        if weights.is_empty() {
            return Vec::new();
        }
        let (weights, total): (Vec<i128>, i128) = if total == 0 {
            (vec![1; weights.len()], i128::try_from(weights.len()).unwrap_or(1))
        } else {
            (weights.iter().map(|weight| i128::from(*weight)).collect(), total)
        };
        // Dividing first keeps the product inside 128 bits for any sum of money.
        let (each, over) = (self.0.div_euclid(total), self.0.rem_euclid(total));
        let mut shares: Vec<(i128, i128)> = weights
            .iter()
            .map(|weight| (each * weight + over * weight / total, over * weight % total))
            .collect();
        let mut missing = self.0 - shares.iter().map(|(share, _)| share).sum::<i128>();
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by_key(|index| (-shares[*index].1, *index));
        for index in order {
            if missing <= 0 {
                break;
            }
            shares[index].0 += 1;
            missing -= 1;
        }
        shares.into_iter().map(|(share, _)| Self(share)).collect()
    }
}

impl Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Something that is billed and whose price is not known.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error,
)]
#[error("unpriced: {reason}")]
pub struct Unpriced {
    /// Why, and what to do.
    pub reason: String,
}

impl Unpriced {
    /// With a reason.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// A sum, and what could not be added to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Total {
    /// The sum of what has a price.
    pub amount: Amount,
    /// What has none.
    pub holes: Vec<Unpriced>,
}

impl Total {
    /// Adds an amount or its hole.
    pub fn add(&mut self, amount: Result<Amount, Unpriced>) {
        match amount {
            Ok(amount) => self.amount += amount,
            Err(unpriced) => self.holes.push(unpriced),
        }
    }

    /// The sum, if nothing is missing from it.
    pub fn complete(&self) -> Option<Amount> {
        self.holes.is_empty().then_some(self.amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prices_are_read_exactly_and_printed_whole() {
        let price = Price::parse("0.118", Unit::Hour).expect("a price");
        assert_eq!(
            (price.ten_billionths(), price.to_string()),
            (1_180_000_000, "0.118".to_owned())
        );
        assert_eq!(price.monthly().dollars(2), "86.14");
        assert_eq!(price.hourly().dollars(6), "0.118000");
        assert_eq!(Price::parse("1e-05", Unit::Piece).expect("a price").ten_billionths(), 100_000);
        assert_eq!(
            Price::parse("0.0912", Unit::Month).expect("a price").amount(20, 730 * 3600).dollars(3),
            "1.824"
        );
        assert_eq!(price.fraction(1, 3).ten_billionths(), 393_333_333);
    }

    #[test]
    fn a_price_that_cannot_be_is_refused() {
        for text in ["0", "0.000", "-1", "1,5", "", "abc", "0.00000000001", ".5", "99999999999"] {
            assert!(Price::parse(text, Unit::Hour).is_err(), "{text}");
        }
    }

    #[test]
    fn a_total_keeps_its_holes() {
        let mut total = Total::default();
        total.add(Ok(Price::new(5, Unit::Hour).hourly()));
        total.add(Err(Unpriced::because("no price of `x9.large` in `eu-west-9`")));
        assert_eq!(total.complete(), None);
        assert_eq!(total.holes[0].to_string(), "unpriced: no price of `x9.large` in `eu-west-9`");
    }

    proptest! {
        #[test]
        fn shares_add_up(raw in -1_000_000_000_000_000_i128..1_000_000_000_000_000, weights in prop::collection::vec(0_u64..1_000_000, 1..20)) {
            let shares = Amount::from_raw(raw).split(&weights);
            prop_assert_eq!(shares.iter().copied().sum::<Amount>(), Amount::from_raw(raw));
            prop_assert_eq!(shares.len(), weights.len());
        }
    }
}
