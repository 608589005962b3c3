//! Cost Explorer: what an account was billed, by day and by up to two dimensions. Read only,
//! but for the activation of a tag.
//!
//! It is served in one region for all. Every page of an answer costs money, so pages are asked for one
//! by one: who asks counts first. Amounts come as text, and are handed on as text.

use std::collections::BTreeMap;

use aws_sdk_costexplorer::types::{
    CostAllocationTagStatus, CostAllocationTagStatusEntry, DateInterval, Dimension,
    DimensionValues, Expression, Granularity, GroupDefinition, GroupDefinitionType, TagValues,
};

use super::call::Calls;
use crate::error::{Class, Error, Outcome, Said, Undone};

/// Where it is asked, whatever the region.
pub(super) const REGION: &str = "us-east-1";

/// Calls Cost Explorer.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_costexplorer::Client,
    calls: Calls,
}

/// Which lines count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// A dimension, such as `SERVICE`, has one of these values.
    Dimension(String, Vec<String>),
    /// A cost allocation tag has one of these values.
    Tag(String, Vec<String>),
    /// All of these; at least two.
    And(Vec<Self>),
    /// One of these; at least two.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The first day, `2026-10-01`.
    pub start: String,
    /// The first day after the last.
    pub end: String,
    /// `NetAmortizedCost`, `UsageQuantity` …
    pub metrics: Vec<String>,
    /// At most two dimensions.
    pub group_by: Vec<String>,
    /// Which lines count.
    pub filter: Filter,
}

/// A sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// A decimal.
    pub amount: String,
    /// `USD`, `Hrs` …
    pub unit: String,
}

/// Lines with the same values of what is grouped by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The values, in the order of the question.
    pub keys: Vec<String>,
    /// The sums, by metric.
    pub metrics: BTreeMap<String, Metric>,
}

/// A day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// `2026-10-01`.
    pub start: String,
    /// Its groups.
    pub groups: Vec<Group>,
    /// Whether AWS may still change it.
    pub is_estimated: bool,
}

/// A page of an answer. A day may go on in the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The days.
    pub days: Vec<Day>,
    /// How the next page is asked for, if there is one.
    pub next: Option<String>,
}

impl Client {
    pub(super) fn new(sdk: aws_sdk_costexplorer::Client, calls: Calls) -> Self {
        Self { sdk, calls }
    }

    /// One page of costs and usage by day.
    pub async fn cost_and_usage(&self, query: &Query, page: Option<&str>) -> Result<Page, Error> {
        const OPERATION: &str = "GetCostAndUsage";
        let unbuilt = |error| self.calls.unbuilt(OPERATION, &error);
        let interval = DateInterval::builder().start(&query.start).end(&query.end);
        let interval = interval.build().map_err(unbuilt)?;
        let group = |key: &String| {
            GroupDefinition::builder().r#type(GroupDefinitionType::Dimension).key(key).build()
        };
        let groups: Vec<GroupDefinition> = query.group_by.iter().map(group).collect();
        let filter = expression(&query.filter);
        let answer = self
            .calls
            .read(OPERATION, || {
                self.sdk
                    .get_cost_and_usage()
                    .time_period(interval.clone())
                    .granularity(Granularity::Daily)
                    .set_metrics(Some(query.metrics.clone()))
                    .set_group_by(Some(groups.clone()))
                    .filter(filter.clone())
                    .set_next_page_token(page.map(str::to_owned))
                    .send()
            })
            .await?;
        let next = answer.next_page_token.filter(|token| !token.is_empty());
        // A token that is given again would be paid for again and again.
        if next.is_some() && next.as_deref() == page {
            let what = "the answer names the page that was asked for as its next one";
            return Err(self.calls.error(OPERATION, Said::unsent(Class::Unreadable, what)));
        }
        let results = answer.results_by_time.unwrap_or_default();
        let days =
            results.into_iter().map(|one| self.day(OPERATION, one)).collect::<Result<_, _>>()?;
        Ok(Page { days, next })
    }

    fn day(
        &self,
        operation: &'static str,
        result: aws_sdk_costexplorer::types::ResultByTime,
    ) -> Result<Day, Error> {
        let period = result.time_period;
        let start = period.ok_or_else(|| self.calls.incomplete(operation, "TimePeriod"))?.start;
        let groups = result.groups.unwrap_or_default().into_iter().map(|group| Group {
            keys: group.keys.unwrap_or_default(),
            metrics: group
                .metrics
                .into_iter()
                .flatten()
                .map(|(name, value)| {
                    let amount = value.amount.unwrap_or_default();
                    (name, Metric { amount, unit: value.unit.unwrap_or_default() })
                })
                .collect(),
        });
        Ok(Day { start, groups: groups.collect(), is_estimated: result.estimated })
    }

    /// Activates a cost allocation tag: bills carry it from then on.
    pub async fn activate_tag(&self, key: &str) -> Outcome<()> {
        const OPERATION: &str = "UpdateCostAllocationTagsStatus";
        let entry = CostAllocationTagStatusEntry::builder()
            .tag_key(key)
            .status(CostAllocationTagStatus::Active)
            .build()
            .map_err(|error| self.calls.unbuilt(OPERATION, &error))?;
        let answer = self
            .calls
            .write_once(OPERATION, || {
                let request = self.sdk.update_cost_allocation_tags_status();
                request.cost_allocation_tags_status(entry.clone()).send()
            })
            .await?;
        // The answer is a success that lists what was not done.
        let refused = answer.errors.unwrap_or_default().into_iter().next();
        refused.map_or(Ok(()), |refused| {
            let why = refused.message.unwrap_or_else(|| "the service gave no reason".to_owned());
            let mut said = Said::unsent(Class::Invalid, why);
            said.code = refused.code;
            Err(Undone::Rejected(self.calls.error(OPERATION, said)))
        })
    }

    /// Whether a cost allocation tag is active; none when no bill has ever seen it.
    pub async fn is_tag_active(&self, key: &str) -> Result<Option<bool>, Error> {
        let answer = self
            .calls
            .read("ListCostAllocationTags", || {
                self.sdk.list_cost_allocation_tags().tag_keys(key).max_results(100).send()
            })
            .await?;
        let tags = answer.cost_allocation_tags.unwrap_or_default();
        let tag = tags.into_iter().find(|tag| tag.tag_key == key);
        Ok(tag.map(|tag| tag.status == CostAllocationTagStatus::Active))
    }
}

fn expression(filter: &Filter) -> Expression {
    let several = |parts: &[Filter]| Some(parts.iter().map(expression).collect());
    match filter {
        Filter::Dimension(key, values) => Expression::builder()
            .dimensions(
                DimensionValues::builder()
                    .key(Dimension::from(key.as_str()))
                    .set_values(Some(values.clone()))
                    .build(),
            )
            .build(),
        Filter::Tag(key, values) => Expression::builder()
            .tags(TagValues::builder().key(key).set_values(Some(values.clone())).build())
            .build(),
        Filter::And(parts) => Expression::builder().set_and(several(parts)).build(),
        Filter::Or(parts) => Expression::builder().set_or(several(parts)).build(),
        Filter::Not(part) => Expression::builder().not(expression(part)).build(),
    }
}
