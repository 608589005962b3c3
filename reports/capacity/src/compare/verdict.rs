//! What can be concluded: cheaper, dearer, within the uncertainty, or not to be said.
//!
//! A difference is believed when no lever alone turns its sign: the shape of the nodes, the share of
//! spot, how full nodes really are. The uncertainty is the largest step that a lever takes towards
//! zero. What turns the sign is what would decide it.

use crate::money::Amount;
use crate::plural::counted;

use super::lever::{self, Lever, Otherwise, Pair};
use super::side::{Side, SideId};

/// The four answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// By more than the uncertainty.
    Cheaper,
    /// By more than the uncertainty.
    Dearer,
    /// The difference is smaller than the uncertainty.
    Within,
    /// A pod has no place, or something has no price.
    CannotSay,
}

impl Answer {
    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cheaper => "cheaper",
            Self::Dearer => "dearer",
            Self::Within => "within_uncertainty",
            Self::CannotSay => "cannot_say",
        }
    }
}

/// The verdict on a side against the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The side.
    pub side: SideId,
    /// The answer.
    pub answer: Answer,
    /// Its total less the first one's; none when one of them is not complete.
    pub difference: Option<Amount>,
    /// The largest step towards zero that a lever takes.
    pub uncertainty: Option<Amount>,
    /// Each lever, the widest first.
    pub levers: Vec<Lever>,
    /// Why nothing can be said.
    pub reason: Option<String>,
}

/// Judges a side against the first. `others` are the same two when something is otherwise.
pub fn verdict(pair: Pair<'_>, others: &Otherwise<'_>) -> Verdict {
    let mut verdict = Verdict {
        side: pair.other.id,
        answer: Answer::CannotSay,
        difference: None,
        uncertainty: None,
        levers: Vec::new(),
        reason: incomplete(pair.first).or_else(|| incomplete(pair.other)),
    };
    let Some(difference) = pair.difference() else { return verdict };
    let mut levers = lever::levers(pair, difference, others);
    levers.sort_by_key(|lever| std::cmp::Reverse(lever.width()));
    let uncertainty = levers.iter().map(|lever| lever.towards_zero(difference)).max();
    verdict.answer = if difference == Amount::ZERO || levers.iter().any(|lever| lever.turns) {
        Answer::Within
    } else if difference < Amount::ZERO {
        Answer::Cheaper
    } else {
        Answer::Dearer
    };
    verdict.difference = Some(difference);
    verdict.uncertainty = Some(uncertainty.unwrap_or_default());
    verdict.levers = levers;
    verdict
}

fn incomplete(side: &Side) -> Option<String> {
    if let Some(one) = side.not_held.first() {
        let count = side.not_held.len();
        return Some(format!(
            "{} cannot run {}: `{}` {}",
            side.id.title(),
            counted(count, "pod", "pods"),
            one.pod,
            one.reason
        ));
    }
    let total = side.total();
    total.holes.first().map(|hole| format!("{}: {}", side.id.title(), hole.reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::lever::Reshaped;
    use crate::compare::runs::MONTH_SECONDS;
    use crate::compare::shape::NodeShape;
    use crate::compare::side::{Line, LineKind};
    use crate::money::{Price, Unit, Unpriced};

    fn bill(id: SideId, lines: &[(LineKind, &str)], fullness: i64) -> Side {
        let mut side = Side::new(id);
        side.fullness = Some(fullness);
        for (kind, dollars) in lines {
            let price = Price::parse(dollars, Unit::Month)
                .map_err(|why| Unpriced::because(why.to_string()));
            side.add(Line {
                kind: *kind,
                what: "one".to_owned(),
                instance_type: None,
                count: 1,
                seconds: MONTH_SECONDS,
                price,
            });
        }
        side
    }

    fn judged(first: &Side, other: &Side) -> Verdict {
        verdict(Pair { first, other }, &Otherwise::default())
    }

    #[test]
    fn a_difference_that_no_lever_turns_is_believed() {
        let nodeless =
            bill(SideId::Nodeless, &[(LineKind::FargatePod, "100"), (LineKind::Node, "100")], 800);
        let fargate = bill(SideId::Fargate, &[(LineKind::FargatePod, "400")], 0);
        let found = judged(&nodeless, &fargate);
        assert_eq!(found.answer, Answer::Dearer);
        assert_eq!(found.difference.map(|one| one.dollars(2)).as_deref(), Some("200.00"));
        // Towards zero only emptier nodes: 100 × 800/700 is 14.29 more.
        assert_eq!(found.uncertainty.map(|one| one.dollars(2)).as_deref(), Some("14.29"));
        let spot = &found.levers[0];
        assert_eq!(
            (spot.what.as_str(), spot.low.setting.as_str()),
            ("spot on Karpenter's nodes", "on-demand")
        );
        assert_eq!(
            (spot.high.setting.as_str(), spot.high.difference.dollars(2)),
            ("−70 %", "270.00".to_owned())
        );
        assert_eq!((spot.break_even.clone(), spot.turns), (None, false));
    }

    #[test]
    fn what_turns_a_difference_is_named_with_where_it_does() {
        let nodeless =
            bill(SideId::Nodeless, &[(LineKind::FargatePod, "100"), (LineKind::Node, "100")], 800);
        let fargate = bill(SideId::Fargate, &[(LineKind::FargatePod, "190")], 0);
        let found = judged(&nodeless, &fargate);
        assert_eq!(found.answer, Answer::Within);
        let turning: Vec<(&str, Option<&str>)> = found
            .levers
            .iter()
            .filter(|one| one.turns)
            .map(|one| (one.what.as_str(), one.break_even.as_deref()))
            .collect();
        // 100 − 10 is 90: at −10 % spot; at 800 × 100/90 of a thousand they are full enough.
        assert_eq!(
            turning,
            [
                ("spot on Karpenter's nodes", Some("at −10 %")),
                ("how full nodes are", Some("at 89 %"))
            ]
        );
        // Only another shape of nodes would say otherwise.
        let cheap = bill(SideId::Fargate, &[(LineKind::FargatePod, "120")], 0);
        let (one, two) = (bill(SideId::Nodeless, &[(LineKind::Node, "10")], 800), cheap.clone());
        let shape = NodeShape::up_to(Some(4));
        let others = Otherwise {
            reshaped: vec![Reshaped { shape, pair: Pair { first: &one, other: &two } }],
            ..Otherwise::default()
        };
        let found = verdict(Pair { first: &nodeless, other: &cheap }, &others);
        let lever = found.levers.iter().find(|one| one.what == "the shape of nodes").expect("it");
        assert_eq!((lever.turns, lever.break_even.as_deref()), (true, Some("at ≤ 4 vCPU")));
    }

    #[test]
    fn nothing_is_said_about_a_bill_with_a_hole() {
        let nodeless = bill(SideId::Nodeless, &[(LineKind::FargatePod, "100")], 0);
        let hole = bill(SideId::Fargate, &[(LineKind::FargatePod, "0")], 0);
        let found = judged(&nodeless, &hole);
        assert_eq!((found.answer, found.difference), (Answer::CannotSay, None));
        assert!(found.reason.is_some_and(|reason| reason.contains("a price of zero")));
    }
}
