//! Options of a workload that mean nothing for it: each is a mistake of somebody, and is named.

use crate::manifest::{Workload, WorkloadKind};

use super::options::WorkloadOptions;

impl WorkloadOptions {
    /// What is said and would be passed over: the rest of a path, and why.
    pub(super) fn useless(
        &self,
        workload: &Workload,
        is_scaled: bool,
    ) -> impl Iterator<Item = String> + use<> {
        let kind = workload.kind;
        let is_daemon = kind == WorkloadKind::DaemonSet;
        let is_job = matches!(kind, WorkloadKind::Job | WorkloadKind::CronJob);
        let of_runs = if is_daemon {
            Some("it is a DaemonSet, which each node runs all month")
        } else if is_scaled {
            Some("a HorizontalPodAutoscaler scales it, and so many pods run all month")
        } else if !is_job {
            Some(
                "it is neither a Job nor a CronJob, and runs all month or as many `hours` as are given",
            )
        } else if self.hours.is_some() {
            Some("its `hours` are given")
        } else {
            None
        };
        let of_hours = of_runs.filter(|_| is_daemon || is_scaled);
        let of_schedule = of_runs.or_else(|| {
            workload.job.schedule.is_some().then_some("its schedule says how often it runs")
        });
        let of_mean = (!is_scaled).then_some("no HorizontalPodAutoscaler scales it");
        let of_usage = is_daemon.then_some("it is a DaemonSet, whose size is not looked at");
        let said = [
            ("hours", self.hours.is_some(), of_hours),
            ("duration", self.duration.is_some(), of_runs),
            ("runs_per_month", self.runs_per_month.is_some(), of_schedule),
            ("mean_replicas", self.mean_replicas_thousandths.is_some(), of_mean),
            ("usage", self.usage.is_some(), of_usage),
        ];
        said.into_iter()
            .filter(|(_, is_said, _)| *is_said)
            .filter_map(|(key, _, why)| Some(format!(".{key}`: {}", why?)))
    }
}
