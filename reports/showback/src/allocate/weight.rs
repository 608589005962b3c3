//! The weight of a vCPU against a GiB: `9:1`, `7.46:1`, `by_price`.
//!
//! AWS's split cost allocation uses 9:1, OpenCost's default prices come to 7.46:1, Fargate's list prices
//! to about 9.11:1. The same node is another showback under each, so the weight is stated and the
//! figures under another one stand beside.

use std::fmt;
use std::str::FromStr;

use runbook_capacity::prices::{PriceBook, Service};

use super::Refused;
use super::showback::Weight;

/// Why a text is no weight.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no weight of vCPU against GiB: 9:1, 7.46:1 (at most two places), or by_price")]
pub struct WeightError {
    text: String,
}

impl Weight {
    /// That of AWS's split cost allocation.
    pub const SPLIT_COST_ALLOCATION: Self = Self::Fixed(900);
    /// That of OpenCost's default prices.
    pub const OPEN_COST: Self = Self::Fixed(746);

    /// The weight whose figures stand beside those of this one.
    #[must_use]
    pub fn other(self) -> Self {
        if self == Self::SPLIT_COST_ALLOCATION {
            Self::OPEN_COST
        } else {
            Self::SPLIT_COST_ALLOCATION
        }
    }

    /// What a vCPU and a GiB weigh in a region, as two whole numbers.
    pub(super) fn ratio(self, region: &str, book: &PriceBook) -> Result<(i128, i128), Refused> {
        match self {
            Self::Fixed(hundredths) => Ok((i128::from(hundredths), 100)),
            Self::ByPrice => {
                let price = |service| match book.service(region, service) {
                    Ok(quote) => Ok(i128::from(quote.price.ten_billionths())),
                    Err(why) => Err(Refused::NoWeight { region: region.to_owned(), why }),
                };
                Ok((price(Service::FargateVcpu)?, price(Service::FargateMemory)?))
            }
        }
    }
}

impl FromStr for Weight {
    type Err = WeightError;

    fn from_str(text: &str) -> Result<Self, WeightError> {
        if text == "by_price" {
            return Ok(Self::ByPrice);
        }
        let hundredths = || {
            let number = text.strip_suffix(":1")?;
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
            if whole.is_empty() || fraction.len() > 2 || !is_plain(whole) || !is_plain(fraction) {
                return None;
            }
            let fraction: u32 = format!("{fraction:0<2}").parse().ok()?;
            whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(fraction)
        };
        match hundredths() {
            Some(hundredths) if hundredths > 0 => Ok(Self::Fixed(hundredths)),
            _ => Err(WeightError { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Weight {
    /// As it is read: `9:1`, `7.46:1`, `by_price`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByPrice => f.write_str("by_price"),
            Self::Fixed(hundredths) if hundredths % 100 == 0 => write!(f, "{}:1", hundredths / 100),
            Self::Fixed(hundredths) => {
                let fraction = format!("{:02}", hundredths % 100);
                write!(f, "{}.{}:1", hundredths / 100, fraction.trim_end_matches('0'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_as_they_are_written() {
        for (text, weight) in [
            ("9:1", Weight::Fixed(900)),
            ("7.46:1", Weight::Fixed(746)),
            ("7.5:1", Weight::Fixed(750)),
            ("0.05:1", Weight::Fixed(5)),
            ("by_price", Weight::ByPrice),
        ] {
            assert_eq!(text.parse(), Ok(weight));
            assert_eq!(weight.to_string(), text);
        }
        for wrong in
            ["9", "0:1", "1:9", "-9:1", "9.123:1", ".5:1", "99999999:1", "", "9:1:1", "+9:1"]
        {
            assert!(wrong.parse::<Weight>().is_err(), "{wrong}");
        }
    }
}
