//! The figures of a run as rows of a CSV.

use super::RunAnswer;

/// The figures of a run, each with its unit.
pub(super) fn rows(run: &RunAnswer) -> Vec<Vec<String>> {
    let row = |figure: &str, of: &str, value: Option<String>, unit: &str, reason: Option<&str>| {
        vec![
            run.autoscaler.to_owned(),
            figure.to_owned(),
            of.to_owned(),
            value.unwrap_or_default(),
            unit.to_owned(),
            reason.unwrap_or_default().to_owned(),
        ]
    };
    let mut rows = Vec::new();
    for one in &run.instance_types {
        let of = format!("{} {}", one.instance_type, one.capacity_type);
        let reason = one.reason.as_deref();
        rows.push(row("cost", &of, one.exact.clone(), "USD", reason));
        rows.push(row("billed", &of, Some(one.billed_seconds.to_string()), "node-seconds", None));
        rows.push(row("launched", &of, Some(one.nodes.to_string()), "nodes", None));
    }
    let pending = &run.pending_pod_seconds;
    let seconds = |value: Option<i64>| value.map(|value| value.to_string());
    rows.push(row("pending p50", "pod", seconds(pending.p50), "seconds", None));
    rows.push(row("pending p95", "pod", seconds(pending.p95), "seconds", None));
    rows.push(row("pending longest", "pod", seconds(pending.longest), "seconds", None));
    rows.push(row("pending", "all pods", seconds(Some(pending.total)), "pod-seconds", None));
    rows.push(row("there", "all nodes", seconds(Some(run.node_seconds)), "node-seconds", None));
    rows.push(row("peak", "all nodes", Some(run.peak_nodes.to_string()), "nodes", None));
    rows.push(row("evictions", "all pods", Some(run.evictions.to_string()), "evictions", None));
    let ends = [
        ("running", run.pods.running),
        ("pending at the end", run.pods.pending),
        ("removed", run.pods.removed),
        ("lost", run.pods.lost),
        ("never ran", run.pods.never_ran),
    ];
    for (figure, count) in ends {
        rows.push(row(figure, "all pods", Some(count.to_string()), "pods", None));
    }
    for one in &run.not_held {
        rows.push(row("not held", &one.pod, None, "", Some(&one.reason)));
    }
    rows
}
