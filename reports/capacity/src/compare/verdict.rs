//! What can be concluded: cheaper, dearer, within the uncertainty, or not to be said.
//!
//! A difference is believed when no lever alone turns its sign: the shape of the nodes, the share of
//! spot, how full nodes really are. The uncertainty is the largest step that a lever takes towards
//! zero. What turns the sign is what would decide it.

use crate::money::Amount;

use super::shape::NodeShape;
use super::side::{LineKind, Side, SideId};

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

/// What may be otherwise than it is billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lever {
    /// What.
    pub what: String,
    /// The difference then.
    pub difference: Amount,
    /// Whether it has another sign then.
    pub turns: bool,
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
    /// Each lever and the difference with it, largest step first.
    pub levers: Vec<Lever>,
    /// Why nothing can be said.
    pub reason: Option<String>,
}

/// The same sides with nodes of another shape.
#[derive(Debug, Clone, Copy)]
pub struct Reshaped<'a> {
    /// The shape.
    pub shape: NodeShape,
    /// The first side.
    pub first: &'a Side,
    /// The other one.
    pub other: &'a Side,
}

/// How much spot saves on Karpenter's nodes, in thousandths.
const SPOT: [i64; 2] = [500, 700];
/// Ten points of utilisation, in thousandths.
const POINTS: i64 = 100;

/// Judges a side against the first. `savings` are what the first could save by itself.
pub fn verdict(
    first: &Side,
    other: &Side,
    reshaped: &[Reshaped<'_>],
    savings: &[(String, Amount)],
) -> Verdict {
    let mut verdict = Verdict {
        side: other.id,
        answer: Answer::CannotSay,
        difference: None,
        uncertainty: None,
        levers: Vec::new(),
        reason: incomplete(first).or_else(|| incomplete(other)),
    };
    let (Some(of_first), Some(of_other)) = (first.complete(), other.complete()) else {
        return verdict;
    };
    let difference = of_other - of_first;
    let mut levers = levers(first, other);
    levers.extend(savings.iter().map(|(what, saved)| (what.clone(), difference + *saved)));
    for shape in reshaped {
        if let (Some(one), Some(two)) = (shape.first.complete(), shape.other.complete()) {
            levers.push((format!("nodes {}", shape.shape.title()), two - one));
        }
    }
    let step = |then: Amount| {
        // Towards zero counts positive.
        let moved = difference.raw() - then.raw();
        Amount::from_raw(if difference.raw() >= 0 { moved } else { -moved })
    };
    let mut levers: Vec<Lever> = levers
        .into_iter()
        .filter(|(_, then)| *then != difference)
        .map(|(what, then)| Lever {
            what,
            difference: then,
            turns: then.raw().signum() != difference.raw().signum(),
        })
        .collect();
    levers.sort_by_key(|lever| std::cmp::Reverse(step(lever.difference).raw().abs()));
    let uncertainty = levers
        .iter()
        .map(|lever| step(lever.difference))
        .max()
        .unwrap_or_default()
        .max(Amount::ZERO);
    verdict.answer = if difference.raw() == 0 || levers.iter().any(|lever| lever.turns) {
        Answer::Within
    } else if difference.raw() < 0 {
        Answer::Cheaper
    } else {
        Answer::Dearer
    };
    verdict.difference = Some(difference);
    verdict.uncertainty = Some(uncertainty);
    verdict.levers = levers;
    verdict
}

fn incomplete(side: &Side) -> Option<String> {
    if let Some(one) = side.not_held.first() {
        let count = side.not_held.len();
        return Some(format!(
            "{} cannot run {count} pods: `{}` {}",
            side.id.title(),
            one.pod,
            one.reason
        ));
    }
    let total = side.total();
    total.holes.first().map(|hole| format!("{}: {}", side.id.title(), hole.reason))
}

/// Both sides with one thing changed, and the difference then.
fn levers(first: &Side, other: &Side) -> Vec<(String, Amount)> {
    let mut levers = Vec::new();
    let (of_first, of_other) = (first.total().amount, other.total().amount);
    for saved in SPOT {
        let less = |side: &Side| share(on_karpenter(side), saved, 1000);
        let then = (of_other - less(other)) - (of_first - less(first));
        levers.push((format!("spot −{} % on Karpenter's nodes", saved / 10), then));
    }
    for (points, title) in
        [(-POINTS, "nodes 10 points emptier"), (POINTS, "nodes 10 points fuller")]
    {
        if let (Some(one), Some(two)) =
            (at_utilisation(first, points), at_utilisation(other, points))
        {
            levers.push((title.to_owned(), two - one));
        }
    }
    levers
}

/// What Karpenter buys on-demand on this side, and could buy as spot.
fn on_karpenter(side: &Side) -> Amount {
    match side.id {
        SideId::Nodeless | SideId::Karpenter | SideId::KarpenterGraviton | SideId::AutoMode => {
            side.of(&[LineKind::Node])
        }
        SideId::KarpenterSpot | SideId::Fargate | SideId::NodeGroup => Amount::ZERO,
    }
}

/// The total if as many pods more or fewer had filled the nodes; none when they cannot be that empty.
fn at_utilisation(side: &Side, points: i64) -> Option<Amount> {
    let total = side.total().amount;
    let nodes = side.of(&[LineKind::Node, LineKind::AutoModeFee, LineKind::Volume]);
    if nodes == Amount::ZERO {
        return Some(total);
    }
    let used = side.utilisation?;
    let then = (used + points).min(1000);
    (then > 0).then(|| total - nodes + share(nodes, used, then))
}

fn share(amount: Amount, numerator: i64, denominator: i64) -> Amount {
    let denominator = i128::from(denominator.max(1));
    Amount::from_raw((amount.raw() * i128::from(numerator)).div_euclid(denominator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::side::Line;
    use crate::money::{Price, Unit, Unpriced};

    fn bill(id: SideId, lines: &[(LineKind, &str)], utilisation: i64) -> Side {
        let mut side = Side::new(id);
        side.utilisation = Some(utilisation);
        for (kind, dollars) in lines {
            let price = Price::parse(dollars, Unit::Month)
                .map_err(|why| Unpriced::because(why.to_string()));
            side.add(Line { kind: *kind, what: "one".to_owned(), count: 1, hours: 730, price });
        }
        side
    }

    #[test]
    fn a_difference_that_no_lever_turns_is_believed() {
        let nodeless =
            bill(SideId::Nodeless, &[(LineKind::FargatePod, "100"), (LineKind::Node, "100")], 800);
        let fargate = bill(SideId::Fargate, &[(LineKind::FargatePod, "400")], 0);
        let found = verdict(&nodeless, &fargate, &[], &[]);
        assert_eq!(found.answer, Answer::Dearer);
        assert_eq!(found.difference.map(|one| one.dollars(2)).as_deref(), Some("200.00"));
        // Towards zero only emptier nodes: 100 × 800/700 is 14.29 more.
        assert_eq!(found.uncertainty.map(|one| one.dollars(2)).as_deref(), Some("14.29"));
        assert_eq!(found.levers[0].what, "spot −70 % on Karpenter's nodes");
        assert_eq!(found.levers[0].difference.dollars(2), "270.00");
    }

    #[test]
    fn what_turns_a_difference_is_named() {
        let nodeless =
            bill(SideId::Nodeless, &[(LineKind::FargatePod, "100"), (LineKind::Node, "100")], 800);
        let fargate = bill(SideId::Fargate, &[(LineKind::FargatePod, "190")], 0);
        let found = verdict(&nodeless, &fargate, &[], &[]);
        assert_eq!(found.answer, Answer::Within);
        let turning: Vec<&str> =
            found.levers.iter().filter(|one| one.turns).map(|one| one.what.as_str()).collect();
        assert_eq!(
            turning,
            [
                "spot −70 % on Karpenter's nodes",
                "spot −50 % on Karpenter's nodes",
                "nodes 10 points fuller"
            ]
        );
        // Only another shape of nodes would say otherwise.
        let cheap = bill(SideId::Fargate, &[(LineKind::FargatePod, "120")], 0);
        let (one, two) = (bill(SideId::Nodeless, &[(LineKind::Node, "10")], 800), cheap.clone());
        let shape = Reshaped { shape: NodeShape::up_to(Some(4)), first: &one, other: &two };
        assert!(
            verdict(&nodeless, &cheap, &[shape], &[])
                .levers
                .iter()
                .any(|one| one.what == "nodes ≤ 4 vCPU" && one.turns)
        );
    }

    #[test]
    fn nothing_is_said_about_a_bill_with_a_hole() {
        let nodeless = bill(SideId::Nodeless, &[(LineKind::FargatePod, "100")], 0);
        let hole = bill(SideId::Fargate, &[(LineKind::FargatePod, "0")], 0);
        let found = verdict(&nodeless, &hole, &[], &[]);
        assert_eq!((found.answer, found.difference), (Answer::CannotSay, None));
        assert!(found.reason.is_some_and(|reason| reason.contains("a price of zero")));
    }
}
