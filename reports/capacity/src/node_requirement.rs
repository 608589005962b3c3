//! A requirement on a node's label, as pods and `NodePools` write it.

use serde::{Deserialize, Serialize};

/// How the values of a requirement are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// One of the values.
    In,
    /// None of them; a node without the label passes.
    NotIn,
    /// The label is there.
    Exists,
    /// It is not.
    DoesNotExist,
    /// A whole number above the value.
    Gt,
    /// A whole number below it.
    Lt,
    /// A whole number not below it.
    Gte,
    /// A whole number not above it.
    Lte,
}

/// A requirement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRequirement {
    /// The label.
    pub key: String,
    /// The operator.
    pub operator: Operator,
    /// Its values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// How many different values the types of a `NodeClaim` must keep (`NodePools` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_values: Option<u32>,
}

impl NodeRequirement {
    /// A requirement without `minValues`.
    pub fn new(key: &str, operator: Operator, values: &[&str]) -> Self {
        Self {
            key: key.to_owned(),
            operator,
            values: values.iter().map(|&value| value.to_owned()).collect(),
            min_values: None,
        }
    }

    /// Whether a node whose label has this value passes; `None` is a node without the label.
    pub fn allows(&self, value: Option<&str>) -> bool {
        let bound = || self.values.first().and_then(|bound| bound.parse::<i64>().ok());
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        let compared = |test: fn(i64, i64) -> bool| {
            number().zip(bound()).is_some_and(|(number, bound)| test(number, bound))
        };
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.iter().any(|one| one == value)),
            Operator::NotIn => {
                !value.is_some_and(|value| self.values.iter().any(|one| one == value))
            }
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => compared(|number, bound| number > bound),
            Operator::Lt => compared(|number, bound| number < bound),
            Operator::Gte => compared(|number, bound| number >= bound),
            Operator::Lte => compared(|number, bound| number <= bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operator_decides() {
        let allows = |operator, values: &[&str], value| {
            NodeRequirement::new("k", operator, values).allows(value)
        };
        assert!(
            allows(Operator::In, &["a", "b"], Some("b")) && !allows(Operator::In, &["a"], None)
        );
        assert!(
            allows(Operator::NotIn, &["a"], None) && !allows(Operator::NotIn, &["a"], Some("a"))
        );
        assert!(
            allows(Operator::Exists, &[], Some("x")) && allows(Operator::DoesNotExist, &[], None)
        );
        assert!(
            allows(Operator::Gt, &["4"], Some("5")) && !allows(Operator::Gt, &["5"], Some("5"))
        );
        assert!(
            allows(Operator::Lt, &["4"], Some("3")) && !allows(Operator::Lt, &["4"], Some("three"))
        );
        assert!(
            allows(Operator::Gte, &["5"], Some("5")) && allows(Operator::Lte, &["5"], Some("5"))
        );
    }
}
