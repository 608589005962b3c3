//! Sets of label values, as Karpenter reckons with them.
//!
//! A [`Requirement`] is a set of values or the complement of one, with bounds for numbers. Values and
//! keys are interned ([`Labels`]), so that intersecting is merging short sorted lists of integers.

use indexmap::IndexSet;

use crate::node_requirement::{NodeRequirement, Operator};

/// An interned label key.
pub(crate) type Key = u16;
/// An interned label value.
pub(crate) type Value = u32;

/// Keys that Karpenter lets a pod ask for although a claim does not mention them.
const WELL_KNOWN: [&str; 36] = [
    "karpenter.sh/nodepool",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "karpenter.sh/capacity-type",
    "node.kubernetes.io/windows-build",
    "karpenter.k8s.aws/capacity-reservation-id",
    "karpenter.k8s.aws/capacity-reservation-type",
    "karpenter.k8s.aws/capacity-reservation-interruptible",
    "karpenter.k8s.aws/instance-hypervisor",
    "karpenter.k8s.aws/instance-encryption-in-transit-supported",
    "karpenter.k8s.aws/instance-category",
    "karpenter.k8s.aws/instance-capability-flex",
    "karpenter.k8s.aws/instance-family",
    "karpenter.k8s.aws/instance-generation",
    "karpenter.k8s.aws/instance-size",
    "karpenter.k8s.aws/instance-local-nvme",
    "karpenter.k8s.aws/instance-cpu",
    "karpenter.k8s.aws/instance-cpu-manufacturer",
    "karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz",
    "karpenter.k8s.aws/instance-memory",
    "karpenter.k8s.aws/instance-ebs-bandwidth",
    "karpenter.k8s.aws/instance-network-bandwidth",
    "karpenter.k8s.aws/instance-gpu-name",
    "karpenter.k8s.aws/instance-gpu-manufacturer",
    "karpenter.k8s.aws/instance-gpu-count",
    "karpenter.k8s.aws/instance-gpu-memory",
    "karpenter.k8s.aws/instance-accelerator-name",
    "karpenter.k8s.aws/instance-accelerator-manufacturer",
    "karpenter.k8s.aws/instance-accelerator-count",
    "karpenter.k8s.aws/instance-tenancy",
    "topology.k8s.aws/zone-id",
    "karpenter.k8s.aws/placement-group-id",
    "karpenter.k8s.aws/placement-group-partition",
];

/// Older names of labels, which Karpenter takes for today's.
const ALIASES: [(&str, &str); 5] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
];

/// The name of the node itself.
pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";

/// Keys and values seen so far.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    keys: IndexSet<String>,
    well_known: Vec<bool>,
    values: IndexSet<String>,
    numbers: Vec<Option<i64>>,
}

impl Labels {
    /// The key, under today's name.
    pub(crate) fn key(&mut self, name: &str) -> Key {
        let name = ALIASES.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new);
        if let Some(index) = self.keys.get_index_of(name) {
            return Key::try_from(index).unwrap_or(Key::MAX);
        }
        let (index, _) = self.keys.insert_full(name.to_owned());
        self.well_known.push(WELL_KNOWN.contains(&name));
        Key::try_from(index).unwrap_or(Key::MAX)
    }

    /// The value.
    pub(crate) fn value(&mut self, text: &str) -> Value {
        if let Some(index) = self.values.get_index_of(text) {
            return Value::try_from(index).unwrap_or(Value::MAX);
        }
        let (index, _) = self.values.insert_full(text.to_owned());
        self.numbers.push(text.parse().ok());
        Value::try_from(index).unwrap_or(Value::MAX)
    }

    pub(crate) fn key_name(&self, key: Key) -> &str {
        self.keys.get_index(usize::from(key)).map_or("", String::as_str)
    }

    pub(crate) fn value_name(&self, value: Value) -> &str {
        usize::try_from(value)
            .ok()
            .and_then(|index| self.values.get_index(index))
            .map_or("", String::as_str)
    }

    pub(crate) fn is_well_known(&self, key: Key) -> bool {
        self.well_known.get(usize::from(key)).copied().unwrap_or(false)
    }

    fn number(&self, value: Value) -> Option<i64> {
        usize::try_from(value).ok().and_then(|index| self.numbers.get(index)).copied().flatten()
    }

    /// A requirement as a manifest writes it.
    pub(crate) fn requirement(&mut self, written: &NodeRequirement) -> (Key, Requirement) {
        let key = self.key(&written.key);
        let bound = written.values.first().and_then(|bound| bound.parse::<i64>().ok());
        let mut requirement = match written.operator {
            Operator::In => {
                Requirement::one_of(written.values.iter().map(|value| self.value(value)).collect())
            }
            Operator::NotIn => {
                let values = written.values.iter().map(|value| self.value(value)).collect();
                Requirement { complement: true, ..Requirement::one_of(values) }
            }
            Operator::DoesNotExist => Requirement::one_of(Vec::new()),
            Operator::Exists => Requirement::any(),
            // Above the largest number there is nothing.
            Operator::Gt if bound == Some(i64::MAX) => Requirement::one_of(Vec::new()),
            Operator::Gt => Requirement {
                at_least: Some(bound.unwrap_or(0).saturating_add(1)),
                ..Requirement::any()
            },
            Operator::Lt => Requirement {
                at_most: Some(bound.unwrap_or(0).saturating_sub(1)),
                ..Requirement::any()
            },
            Operator::Gte => {
                Requirement { at_least: Some(bound.unwrap_or(0)), ..Requirement::any() }
            }
            Operator::Lte => {
                Requirement { at_most: Some(bound.unwrap_or(0)), ..Requirement::any() }
            }
        };
        requirement.min_values = written.min_values;
        (key, requirement)
    }
}

/// A set of values of one label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Requirement {
    /// Whether all values but these are meant.
    complement: bool,
    /// Sorted, each once.
    values: Vec<Value>,
    at_least: Option<i64>,
    at_most: Option<i64>,
    /// How many values the types of a claim must keep.
    pub(crate) min_values: Option<u32>,
}

impl Requirement {
    /// Any value.
    pub(crate) fn any() -> Self {
        Self {
            complement: true,
            values: Vec::new(),
            at_least: None,
            at_most: None,
            min_values: None,
        }
    }

    /// One of these; of none: the label is not there.
    pub(crate) fn one_of(mut values: Vec<Value>) -> Self {
        values.sort_unstable();
        values.dedup();
        Self { complement: false, values, at_least: None, at_most: None, min_values: None }
    }

    /// The values it names: those meant, or those not meant when it is a complement.
    pub(crate) fn named(&self) -> &[Value] {
        &self.values
    }

    /// Whether it is a list of values to choose from.
    pub(crate) fn is_in(&self) -> bool {
        !self.complement && !self.values.is_empty()
    }

    /// Whether it is satisfied by a node without the label.
    pub(crate) fn is_negative(&self) -> bool {
        if self.complement { !self.values.is_empty() } else { self.values.is_empty() }
    }

    /// The only value, if there is just one.
    pub(crate) fn only(&self) -> Option<Value> {
        match self.values.as_slice() {
            [one] if !self.complement => Some(*one),
            _ => None,
        }
    }

    /// Whether it allows the value.
    pub(crate) fn has(&self, value: Value, labels: &Labels) -> bool {
        self.values.binary_search(&value).is_ok() != self.complement
            && self.within(value, labels, self.at_least, self.at_most)
    }

    /// Whether it allows a value that nobody ever names, like the name of a node to come.
    pub(crate) fn has_unnamed(&self) -> bool {
        self.complement && self.at_least.is_none() && self.at_most.is_none()
    }

    #[expect(clippy::unused_self, reason = "bounds may be those of an intersection")]
    fn within(
        &self,
        value: Value,
        labels: &Labels,
        at_least: Option<i64>,
        at_most: Option<i64>,
    ) -> bool {
        if at_least.is_none() && at_most.is_none() {
            return true;
        }
        labels.number(value).is_some_and(|number| {
            at_least.is_none_or(|least| number >= least)
                && at_most.is_none_or(|most| number <= most)
        })
    }

    fn bounds(&self, other: &Self) -> (Option<i64>, Option<i64>) {
        let at_least = self.at_least.into_iter().chain(other.at_least).max();
        let at_most = self.at_most.into_iter().chain(other.at_most).min();
        (at_least, at_most)
    }

    /// What both allow.
    pub(crate) fn intersection(&self, other: &Self, labels: &Labels) -> Self {
        let (at_least, at_most) = self.bounds(other);
        let min_values = self.min_values.max(other.min_values);
        if at_least.zip(at_most).is_some_and(|(least, most)| least > most) {
            return Self { min_values, ..Self::one_of(Vec::new()) };
        }
        let complement = self.complement && other.complement;
        let names = |one: &Self, value: &Value| one.values.binary_search(value).is_ok();
        let mut values: Vec<Value> = match (self.complement, other.complement) {
            (true, true) => self.values.iter().chain(&other.values).copied().collect(),
            (true, false) => {
                other.values.iter().filter(|value| !names(self, value)).copied().collect()
            }
            (false, true) => {
                self.values.iter().filter(|value| !names(other, value)).copied().collect()
            }
            (false, false) => {
                self.values.iter().filter(|value| names(other, value)).copied().collect()
            }
        };
        values.sort_unstable();
        values.dedup();
        values.retain(|value| self.within(*value, labels, at_least, at_most));
        let (at_least, at_most) = if complement { (at_least, at_most) } else { (None, None) };
        Self { complement, values, at_least, at_most, min_values }
    }

    /// Whether there is a value that both allow.
    pub(crate) fn intersects(&self, other: &Self, labels: &Labels) -> bool {
        let (at_least, at_most) = self.bounds(other);
        if at_least.zip(at_most).is_some_and(|(least, most)| least > most) {
            return false;
        }
        if self.complement && other.complement {
            return true;
        }
        let (listed, test) = if self.complement { (other, self) } else { (self, other) };
        listed.values.iter().any(|value| {
            test.values.binary_search(value).is_ok() != test.complement
                && self.within(*value, labels, at_least, at_most)
        })
    }

    /// As a person reads it: `In [a b]`, `Exists >=4`.
    pub(crate) fn describe(&self, labels: &Labels) -> String {
        let mut names: Vec<&str> =
            self.values.iter().map(|value| labels.value_name(*value)).collect();
        names.sort_unstable();
        let more = names.len().saturating_sub(5);
        names.truncate(5);
        let mut list = names.join(" ");
        if more > 0 {
            list = format!("{list} and {more} others");
        }
        let mut text = match (self.complement, self.values.is_empty()) {
            (true, true) => "Exists".to_owned(),
            (true, false) => format!("NotIn [{list}]"),
            (false, true) => "DoesNotExist".to_owned(),
            (false, false) => format!("In [{list}]"),
        };
        for (bound, sign) in [(self.at_least, ">="), (self.at_most, "<=")] {
            if let Some(bound) = bound {
                text = format!("{text} {sign}{bound}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written() -> impl Strategy<Value = NodeRequirement> {
        let values = prop::collection::vec(0_i64..6, 1..4);
        let operators = prop::sample::select(vec![
            Operator::In,
            Operator::NotIn,
            Operator::Exists,
            Operator::DoesNotExist,
            Operator::Gt,
            Operator::Lt,
            Operator::Gte,
            Operator::Lte,
        ]);
        (operators, values).prop_map(|(operator, values)| {
            let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
            NodeRequirement::new(
                "k",
                operator,
                &texts.iter().map(String::as_str).collect::<Vec<_>>(),
            )
        })
    }

    proptest! {
        /// The algebra against the plain reading of the operators, over a small universe of values.
        #[test]
        fn sets_behave_like_their_operators(left in written(), right in written()) {
            let mut labels = Labels::default();
            let universe: Vec<(String, Value)> = (0..6).map(|n: i64| n.to_string()).chain(["x".to_owned()]).map(|text| { let value = labels.value(&text); (text, value) }).collect();
            let (_, left_set) = labels.requirement(&left);
            let (_, right_set) = labels.requirement(&right);
            let both = left_set.intersection(&right_set, &labels);
            let mut any = false;
            for (text, value) in &universe {
                let expected = left.allows(Some(text)) && right.allows(Some(text));
                any |= expected;
                prop_assert_eq!(left_set.has(*value, &labels), left.allows(Some(text)), "{:?} has {}", left, text);
                prop_assert_eq!(both.has(*value, &labels), expected, "{:?} and {:?} have {}", left, right, text);
            }
            prop_assert_eq!(left_set.intersects(&right_set, &labels), right_set.intersects(&left_set, &labels));
            if any {
                prop_assert!(left_set.intersects(&right_set, &labels));
            }
        }
    }

    #[test]
    fn older_names_mean_todays() {
        let mut labels = Labels::default();
        assert_eq!(labels.key("beta.kubernetes.io/arch"), labels.key("kubernetes.io/arch"));
        let zone = labels.key("topology.kubernetes.io/zone");
        assert!(labels.is_well_known(zone));
        let team = labels.key("team");
        assert!(!labels.is_well_known(team));
    }
}
