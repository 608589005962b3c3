//! Discounts of Compute Savings Plans, by term: of EC2 by family of types, of Fargate one for all.
//!
//! They differ, so a plan moves a break-even. They cover instances and Fargate's vCPUs and memory, not
//! volumes, not Fargate's disk and not the fee of Auto Mode.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{EVERY_REGION, PriceBook, Provenance};
use crate::embedded;
use crate::money::Unpriced;

/// For how long a plan binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanTerm {
    /// A year.
    OneYear,
    /// Three.
    ThreeYears,
}

impl PlanTerm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::OneYear, Self::ThreeYears];

    /// Its name in tables and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneYear => "one_year",
            Self::ThreeYears => "three_years",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::OneYear => "1 year",
            Self::ThreeYears => "3 years",
        }
    }
}

/// Discounts that the user has, whatever the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserPlan {
    /// Of instances, in 1/10 000.
    pub ec2_ten_thousandths: i64,
    /// Of Fargate, in 1/10 000.
    pub fargate_ten_thousandths: i64,
}

/// A discount with its provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discount {
    /// In 1/10 000 of the on-demand price.
    pub ten_thousandths: i64,
    /// Where it comes from.
    pub provenance: Arc<Provenance>,
}

/// By region, then family of types or `fargate`, then term.
pub(super) type Plans = BTreeMap<String, BTreeMap<String, BTreeMap<PlanTerm, Discount>>>;

const FARGATE: &str = "fargate";

impl PriceBook {
    /// What a Compute Savings Plan takes off the on-demand price of a type.
    pub fn plan_for_type(
        &self,
        region: &str,
        instance_type: &str,
        term: PlanTerm,
    ) -> Result<&Discount, Unpriced> {
        let family = instance_type.split_once('.').map_or(instance_type, |(family, _)| family);
        self.plan(region, family, term)
    }

    /// What it takes off Fargate's vCPUs and memory.
    pub fn plan_for_fargate(&self, region: &str, term: PlanTerm) -> Result<&Discount, Unpriced> {
        self.plan(region, FARGATE, term)
    }

    fn plan(&self, region: &str, of: &str, term: PlanTerm) -> Result<&Discount, Unpriced> {
        let at = |region: &str| self.plans.get(region)?.get(of)?.get(&term);
        at(region).or_else(|| at(EVERY_REGION)).ok_or_else(|| {
            Unpriced::because(format!(
                "no Savings Plan rate of `{of}` in `{region}`; give yours under `savings_plan` in the options (AWS names 66 % for EC2 and 52 % for Fargate as the most)"
            ))
        })
    }

    /// Puts a discount in, replacing what was there: of a family of types, or of `fargate`.
    pub fn set_plan(&mut self, region: &str, of: &str, term: PlanTerm, discount: Discount) {
        let of_region = self.plans.entry(region.to_owned()).or_default();
        of_region.entry(of.to_owned()).or_default().insert(term, discount);
    }
}

#[derive(Deserialize)]
struct PlanRow {
    region: String,
    family: String,
    term: PlanTerm,
    discount: i64,
    as_of: Date,
    source: String,
}

/// Reads the embedded table into a book.
pub(super) fn read_plans(book: &mut PriceBook) {
    let mut known: BTreeMap<(Date, String), Arc<Provenance>> = BTreeMap::new();
    for row in embedded::table::<PlanRow>(
        "savings_plans.csv",
        include_str!("../../data/savings_plans.csv"),
    ) {
        let provenance = known
            .entry((row.as_of, row.source.clone()))
            .or_insert_with(|| Arc::new(Provenance { as_of: row.as_of, source: row.source }));
        let discount =
            Discount { ten_thousandths: row.discount, provenance: Arc::clone(provenance) };
        book.set_plan(&row.region, &row.family, row.term, discount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_differ_by_family_region_and_term() {
        let book = PriceBook::embedded();
        let of = |region: &str, name: &str, term| {
            book.plan_for_type(region, name, term).map(|one| one.ten_thousandths)
        };
        assert_eq!(of("ap-northeast-2", "m6i.4xlarge", PlanTerm::OneYear), Ok(2837));
        assert_eq!(of("ap-northeast-2", "c5a.large", PlanTerm::OneYear), Ok(2209));
        assert_eq!(of("us-east-1", "m6i.large", PlanTerm::ThreeYears), Ok(4929));
        let fargate = book.plan_for_fargate("eu-west-1", PlanTerm::ThreeYears).expect("a rate");
        assert_eq!(fargate.ten_thousandths, 4500);
        assert!(!fargate.provenance.source.is_empty());
    }

    #[test]
    fn a_family_without_a_rate_has_none_of_another_region() {
        let missing = PriceBook::embedded()
            .plan_for_type("eu-west-1", "m6i.large", PlanTerm::OneYear)
            .expect_err("no rate");
        assert!(missing.reason.contains("no Savings Plan rate of `m6i` in `eu-west-1`"));
    }
}
