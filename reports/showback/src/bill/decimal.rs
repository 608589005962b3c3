//! Decimals of a bill, exactly: an integer of 10⁻²⁰.
//!
//! Bills write amounts as decimals with up to some twenty places; a sum of a million of them must be
//! what paper and pencil give. Only the sum becomes an [`Amount`], rounded once to its unit of
//! 10⁻¹⁰ $ ÷ 2,628,000. A Parquet file may hold doubles instead: each is read as the shortest decimal
//! that names it, which is what its writer meant by `0.1`.

use runbook_capacity::money::{Amount, Price, Unit};

/// Places that are kept.
const PLACES: i32 = 20;
/// Places of a [`Price`].
const PRICE_PLACES: u32 = 10;

/// A number of a bill, in 10⁻²⁰.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Decimal(i128);

impl Decimal {
    /// Nothing.
    pub(crate) const ZERO: Self = Self(0);

    /// Reads `12.5`, `-0.0000012`, `1.2E-7`. What is finer than 10⁻²⁰ is rounded half away from zero.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (is_negative, unsigned) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let mut digits = whole.bytes().chain(fraction.bytes());
        if (whole.is_empty() && fraction.is_empty()) || !digits.all(|one| one.is_ascii_digit()) {
            return None;
        }
        // Zeros behind say nothing, and would only take room.
        let fraction = fraction.trim_end_matches('0');
        let value: i128 = match format!("{whole}{fraction}").parse() {
            Ok(value) => value,
            Err(_) => return None,
        };
        let shift = PLACES.checked_add(power)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let value = match 10_i128.checked_pow(shift.unsigned_abs()) {
            Some(scale) if shift >= 0 => value.checked_mul(scale)?,
            Some(scale) => rounded(value, scale),
            None if shift < 0 || value == 0 => 0,
            None => return None,
        };
        Some(Self(if is_negative { -value } else { value }))
    }

    /// Their sum; none when it is larger than any bill.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// It less another; none when that is larger than any bill.
    pub(crate) fn less(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// As money, if these are dollars.
    pub(crate) fn dollars(self) -> Amount {
        let one = 10_i128.pow(PLACES.unsigned_abs() - PRICE_PLACES);
        // A price of one unit, as an amount: what every amount is counted in.
        let unit = Price::new(1, Unit::Piece).amount(1, 0).raw();
        let (whole, rest) = (self.0.div_euclid(one), self.0.rem_euclid(one));
        Amount::from_raw(whole.saturating_mul(unit).saturating_add(rounded(rest * unit, one)))
    }

    /// In billionths, rounded.
    pub(crate) fn billionths(self) -> i128 {
        rounded(self.0, 10_i128.pow(PLACES.unsigned_abs() - 9))
    }

    /// So many times it, in whole numbers, rounded: hours as seconds.
    pub(crate) fn times(self, count: i64) -> i128 {
        let one = 10_i128.pow(PLACES.unsigned_abs());
        let count = i128::from(count);
        let (whole, rest) = (self.0.div_euclid(one), self.0.rem_euclid(one));
        whole.saturating_mul(count).saturating_add(rounded(rest.saturating_mul(count), one))
    }

    /// Whether it is nothing.
    pub(crate) fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// Half away from zero.
fn rounded(value: i128, by: i128) -> i128 {
    let (whole, rest) = (value / by, value % by);
    whole + if rest.abs() * 2 >= by { value.signum() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dollars(text: &str) -> String {
        Decimal::parse(text).expect("a number").dollars().dollars(10)
    }

    #[test]
    fn every_digit_counts() {
        assert_eq!(dollars("0.0000000001"), "0.0000000001");
        assert_eq!(dollars("-1234567.8901234567"), "-1234567.8901234567");
        assert_eq!(dollars("1.25E-3"), "0.0012500000");
        assert_eq!(dollars("1e3"), "1000.0000000000");
        assert_eq!(dollars("+.5"), "0.5000000000");
        let third = Decimal::parse("0.33333333333333333333").expect("a number");
        let whole = third.plus(third).and_then(|two| two.plus(third)).expect("a sum");
        assert_eq!(whole, Decimal::parse("0.99999999999999999999").expect("a number"));
    }

    #[test]
    fn a_double_is_the_decimal_that_was_meant() {
        let text = format!("{:e}", 0.1_f64 + 0.2);
        assert_eq!(text, "3.0000000000000004e-1");
        assert_eq!(Decimal::parse(&text), Decimal::parse("0.30000000000000004"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for wrong in ["", "-", ".", "NaN", "inf", "1,5", "0x1", "1e", "1e999", "12 USD", "--1"] {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Decimal::parse("1e-999"), Some(Decimal::ZERO));
    }

    #[test]
    fn hours_are_seconds_and_quantities_billionths() {
        assert_eq!(Decimal::parse("0.0041666667").expect("hours").times(3600), 15);
        assert_eq!(Decimal::parse("1.5").expect("hours").billionths(), 1_500_000_000);
    }

    proptest! {
        #[test]
        fn ten_places_come_back_as_they_were(raw in -10_i128.pow(20)..10_i128.pow(20)) {
            let sign = if raw < 0 { "-" } else { "" };
            let scale = 10_i128.pow(10);
            let text = format!("{sign}{}.{:010}", raw.abs() / scale, raw.abs() % scale);
            let read = Decimal::parse(&text).expect("a number").dollars().dollars(10);
            // A zero has no sign.
            prop_assert_eq!(read.trim_start_matches('-'), text.trim_start_matches('-'));
        }

        #[test]
        fn nothing_panics(text in "[-+0-9.eE]{0,60}") {
            if let Some(read) = Decimal::parse(&text) {
                let _ = (read.dollars(), read.billionths(), read.times(86_400));
            }
        }
    }
}
