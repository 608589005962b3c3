//! What a `Job` or `CronJob` says about how often and how long it runs.
//!
//! Kubernetes has no field for a duration. An annotation may say it, or a run that is over shows it;
//! a deadline is a bound and no duration.

use jiff::Timestamp;
use serde_json::Value;

use super::document::Object;
use super::node_pool::seconds;

/// The annotation of a `Job` or `CronJob` that says how long a run takes: `15m`, `1h30m`.
pub const DURATION_ANNOTATION: &str = "runbook/duration";

/// How long a run takes, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunLength {
    /// Seconds by the annotation.
    Annotated(i64),
    /// Seconds that its last run took.
    Seen(i64),
}

/// What happens when a run is due and the one before has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// Both run.
    #[default]
    Allowed,
    /// It is left out.
    Forbidden,
    /// It takes the other's place, which is deleted.
    Replaced,
}

/// What is known about the runs of a job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFacts {
    /// The schedule of a `CronJob`.
    pub schedule: Option<String>,
    /// Whether it is not to run at present.
    pub is_suspended: bool,
    /// Whether a run begins before the last one ended.
    pub overlap: Overlap,
    /// How long a run takes.
    pub run: Option<RunLength>,
    /// After how many seconds an ended run is deleted; none means that it stays.
    pub kept_seconds: Option<i64>,
    /// How many ended runs a `CronJob` keeps.
    pub kept_runs: u32,
    /// After how many seconds a run is stopped.
    pub deadline_seconds: Option<i64>,
}

/// Ended runs that a `CronJob` keeps by default.
const KEPT_RUNS: u64 = 3;

/// Reads them from a `Job`, or from a `CronJob`, whose template of a job stands at `spec`.
pub(super) fn facts(object: &Object, spec: &str) -> Result<JobFacts, String> {
    let number = |pointer: &str| object.fields.pointer(pointer).and_then(Value::as_i64);
    let annotation = object.text("/metadata/annotations/runbook~1duration");
    let annotated = annotation
        .map(|text| {
            seconds(text).filter(|seconds| *seconds > 0).ok_or_else(|| {
                format!("annotation `{DURATION_ANNOTATION}`: `{text}` is no duration such as 15m or 1h30m")
            })
        })
        .transpose()?;
    let kept = |pointer: &str, default: u64| {
        object.fields.pointer(pointer).and_then(Value::as_u64).unwrap_or(default)
    };
    let kept_runs = if object.kind() == "CronJob" {
        kept("/spec/successfulJobsHistoryLimit", KEPT_RUNS)
    } else {
        1
    };
    Ok(JobFacts {
        schedule: object.text("/spec/schedule").map(str::to_owned),
        is_suspended: object.fields.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true),
        overlap: match object.text("/spec/concurrencyPolicy") {
            Some("Forbid") => Overlap::Forbidden,
            Some("Replace") => Overlap::Replaced,
            _ => Overlap::Allowed,
        },
        run: annotated.map(RunLength::Annotated).or_else(|| last_run(object).map(RunLength::Seen)),
        kept_seconds: number(&format!("{spec}/ttlSecondsAfterFinished")),
        kept_runs: u32::try_from(kept_runs).unwrap_or(u32::MAX),
        deadline_seconds: number(&format!("{spec}/activeDeadlineSeconds")),
    })
}

/// How long the last run took: of a `Job` from its start to its end; of a `CronJob` from when it was
/// due to its success, when that came after it.
fn last_run(object: &Object) -> Option<i64> {
    let time = |pointer: &str| object.text(pointer)?.parse::<Timestamp>().ok();
    let (start, end) = match object.kind() {
        "CronJob" => (time("/status/lastScheduleTime")?, time("/status/lastSuccessfulTime")?),
        _ => (time("/status/startTime")?, time("/status/completionTime")?),
    };
    Some(end.as_second() - start.as_second()).filter(|seconds| *seconds > 0)
}
