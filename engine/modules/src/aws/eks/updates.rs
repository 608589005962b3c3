//! Updates of a cluster: changes that EKS carries out over minutes, one at a time.

use runbook_clients::aws::Connection;
use runbook_clients::aws::eks::Update;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::Verdict;

use crate::failures::Read as _;

/// What the updates of a cluster say about something that is not as asked for yet: an update runs,
/// or the last one failed, or neither.
pub(super) async fn verdict(
    aws: &Connection,
    cluster: &str,
    otherwise: String,
) -> Result<Verdict, Failure> {
    let all = all(aws, cluster).await?;
    if let Some(running) = all.iter().find(|update| update.status == "InProgress") {
        return Ok(Verdict::NotYet(format!("{} in progress", running.kind)));
    }
    match all.into_iter().max_by_key(|update| update.created_at) {
        Some(last) if matches!(last.status.as_str(), "Failed" | "Cancelled") => {
            let mut failure = Failure::new(
                Class::Terminal,
                format!("the {} of cluster `{cluster}` ended as {}", last.kind, last.status),
            )
            .hint(format!(
                "`aws eks describe-update --name {cluster} --update-id {}` says more",
                last.id
            ));
            failure.evidence = last.errors;
            Ok(Verdict::Terminal(failure))
        }
        _ => Ok(Verdict::NotYet(otherwise)),
    }
}

async fn all(aws: &Connection, cluster: &str) -> Result<Vec<Update>, Failure> {
    let eks = aws.eks();
    let mut updates = Vec::new();
    for id in eks.updates(cluster, None).await.read()? {
        updates.extend(eks.update(cluster, &id, None).await.read()?);
    }
    Ok(updates)
}
