//! Karpenter's `NodePools`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Problem;
use super::document::Object;
use super::existing::inventory_objects;
use super::pod_spec::{RawQuantity, check_requirement};
use crate::node_requirement::{NodeRequirement, Operator};
use crate::pod::Taint;
use crate::quantity::Quantity;

/// What of a `NodePool` decides about nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePool {
    /// Its name.
    pub name: String,
    /// Pools are tried by descending weight.
    pub weight: i32,
    /// Requirements on its nodes.
    pub requirements: Vec<NodeRequirement>,
    /// Labels of its nodes.
    pub labels: BTreeMap<String, String>,
    /// Taints of its nodes.
    pub taints: Vec<Taint>,
    /// How much all its nodes may have together, by resource; `nodes` too.
    pub limits: BTreeMap<String, Quantity>,
    /// When and how its nodes may be disrupted.
    pub disruption: Disruption,
    /// The `EC2NodeClass`: group, kind and name.
    pub node_class: (String, String, String),
    /// A static pool has a fixed number of nodes and takes no part in packing.
    pub replicas: Option<u32>,
}

/// Which nodes consolidation looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum ConsolidationPolicy {
    /// Those without pods.
    WhenEmpty,
    /// Those, and such as could be cheaper.
    #[default]
    WhenEmptyOrUnderutilized,
    /// Those whose savings are worth the disruption.
    Balanced,
}

/// When a node may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disruption {
    /// Which nodes.
    pub policy: ConsolidationPolicy,
    /// How long after its last change, in seconds; none means never.
    pub consolidate_after: Option<i64>,
    /// How many at once.
    pub budgets: Vec<Budget>,
}

impl Default for Disruption {
    fn default() -> Self {
        let tenth =
            Budget { size: BudgetSize::Percent(10), reasons: Vec::new(), is_scheduled: false };
        Self {
            policy: ConsolidationPolicy::default(),
            consolidate_after: Some(0),
            budgets: vec![tenth],
        }
    }
}

/// A disruption budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// How many nodes at once.
    pub size: BudgetSize,
    /// For which reasons; none means all.
    pub reasons: Vec<BudgetReason>,
    /// Whether it holds at some times only.
    pub is_scheduled: bool,
}

/// The size of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetSize {
    /// So many nodes.
    Nodes(u32),
    /// A percentage of the pool, rounded up.
    Percent(u32),
}

impl BudgetSize {
    /// How many of so many nodes.
    pub fn of(self, nodes: usize) -> usize {
        match self {
            Self::Nodes(nodes) => usize::try_from(nodes).unwrap_or(usize::MAX),
            Self::Percent(percent) => {
                (nodes * usize::try_from(percent).unwrap_or(100)).div_ceil(100)
            }
        }
    }
}

/// Why a node is disrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum BudgetReason {
    /// It could be cheaper.
    Underutilized,
    /// It has no pods.
    Empty,
    /// It is not what its pool says.
    Drifted,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawPool {
    weight: i32,
    limits: BTreeMap<String, RawQuantity>,
    replicas: Option<u32>,
    template: RawTemplate,
    disruption: RawDisruption,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawTemplate {
    metadata: RawTemplateMetadata,
    spec: RawTemplateSpec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawTemplateMetadata {
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawTemplateSpec {
    requirements: Vec<NodeRequirement>,
    taints: Vec<Taint>,
    node_class_ref: RawReference,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawReference {
    group: String,
    kind: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawDisruption {
    consolidation_policy: ConsolidationPolicy,
    consolidate_after: Option<String>,
    budgets: Option<Vec<RawBudget>>,
}

#[derive(Deserialize)]
struct RawBudget {
    nodes: Value,
    #[serde(default)]
    reasons: Vec<BudgetReason>,
    schedule: Option<String>,
}

const API_VERSION: &str = "karpenter.sh/v1";

/// Reads the `NodePools` of a text, which may be an inventory, in their order; other objects are passed
/// over. A pool of another
/// version of the API is refused, for its fields mean something else.
pub fn read_node_pools(source_name: &str, text: &str) -> Result<Vec<NodePool>, Vec<Problem>> {
    let objects = inventory_objects(source_name, text).map_err(|problem| vec![problem])?;
    let mut pools = Vec::new();
    let mut problems = Vec::new();
    for object in objects
        .iter()
        .filter(|object| object.kind() == "NodePool" || object.kind() == "Provisioner")
    {
        match node_pool(object) {
            Ok(pool) => pools.push(pool),
            Err(message) => {
                problems.push(Problem::of_object(source_name, &object.label(), message));
            }
        }
    }
    if pools.is_empty() && problems.is_empty() {
        problems.push(Problem::of_file(source_name, "there is no NodePool in it"));
    }
    if problems.is_empty() { Ok(pools) } else { Err(problems) }
}

fn node_pool(object: &Object) -> Result<NodePool, String> {
    let version = object.text("/apiVersion").unwrap_or_default();
    if version != API_VERSION {
        return Err(format!("its apiVersion is `{version}`; only `{API_VERSION}` is understood"));
    }
    let name = object.text("/metadata/name").ok_or("it has no name")?.to_owned();
    let raw: RawPool = object.read("/spec")?;
    let RawTemplateSpec { requirements, taints, node_class_ref } = raw.template.spec;
    for requirement in &requirements {
        check_requirement(requirement)?;
        check_min_values(requirement)?;
    }
    let limits = raw.limits.iter().map(|(resource, quantity)| {
        let amount =
            quantity.amount().map_err(|error| format!("`spec.limits.{resource}`: {error}"))?;
        Ok((resource.clone(), amount))
    });
    Ok(NodePool {
        name,
        weight: raw.weight,
        requirements,
        labels: raw.template.metadata.labels,
        taints,
        limits: limits.collect::<Result<_, String>>()?,
        disruption: disruption(raw.disruption)?,
        node_class: (node_class_ref.group, node_class_ref.kind, node_class_ref.name),
        replicas: raw.replicas,
    })
}

/// The API refuses a minimum that the listed values cannot reach.
fn check_min_values(requirement: &NodeRequirement) -> Result<(), String> {
    let listed = requirement.values.len();
    match requirement.min_values {
        Some(least)
            if requirement.operator == Operator::In
                && usize::try_from(least).unwrap_or(usize::MAX) > listed =>
        {
            Err(format!(
                "requirement on `{}`: `minValues` is {least}, but only {listed} values are listed",
                requirement.key
            ))
        }
        _ => Ok(()),
    }
}

fn disruption(raw: RawDisruption) -> Result<Disruption, String> {
    let defaults = Disruption::default();
    let consolidate_after = match raw.consolidate_after.as_deref() {
        None => defaults.consolidate_after,
        Some("Never") => None,
        Some(text) => Some(seconds(text).ok_or_else(|| {
            format!("`spec.disruption.consolidateAfter`: `{text}` is no duration")
        })?),
    };
    let budgets = match raw.budgets {
        None => defaults.budgets,
        Some(budgets) => budgets.into_iter().map(budget).collect::<Result<_, _>>()?,
    };
    Ok(Disruption { policy: raw.consolidation_policy, consolidate_after, budgets })
}

/// `1h30m`, `45s`, `0s`.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let (scale, unit) = match after.as_bytes() {
            [b'h', ..] => (3600, 1),
            [b'm', ..] => (60, 1),
            [b's', ..] => (1, 1),
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(scale)?)?;
        rest = &after[unit..];
    }
    (!text.is_empty()).then_some(total)
}

fn budget(raw: RawBudget) -> Result<Budget, String> {
    let text = match &raw.nodes {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let size = match text.strip_suffix('%') {
        Some(percent) => {
            percent.parse().ok().filter(|percent| *percent <= 100).map(BudgetSize::Percent)
        }
        None => text.parse().ok().map(BudgetSize::Nodes),
    };
    let size = size.ok_or_else(|| {
        format!("`spec.disruption.budgets`: `{text}` is neither a count nor a percentage")
    })?;
    Ok(Budget { size, reasons: raw.reasons, is_scheduled: raw.schedule.is_some() })
}

/// The order in which Karpenter tries pools: by weight, and of equal weights the later name first.
pub(crate) fn order(pools: &mut [NodePool]) {
    pools.sort_by(|left, right| {
        right.weight.cmp(&left.weight).then_with(|| right.name.cmp(&left.name))
    });
}
