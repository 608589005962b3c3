//! What a plan adds to the month, under the plan: the sum, then a line for each thing, then what has no
//! price. Cents are made here, top down, so that the lines add up to the sums and the sums to the first
//! line.

use runbook_capacity::money::{Amount, Total};
use runbook_showback::render::figures::Cents as Money;
use runbook_tasks::plan_cost::{Certainty, Line, PlanCost};

use super::words;

/// A line with its money in cents.
pub(crate) struct Rounded<'a> {
    pub(crate) line: &'a Line,
    /// None when it has no price.
    pub(crate) money: Option<Money>,
}

/// A plan's cost in cents.
pub(crate) struct Cents<'a> {
    /// What the month adds, fixed and by use.
    pub(crate) month: Money,
    pub(crate) fixed: Money,
    pub(crate) usage: Money,
    pub(crate) once: Money,
    pub(crate) lines: Vec<Rounded<'a>>,
}

impl<'a> Cents<'a> {
    pub(crate) fn of(cost: &'a PlanCost) -> Self {
        let month = Money::of(cost.monthly().amount);
        let parts = [cost.fixed.amount, cost.usage.amount];
        // They make up the month by construction.
        let parts = Money::parts(month, &parts).unwrap_or_else(|| parts.map(Money::of).to_vec());
        let once = Money::of(cost.once.amount);
        let mut lines = Vec::new();
        for (certainty, whole) in
            [(Certainty::Fixed, parts[0]), (Certainty::Usage, parts[1]), (Certainty::Once, once)]
        {
            let of: Vec<&Line> =
                cost.lines.iter().filter(|line| line.certainty == certainty).collect();
            let amounts: Vec<Amount> =
                of.iter().filter_map(|line| line.difference().ok()).collect();
            let rounded = Money::parts(whole, &amounts)
                .unwrap_or_else(|| amounts.iter().copied().map(Money::of).collect());
            let mut rounded = rounded.into_iter();
            lines.extend(of.into_iter().map(|line| Rounded {
                line,
                money: line.difference().is_ok().then(|| rounded.next()).flatten(),
            }));
        }
        Self { month, fixed: parts[0], usage: parts[1], once, lines }
    }
}

/// Under a plan: a headline and at most so many lines.
pub(crate) fn lines(cost: &PlanCost, width: usize) -> Vec<String> {
    if cost.is_empty() {
        return vec!["cost  nothing changes".to_owned()];
    }
    let cents = Cents::of(cost);
    let mut lines = words::wrap(&headline(cost, &cents), ", ", width, 6);
    let figures: Vec<String> = cents
        .lines
        .iter()
        .map(|rounded| rounded.money.map_or("no price".to_owned(), Money::signed))
        .collect();
    let room = figures.iter().map(|figure| words::width(figure)).max().unwrap_or_default();
    for (rounded, figure) in cents.lines.iter().zip(figures) {
        let text = format!("  {}  {}", words::right(&figure, room), words(rounded.line));
        lines.push(words::fit(&text, width));
    }
    lines
}

/// `cost  +176.62 $ a month`, in parts.
pub(crate) fn headline(cost: &PlanCost, cents: &Cents<'_>) -> Vec<String> {
    let mut parts =
        vec![format!("cost  {} $ a month{}", cents.month.signed(), holes(&cost.monthly()))];
    parts.push(format!("fixed {}", cents.fixed.signed()));
    parts.push(format!("by use {}", cents.usage.signed()));
    if cents.lines.iter().any(|rounded| rounded.line.certainty == Certainty::Once) {
        parts.push(format!("once {}{}", cents.once.signed(), holes(&cost.once)));
    }
    if let Some((oldest, newest)) = cost.as_of {
        let days =
            if oldest == newest { oldest.to_string() } else { format!("{oldest} to {newest}") };
        parts.push(format!("list prices of {} of {days}", cost.region));
    }
    parts
}

fn holes(total: &Total) -> String {
    match total.holes.len() {
        0 => String::new(),
        count => format!(" and {} without a price", words::count(count, "thing")),
    }
}

/// What a line is about, and what it stands on or why it has no price.
pub(crate) fn words(line: &Line) -> String {
    let kind = match line.certainty {
        Certainty::Fixed => "",
        Certainty::Usage => "by use: ",
        Certainty::Once => "once: ",
    };
    let mut text = format!("{kind}{}", line.words);
    if let Err(unpriced) = line.difference() {
        text.push_str(&format!(": {}", unpriced.reason));
    } else if let Some(basis) = &line.basis {
        text.push_str(&format!(": {basis}"));
    }
    words::one_line(&text)
}
