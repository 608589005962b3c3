//! A bill asked of Cost Explorer, within a budget of requests.
//!
//! Two questions make a bill: what was used, by service and usage type, and what is no use, by kind of
//! record. Each page of an answer costs a cent, so a page is counted *before* it is asked for, and so is
//! each repetition whose answer was lost. Answers are kept by question and day ([`Cache`]): a day that is
//! final is never asked for again, one that is `Estimated` once a UTC day.
//!
//! The cost is `NetAmortizedCost` where the account has it, else `AmortizedCost`; Cost Explorer knows no
//! list cost. The scope is the cost allocation tag of our owner if it is active. Fargate's lines never
//! carry a tag, so they are the account's ([`crate::reconcile`] says so).

mod cache;
mod lines;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use runbook_capacity::money::{Amount, Price};
use runbook_clients::aws::Connection;
use runbook_clients::aws::cost_explorer::{Client, Day, Filter, Query};
use runbook_clients::{Error, Observer, Try};

pub use cache::{Cache, CacheError};

use super::class::COST_EXPLORER_SERVICES;
use super::{Bill, OWNER_TAG, Scope};
use crate::observed::{Finding, Severity, Window};
use crate::prices::PREFIXES;

/// What is best to know: net of discounts, commitments amortised.
const NET: &str = "NetAmortizedCost";
/// What every account has.
const GROSS: &str = "AmortizedCost";
const QUANTITY: &str = "UsageQuantity";
/// Records that are a use of something.
const USES: [&str; 3] = ["Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"];

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Whole UTC days.
    pub window: Window,
    /// Whose lines: values of the tag `runbook/owner`, `nodeless/myeks`. Empty for the whole account.
    pub owners: Vec<String>,
    /// The regions of the clusters, whose Fargate lines are asked for.
    pub regions: Vec<String>,
    /// Requests at most.
    pub most_requests: u32,
    /// What a request costs.
    pub price: Price,
    /// As of when it is asked.
    pub now: Timestamp,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The bill, of the days that are known.
    pub bill: Bill,
    /// Requests that were sent.
    pub requests: u32,
    /// Days that were asked for, and for which the budget was not enough.
    pub unknown: Vec<Date>,
    /// What a reader has to know.
    pub findings: Vec<Finding>,
}

/// Why there is no bill.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Cost Explorer refused, or could not be reached.
    #[error("failed to ask Cost Explorer for {what}, after {requests} of at most {most} requests")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Requests that were sent.
        requests: u32,
        /// Requests that were allowed.
        most: u32,
        /// Why.
        source: Error,
    },
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// An answer that is none.
    #[error("Cost Explorer's answer about {day} cannot be used: {why}")]
    Answer {
        /// Which day.
        day: String,
        /// What is wrong.
        why: String,
    },
}

/// Counts requests. One is counted before it is sent; a repetition counts as it happens, if the try before
/// it may have been answered and paid for. Being refused for too many requests costs nothing.
#[derive(Debug, Default)]
struct Meter {
    sent: AtomicU32,
    was_lost: AtomicBool,
}

impl Observer for Meter {
    fn tried(&self, r#try: Try) {
        if r#try.number > 1 && self.was_lost.load(Ordering::Relaxed) {
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
        let free = ["ok", "Throttl", "LimitExceeded", "TooManyRequests", "RequestLimit"];
        let is_free = free.iter().any(|one| r#try.outcome.contains(one));
        self.was_lost.store(!is_free, Ordering::Relaxed);
    }
}

/// Asks for a bill. Over budget it is the bill of the days that are known, and says so.
pub async fn ask(
    connection: &Connection,
    cache: &Cache,
    question: &Question,
) -> Result<Asked, AskError> {
    let meter = Arc::new(Meter::default());
    let client = connection.observed_by(Arc::clone(&meter) as Arc<dyn Observer>).cost_explorer();
    let mut asking = Asking { client, meter, cache, question, findings: Vec::new() };
    let is_by_tag = asking.is_by_tag().await?;
    let used = asking.days("use", &asking.uses(is_by_tag)).await?;
    let rest = asking.days("credits, taxes and fees", &others()).await?;
    let mut unknown = Vec::new();
    let mut all = Vec::new();
    for (day, _) in question.window.days() {
        match (used.get(&day), rest.get(&day)) {
            (Some(used), Some(rest)) => {
                all.extend(lines::of(used, lines::Kind::Use)?);
                all.extend(lines::of(rest, lines::Kind::Other)?);
            }
            _ => unknown.push(day),
        }
    }
    let requests = asking.meter.sent.load(Ordering::Relaxed);
    let mut findings = asking.findings;
    findings.extend(over_budget(&unknown, question));
    let scope = if is_by_tag {
        Scope::Tag(question.owners.join(", "))
    } else {
        Scope::Accounts(vec![connection.account().to_owned()])
    };
    Ok(Asked {
        bill: Bill {
            source: "Cost Explorer".to_owned(),
            window: question.window,
            scope,
            lines: all,
            as_of: Some(today(question.now)),
            asking: asking_cost(question.price, requests),
        },
        requests,
        unknown,
        findings,
    })
}

/// What so many requests cost.
fn asking_cost(price: Price, requests: u32) -> Amount {
    price.amount(i64::from(requests), 0)
}

fn over_budget(unknown: &[Date], question: &Question) -> Option<Finding> {
    let (first, last) = (unknown.first()?, unknown.last()?);
    Some(Finding {
        severity: Severity::Loss,
        code: "over_budget",
        subject: format!("{first} to {last}"),
        message: format!(
            "the budget of {} requests was used up before the bill of these days was known; they are not \
             compared; what is known is kept, so the same command asks for the rest, or --ask-at-most \
             allows more",
            question.most_requests
        ),
    })
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

struct Asking<'a> {
    client: Client,
    meter: Arc<Meter>,
    cache: &'a Cache,
    question: &'a Question,
    findings: Vec<Finding>,
}

impl Asking<'_> {
    /// Counts a request that will be sent; not beyond the budget.
    fn may_send(&self) -> bool {
        let most = self.question.most_requests;
        let sent = &self.meter.sent;
        sent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sent| {
            (sent < most).then_some(sent + 1)
        })
        .is_ok()
    }

    fn refused(&self, what: &'static str, source: Error) -> AskError {
        let requests = self.meter.sent.load(Ordering::Relaxed);
        AskError::Refused { what, requests, most: self.question.most_requests, source }
    }

    /// Whether lines are told by our tag: where owners are asked for, and their tag is active. It is not
    /// asked again on the same day; once active, it stays so until somebody switches it off.
    async fn is_by_tag(&mut self) -> Result<bool, AskError> {
        if self.question.owners.is_empty() {
            return Ok(false);
        }
        let day = today(self.question.now);
        let active = match self.cache.tag(OWNER_TAG, day)? {
            Some(known) => Some(known),
            None if self.may_send() => {
                let asked = self.client.is_tag_active(OWNER_TAG).await;
                let active =
                    asked.map_err(|error| self.refused("the cost allocation tags", error))?;
                self.cache.keep_tag(OWNER_TAG, day, active.unwrap_or(false))?;
                Some(active.unwrap_or(false))
            }
            None => None,
        };
        if active != Some(true) {
            let why = if active.is_some() { "is not active" } else { "was not asked about" };
            self.findings.push(Finding {
                severity: Severity::Warning,
                code: "tag_not_active",
                subject: OWNER_TAG.to_owned(),
                message: format!(
                    "the cost allocation tag {why}, so this is account scope: everything in the account; \
                     activate the tag in Billing, and days from then on can be told apart"
                ),
            });
        }
        Ok(active == Some(true))
    }

    /// What was used: our services, and of our owners if the tag tells. Fargate never carries a tag.
    fn uses(&self, is_by_tag: bool) -> Filter {
        let dimension = |key: &str, values: Vec<String>| Filter::Dimension(key.to_owned(), values);
        let owned = |texts: &[&str]| texts.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let mut all = vec![
            dimension("RECORD_TYPE", owned(&USES)),
            dimension("SERVICE", owned(&COST_EXPLORER_SERVICES)),
        ];
        if is_by_tag {
            let tagged = Filter::Tag(OWNER_TAG.to_owned(), self.question.owners.clone());
            let fargate = fargate_usage_types(&self.question.regions);
            all.push(if fargate.is_empty() {
                tagged
            } else {
                Filter::Or(vec![tagged, dimension("USAGE_TYPE", fargate)])
            });
        }
        Filter::And(all)
    }

    /// The days of the window by this filter: those that are known, and those that are asked for now.
    async fn days(
        &mut self,
        what: &'static str,
        filter: &Filter,
    ) -> Result<BTreeMap<Date, Day>, AskError> {
        let (group_by, kind) = match filter {
            Filter::Not(_) => (["RECORD_TYPE", "SERVICE"], lines::Kind::Other),
            _ => (["SERVICE", "USAGE_TYPE"], lines::Kind::Use),
        };
        let key = format!("{filter:?} by {group_by:?}");
        let mut kept = self.cache.days(&key)?;
        let now = today(self.question.now);
        let is_known =
            |day: Date| kept.get(&day).is_some_and(|one| !one.day.is_estimated || one.asked == now);
        let wanted: Vec<Date> = self.question.window.days().map(|(day, _)| day).collect();
        let missing: Vec<Date> = wanted.iter().copied().filter(|day| !is_known(*day)).collect();
        if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
            let metrics = self.cache.metric().unwrap_or(NET).to_owned();
            let mut query = Query {
                start: first.to_string(),
                end: last.checked_add(1.day()).unwrap_or(*last).to_string(),
                metrics: vec![metrics, QUANTITY.to_owned()],
                group_by: group_by.iter().map(|one| (*one).to_owned()).collect(),
                filter: filter.clone(),
            };
            for day in self.pages(what, &mut query).await? {
                let date: Date = day.start.parse().map_err(|_| AskError::Answer {
                    day: day.start.clone(),
                    why: "its day is no date".to_owned(),
                })?;
                // What is no bill is not kept as one.
                lines::of(&day, kind)?;
                kept.insert(date, cache::Kept { asked: now, day });
            }
            self.cache.keep(&key, &kept)?;
        }
        // A day that was known before and is estimated still says more than nothing.
        Ok(kept
            .into_iter()
            .filter(|(day, _)| wanted.contains(day))
            .map(|(day, one)| (day, one.day))
            .collect())
    }

    /// All pages; none where the budget ends before the last of them, for half a day is no day.
    async fn pages(&mut self, what: &'static str, query: &mut Query) -> Result<Vec<Day>, AskError> {
        let mut days: BTreeMap<String, Day> = BTreeMap::new();
        let mut token: Option<String> = None;
        loop {
            if !self.may_send() {
                // Days are in order, so all before the last one that came are whole.
                days.pop_last();
                return Ok(days.into_values().collect());
            }
            let answered = self.client.cost_and_usage(query, token.as_deref()).await;
            let page = match answered {
                Ok(page) => page,
                Err(error) if token.is_none() && query.metrics[0] == NET && has_no_net(&error) => {
                    GROSS.clone_into(&mut query.metrics[0]);
                    self.findings.push(Finding {
                        severity: Severity::Note,
                        code: "no_net_costs",
                        subject: NET.to_owned(),
                        message: format!(
                            "the account has no net costs, so the bill is its {GROSS}"
                        ),
                    });
                    continue;
                }
                Err(error) => return Err(self.refused(what, error)),
            };
            for day in page.days {
                if let Some(known) = days.get_mut(&day.start) {
                    known.groups.extend(day.groups);
                    known.is_estimated |= day.is_estimated;
                } else {
                    days.insert(day.start.clone(), day);
                }
            }
            token = page.next;
            if token.is_none() {
                self.cache.remember_metric(&query.metrics[0]);
                return Ok(days.into_values().collect());
            }
        }
    }
}

/// What is no use of anything, of the whole account.
fn others() -> Filter {
    let uses = USES.iter().map(|one| (*one).to_owned()).collect();
    Filter::Not(Box::new(Filter::Dimension("RECORD_TYPE".to_owned(), uses)))
}

/// Whether an account answers that it has no net costs.
fn has_no_net(error: &Error) -> bool {
    error.code() == Some("DataUnavailableException")
        || (error.code() == Some("ValidationException") && error.message().contains("Net"))
}

/// Fargate's usage types of some regions.
fn fargate_usage_types(regions: &[String]) -> Vec<String> {
    let codes = regions
        .iter()
        .flat_map(|region| PREFIXES.iter().filter(move |(known, _)| known == region))
        .flat_map(|(_, codes)| codes.iter().filter(|code| !code.is_empty()));
    codes
        .flat_map(|code| {
            ["Fargate-vCPU-Hours:perCPU", "Fargate-GB-Hours", "Fargate-EphemeralStorage-GB-Hours"]
                .map(|name| format!("{code}{name}"))
        })
        .collect()
}
