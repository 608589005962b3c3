//! Kubernetes quantity strings, exactly, and the two resources everything here counts.
//!
//! A [`Quantity`] is an integer of nano-units, the finest Kubernetes knows, so `0.5Gi`, `500m` and
//! `1e3` keep their value and two spellings of one amount are equal. From it come [`Millicores`]
//! and [`Bytes`], rounded up as the scheduler rounds a request.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use serde::{Deserialize, Serialize};

const NANOS: i128 = 1_000_000_000;
const MEBIBYTE: i64 = 1 << 20;

/// An exact amount in nano-units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(i128);

/// Why a quantity string is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// There is no number before the suffix.
    #[error("`{0}` is not a quantity: it has no number")]
    NoNumber(String),
    /// The suffix is none of Kubernetes'.
    #[error(
        "`{text}` is not a quantity: unknown unit `{suffix}` (known: n u m k M G T P E, Ki Mi Gi Ti Pi Ei, e3)"
    )]
    UnknownUnit {
        /// The whole string.
        text: String,
        /// What stands after the number.
        suffix: String,
    },
    /// Larger than Kubernetes can hold (2⁶³ units).
    #[error("`{0}` is larger than any quantity can be")]
    TooLarge(String),
    /// Below zero where only an amount makes sense.
    #[error("`{0}` is negative")]
    Negative(String),
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads a quantity. Finer than nano is rounded up, as Kubernetes does.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let trimmed = text.trim();
        let (negative, unsigned) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        let end =
            unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(QuantityError::NoNumber(text.to_owned()));
        }
        let scale = Scale::parse(suffix).ok_or_else(|| QuantityError::UnknownUnit {
            text: text.to_owned(),
            suffix: suffix.to_owned(),
        })?;
        let nanos =
            scale.apply(whole, fraction).ok_or_else(|| QuantityError::TooLarge(text.to_owned()))?;
        Ok(Self(if negative { -nanos } else { nanos }))
    }

    /// Reads an amount that cannot be below zero.
    pub fn parse_amount(text: &str) -> Result<Self, QuantityError> {
        let quantity = Self::parse(text)?;
        if quantity.0 < 0 { Err(QuantityError::Negative(text.to_owned())) } else { Ok(quantity) }
    }

    /// So many whole units.
    pub fn units(units: i64) -> Self {
        Self(i128::from(units) * NANOS)
    }

    /// Thousandths, rounded up.
    pub fn millis(self) -> i64 {
        saturate(divide_up(self.0, NANOS / 1000))
    }

    /// Whole units, rounded up.
    pub fn whole(self) -> i64 {
        saturate(divide_up(self.0, NANOS))
    }
}

fn divide_up(value: i128, by: i128) -> i128 {
    value.div_euclid(by) + i128::from(value.rem_euclid(by) != 0)
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// What a suffix multiplies with: a power of two, or a power of ten that may be negative.
enum Scale {
    Two(u32),
    Ten(i32),
}

impl Scale {
    fn parse(suffix: &str) -> Option<Self> {
        let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        if let Some(index) = binary.iter().position(|known| *known == suffix) {
            return u32::try_from(index).ok().map(|index| Self::Two(10 * (index + 1)));
        }
        let decimal = [
            ("n", -9),
            ("u", -6),
            ("m", -3),
            ("", 0),
            ("k", 3),
            ("M", 6),
            ("G", 9),
            ("T", 12),
            ("P", 15),
            ("E", 18),
        ];
        if let Some((_, power)) = decimal.iter().find(|(known, _)| *known == suffix) {
            return Some(Self::Ten(*power));
        }
        let exponent = suffix.strip_prefix(['e', 'E'])?;
        exponent.parse::<i32>().ok().filter(|power| power.abs() <= 30).map(Self::Ten)
    }

    /// The number in nano-units, rounded up; none when it does not fit into 2⁶³ units.
    fn apply(&self, whole: &str, fraction: &str) -> Option<i128> {
        let fraction = fraction.trim_end_matches('0');
        // Twenty-four digits behind the point are far below a nano; more would only overflow.
        let (fraction, cut) =
            if fraction.len() > 24 { (&fraction[..24], true) } else { (fraction, false) };
        let whole = whole.trim_start_matches('0');
        let digits: i128 = match (whole.len() + fraction.len(), format!("{whole}{fraction}")) {
            (0, _) => 0,
            (_, text) => text.parse().ok()?,
        };
        let places = i32::try_from(fraction.len()).ok()?;
        let (digits, power) = match self {
            Self::Two(power) => (digits.checked_mul(1_i128.checked_shl(*power)?)?, 9 - places),
            Self::Ten(power) => (digits, power + 9 - places),
        };
        let ten = 10_i128.checked_pow(power.unsigned_abs());
        let nanos = if power >= 0 {
            if digits == 0 { 0 } else { digits.checked_mul(ten?)? }
        } else {
            ten.map_or(i128::from(digits > 0), |ten| divide_up(digits, ten))
        };
        let nanos = if cut && digits == 0 { 1 } else { nanos };
        (nanos <= i128::from(i64::MAX) * NANOS).then_some(nanos)
    }
}

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
                amounts.fold(Self::ZERO, Add::add)
            }
        }
    };
}

amount! {
    /// CPU in thousandths of a core.
    Millicores
}

amount! {
    /// Memory or storage in bytes.
    Bytes
}

impl Millicores {
    /// Whole cores.
    pub const fn cores(cores: i64) -> Self {
        Self(cores * 1000)
    }
}

impl Bytes {
    /// Mebibytes.
    pub const fn mebibytes(mebibytes: i64) -> Self {
        Self(mebibytes * MEBIBYTE)
    }

    /// Gibibytes.
    pub const fn gibibytes(gibibytes: i64) -> Self {
        Self::mebibytes(gibibytes * 1024)
    }

    /// Whole mebibytes, rounded up: what must be there for these bytes to fit.
    pub const fn in_mebibytes_up(self) -> i64 {
        self.0.div_euclid(MEBIBYTE) + if self.0.rem_euclid(MEBIBYTE) == 0 { 0 } else { 1 }
    }

    /// Whole mebibytes, rounded down: what can be handed out.
    pub const fn in_mebibytes_down(self) -> i64 {
        self.0.div_euclid(MEBIBYTE)
    }
}

impl From<Quantity> for Millicores {
    fn from(quantity: Quantity) -> Self {
        Self(quantity.millis())
    }
}

impl From<Quantity> for Bytes {
    fn from(quantity: Quantity) -> Self {
        Self(quantity.whole())
    }
}

impl fmt::Display for Millicores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 1000 == 0 {
            write!(formatter, "{}", self.0 / 1000)
        } else {
            write!(formatter, "{}m", self.0)
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("Gi", 1_i64 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
        match units.iter().find(|(_, size)| self.0 != 0 && self.0 % size == 0) {
            Some((unit, size)) => write!(formatter, "{}{unit}", self.0 / size),
            None => write!(formatter, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_amount_are_equal() {
        let read = |text| Quantity::parse(text).expect("a quantity");
        for (left, right) in [
            ("0.5", "500m"),
            ("1Gi", "1073741824"),
            ("1e3", "1k"),
            ("1.5Gi", "1536Mi"),
            ("1E", "1e18"),
            ("2000000u", "2"),
            ("-1", "-1000m"),
            (".5", "0.5"),
            ("5.", "5"),
        ] {
            assert_eq!(read(left), read(right), "{left} and {right}");
        }
        assert_eq!(Millicores::from(read("1.0001")), Millicores(1001));
        assert_eq!(Bytes::from(read("128974848000m")), Bytes(128_974_848));
        assert_eq!(Bytes::from(read("0.1")), Bytes(1));
    }

    #[test]
    fn what_is_none_is_refused_by_name() {
        assert_eq!(
            Quantity::parse("Gi").unwrap_err().to_string(),
            "`Gi` is not a quantity: it has no number"
        );
        assert_eq!(
            Quantity::parse("1GB").unwrap_err().to_string(),
            "`1GB` is not a quantity: unknown unit `GB` (known: n u m k M G T P E, Ki Mi Gi Ti Pi Ei, e3)"
        );
        assert_eq!(
            Quantity::parse("9999Ei").unwrap_err(),
            QuantityError::TooLarge("9999Ei".to_owned())
        );
        assert_eq!(Quantity::parse_amount("-100m").unwrap_err().to_string(), "`-100m` is negative");
        assert!(Quantity::parse("1.2.3").is_err());
        assert!(Quantity::parse("").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,24}") {
            drop(Quantity::parse(&text));
        }

        #[test]
        fn what_is_printed_reads_back(millis in 0_i64..10_000_000, bytes in 0_i64..(1 << 50)) {
            prop_assert_eq!(Millicores::from(Quantity::parse(&Millicores(millis).to_string()).expect("cpu")), Millicores(millis));
            prop_assert_eq!(Bytes::from(Quantity::parse(&Bytes(bytes).to_string()).expect("bytes")), Bytes(bytes));
        }
    }
}
