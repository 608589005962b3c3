//! What a cell may be, whatever else is in its row.

use jiff::Timestamp;
use serde_json::Value;

use super::super::columns::{self, Column, Kind};
use super::super::export::Cells as Values;
use super::{Found, Layout, Rule};

/// Codes of ISO 4217, by letter.
const CURRENCIES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB \
    BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD \
    EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD \
    JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU \
    MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB \
    RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS \
    UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCG XOF XPF YER ZAR ZMW ZWG";

/// The columns of FOCUS that a file has.
pub(super) struct Cells(Vec<(usize, &'static Column)>);

impl Cells {
    pub(super) fn new(layout: &Layout<'_>) -> Self {
        let known = layout.header.iter().enumerate();
        Self(known.filter_map(|(at, name)| Some((at, columns::named(name)?))).collect())
    }

    pub(super) fn check(&self, row: u64, values: Values<'_>, found: &mut Found) {
        for (at, column) in &self.0 {
            let value = values.get(*at);
            if value.trim().is_empty() {
                if !column.is_nullable {
                    found.add(Rule::NotNull, &column.name, Some(row), || {
                        format!("{} may not be null", column.name)
                    });
                }
                continue;
            }
            if let Some((rule, why)) = wrong(column, value) {
                found.add(rule, &column.name, Some(row), || {
                    format!("{} is `{value}`: {why}", column.name)
                });
            }
        }
    }
}

/// What is wrong with a value.
fn wrong(column: &Column, value: &str) -> Option<(Rule, &'static str)> {
    if !column.allowed.is_empty() && !column.allowed.iter().any(|allowed| allowed == value) {
        return Some((Rule::AllowedValue, "that is none of the allowed values"));
    }
    match column.kind {
        Kind::Decimal if !is_number(value) => {
            Some((Rule::Number, "a number has digits, a point and a minus at most"))
        }
        Kind::Time if moment(value).is_none() => {
            Some((Rule::Moment, "a moment is UTC as 2026-10-01T00:00:00Z"))
        }
        Kind::Json if !is_object(value) => Some((Rule::Json, "that is no JSON object")),
        Kind::Currency if !CURRENCIES.split_whitespace().any(|code| code == value) => {
            Some((Rule::Currency, "that is no code of ISO 4217"))
        }
        _ => None,
    }
}

fn is_object(value: &str) -> bool {
    matches!(serde_json::from_str(value), Ok(Value::Object(_)))
}

/// An integer, a decimal, or one with an exponent; no plus, no commas, no unit.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    digits(whole) && digits(fraction) && digits(power.strip_prefix('-').unwrap_or(power))
}

/// A moment as FOCUS writes it.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let is_utc = text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    if is_utc { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain() {
        for number in ["0", "-1", "1.50", "0.0000000001", "1.5e-7", "12E3"] {
            assert!(is_number(number), "{number}");
        }
        for other in ["+1", "1,000", "$1", "1.", ".5", "1e+5", "1 1/2", "NaN", "-", "", "1e"] {
            assert!(!is_number(other), "{other}");
        }
    }

    #[test]
    fn moments_are_utc() {
        for text in ["2026-10-01T00:00:00Z", "2026-10-01T00:00:00.000Z"] {
            assert!(moment(text).is_some(), "{text}");
        }
        for text in ["2026-10-01", "2026-10-01 00:00:00Z", "2026-10-01T00:00:00+09:00", "soon"] {
            assert!(moment(text).is_none(), "{text}");
        }
    }
}
