//! Every parameter of the model, with its value.

use std::collections::BTreeSet;

use super::Parameter;
use crate::autoscalers::Question;
use crate::autoscalers::cluster_autoscaler::Expander;
use crate::autoscalers::machine::Overhead;
use crate::autoscalers::node_group::NodeGroup;
use crate::autoscalers::run::LEAST_BILLED;
use crate::karpenter::{InstanceOption, default_pool};
use crate::manifest::{BudgetSize, ConsolidationPolicy, NodePool};
use crate::plural::counted;
use crate::quantity::{Bytes, Millicores};

const BOTH: &str = "both";
const CLUSTER_AUTOSCALER: &str = "cluster_autoscaler";
const KARPENTER: &str = "karpenter";
const ARCHITECTURE: &str = "kubernetes.io/arch";

/// All of them.
pub(super) fn parameters(question: &Question) -> Vec<Parameter> {
    let mut all = of_both(question);
    all.extend(of_cluster_autoscaler(question));
    all.extend(of_karpenter(question));
    all
}

fn parameter(of: &'static str, name: &str, value: impl Into<String>) -> Parameter {
    Parameter { of, name: name.to_owned(), value: value.into() }
}

fn seconds(seconds: i64) -> String {
    if seconds > 0 && seconds % 60 == 0 {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    }
}

fn of_both(question: &Question) -> Vec<Parameter> {
    let taken = Overhead::of(&question.daemonsets).0;
    let names: Vec<String> = question.daemonsets.iter().map(|pod| pod.name.clone()).collect();
    let daemonsets = if names.is_empty() {
        "none".to_owned()
    } else {
        format!(
            "{} ({}, {}, {})",
            names.join(", "),
            Millicores(taken.cpu),
            Bytes(taken.memory),
            counted(taken.pods, "pod", "pods")
        )
    };
    vec![
        parameter(BOTH, "seed", question.seed.to_string()),
        parameter(
            BOTH,
            "launch to Ready",
            format!("{}; assumed; one sequence of draws for both", question.launch_time.title()),
        ),
        parameter(BOTH, "kube-scheduler", "at once, least allocated, first come first served"),
        parameter(BOTH, "daemonsets on every node", daemonsets),
        parameter(BOTH, "a drained node stays", seconds(question.drain_time)),
        parameter(
            BOTH,
            "a node is billed",
            format!("by the second from launch to termination, at least {LEAST_BILLED} s"),
        ),
        parameter(BOTH, "clock runs on after the last event", seconds(question.after_the_end)),
    ]
}

fn of_cluster_autoscaler(question: &Question) -> Vec<Parameter> {
    let settings = &question.cluster_autoscaler;
    let mut all: Vec<Parameter> = question
        .node_groups
        .iter()
        .map(|group| parameter(CLUSTER_AUTOSCALER, "node group", group_title(group)))
        .collect();
    let listed: [(&str, String); 8] = [
        ("--scan-interval", seconds(settings.scan_interval)),
        ("--scale-down-delay-after-add", seconds(settings.delay_after_add)),
        ("--scale-down-unneeded-time", seconds(settings.unneeded_time)),
        ("--scale-down-utilization-threshold", thousandths(settings.threshold)),
        ("--unremovable-node-recheck-timeout", seconds(settings.recheck_after)),
        ("--max-scale-down-parallelism", settings.most_deletions.to_string()),
        ("--max-drain-parallelism", settings.most_drains.to_string()),
        ("--node-delete-delay-after-taint", seconds(settings.delete_delay)),
    ];
    all.push(parameter(CLUSTER_AUTOSCALER, "--expander", settings.expander.name()));
    if settings.expander == Expander::Priority {
        let order = settings.priorities.join(", then ");
        all.push(parameter(CLUSTER_AUTOSCALER, "priorities", order));
    }
    all.extend(listed.map(|(name, value)| parameter(CLUSTER_AUTOSCALER, name, value)));
    let most = settings.most_new_nodes.to_string();
    all.push(parameter(CLUSTER_AUTOSCALER, "--max-nodes-per-scaleup", most));
    all
}

fn group_title(group: &NodeGroup) -> String {
    let price = match &group.machine.price {
        Ok(price) => format!("{price} $/h"),
        Err(_) => "no price".to_owned(),
    };
    format!("{}: {} to {}, {price}", group.name, group.least, counted(group.most, "node", "nodes"))
}

fn thousandths(value: i64) -> String {
    let digits = format!("{:03}", value % 1000);
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        (value / 1000).to_string()
    } else {
        format!("{}.{digits}", value / 1000)
    }
}

fn of_karpenter(question: &Question) -> Vec<Parameter> {
    let settings = &question.karpenter;
    let mut all = vec![
        parameter(KARPENTER, "BATCH_IDLE_DURATION", seconds(settings.batch_idle)),
        parameter(KARPENTER, "BATCH_MAX_DURATION", seconds(settings.batch_longest)),
        parameter(KARPENTER, "looks for nodes to give up every", seconds(settings.look_interval)),
        parameter(KARPENTER, "validation before it acts", seconds(settings.validation)),
        parameter(KARPENTER, "instance types it may launch", types_title(&settings.instance_types)),
    ];
    let default = [default_pool()];
    let pools: &[NodePool] =
        if settings.node_pools.is_empty() { &default } else { &settings.node_pools };
    all.extend(pools.iter().map(|pool| parameter(KARPENTER, "node pool", pool_title(pool))));
    all
}

/// How many, of which families' letters and architectures, and how large the largest is.
fn types_title(types: &[InstanceOption]) -> String {
    let letters =
        |name: &str| -> String { name.chars().take_while(char::is_ascii_alphabetic).collect() };
    let families: BTreeSet<String> = types.iter().map(|one| letters(&one.name)).collect();
    let of_label = |one: &InstanceOption| {
        one.labels.iter().find(|(key, _)| key == ARCHITECTURE).map(|(_, values)| values.clone())
    };
    let architectures: BTreeSet<String> = types.iter().filter_map(of_label).flatten().collect();
    let most = types.iter().filter_map(|one| one.capacity.cpu).max().unwrap_or_default();
    let listed = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "{}: families {}; {}; up to {most} vCPU",
        types.len(),
        listed(families),
        listed(architectures)
    )
}

fn pool_title(pool: &NodePool) -> String {
    let policy = match pool.disruption.policy {
        ConsolidationPolicy::WhenEmpty => "WhenEmpty",
        ConsolidationPolicy::WhenEmptyOrUnderutilized => "WhenEmptyOrUnderutilized",
        ConsolidationPolicy::Balanced => "Balanced",
    };
    let after = pool.disruption.consolidate_after.map_or_else(|| "Never".to_owned(), seconds);
    let budgets: Vec<String> = pool
        .disruption
        .budgets
        .iter()
        .map(|budget| match budget.size {
            BudgetSize::Nodes(nodes) => counted(nodes, "node", "nodes"),
            BudgetSize::Percent(percent) => format!("{percent} %"),
        })
        .collect();
    let budgets = if budgets.is_empty() { "none".to_owned() } else { budgets.join(", ") };
    format!("{}: {policy}, consolidateAfter {after}, budget {budgets}", pool.name)
}
