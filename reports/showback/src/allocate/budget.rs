//! How owners stand against their budgets.
//!
//! A budget is for the calendar month of the window's last day. The month will come to what was spent so
//! far, at the same rate to its end. Where a window begins in the middle of a month, only its own days are
//! known: the rate is theirs, and a finding says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use runbook_capacity::money::Amount;

use super::rules::Budget;
use super::share::scaled;
use super::showback::BudgetLine;
use super::view::View;
use crate::observed::{Finding, Severity, Window};

/// The lines, in the order of the rules.
pub(super) fn budgets(
    budgets: &[Budget],
    owners: &BTreeMap<Arc<str>, Vec<Amount>>,
    view: &View,
    findings: &mut Vec<Finding>,
) -> Vec<BudgetLine> {
    let days = view.dates();
    let Some(last) = days.last().copied() else { return Vec::new() };
    let (first, end) = (last.first_of_month(), last.last_of_month());
    let month = Month {
        first,
        start: Window::day(first).start.as_second(),
        after: Window::day(end).end.as_second(),
        days: &days,
        view,
    };
    if !budgets.is_empty() && view.start > month.start {
        findings.push(Finding {
            severity: Severity::Warning,
            code: "budget_month_begins_earlier",
            subject: format!("the budgets of {}", first.strftime("%Y-%m")),
            message: format!(
                "the window begins on {}: what was spent before it is not in them, and the month is projected from the window alone; ask for month_to_date or a whole month",
                days.first().copied().unwrap_or(first)
            ),
        });
    }
    budgets
        .iter()
        .map(|budget| {
            let spent = owners.iter().find(|(owner, _)| ***owner == *budget.owner);
            if spent.is_none() {
                findings.push(Finding {
                    severity: Severity::Warning,
                    code: "budget_without_pods",
                    subject: format!("budget of {}", budget.owner),
                    message:
                        "no pod of the window is theirs; is the name that of a rule of owners?"
                            .to_owned(),
                });
            }
            month.line(budget, spent.map_or(&[], |(_, by_day)| by_day))
        })
        .collect()
}

struct Month<'a> {
    first: Date,
    start: i64,
    after: i64,
    days: &'a [Date],
    view: &'a View,
}

impl Month<'_> {
    fn line(&self, budget: &Budget, by_day: &[Amount]) -> BudgetLine {
        let amount = budget.monthly.monthly();
        let in_month = || self.days.iter().zip(by_day).filter(|(day, _)| **day >= self.first);
        let spent: Amount = in_month().map(|(_, cost)| *cost).sum();
        let known = i128::from(self.view.end - self.view.start.max(self.start)).max(1);
        let whole = i128::from(self.after - self.start);
        let projected =
            scaled(spent.raw(), whole, known).map_or(spent, Amount::from_raw).max(spent);
        let mut so_far = Amount::ZERO;
        let passed_on = in_month().find_map(|(day, cost)| {
            so_far += *cost;
            (so_far > amount).then_some(*day)
        });
        let breach = passed_on.or_else(|| {
            let second = scaled(whole, amount.raw(), projected.raw())?;
            let second = i64::try_from(second).ok()?.checked_add(self.start)?;
            // What was not passed so far is passed later, if rounding says otherwise.
            let second = second.max(self.view.end.min(self.after - 1));
            (projected > amount).then(|| {
                let moment = jiff::Timestamp::from_second(second).ok()?;
                Some(moment.to_zoned(jiff::tz::TimeZone::UTC).date())
            })?
        });
        let passed = budget.thresholds.iter().rev().find(|percent| {
            Amount::from_raw(spent.raw().saturating_mul(100)) >= amount.times(i64::from(**percent))
        });
        BudgetLine {
            owner: budget.owner.clone(),
            budget: amount,
            spent,
            projected,
            breach,
            passed_percent: passed.copied(),
        }
    }
}
