//! The Cluster Autoscaler beside Karpenter, in the forms that others read.
//!
//! The answer says first that it is a model, shows every parameter it was made with, and names what
//! is left out. Its series hold from each second to the next one listed, so that a timeline can be
//! drawn of them and the node-hours can be checked against them.

mod markdown;
mod parameters;
mod rows;
mod run;
mod schema;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;

pub use run::{Ends, NotHeldPod, Pending, RunAnswer, SeriesPoint, StepAnswer, TypeAnswer};
pub use schema::AUTOSCALERS;

use super::written;
use super::{Completeness, PriceAge, PriceCoverage};
use crate::autoscalers::{Question, not_modelled, simulate};
use crate::plural::counted;
use crate::region::Region;

/// What every form of it is headed with.
pub const TITLE: &str = "model: the Cluster Autoscaler beside Karpenter";

/// What is to be said besides the model's own question.
#[derive(Debug, Clone)]
pub struct AutoscalersOptions {
    /// The region of the prices.
    pub region: Region,
    /// Where the trace comes from: a file, or a shape and a seed.
    pub source: String,
    /// How old prices may be.
    pub age: PriceAge,
    /// Whether an answer that an unpriced type could change counts as unpriced.
    pub is_strict: bool,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AutoscalersAnswer {
    /// [`TITLE`].
    pub title: &'static str,
    /// The region.
    pub region: String,
    /// What the dollars are.
    pub money: String,
    /// Where the trace comes from.
    pub source: String,
    /// How many pods it brings.
    pub pod_count: usize,
    /// How many events it has.
    pub event_count: usize,
    /// The second of its last event.
    pub last_event_seconds: i64,
    /// The second at which the clock was stopped.
    pub until_seconds: i64,
    /// Every parameter.
    pub parameters: Vec<Parameter>,
    /// The Cluster Autoscaler's run, then Karpenter's.
    pub runs: Vec<RunAnswer>,
    /// What is left out.
    pub not_modelled: Vec<String>,
    /// Which types that Karpenter may launch had a price.
    pub prices: PriceCoverage,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// Whether a result that an unpriced type could change counts as unpriced.
    #[serde(skip)]
    pub is_strict: bool,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Whose: `both`, `cluster_autoscaler` or `karpenter`.
    pub of: &'static str,
    /// What.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl AutoscalersAnswer {
    /// Runs the model.
    pub fn new(question: &Question, options: &AutoscalersOptions) -> Self {
        let outcome = simulate(question);
        let runs = vec![
            RunAnswer::new("cluster_autoscaler", "Cluster Autoscaler", &outcome.cluster_autoscaler),
            RunAnswer::new("karpenter", "Karpenter", &outcome.karpenter),
        ];
        let mut answer = Self {
            title: TITLE,
            region: options.region.name().to_owned(),
            money: "list prices in USD before tax, discounts and credits; nodes only".to_owned(),
            source: options.source.clone(),
            pod_count: question.trace.pods.len(),
            event_count: question.trace.events.len(),
            last_event_seconds: question.trace.end(),
            until_seconds: outcome.karpenter.until,
            parameters: parameters::parameters(question),
            runs,
            not_modelled: not_modelled(&question.karpenter.node_pools),
            prices: PriceCoverage::new(&outcome.prices, options.age),
            notes: options.notes.clone(),
            is_strict: options.is_strict,
        };
        let own = answer.own_notes(question);
        answer.notes.extend(own);
        answer
    }

    fn own_notes(&self, question: &Question) -> Vec<String> {
        let mut notes = vec![
            "on neither bill: root volumes, traffic, the cluster's fee, and the pods of the autoscalers themselves".to_owned(),
        ];
        let least: usize = question.node_groups.iter().map(|group| group.least).sum();
        if least > 0 {
            notes.push(format!(
                "the Cluster Autoscaler's {} from the beginning; Karpenter begins with none",
                counted(
                    least,
                    "least node is there and billed",
                    "least nodes are there and billed"
                )
            ));
        }
        for run in &self.runs {
            if run.pods.lost > 0 {
                notes.push(format!(
                    "{}: {}",
                    run.title,
                    counted(
                        run.pods.lost,
                        "pod without an owner was evicted and is lost",
                        "pods without an owner were evicted and are lost"
                    )
                ));
            }
            let unheld = run.not_held.len();
            if run.pods.never_ran > unheld {
                notes.push(format!(
                    "{}: {} or the clock stopped before a node had room",
                    run.title,
                    counted(
                        run.pods.never_ran - unheld,
                        "pod that a node could hold never ran: it went",
                        "pods that a node could hold never ran: they went"
                    )
                ));
            }
        }
        if self.prices.restricted_to_priced_types {
            notes.push(format!(
                "restricted to priced types: of {} that Karpenter may launch, {} no known price",
                self.prices.offered,
                counted(self.prices.offered - self.prices.priced, "has", "have")
            ));
        }
        notes
    }

    /// Whether anything is missing: a pod that one of them cannot hold, that still waits or is lost; a
    /// price. A pod that went before it could run is not missing.
    pub fn completeness(&self) -> Completeness {
        let lacks =
            |run: &RunAnswer| run.pods.pending > 0 || run.pods.lost > 0 || !run.not_held.is_empty();
        if self.runs.iter().any(lacks) {
            Completeness::Unplaced
        } else if self.runs.iter().any(|run| run.total.is_none())
            || (self.is_strict && self.prices.restricted_to_priced_types)
        {
            Completeness::Unpriced
        } else {
            Completeness::Complete
        }
    }

    /// A row for each autoscaler and type, which add up to its dollars and hours, and one for each
    /// other figure of the autoscaler.
    pub fn csv(&self) -> String {
        let header = ["autoscaler", "figure", "of", "value", "unit", "reason"];
        written::csv(&header, self.runs.iter().flat_map(rows::rows))
    }

    /// The series of both, one row for each second in which something changes.
    pub fn series_csv(&self) -> String {
        let header = ["autoscaler", "t_seconds", "nodes", "ready", "pending", "running"];
        let rows = self.runs.iter().flat_map(|run| {
            run.series.iter().map(|point| {
                let counts = [point.nodes, point.ready, point.pending, point.running];
                let mut row = vec![run.autoscaler.to_owned(), point.t_seconds.to_string()];
                row.extend(counts.map(|count| count.to_string()));
                row
            })
        });
        written::csv(&header, rows)
    }

    /// For a pull request.
    pub fn markdown(&self) -> String {
        markdown::markdown(self)
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        text::text(self)
    }
}
