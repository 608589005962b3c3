//! FOCUS, the format in which bills of all clouds look alike: written, and held to its rules.
//!
//! Two sources, and every row says which (`x_Source`; in Parquet the file's metadata as well):
//!
//! - [`fn@from_charges`]: an *estimate* from list prices. Nothing of it is on an invoice: `BilledCost` is 0,
//!   the list, contracted and effective cost are the estimate, `InvoiceId` is null, and `x_Estimate`,
//!   `x_PriceAsOf` and `x_Coverage` say how far it can be trusted.
//! - [`fn@from_bill`]: a bill, in which each charge of a node is *replaced* by what it is allocated to:
//!   pods, node overhead, idle. Everything else passes as it is.
//!
//! A split charge keeps the `ResourceId` of its node; the pod is in `AllocatedResourceId` (1.3) or
//! `x_AllocatedResourceId` (1.2). Costs and quantities are divided in integers by largest remainder, so
//! that in every such column the parts add up to the charge they stand for; `x_Origin` keeps its figures
//! beside them, so that whoever reads the file can check ([`check()`] does).
//!
//! | module | what it is |
//! |---|---|
//! | `columns` | the columns of 1.2 and 1.3, a table |
//! | [`decimal`] | exact numbers, and how they are divided |
//! | `allocation` | charges as the parts of their origins, and how FOCUS names them |
//! | [`sheet`] | rows into CSV or Parquet |
//! | `from_charges`, `from_bill` | the two sources |
//! | [`export`] | a FOCUS file of any format, row by row |
//! | [`check()`] | what is wrong with one |

mod allocation;
mod check;
mod columns;
pub mod decimal;
pub mod export;
mod from_bill;
mod from_charges;
pub mod sheet;

use std::fmt;
use std::str::FromStr;

use crate::allocate::showback::Weight;
use crate::observed::Finding;

pub(crate) use allocation::word;
pub use check::{Checked, Rule, Violation, check};
pub use export::{Export, ExportError};
pub use from_bill::{Replacement, from_bill};
pub use from_charges::{Account, Estimate, from_charges};
pub use sheet::{Format, WriteError};

/// A version of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 1.2: an allocation is in `x_` columns.
    V1_2,
    /// 1.3: an allocation has columns of its own.
    V1_3,
}

impl Version {
    /// `1.2`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }

    /// How a column of an allocation is called in it.
    fn allocated(self, column: &str) -> String {
        match self {
            Self::V1_2 => format!("x_{column}"),
            Self::V1_3 => column.to_owned(),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        match text {
            "1.2" => Ok(Self::V1_2),
            "1.3" => Ok(Self::V1_3),
            other => Err(UnknownVersion(other.to_owned())),
        }
    }
}

/// A version that is not written here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version of FOCUS that is written here: 1.2 or 1.3")]
pub struct UnknownVersion(String);

/// The identifier of how node cost was divided: `runbook/9:1/v1`. The README says what it means.
pub fn method_id(weight: Weight) -> String {
    let name = match weight {
        Weight::ByPrice => "by-price".to_owned(),
        Weight::Fixed(hundredths) => {
            let (whole, rest) = (hundredths / 100, hundredths % 100);
            let fraction = format!("{rest:02}");
            match fraction.trim_end_matches('0') {
                "" => format!("{whole}:1"),
                fraction => format!("{whole}.{fraction}:1"),
            }
        }
    };
    format!("runbook/{name}/v1")
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// Rows of the file.
    pub rows: u64,
    /// Charges of a bill that were replaced by their parts.
    pub replaced: u64,
    /// The parts that stand in for them, or for charges of an estimate.
    pub allocated: u64,
    /// Rows that passed as they were.
    pub untouched: u64,
    /// What a reader has to know.
    pub findings: Vec<Finding>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_named_by_its_weight() {
        assert_eq!(method_id(Weight::Fixed(900)), "runbook/9:1/v1");
        assert_eq!(method_id(Weight::Fixed(746)), "runbook/7.46:1/v1");
        assert_eq!(method_id(Weight::Fixed(750)), "runbook/7.5:1/v1");
        assert_eq!(method_id(Weight::ByPrice), "runbook/by-price/v1");
    }

    #[test]
    fn versions_are_those_that_are_written() {
        assert_eq!("1.3".parse(), Ok(Version::V1_3));
        assert_eq!(
            "1.0".parse::<Version>().unwrap_err().to_string(),
            "`1.0` is no version of FOCUS that is written here: 1.2 or 1.3"
        );
    }
}
