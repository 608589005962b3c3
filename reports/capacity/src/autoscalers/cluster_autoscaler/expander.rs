//! Which group grows: `least-waste`, `random`, `most-pods` or `priority`, and chance between equals.

use std::fmt;
use std::str::FromStr;

use crate::autoscalers::machine::Room;
use crate::autoscalers::node_group::NodeGroup;
use crate::autoscalers::random::Random;

/// `--expander`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expander {
    /// The group whose new nodes are left emptiest last: CPU and memory alike.
    #[default]
    LeastWaste,
    /// Any.
    Random,
    /// The group that takes most of the pods.
    MostPods,
    /// The group that stands first in a list.
    Priority,
}

/// No expander.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no expander (known: least-waste, random, most-pods, priority)")]
pub struct UnknownExpander(String);

impl FromStr for Expander {
    type Err = UnknownExpander;

    fn from_str(text: &str) -> Result<Self, UnknownExpander> {
        [Self::LeastWaste, Self::Random, Self::MostPods, Self::Priority]
            .into_iter()
            .find(|one| one.name() == text)
            .ok_or_else(|| UnknownExpander(text.to_owned()))
    }
}

impl Expander {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeastWaste => "least-waste",
            Self::Random => "random",
            Self::MostPods => "most-pods",
            Self::Priority => "priority",
        }
    }
}

impl fmt::Display for Expander {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a group offers: so many nodes, for so many pods that ask for so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) group: usize,
    pub(super) nodes: usize,
    /// What the pods ask for, their number in `pods`.
    pub(super) asked: Room,
}

/// The chosen one.
pub(super) fn choose(
    expander: Expander,
    choices: &[Choice],
    groups: &[NodeGroup],
    priorities: &[String],
    random: &mut Random,
) -> Option<Choice> {
    let best = match expander {
        Expander::Random => choices.to_vec(),
        Expander::MostPods => best_by(choices, |one| Some(one.asked.pods)),
        Expander::LeastWaste => {
            best_by(choices, |one| Some(Filled(filled(one, &groups[one.group]))))
        }
        Expander::Priority => {
            let rank = |one: &Choice| {
                let name = &groups[one.group].name;
                let at = priorities.iter().position(|begin| name.starts_with(begin.as_str()))?;
                Some(std::cmp::Reverse(at))
            };
            let listed = best_by(choices, rank);
            // Of groups that nobody listed it takes any.
            if listed.is_empty() { choices.to_vec() } else { listed }
        }
    };
    random.pick(&best)
}

fn best_by<T: PartialOrd>(choices: &[Choice], score: impl Fn(&Choice) -> Option<T>) -> Vec<Choice> {
    let mut best: Option<T> = None;
    let mut chosen = Vec::new();
    for choice in choices {
        let Some(score) = score(choice) else { continue };
        if best.as_ref().is_none_or(|best| score > *best) {
            best = Some(score);
            chosen.clear();
            chosen.push(*choice);
        } else if best.as_ref().is_some_and(|best| score == *best) {
            chosen.push(*choice);
        }
    }
    chosen
}

/// A share that is compared as the expander compares it.
#[derive(PartialEq, PartialOrd)]
struct Filled(f64);

/// What share of the new machines the pods ask for, CPU's and memory's added: two less the waste.
#[expect(
    clippy::cast_precision_loss,
    reason = "the expander itself compares floating point numbers; equal groups give equal ones"
)]
fn filled(choice: &Choice, group: &NodeGroup) -> f64 {
    let capacity = group.machine.capacity;
    let share = |asked: i64, of: i64| {
        let of = of as f64 * choice.nodes as f64;
        if of > 0.0 { asked as f64 / of } else { 0.0 }
    };
    share(choice.asked.cpu, capacity.cpu) + share(choice.asked.memory, capacity.memory)
}
