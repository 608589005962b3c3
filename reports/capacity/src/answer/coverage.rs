//! How far an answer can be trusted: what had a price, and how old the prices are.

use jiff::civil::Date;
use serde::Serialize;

use crate::prices::Coverage;

/// How old a price may be before it is flagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceAge {
    /// Days.
    pub most_days: i32,
    /// The day of asking.
    pub today: Date,
}

/// The coverage of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PriceCoverage {
    /// What was looked at: types that a pool allows, or Fargate's prices that were asked for.
    pub offered: usize,
    /// How many of them have a price.
    pub priced: usize,
    /// The day of the oldest price.
    pub oldest: Option<Date>,
    /// The day of the newest price.
    pub newest: Option<Date>,
    /// Whether something without a price could change the answer.
    pub restricted_to_priced_types: bool,
    /// After how many days a price is flagged.
    pub max_age_days: i32,
    /// Whether one is older.
    pub too_old: bool,
}

impl PriceCoverage {
    /// From what was counted.
    pub fn new(coverage: &Coverage, age: PriceAge) -> Self {
        Self {
            offered: coverage.offered,
            priced: coverage.priced,
            oldest: coverage.oldest,
            newest: coverage.newest,
            restricted_to_priced_types: coverage.is_restricted(),
            max_age_days: age.most_days,
            too_old: coverage.is_older_than(age.most_days, age.today),
        }
    }

    /// In a sentence for people.
    pub fn sentence(&self, things: &str) -> String {
        let mut text = format!("{} of {} {things} have a price", self.priced, self.offered);
        match (self.oldest, self.newest) {
            (Some(oldest), Some(newest)) if oldest == newest => {
                text.push_str(&format!(", of {oldest}"));
            }
            (Some(oldest), Some(newest)) => text.push_str(&format!(", of {oldest} to {newest}")),
            _ => {}
        }
        if self.too_old {
            text.push_str(&format!("; some are older than {} days", self.max_age_days));
        }
        text
    }
}
