//! `helm uninstall`: a release's objects go, and its history with them.

use super::arguments::Uninstall;
use super::clock::WorldClock;
use super::cluster::Cluster;
use super::failure::Failure;
use super::objects::{self, Identity};
use super::release::{self, Release};
use super::wait;

/// Uninstalls.
pub(super) async fn run(
    asked: &Uninstall,
    cluster: &mut Cluster,
    clock: &WorldClock,
) -> Result<(), Failure> {
    let deadline = clock.after(asked.timeout);
    let namespace =
        asked.access.namespace.clone().unwrap_or_else(|| cluster.namespace().to_owned());
    let history = release::history(cluster, &namespace, &asked.release).await?;
    let Some(last) = history.last() else {
        let name = &asked.release;
        return Err(Failure::told(format!(
            "uninstall: Release not loaded: {name}: release: not found"
        )));
    };
    let mut last = last.clone();
    last.set_status("uninstalling", Some("Deletion in progress (or silently failed)"));
    last.set_deleted(clock.now());
    release::update(cluster, &last, clock.now()).await?;
    let removed = remove_objects(cluster, &last, &namespace).await?;
    if asked.wait {
        wait::until_gone(cluster, clock, &removed, deadline).await?;
    }
    for revision in &history {
        release::remove(cluster, revision).await?;
    }
    Ok(())
}

/// Removes the objects of a revision, the last ones first; those that were meant to go.
async fn remove_objects(
    cluster: &mut Cluster,
    release: &Release,
    namespace: &str,
) -> Result<Vec<Identity>, Failure> {
    let mut removed = Vec::new();
    let mut problems = Vec::new();
    for object in objects::parse(release.manifest())?.iter().rev() {
        let mut identity = Identity::of(object);
        if objects::is_kept(object) {
            continue;
        }
        let outcome = remove_one(cluster, &mut identity, namespace).await;
        match outcome {
            Ok(()) => removed.push(identity),
            Err(failure) => problems.push(failure.to_string()),
        }
    }
    if problems.is_empty() {
        return Ok(removed);
    }
    Err(Failure::told(format!(
        "failed to delete release: {}: {}",
        release.name(),
        problems.join("; ")
    )))
}

async fn remove_one(
    cluster: &mut Cluster,
    identity: &mut Identity,
    namespace: &str,
) -> Result<(), Failure> {
    match cluster.is_namespaced(identity).await {
        Ok(true) if identity.namespace.is_empty() => namespace.clone_into(&mut identity.namespace),
        Ok(_) => {}
        // Its definition is gone, and all objects of that kind with it.
        Err(Failure::Told(_)) => return Ok(()),
        Err(failure) => return Err(failure),
    }
    cluster.remove(identity).await.map(drop)
}
