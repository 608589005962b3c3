//! Samples out of a Prometheus that scrapes kube-state-metrics, and cAdvisor for what pods used.
//!
//! A day is asked for in chunks of some hours, one metric after another, summed up where the sum is what
//! is wanted, so that a small server survives it. At each step, what has a sample is there: the steps are
//! looks, and go into the store as a day of [`Source::Prometheus`]. An answer that says of itself that it
//! is partial is no answer: the day is not imported.
//!
//! kube-state-metrics writes labels as `label_app_kubernetes_io_name`; they are kept without `label_`,
//! and what else it replaced by `_` stays replaced. It knows neither which pods Fargate runs (their nodes'
//! names do) nor what `CapacityProvisioned` says, nor when a node was launched (its creation stands for
//! that), nor UIDs of nodes (the instance, else the name, stands for it).

mod answer;
mod chunk;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use runbook_clients::get::{AddressError, Getter};
use runbook_clients::{Clock, Error, Observer};

use self::answer::{Series, read};
use self::chunk::{Chunk, Known};
use super::look::Look;
use crate::observed::{Source, Window};

/// The largest answer that is read: some hours of one metric of a large cluster.
const LARGEST_ANSWER: usize = 64 << 20;
/// At each step between two looks.
const STEP_SECONDS: i64 = 300;
/// Of how many hours one question is.
const CHUNK_SECONDS: i64 = 2 * 3_600;

/// Why a Prometheus says nothing that can be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PrometheusError {
    /// Its address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It did not answer, or refused.
    #[error("failed to ask `{address}` for `{metric}`")]
    Request {
        /// The server.
        address: String,
        /// The metric.
        metric: &'static str,
        /// Why.
        source: Error,
    },
    /// It answered something else than Prometheus does.
    #[error("`{address}` does not answer as Prometheus does when asked for `{metric}`: {problem}")]
    Form {
        /// The server.
        address: String,
        /// The metric.
        metric: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// It says that something is missing from its answer.
    #[error("`{address}` says that its answer about `{metric}` is not whole: {warning}")]
    Partial {
        /// The server.
        address: String,
        /// The metric.
        metric: &'static str,
        /// In its words.
        warning: String,
    },
    /// It has nothing to tell.
    #[error(
        "`{address}` has no `kube_pod_info` of {day}: does it scrape kube-state-metrics, and does it keep samples that long?"
    )]
    Nothing {
        /// The server.
        address: String,
        /// The day.
        day: Date,
    },
}

/// What is asked for: the metric's name, and the expression.
const PODS: [(&str, &str); 7] = [
    ("kube_pod_info", "kube_pod_info"),
    ("kube_pod_labels", "kube_pod_labels"),
    ("kube_pod_status_phase", "kube_pod_status_phase == 1"),
    ("kube_pod_start_time", "max by (uid) (kube_pod_start_time)"),
    ("kube_pod_completion_time", "max by (uid) (kube_pod_completion_time)"),
    (
        "kube_pod_container_resource_requests",
        "sum by (uid, resource) (max by (uid, container, resource) (kube_pod_container_resource_requests))",
    ),
    ("kube_replicaset_owner", "kube_replicaset_owner"),
];
const OTHERS: [(&str, &str); 7] = [
    ("kube_job_owner", "kube_job_owner"),
    ("kube_namespace_labels", "kube_namespace_labels"),
    ("kube_node_info", "kube_node_info"),
    ("kube_node_labels", "kube_node_labels"),
    ("kube_node_created", "max by (node) (kube_node_created)"),
    ("kube_node_status_capacity", "max by (node, resource) (kube_node_status_capacity)"),
    ("kube_node_status_allocatable", "max by (node, resource) (kube_node_status_allocatable)"),
];

/// Asks a Prometheus.
#[derive(Debug, Clone)]
pub struct Prometheus {
    getter: Getter,
    step_seconds: i64,
    chunk_seconds: i64,
}

impl Prometheus {
    /// Asks the Prometheus of an address, with a bearer token where it wants one.
    pub fn new(
        address: &str,
        token: Option<&str>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, PrometheusError> {
        let getter = Getter::new("prometheus", address, token, clock, observer)?;
        Ok(Self { getter, step_seconds: STEP_SECONDS, chunk_seconds: CHUNK_SECONDS })
    }

    /// The same with other steps: a look every so many seconds, a question of so many at most (a day at
    /// most).
    #[must_use]
    pub fn with_steps(mut self, step_seconds: i64, chunk_seconds: i64) -> Self {
        self.step_seconds = step_seconds.clamp(1, 86_400);
        self.chunk_seconds = chunk_seconds.clamp(self.step_seconds, 86_400);
        self
    }

    /// The looks of a UTC day.
    pub async fn day(&self, day: Date) -> Result<Vec<Look>, PrometheusError> {
        let window = Window::day(day);
        let (mut looks, mut known) = (Vec::new(), Known::default());
        let mut start = window.start.as_second();
        let end = window.end.as_second();
        while start < end {
            let steps =
                (self.chunk_seconds.min(end - start) + self.step_seconds - 1) / self.step_seconds;
            let chunk = self.chunk(start, steps.max(1)).await?;
            for step in 0..chunk.steps() {
                let at = start.saturating_add(i64::try_from(step).unwrap_or(0) * self.step_seconds);
                let Ok(at) = Timestamp::from_second(at) else { continue };
                if let Some(look) = self.look(&chunk, step, at, &mut known) {
                    looks.push(look);
                }
            }
            start += steps.max(1) * self.step_seconds;
        }
        if looks.is_empty() {
            return Err(PrometheusError::Nothing { address: self.address(), day });
        }
        Ok(looks)
    }

    /// What was there at a step; none when nothing has a sample: then nobody scraped.
    fn look(&self, chunk: &Chunk, step: usize, at: Timestamp, known: &mut Known) -> Option<Look> {
        let pods = chunk.pods(step, known);
        let nodes = chunk.nodes(step, at, known);
        if pods.is_empty() && nodes.is_empty() {
            return None;
        }
        Some(Look {
            at,
            source: Source::Prometheus,
            every_seconds: self.step_seconds,
            is_after_gap: false,
            usage: chunk.usage(step, self.step_seconds),
            pods,
            nodes,
            namespaces: chunk.namespaces(step, known),
            created: None,
            is_in_extended_support: None,
            missing: Vec::new(),
        })
    }

    async fn chunk(&self, start: i64, steps: i64) -> Result<Chunk, PrometheusError> {
        let mut chunk = Chunk::new(steps);
        for (metric, expression) in PODS.into_iter().chain(OTHERS) {
            let series = self.range(metric, expression, start, steps).await?;
            chunk.take(metric, series);
        }
        // Over at least four scrapes of a minute, else there is no rate.
        let over = self.step_seconds.max(240);
        let cpu = format!(
            "sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{{container!=\"\"}}[{over}s]))"
        );
        let memory = "sum by (namespace, pod) (container_memory_working_set_bytes{container!=\"\",container!=\"POD\"})";
        for (metric, expression) in [
            ("container_cpu_usage_seconds_total", cpu.as_str()),
            ("container_memory_working_set_bytes", memory),
        ] {
            let series = self.range(metric, expression, start, steps).await?;
            chunk.take(metric, series);
        }
        Ok(chunk)
    }

    async fn range(
        &self,
        metric: &'static str,
        expression: &str,
        start: i64,
        steps: i64,
    ) -> Result<Vec<Series>, PrometheusError> {
        let last = start + (steps - 1) * self.step_seconds;
        let (first, last, step) =
            (start.to_string(), last.to_string(), self.step_seconds.to_string());
        let query =
            [("query", expression), ("start", first.as_str()), ("end", &last), ("step", &step)];
        let address = || self.address();
        let body =
            self.getter.get("api/v1/query_range", &query, LARGEST_ANSWER).await.map_err(
                |source| PrometheusError::Request { address: address(), metric, source },
            )?;
        read(&body, start, self.step_seconds, steps).map_err(|wrong| match wrong {
            answer::Wrong::Form(problem) => {
                PrometheusError::Form { address: address(), metric, problem }
            }
            answer::Wrong::Partial(warning) => {
                PrometheusError::Partial { address: address(), metric, warning }
            }
        })
    }

    fn address(&self) -> String {
        self.getter.address().to_owned()
    }
}
