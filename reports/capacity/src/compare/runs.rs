//! For how long the pods of a workload run: all month, some hours, by a schedule, as autoscaled.

use crate::manifest::{Autoscaler, Overlap, RunLength, Workload, WorkloadKind};
use crate::money::{MONTH_HOURS, Unpriced};

use super::options::WorkloadOptions;
use super::schedule::{Frequency, frequency};

/// Seconds of a billing month.
pub const MONTH_SECONDS: i64 = MONTH_HOURS * 3600;
/// Fargate bills a minute at least.
const LEAST_BILLED: i64 = 60;

/// Some pods of a workload that run equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// How many pods at a time.
    pub pods: u32,
    /// For how many seconds of the month each of them runs.
    pub seconds: i64,
    /// For how many seconds Fargate bills each: a minute a run at least, and until it is deleted.
    pub billed: i64,
}

impl Run {
    fn lasting(pods: u32, seconds: i64) -> Self {
        Self { pods, seconds, billed: seconds }
    }
}

/// Between how many pods a workload is scaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaled {
    /// Fewest.
    pub least: u32,
    /// On average, in thousandths.
    pub mean_thousandths: i64,
    /// Most.
    pub most: u32,
    /// Where the average is from.
    pub how: String,
}

impl Scaled {
    /// From an autoscaler: the average that is given, else how many there were, else the middle.
    pub fn new(autoscaler: &Autoscaler, options: &WorkloadOptions) -> Result<Self, String> {
        let bounds = i64::from(autoscaler.least) * 1000..=i64::from(autoscaler.most) * 1000;
        let (mean_thousandths, how) = if let Some(given) = options.mean_replicas_thousandths {
            if !bounds.contains(&given) {
                return Err(format!(
                    "`mean_replicas` is not between {} and {}, the bounds of HorizontalPodAutoscaler `{}`",
                    autoscaler.least, autoscaler.most, autoscaler.name
                ));
            }
            (given, "as given")
        } else if let Some(current) = autoscaler
            .current
            .map(|current| i64::from(current) * 1000)
            .filter(|current| bounds.contains(current))
        {
            (current, "as many as there were when it was looked at")
        } else {
            ((bounds.start() + bounds.end()) / 2, "the middle of min and max")
        };
        Ok(Self {
            least: autoscaler.least,
            mean_thousandths,
            most: autoscaler.most,
            how: how.to_owned(),
        })
    }

    /// So many pods all month, and the rest of an average as one pod for a part of it.
    pub fn runs(&self) -> Vec<Run> {
        let whole = u32::try_from(self.mean_thousandths / 1000).unwrap_or(u32::MAX);
        let rest = (self.mean_thousandths % 1000) * MONTH_SECONDS / 1000;
        [Run::lasting(whole, MONTH_SECONDS), Run::lasting(1, rest)]
            .into_iter()
            .filter(|run| run.pods > 0 && run.seconds > 0)
            .collect()
    }
}

/// So many pods all month.
pub fn all_month(pods: u32) -> Vec<Run> {
    if pods == 0 { Vec::new() } else { vec![Run::lasting(pods, MONTH_SECONDS)] }
}

/// How long the pods of a workload run, and in words why, where that is not all month.
pub fn runs(
    workload: &Workload,
    options: &WorkloadOptions,
) -> Result<(Vec<Run>, Option<String>), Unpriced> {
    if let Some(hours) = options.hours.or(workload.hours.map(i64::from)) {
        if hours > MONTH_HOURS {
            return Err(Unpriced::because(format!(
                "{hours} hours are more than a month of {MONTH_HOURS} has"
            )));
        }
        let runs = vec![Run::lasting(workload.replicas, hours * 3600)];
        return Ok((runs, None));
    }
    match workload.kind {
        WorkloadKind::Job | WorkloadKind::CronJob => of_job(workload, options),
        _ => Ok((all_month(workload.replicas), None)),
    }
}

fn of_job(
    workload: &Workload,
    options: &WorkloadOptions,
) -> Result<(Vec<Run>, Option<String>), Unpriced> {
    let job = &workload.job;
    if job.is_suspended {
        return Ok((Vec::new(), Some("it is suspended and on no bill".to_owned())));
    }
    let how_often = match (&job.schedule, options.runs_per_month) {
        (Some(schedule), _) => frequency(schedule).map_err(Unpriced::because)?,
        (None, runs) => Frequency { times: runs.unwrap_or(1), months: 1 },
    };
    if how_often.times == 0 {
        return Err(Unpriced::because("its schedule never comes"));
    }
    let (each, how) = match (options.duration, job.run) {
        (Some(seconds), _) => (seconds, "as given"),
        (None, Some(RunLength::Annotated(seconds))) => (seconds, "as annotated"),
        (None, Some(RunLength::Seen(seconds))) => (seconds, "as its last run took"),
        (None, None) => return Err(unknown(job.deadline_seconds)),
    };
    let (seconds, billed) = running_and_billed(workload, how_often, each);
    // Runs that overlap all month are so many pods more at a time.
    let beside = seconds / MONTH_SECONDS;
    let rest = seconds - beside * MONTH_SECONDS;
    let beside_pods = u32::try_from(beside).unwrap_or(u32::MAX).saturating_mul(workload.replicas);
    let mut found = all_month(beside_pods);
    if rest > 0 {
        let billed = billed - beside * MONTH_SECONDS;
        found.push(Run { pods: workload.replicas, seconds: rest, billed });
    } else if let Some(last) = found.last_mut() {
        // What stays after it ended is billed on top, spread over the pods that run.
        last.billed += (billed - seconds) / beside.max(1);
    }
    let often = if how_often.times == how_often.months {
        "once".to_owned()
    } else {
        format!("{how_often} times")
    };
    let is_cut = seconds < how_often.seconds(each);
    let alone = if is_cut { "; one run at a time, all month" } else { "" };
    Ok((found, Some(format!("{often} a month for {each} s, {how}{alone}"))))
}

/// How long its runs take together, and what Fargate bills for that: a minute a run at least, and
/// until its pods are deleted.
fn running_and_billed(workload: &Workload, how_often: Frequency, each: i64) -> (i64, i64) {
    let job = &workload.job;
    let all = how_often.seconds(each);
    let kept = (each + job.kept_seconds.unwrap_or(0)).max(LEAST_BILLED);
    match job.overlap {
        Overlap::Allowed => (all, how_often.seconds(kept).max(all)),
        _ if all < MONTH_SECONDS => (all, how_often.seconds(kept).max(all)),
        // One run at a time, one after the other: only so many come to an end and are kept.
        Overlap::Forbidden => {
            let ended = MONTH_SECONDS / each.max(1);
            let after_each = kept - each;
            (MONTH_SECONDS, MONTH_SECONDS + ended.saturating_mul(after_each))
        }
        // None comes to an end: the next one deletes it.
        Overlap::Replaced => (MONTH_SECONDS, MONTH_SECONDS),
    }
}

fn unknown(deadline: Option<i64>) -> Unpriced {
    let bound = deadline
        .map(|seconds| {
            format!(" (it is stopped after {seconds} s, which is a bound and no duration)")
        })
        .unwrap_or_default();
    Unpriced::because(format!(
        "duration unknown{bound}: annotate it with `{}: 15m`, name it under `workloads` in the options, or give it as a row with `hours`",
        crate::manifest::DURATION_ANNOTATION
    ))
}
