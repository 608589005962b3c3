//! Karpenter's answers, condensed to what they are held against.
//!
//! One line of `karpenter/records.jsonl` per case: its digest, how often it was solved, and the
//! answer. It keeps each claim's price, cheapest type, zones, number of candidates and a digest
//! of its pods' names, and the pods that found no place; where Karpenter's runs differ, the range.

use serde::{Deserialize, Serialize};

/// One run's answer as the judge prints it; also the shape of `runbook capacity pack -o json`.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// The claims.
    pub nodes: Vec<AnsweredNode>,
    /// Pods without a place: names from the judge.
    #[serde(default)]
    pub unschedulable: Vec<String>,
}

/// One claim.
#[derive(Debug, Clone, Deserialize)]
pub struct AnsweredNode {
    /// The cheapest type left.
    pub instance_type: String,
    /// Zones still allowed in which that type is offered.
    pub zones: Vec<String>,
    /// Its price.
    pub usd_per_hour: f64,
    /// Names of its pods.
    pub pods: Vec<String>,
    /// How many types are left.
    pub candidates: usize,
    /// Its pool; the judge does not print it.
    #[serde(default)]
    pub node_pool: Option<String>,
}

/// One claim in a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Price per hour in 10⁻⁵ $, the unit of the cases' tables.
    pub price: u64,
    /// The cheapest type left.
    #[serde(rename = "type")]
    pub instance_type: String,
    /// Zones.
    pub zones: Vec<String>,
    /// How many types are left.
    pub candidates: usize,
    /// How many pods, and the digest of their sorted names.
    pub pods: (usize, String),
}

/// A distinct answer of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distinct {
    /// Claims, sorted.
    pub nodes: Vec<Node>,
    /// Pods without a place, sorted.
    pub unschedulable: Vec<String>,
}

/// What is recorded of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The case.
    pub case: String,
    /// Digest of its question.
    pub digest: String,
    /// Karpenter's version.
    pub karpenter: String,
    /// How often it was solved.
    pub runs: usize,
    /// What came out.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came out of all runs of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All runs gave the same answer.
    Agreed(Distinct),
    /// Karpenter chose zones by chance: how far its answers lie apart.
    Ranged(Range),
}

/// The least and the most over all runs, both included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// How many distinct answers.
    pub distinct: usize,
    /// Claims.
    pub nodes: (usize, usize),
    /// Total in 10⁻⁵ $ per hour.
    pub total: (u64, u64),
    /// Pods without a place.
    pub unschedulable: (usize, usize),
}

impl Outcome {
    /// From the answers of all runs; there is at least one.
    pub fn of(answers: &[Distinct]) -> Option<Self> {
        let first = answers.first()?;
        let mut distinct: Vec<&Distinct> = Vec::new();
        for one in answers {
            if !distinct.contains(&one) {
                distinct.push(one);
            }
        }
        if distinct.len() == 1 {
            return Some(Self::Agreed(first.clone()));
        }
        Some(Self::Ranged(Range {
            distinct: distinct.len(),
            nodes: ends(distinct.iter().map(|one| one.nodes.len()))?,
            total: ends(distinct.iter().map(|one| one.total()))?,
            unschedulable: ends(distinct.iter().map(|one| one.unschedulable.len()))?,
        }))
    }
}

fn ends<T: Ord + Copy>(values: impl Iterator<Item = T> + Clone) -> Option<(T, T)> {
    Some((values.clone().min()?, values.max()?))
}

impl Distinct {
    /// Condenses an answer.
    pub fn of(answer: &Answer) -> Self {
        let mut nodes: Vec<Node> = answer.nodes.iter().map(condense).collect();
        nodes.sort_by(|left, right| key(left).cmp(&key(right)));
        let mut unschedulable = answer.unschedulable.clone();
        unschedulable.sort();
        Self { nodes, unschedulable }
    }

    /// The sum of the prices, in 10⁻⁵ $ per hour.
    pub fn total(&self) -> u64 {
        self.nodes.iter().map(|node| node.price).sum()
    }

    /// The prices, sorted.
    pub fn prices(&self) -> Vec<u64> {
        let mut prices: Vec<u64> = self.nodes.iter().map(|node| node.price).collect();
        prices.sort_unstable();
        prices
    }
}

fn key(node: &Node) -> (u64, &str, &str) {
    (node.price, &node.instance_type, &node.pods.1)
}

fn condense(node: &AnsweredNode) -> Node {
    let mut names = node.pods.clone();
    names.sort();
    let digest = blake3::hash(names.join("\n").as_bytes()).to_hex();
    Node {
        price: in_hundred_thousandths(node.usd_per_hour),
        instance_type: node.instance_type.clone(),
        zones: node.zones.clone(),
        candidates: node.candidates,
        pods: (names.len(), digest.as_str()[..12].to_owned()),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cases' prices have five decimals and lie between 0 and 100 dollars"
)]
pub(crate) fn in_hundred_thousandths(dollars: f64) -> u64 {
    (dollars * 100_000.0).round() as u64
}
