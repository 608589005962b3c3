//! A workload as the comparison has it, and what some cost together.

use runbook_capacity::money::Amount;

use crate::render::figures::Percent;
use crate::render::read::{Node, Unreadable};

/// A workload.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    pub name: String,
    pub kind: String,
    pub pods: i64,
    pub scaled: Option<(i64, i64)>,
    pub hours: String,
    pub size: Option<String>,
    pub fargate: Option<Amount>,
    pub nodes: Option<Amount>,
    pub free_cpu: Option<i64>,
    pub free_memory: Option<i64>,
    pub break_even: Option<Percent>,
    pub on: Option<String>,
    pub cheaper: Option<String>,
    pub cliffs: Vec<Cliff>,
    pub reason: Option<String>,
}

/// Where a request falls into the next size.
#[derive(Debug, Clone)]
pub(super) struct Cliff {
    pub resource: String,
    pub above: String,
    pub to: String,
    pub adds: Amount,
    pub percent: Percent,
}

/// All of them, the dearest first.
pub(super) fn read(answer: &Node<'_>) -> Result<Vec<Workload>, Unreadable> {
    let mut workloads: Vec<Workload> =
        answer.list("workloads")?.iter().map(workload).collect::<Result<_, _>>()?;
    workloads.sort_by(|one, other| {
        other.dollars().cmp(&one.dollars()).then_with(|| one.name.cmp(&other.name))
    });
    Ok(workloads)
}

fn workload(node: &Node<'_>) -> Result<Workload, Unreadable> {
    Ok(Workload {
        name: node.text("workload")?,
        kind: node.text("kind")?,
        pods: node.integer("pods")?,
        scaled: node
            .maybe("replicas")?
            .map(|replicas| {
                Ok::<_, Unreadable>((replicas.integer("min")?, replicas.integer("max")?))
            })
            .transpose()?,
        hours: node.decimal("hours", 1)?,
        size: node.maybe_text("fargate_size")?,
        fargate: node.maybe_money("fargate_usd_per_month")?,
        nodes: node.maybe_money("karpenter_usd_per_month")?,
        free_cpu: node.maybe_integer("free_cpu_m")?,
        free_memory: node.maybe_integer("free_memory_mib")?,
        break_even: node.maybe_percent("break_even_percent")?,
        on: node.maybe_text("break_even_type")?,
        cheaper: node.maybe_text("cheaper")?,
        cliffs: node.list("cliffs")?.iter().map(cliff).collect::<Result<_, _>>()?,
        reason: node.maybe_text("reason")?,
    })
}

fn cliff(node: &Node<'_>) -> Result<Cliff, Unreadable> {
    Ok(Cliff {
        resource: node.text("resource")?,
        above: node.text("above")?,
        to: node.text("to")?,
        adds: node.money("adds_usd_per_month")?,
        percent: node.percent("adds_percent")?,
    })
}

impl Workload {
    /// What it costs where it costs more.
    pub(super) fn dollars(&self) -> Option<Amount> {
        self.fargate.max(self.nodes)
    }

    pub(super) fn namespace(&self) -> &str {
        self.name.split_once('/').map_or("default", |(namespace, _)| namespace)
    }

    /// Why there is no figure.
    pub(super) fn gap(&self) -> String {
        self.reason.clone().unwrap_or_else(|| "no figure".to_owned())
    }
}

/// What workloads cost together, where there is a figure.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub workloads: i64,
    pub pods: i64,
    pub fargate: Amount,
    pub nodes: Amount,
    pub gaps: i64,
}

impl Sum {
    pub(super) fn add(&mut self, workload: &Workload) {
        self.workloads += 1;
        self.pods += workload.pods;
        match (workload.fargate, workload.nodes) {
            // Only what can be held against each other is summed.
            (Some(fargate), Some(nodes)) => {
                self.fargate += fargate;
                self.nodes += nodes;
            }
            _ => self.gaps += 1,
        }
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            workloads: self.workloads + other.workloads,
            pods: self.pods + other.pods,
            fargate: self.fargate + other.fargate,
            nodes: self.nodes + other.nodes,
            gaps: self.gaps + other.gaps,
        }
    }

    pub(super) fn of<'a>(workloads: impl IntoIterator<Item = &'a Workload>) -> Self {
        let mut sum = Self::default();
        workloads.into_iter().for_each(|workload| sum.add(workload));
        sum
    }
}
