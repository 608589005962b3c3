//! The regions whose instances the catalogue and the price book know, and their zones.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A region with instances and prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// Seoul.
    #[serde(rename = "ap-northeast-2")]
    ApNortheast2,
    /// Ireland.
    #[serde(rename = "eu-west-1")]
    EuWest1,
    /// Northern Virginia.
    #[serde(rename = "us-east-1")]
    UsEast1,
    /// Oregon.
    #[serde(rename = "us-west-2")]
    UsWest2,
}

/// A region that is not in the tables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no instances and prices of region `{0}` are known; known: ap-northeast-2, eu-west-1, us-east-1, us-west-2"
)]
pub struct UnknownRegion(String);

/// All of them, by name.
pub const REGIONS: [Region; 4] =
    [Region::ApNortheast2, Region::EuWest1, Region::UsEast1, Region::UsWest2];

impl Region {
    /// `ap-northeast-2`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApNortheast2 => "ap-northeast-2",
            Self::EuWest1 => "eu-west-1",
            Self::UsEast1 => "us-east-1",
            Self::UsWest2 => "us-west-2",
        }
    }
}

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Self, UnknownRegion> {
        REGIONS
            .into_iter()
            .find(|region| region.name() == text)
            .ok_or_else(|| UnknownRegion(text.to_owned()))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The zones of a region that are open to every account, by name.
pub const fn zones(region: Region) -> &'static [&'static str] {
    match region {
        Region::ApNortheast2 => {
            &["ap-northeast-2a", "ap-northeast-2b", "ap-northeast-2c", "ap-northeast-2d"]
        }
        Region::EuWest1 => &["eu-west-1a", "eu-west-1b", "eu-west-1c"],
        Region::UsEast1 => {
            &["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f"]
        }
        Region::UsWest2 => &["us-west-2a", "us-west-2b", "us-west-2c", "us-west-2d"],
    }
}
