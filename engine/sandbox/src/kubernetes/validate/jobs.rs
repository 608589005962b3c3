//! Validation of jobs, and of what makes them by the calendar.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Problem, invalid, not_negative, required, unsupported};
use crate::kubernetes::cron;

/// As long as a job's name may be, without the time that is appended to it.
const LONGEST_NAME: usize = 52;

/// What is wrong with a `CronJob`.
pub(super) fn cron_job(wanted: &Value, before: Option<&Value>, found: &mut Vec<Problem>) {
    let spec = &wanted["spec"];
    let name = &wanted["metadata"]["name"];
    if name.as_str().is_some_and(|name| name.len() > LONGEST_NAME) {
        let why = format!("must be no more than {LONGEST_NAME} characters");
        found.push(invalid("metadata.name", name, &why));
    }
    schedule(spec, found);
    not_negative(spec, "startingDeadlineSeconds", found);
    let policies = ["Allow", "Forbid", "Replace"];
    if spec["concurrencyPolicy"].as_str().is_some_and(|policy| !policies.contains(&policy)) {
        found.push(unsupported("spec.concurrencyPolicy", &spec["concurrencyPolicy"], &policies));
    }
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        not_negative(spec, field, found);
    }
    if before.is_none_or(|before| before["spec"]["timeZone"] != spec["timeZone"]) {
        time_zone(spec, found);
    }
    template(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", found);
}

fn schedule(spec: &Value, found: &mut Vec<Problem>) {
    let Some(text) = spec["schedule"].as_str().filter(|text| !text.is_empty()) else {
        found.push(required("spec.schedule"));
        return;
    };
    if text.contains("TZ") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        found.push(invalid("spec.schedule", &spec["schedule"], why));
    } else if let Err(why) = cron::Schedule::parse(text) {
        found.push(invalid("spec.schedule", &spec["schedule"], &why));
    }
}

fn time_zone(spec: &Value, found: &mut Vec<Problem>) {
    let zone = &spec["timeZone"];
    let Some(name) = zone.as_str() else { return };
    let why = match name {
        "" => "timeZone must be nil or non-empty string".to_owned(),
        _ if name.eq_ignore_ascii_case("local") => {
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
                .to_owned()
        }
        _ if TimeZone::get(name).is_err() => format!("unknown time zone {name}"),
        _ => return,
    };
    found.push(invalid("spec.timeZone", zone, &why));
}

/// What is wrong with a `Job`.
pub(super) fn job(wanted: &Value, before: Option<&Value>, found: &mut Vec<Problem>) {
    let spec = &wanted["spec"];
    for field in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds"] {
        not_negative(spec, field, found);
    }
    template(spec, "spec", found);
    let Some(before) = before else { return };
    for field in ["completions", "selector", "completionMode"] {
        if before["spec"][field] != spec[field] {
            found.push(invalid(format!("spec.{field}"), &spec[field], "field is immutable"));
        }
    }
}

/// The pods of a job come to an end.
fn template(job: &Value, path: &str, found: &mut Vec<Problem>) {
    let pod = &job["template"]["spec"];
    super::pod(pod, &format!("{path}.template.spec"), found);
    let field = format!("{path}.template.spec.restartPolicy");
    let policies = ["OnFailure", "Never"];
    match pod["restartPolicy"].as_str() {
        Some("Always") => {
            let (_, message, reason) = required(field.as_str());
            found.push((
                field,
                format!("{message}: valid values: \"OnFailure\", \"Never\""),
                reason,
            ));
        }
        Some(policy) if !policies.contains(&policy) => {
            found.push(unsupported(field, &pod["restartPolicy"], &policies));
        }
        _ => {}
    }
}
