//! Money, counts and shares as people read them.
//!
//! Money arrives exact ([`Amount`]) and is rounded here, once, from the top down: a total first, then
//! its parts by largest remainder, so that every table adds up to the cent.

use std::iter::Sum;

use runbook_capacity::money::{Amount, Price, Unit};
use serde_json::Number;

/// The minus of print, as wide as a plus.
const MINUS: char = '−';

/// Money rounded to cents, for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cents(i128);

impl Cents {
    /// An amount, half away from zero.
    pub fn of(amount: Amount) -> Self {
        let unit = cent();
        let magnitude = (amount.raw().abs() * 2 + unit).div_euclid(2 * unit);
        Self(if amount.raw() < 0 { -magnitude } else { magnitude })
    }

    /// Parts of a rounded whole, by largest remainder, so that they add up to it. None when the exact
    /// parts are not what the whole was rounded from: a figure is missing or counted twice.
    pub fn parts(whole: Self, parts: &[Amount]) -> Option<Vec<Self>> {
        let unit = cent();
        let mut floors: Vec<(i128, i128)> = parts
            .iter()
            .map(|part| (part.raw().div_euclid(unit), part.raw().rem_euclid(unit)))
            .collect();
        let missing = whole.0 - floors.iter().map(|(floor, _)| floor).sum::<i128>();
        let count = usize::try_from(missing).ok().filter(|count| *count <= parts.len())?;
        let mut order: Vec<usize> = (0..floors.len()).collect();
        order.sort_by_key(|index| (-floors[*index].1, *index));
        for index in order.into_iter().take(count) {
            floors[index].0 += 1;
        }
        Some(floors.into_iter().map(|(floor, _)| Self(floor)).collect())
    }

    /// As a whole number of cents.
    pub fn count(self) -> i128 {
        self.0
    }

    /// `1,690.12`, `−48.72`.
    pub fn text(self) -> String {
        let magnitude = self.0.abs();
        let sign = if self.0 < 0 { MINUS.to_string() } else { String::new() };
        format!("{sign}{}.{:02}", digits(magnitude / 100), magnitude % 100)
    }

    /// With its sign even when it is positive: `+48.72`; nothing has none.
    pub fn signed(self) -> String {
        if self.0 > 0 { format!("+{}", self.text()) } else { self.text() }
    }

    /// The difference of two rounded figures, as a reader would subtract them.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }

    /// For a chart, where the table beside it has the cents: whole dollars from a hundred on.
    pub fn brief(self) -> String {
        if self.0.abs() < 10_000 {
            return self.text();
        }
        let dollars = (self.0.abs() + 50) / 100;
        let sign = if self.0 < 0 { MINUS.to_string() } else { String::new() };
        format!("{sign}{}", digits(dollars))
    }

    /// The same with its sign.
    pub fn brief_signed(self) -> String {
        if self.0 > 0 { format!("+{}", self.brief()) } else { self.brief() }
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        Self(all.map(|one| one.0).sum())
    }
}

/// The raw amount of a cent.
fn cent() -> i128 {
    Price::new(100_000_000, Unit::Piece).amount(1, 0).raw()
}

/// No amount has as many dollars.
const MOST_DOLLARS: i128 = 1_000_000_000_000_000;

/// Dollars of JSON, from their digits and not from a binary fraction; none when they are no number
/// that money can be.
pub(crate) fn amount(number: &Number) -> Option<Amount> {
    let text = number.to_string();
    let (mantissa, power) = match text.split_once(['e', 'E']) {
        Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
        None => (text.as_str(), 0),
    };
    let is_negative = mantissa.starts_with('-');
    let (whole, fraction) = mantissa
        .trim_start_matches('-')
        .split_once('.')
        .unwrap_or((mantissa.trim_start_matches('-'), ""));
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    // In 10⁻¹⁰ $, as prices are; what is finer is noise of the binary fraction.
    let shift = 10 + power - i32::try_from(fraction.len()).ok()?;
    let scale = 10_i128.checked_pow(shift.unsigned_abs())?;
    let fine = if shift >= 0 {
        value.checked_mul(scale)?
    } else {
        (value * 2 + scale).div_euclid(2 * scale)
    };
    // More than anybody has been billed; what is computed with it stays far inside 128 bits.
    if fine >= MOST_DOLLARS * 10_000_000_000 {
        return None;
    }
    let raw = fine.checked_mul(cent() / 100_000_000)?;
    Some(Amount::from_raw(if is_negative { -raw } else { raw }))
}

/// A whole number with its thousands apart.
pub fn grouped(number: i128) -> String {
    let sign = if number < 0 { MINUS.to_string() } else { String::new() };
    format!("{sign}{}", digits(number.abs()))
}

fn digits(magnitude: i128) -> String {
    let plain = magnitude.to_string();
    let mut text = String::with_capacity(plain.len() + plain.len() / 3);
    for (index, digit) in plain.chars().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with so many places, its thousands apart.
pub(crate) fn decimal(number: &Number, places: u32) -> Option<String> {
    let exact = amount(number)?;
    let unit = cent() * 100 / 10_i128.pow(places.min(10));
    let rounded = (exact.raw().abs() * 2 + unit).div_euclid(2 * unit);
    let sign = if exact.raw() < 0 && rounded != 0 { MINUS.to_string() } else { String::new() };
    let scale = 10_i128.pow(places.min(10));
    if places == 0 {
        return Some(format!("{sign}{}", digits(rounded)));
    }
    let width = usize::try_from(places.min(10)).unwrap_or(10);
    Some(format!("{sign}{}.{:0width$}", digits(rounded / scale), rounded % scale))
}

/// A share in hundredths of a per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(i64);

impl Percent {
    /// From hundredths of a per cent.
    pub const fn hundredths(count: i64) -> Self {
        Self(count)
    }

    /// In hundredths of a per cent.
    pub const fn count(self) -> i64 {
        self.0
    }

    /// A part of a whole, rounded once to the tenth that is shown; none of nothing.
    pub fn share(part: Amount, whole: Amount) -> Option<Self> {
        if whole.raw() <= 0 {
            return None;
        }
        let tenths = (part.raw().abs() * 2_000 + whole.raw()).div_euclid(2 * whole.raw());
        let count = i64::try_from(tenths).ok()?.checked_mul(10)?;
        Some(Self(if part.raw() < 0 { -count } else { count }))
    }

    /// From per cent in JSON.
    pub(crate) fn of(number: &Number) -> Option<Self> {
        i64::try_from(Cents::of(amount(number)?).count()).ok().map(Self)
    }

    /// `2.9`, for a column whose header says per cent.
    pub fn bare(self) -> String {
        let tenths = (self.0.abs() + 5) / 10;
        let sign = if self.0 < 0 && tenths != 0 { MINUS.to_string() } else { String::new() };
        format!("{sign}{}.{}", digits((tenths / 10).into()), tenths % 10)
    }

    /// `+2.9`.
    pub fn bare_signed(self) -> String {
        if self.0 >= 5 { format!("+{}", self.bare()) } else { self.bare() }
    }

    /// `2.9 %`, with a space that does not break.
    pub fn text(self) -> String {
        format!("{}\u{a0}%", self.bare())
    }

    /// Without sign.
    #[must_use]
    pub fn magnitude(self) -> Self {
        Self(self.0.abs())
    }
}

/// A time since the start: `0:00`, `12:30` in hours and minutes, `0:07:05` where seconds count.
pub(crate) fn clock(seconds: i64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 {
        format!("{hours}:{minutes:02}")
    } else {
        format!("{hours}:{minutes:02}:{rest:02}")
    }
}

/// A duration in words: `45 s`, `9 min 30 s`, `2 h 5 min`.
pub(crate) fn lasting(seconds: i64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let parts: Vec<String> = [(hours, "h"), (minutes, "min"), (rest, "s")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}\u{a0}{unit}"))
        .collect();
    if parts.is_empty() { "0\u{a0}s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).expect("a number")
    }

    fn cents(text: &str) -> Cents {
        Cents::of(amount(&number(text)).expect("money"))
    }

    #[test]
    fn money_is_read_from_its_digits_and_written_for_people() {
        assert_eq!(cents("374.11575").text(), "374.12");
        assert_eq!(cents("1234567.005").text(), "1,234,567.01");
        assert_eq!(cents("-48.715").signed(), "−48.72");
        assert_eq!(cents("48.7").signed(), "+48.70");
        assert_eq!(cents("1e-5").text(), "0.00");
        assert_eq!(cents("12345.678").brief(), "12,346");
        assert_eq!(cents("99.994").brief(), "99.99");
        assert_eq!(decimal(&number("1234.56"), 1).as_deref(), Some("1,234.6"));
        assert_eq!(decimal(&number("0.0141950"), 6).as_deref(), Some("0.014195"));
    }

    #[test]
    fn shares_have_one_place() {
        let percent = |text: &str| Percent::of(&number(text)).expect("a share");
        assert_eq!(percent("-19.48").text(), "−19.5\u{a0}%");
        assert_eq!(percent("71.9").bare_signed(), "+71.9");
        assert_eq!(percent("-0.04").bare_signed(), "0.0");
        // 70.8497 is 70.85 to the hundredth, and 70.8 to the tenth.
        let exact = |text: &str| amount(&number(text)).expect("money");
        let share = Percent::share(exact("-708.497"), exact("1000")).expect("a share");
        assert_eq!(share.bare_signed(), "−70.8");
        assert_eq!(Percent::share(exact("1"), exact("0")), None);
    }

    #[test]
    fn parts_add_up_to_what_the_whole_was_rounded_to() {
        let third = amount(&number("33.3333333333")).expect("money");
        let whole = cents("100");
        let parts = Cents::parts(whole, &[third, third, third]).expect("they add up");
        assert_eq!(
            parts.iter().map(|part| part.text()).collect::<Vec<_>>(),
            ["33.34", "33.33", "33.33"]
        );
        assert_eq!(Cents::parts(cents("101"), &[third, third, third]), None);
        assert_eq!(Cents::parts(cents("99"), &[third, third, third]), None);
    }

    #[test]
    fn times_are_read_as_on_a_clock() {
        assert_eq!(
            (clock(0), clock(45_000), clock(425)),
            ("0:00".into(), "12:30".into(), "0:07:05".into())
        );
        assert_eq!(lasting(570), "9\u{a0}min 30\u{a0}s");
        assert_eq!(lasting(0), "0\u{a0}s");
    }

    proptest! {
        #[test]
        fn rounded_parts_always_add_up(raws in prop::collection::vec(-10_i128.pow(18)..10_i128.pow(18), 1..30)) {
            let parts: Vec<Amount> = raws.iter().map(|raw| Amount::from_raw(*raw)).collect();
            let whole = Cents::of(parts.iter().copied().sum());
            let rounded = Cents::parts(whole, &parts).expect("they add up");
            prop_assert_eq!(rounded.iter().map(|part| part.count()).sum::<i128>(), whole.count());
        }
    }
}
