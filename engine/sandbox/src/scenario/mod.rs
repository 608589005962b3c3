//! What a world begins with: an account, its network, the policies that AWS manages, one user.
//!
//! A scenario is a YAML file; four ship inside the binary ([`SHIPPED`]). It is laid out once, when
//! a world is made ([`lay_out()`]); afterwards the world's own documents are the truth.

mod lay_out;
mod network;

use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use crate::billing::Billing;

pub(crate) use lay_out::{Identity, identity, identity_in, lay_out};

/// The scenarios inside the binary, the default first.
pub(crate) const SHIPPED: [(&str, &str); 4] = [
    ("default", include_str!("../../scenarios/default.yaml")),
    ("two-vpcs", include_str!("../../scenarios/two-vpcs.yaml")),
    ("no-private-subnet", include_str!("../../scenarios/no-private-subnet.yaml")),
    ("no-dns-attributes", include_str!("../../scenarios/no-dns-attributes.yaml")),
];

/// A scenario that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Neither a shipped one nor a file.
    #[error(
        "no scenario `{name}`: it is not a file that can be read, nor one of {}",
        shipped_names()
    )]
    Unknown {
        /// As given.
        name: String,
        /// Why the file could not be read.
        source: std::io::Error,
    },
    /// Not YAML of that form.
    #[error("scenario `{name}` cannot be read")]
    Form {
        /// As given.
        name: String,
        /// Where and why.
        source: serde_saphyr::Error,
    },
    /// Contradicts itself.
    #[error("scenario `{name}`: {why}")]
    Senseless {
        /// As given.
        name: String,
        /// What is wrong.
        why: String,
    },
}

fn shipped_names() -> String {
    let names: Vec<String> = SHIPPED.iter().map(|(name, _)| format!("`{name}`")).collect();
    names.join(", ")
}

/// A scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) account: String,
    pub(crate) region: String,
    /// World time at the beginning; 24 hours before real time when absent.
    #[serde(default)]
    pub(crate) begins: Option<Timestamp>,
    pub(crate) user: User,
    #[serde(default)]
    pub(crate) vpcs: Vec<Vpc>,
    /// How the account is billed; at list prices when absent.
    #[serde(default)]
    pub(crate) billing: Billing,
}

/// The user whose credentials are handed out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vpc {
    pub(crate) name: String,
    pub(crate) cidr: String,
    #[serde(default = "yes")]
    pub(crate) dns_support: bool,
    #[serde(default = "yes")]
    pub(crate) dns_hostnames: bool,
    #[serde(default)]
    pub(crate) subnets: Vec<Subnet>,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subnet {
    pub(crate) name: String,
    /// The letter after the region.
    pub(crate) zone: char,
    pub(crate) cidr: String,
    pub(crate) kind: SubnetKind,
}

/// Where a subnet's default route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubnetKind {
    /// To the internet gateway.
    Public,
    /// To a NAT gateway in the first public subnet.
    Private,
    /// Nowhere.
    Isolated,
}

impl Scenario {
    /// The shipped one of that name, else the file of that path.
    pub(crate) fn load(name: &str) -> Result<Self, ScenarioError> {
        let shipped = SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
        let text = match shipped {
            Some(text) => text.to_owned(),
            None => std::fs::read_to_string(Path::new(name))
                .map_err(|source| ScenarioError::Unknown { name: name.to_owned(), source })?,
        };
        Self::parse(name, &text)
    }

    fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = serde_saphyr::from_str(text)
            .map_err(|source| ScenarioError::Form { name: name.to_owned(), source })?;
        scenario.check().map_err(|why| ScenarioError::Senseless { name: name.to_owned(), why })?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), String> {
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("account `{}` has not 12 digits", self.account));
        }
        if self.region.split('-').count() < 3 {
            return Err(format!("region `{}` is not a region", self.region));
        }
        self.billing.check().map_err(|error| error.to_string())?;
        for vpc in &self.vpcs {
            let range = network::Range::parse(&vpc.cidr)?;
            let mut seen: Vec<(network::Range, &str)> = Vec::new();
            let has_public = vpc.subnets.iter().any(|one| one.kind == SubnetKind::Public);
            for subnet in &vpc.subnets {
                let own = network::Range::parse(&subnet.cidr)?;
                if !range.contains(own) {
                    return Err(format!("subnet `{}` lies outside of `{}`", subnet.name, vpc.name));
                }
                if let Some((_, other)) = seen.iter().find(|(one, _)| one.overlaps(own)) {
                    return Err(format!("subnets `{other}` and `{}` overlap", subnet.name));
                }
                if subnet.kind == SubnetKind::Private && !has_public {
                    return Err(format!(
                        "private subnet `{}` needs a public one for its NAT gateway",
                        subnet.name
                    ));
                }
                seen.push((own, &subnet.name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_ones_are_read() {
        for (name, _) in SHIPPED {
            Scenario::load(name).unwrap();
        }
    }

    #[test]
    fn contradictions_are_named() {
        let why = |vpcs: &str| {
            let text = format!(
                "account: '111122223333'\nregion: eu-west-1\nuser: {{name: u, access_key_id: a, secret_access_key: s}}\nvpcs: [{{name: v, cidr: 10.0.0.0/16, subnets: [{vpcs}]}}]"
            );
            Scenario::parse("x", &text).unwrap_err().to_string()
        };
        assert_eq!(
            why("{name: a, zone: a, cidr: 10.1.0.0/24, kind: public}"),
            "scenario `x`: subnet `a` lies outside of `v`"
        );
        assert_eq!(
            why("{name: a, zone: a, cidr: 10.0.0.0/24, kind: private}"),
            "scenario `x`: private subnet `a` needs a public one for its NAT gateway"
        );
        assert_eq!(
            why(
                "{name: a, zone: a, cidr: 10.0.0.0/23, kind: public}, {name: b, zone: a, cidr: 10.0.1.0/24, kind: public}"
            ),
            "scenario `x`: subnets `a` and `b` overlap"
        );
    }
}
