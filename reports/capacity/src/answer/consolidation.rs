//! What Karpenter would take away, in the forms that others read.

use serde::Serialize;

use super::schema::{COVERAGE, DOLLARS, NAMES, Shape, field};
use super::written::{self, dollars_or_nothing};
use super::{Completeness, PriceAge, PriceCoverage};
use crate::consolidation::{
    Consolidation, ConsolidationInput, End, Method, SettledNode, Step, WhyNot, consolidate,
};
use crate::money::{Price, Unit};
use crate::plural::counted;

/// The answer of a consolidation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConsolidationAnswer {
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What is there in the end, each with the reason why it stays.
    pub nodes: Vec<SettledNode>,
    /// Pods that waited and wait still.
    pub waiting: Vec<String>,
    /// The price of Karpenter's nodes before; nothing when one of them has none.
    #[serde(rename = "usd_per_hour_before", serialize_with = "crate::money::as_dollars_or_null")]
    pub before: Option<Price>,
    /// The price after.
    #[serde(rename = "usd_per_hour", serialize_with = "crate::money::as_dollars_or_null")]
    pub after: Option<Price>,
    /// How many pods are evicted, one that moves twice counting twice.
    pub evictions: usize,
    /// How it ended.
    pub end: End,
    /// What was asked for and is not simulated.
    pub not_simulated: Vec<String>,
    /// Which types had a price.
    pub prices: PriceCoverage,
    /// What else is to be known about the answer.
    pub notes: Vec<String>,
    /// Whether a result that an unpriced type could change counts as unpriced.
    #[serde(skip)]
    pub is_strict: bool,
}

/// Of `capacity consolidate`.
pub const CONSOLIDATION: Shape = Shape::Object(&[
    field(
        "steps",
        Shape::List(&Shape::Object(&[
            field("method", Shape::Word(&Method::WORDS), "which of Karpenter's methods"),
            field(
                "removed",
                Shape::List(&Shape::Object(&[
                    field("name", Shape::Text, "the node"),
                    field("node_pool", Shape::Text, "its pool"),
                    field("instance_type", Shape::Text, "its type"),
                    field("capacity_type", Shape::Text, "how it is bought"),
                    field("usd_per_hour", DOLLARS, "what it costs"),
                ])),
                "nodes that go",
            ),
            field(
                "launched",
                Shape::List(&Shape::Object(&[
                    field("name", Shape::Text, "the name it is given here"),
                    field("node_pool", Shape::Text, "its pool"),
                    field("instance_type", Shape::Text, "the cheapest type that may be launched"),
                    field("zone", Shape::Text, "its zone"),
                    field("capacity_type", Shape::Text, "how it is bought"),
                    field("usd_per_hour", DOLLARS, "what it costs"),
                    field("candidates", Shape::Integer, "how many types might be launched"),
                ])),
                "nodes that come: none or one, as a rule",
            ),
            field("usd_per_hour_saved", DOLLARS, "what it saves; null when a price is not known"),
            field("pods", NAMES, "pods that are evicted and start elsewhere"),
        ])),
        "what is done, in order",
    ),
    field(
        "nodes",
        Shape::List(&Shape::Object(&[
            field("name", Shape::Text, "the node"),
            field("node_pool", Shape::Maybe(&Shape::Text), "its pool, if Karpenter made it"),
            field("instance_type", Shape::Text, "its type; empty when its labels do not say"),
            field("zone", Shape::Text, "its zone; empty when its labels do not say"),
            field("capacity_type", Shape::Text, "how it is bought; empty when not known"),
            field("usd_per_hour", DOLLARS, "what it costs"),
            field("pods", NAMES, "its pods that could move"),
            field(
                "why_not",
                Shape::Object(&[
                    field("kind", Shape::Word(&WhyNot::KINDS), "the kind of reason"),
                    field("words", Shape::Text, "the reason"),
                ]),
                "why it stays",
            ),
        ])),
        "what is there in the end",
    ),
    field("waiting", NAMES, "pods that waited and wait still"),
    field("usd_per_hour_before", DOLLARS, "price of Karpenter's nodes before"),
    field("usd_per_hour", DOLLARS, "price of Karpenter's nodes after"),
    field("evictions", Shape::Integer, "pods evicted; one that moves twice counts twice"),
    field("end", Shape::Word(&End::WORDS), "at rest, or cut off after so many steps"),
    field("not_simulated", NAMES, "what was asked for and is not simulated"),
    field("prices", COVERAGE, "which types had a price"),
    field("notes", NAMES, "what else is to be known"),
]);

const HEADER: [&str; 12] = [
    "step",
    "method",
    "node",
    "node_pool",
    "instance_type",
    "zone",
    "capacity_type",
    "usd_per_hour",
    "change",
    "usd_per_hour_saved",
    "pod_count",
    "reason",
];

impl ConsolidationAnswer {
    /// Consolidates.
    pub fn new(
        input: &ConsolidationInput,
        age: PriceAge,
        is_strict: bool,
        notes: Vec<String>,
    ) -> Self {
        let Consolidation { steps, nodes, waiting, before, after, end, not_simulated, prices } =
            consolidate(input);
        let evictions = steps.iter().map(|step| step.pods.len()).sum();
        let prices = PriceCoverage::new(&prices, age);
        let mut answer = Self {
            steps,
            nodes,
            waiting,
            before,
            after,
            evictions,
            end,
            not_simulated,
            prices,
            notes,
            is_strict,
        };
        let own = answer.own_notes(input);
        answer.notes.extend(own);
        answer
    }

    /// What all steps save for an hour; nothing when a price is not known.
    pub fn saved(&self) -> Option<Price> {
        let (before, after) = self.before.zip(self.after)?;
        Some(Price::new(before.ten_billionths() - after.ten_billionths(), Unit::Hour))
    }

    fn own_notes(&self, input: &ConsolidationInput) -> Vec<String> {
        let mut notes = vec![
            "each step is over before the next begins; Karpenter starts the next while nodes still drain, within the same budgets".to_owned(),
        ];
        if input.options.quiet_seconds.is_none() {
            notes.push(
                "every node has been left alone for as long as its NodePool's `consolidateAfter`"
                    .to_owned(),
            );
        }
        if self.end == End::StepBound {
            notes.push(format!(
                "cut off after {}: there may be more to save",
                counted(input.options.most_steps, "step", "steps")
            ));
        }
        if self.prices.restricted_to_priced_types {
            notes.push(format!(
                "restricted to priced types: of {} that are offered, {} no known price",
                self.prices.offered,
                counted(self.prices.offered - self.prices.priced, "has", "have")
            ));
        }
        let managed = self.nodes.iter().filter(|node| node.node_pool.is_some());
        let unpriced = managed.filter(|node| node.price.is_none()).count();
        if unpriced > 0 {
            notes.push(format!(
                "no price for {unpriced} of Karpenter's nodes, so there is no total; Karpenter counts them as costing nothing"
            ));
        }
        notes
    }

    /// Whether anything is missing. Pods that wait waited before, and nobody asked about them.
    pub fn completeness(&self) -> Completeness {
        let is_unpriced = self.before.is_none()
            || self.after.is_none()
            || (self.is_strict && self.prices.restricted_to_priced_types);
        if is_unpriced { Completeness::Unpriced } else { Completeness::Complete }
    }

    /// A row for each node that goes or comes, by step, with what the step saves on its first; then one
    /// for each node that stays.
    pub fn csv(&self) -> String {
        let steps = self.steps.iter().enumerate().flat_map(|(index, step)| step_rows(index, step));
        written::csv(&HEADER, steps.chain(self.nodes.iter().map(node_row)))
    }
}

fn step_rows(index: usize, step: &Step) -> Vec<Vec<String>> {
    let row = |[name, pool, kind, zone, how]: [&str; 5], price, change: &str| {
        let mut row = vec![(index + 1).to_string(), step.method.word().to_owned()];
        row.extend([name, pool, kind, zone, how].map(str::to_owned));
        row.extend([dollars_or_nothing(price), change.to_owned()]);
        row.extend([String::new(), String::new(), String::new()]);
        row
    };
    let gone = step.removed.iter().map(|node| {
        let texts = [&node.name, &node.node_pool, &node.instance_type, "", &node.capacity_type];
        row(texts, node.price, "removed")
    });
    let new = step.launched.iter().map(|node| {
        let texts = [
            node.name.as_str(),
            &node.node_pool,
            &node.instance_type,
            &node.zone,
            &node.capacity_type,
        ];
        row(texts, node.price, "launched")
    });
    let mut rows: Vec<Vec<String>> = gone.chain(new).collect();
    if let Some(first) = rows.first_mut() {
        first[9] = dollars_or_nothing(step.saved);
        first[10] = step.pods.len().to_string();
    }
    rows
}

fn node_row(node: &SettledNode) -> Vec<String> {
    vec![
        String::new(),
        String::new(),
        node.name.clone(),
        node.node_pool.clone().unwrap_or_default(),
        node.instance_type.clone(),
        node.zone.clone(),
        node.capacity_type.clone(),
        dollars_or_nothing(node.price),
        "stays".to_owned(),
        String::new(),
        node.pods.len().to_string(),
        node.why_not.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::answer::schema;
    use crate::consolidation::read_guards;
    use crate::karpenter::{PackInput, read_instance_types};
    use crate::manifest::{read_existing, read_node_pools};

    const TYPES: &str =
        "instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones
m5.large,amd64,1930,6900,29,0.1,a;b
m5.xlarge,amd64,3920,14700,58,0.2,a;b
";

    fn node(name: &str, kind: &str, cpu: &str, pods: &str) -> String {
        format!(
            r#"{{"kind": "Node", "metadata": {{"name": "{name}", "annotations": {{}}, "labels": {{"karpenter.sh/nodepool": "default", "karpenter.sh/initialized": "true", "karpenter.sh/capacity-type": "on-demand", "topology.kubernetes.io/zone": "a", "node.kubernetes.io/instance-type": "{kind}"}}}}, "status": {{"capacity": {{"cpu": "{cpu}"}}, "allocatable": {{"cpu": "{cpu}", "memory": "6900Mi", "pods": "{pods}"}}}}}}"#
        )
    }

    fn pod(name: &str, node: &str) -> String {
        format!(
            r#"{{"kind": "Pod", "metadata": {{"name": "{name}", "labels": {{"app": "{name}"}}}}, "spec": {{"nodeName": "{node}", "containers": [{{"name": "c", "resources": {{"requests": {{"cpu": "1500m", "memory": "1Gi"}}}}}}]}}}}"#
        )
    }

    fn answer() -> ConsolidationAnswer {
        let text = format!(
            r#"{{"kind": "Inventory", "version": 1, "items": [
                {}, {}, {}, {}, {},
                {{"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {{"name": "default"}}, "spec": {{"template": {{"spec": {{}}}}}}}},
                {{"kind": "PodDisruptionBudget", "metadata": {{"name": "one"}}, "spec": {{"selector": {{"matchLabels": {{"app": "=db"}}}}}}, "status": {{"disruptionsAllowed": 0}}}}
            ]}}"#,
            node("idle", "m5.large", "1930m", "29"),
            node("wide", "m5.xlarge", "3920m", "58"),
            node("held", "m5.xlarge", "3920m", "58"),
            pod("web", "wide"),
            pod("=db", "held"),
        );
        let existing = read_existing("inv.json", &text).expect("nodes");
        let input = ConsolidationInput {
            pack: PackInput {
                node_pools: read_node_pools("inv.json", &text).expect("pools"),
                instance_types: read_instance_types("types.csv", TYPES).expect("types"),
                existing: existing.nodes,
                ..PackInput::default()
            },
            guards: read_guards("inv.json", &text).expect("guards"),
            ..ConsolidationInput::default()
        };
        let age = PriceAge { most_days: 90, today: "2026-11-25".parse().expect("a day") };
        ConsolidationAnswer::new(&input, age, false, Vec::new())
    }

    #[test]
    fn a_consolidation_is_written_whole() {
        let answer = answer();
        let text = written::json(&answer).expect("JSON");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(schema::mismatches(&value, CONSOLIDATION), Vec::<String>::new());
        assert_eq!(
            value["steps"],
            json!([
                {
                    "method": "empty",
                    "removed": [{"name": "idle", "node_pool": "default", "instance_type": "m5.large", "capacity_type": "on-demand", "usd_per_hour": 0.1}],
                    "launched": [],
                    "usd_per_hour_saved": 0.1,
                    "pods": [],
                },
                {
                    "method": "single_node",
                    "removed": [{"name": "wide", "node_pool": "default", "instance_type": "m5.xlarge", "capacity_type": "on-demand", "usd_per_hour": 0.2}],
                    "launched": [],
                    "usd_per_hour_saved": 0.2,
                    "pods": ["web"],
                }
            ])
        );
        assert_eq!(
            value["nodes"],
            json!([{
                "name": "held", "node_pool": "default", "instance_type": "m5.xlarge", "zone": "a",
                "capacity_type": "on-demand", "usd_per_hour": 0.2, "pods": ["=db", "web"],
                "why_not": {"kind": "pod_disruption_budget", "words": "pod disruption budget `one` keeps `=db` where it is"},
            }])
        );
        assert_eq!(
            (&value["usd_per_hour_before"], &value["usd_per_hour"]),
            (&json!(0.5), &json!(0.2))
        );
        assert_eq!((&value["end"], &value["evictions"]), (&json!("at_rest"), &json!(1)));
        assert_eq!(answer.saved().map(|saved| saved.to_string()).as_deref(), Some("0.3"));
        assert_eq!(answer.completeness(), Completeness::Complete);
    }

    #[test]
    fn its_rows_say_what_goes_and_what_stays() {
        assert_eq!(
            answer().csv(),
            "step,method,node,node_pool,instance_type,zone,capacity_type,usd_per_hour,change,usd_per_hour_saved,pod_count,reason
1,empty,idle,default,m5.large,,on-demand,0.100000,removed,0.100000,0,
2,single_node,wide,default,m5.xlarge,,on-demand,0.200000,removed,0.200000,1,
,,held,default,m5.xlarge,a,on-demand,0.200000,stays,,2,pod disruption budget `one` keeps `=db` where it is
"
        );
    }
}
