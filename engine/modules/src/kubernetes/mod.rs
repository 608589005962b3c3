//! Tasks in a Kubernetes cluster.
//!
//! | file | what it is |
//! |---|---|
//! | `apply` | `k8s.apply`: objects by server-side apply |
//! | `absent` | `k8s.absent`: an object of ours is taken away |
//! | `patch` | `k8s.patch`: fields of an object that is another's |
//! | `rollout_restart`, `rollout` | `k8s.rollout_restart`, `k8s.rollout`: new pods for a workload, and whether they are there |
//! | `on_fargate`, `on_karpenter` | `k8s.on_fargate`, `k8s.on_karpenter`: where pods run |
//! | `wait`, `get`, `table` | `k8s.wait`, `k8s.get`, `k8s.table`: looking at objects |
//! | `named`, `failures` | what these share: arguments that name an object, and what a cluster's errors mean |

mod absent;
mod apply;
mod failures;
mod get;
mod helm_release;
mod named;
mod on_fargate;
mod on_karpenter;
mod patch;
mod pods;
mod rollout;
mod rollout_restart;
mod table;
mod verify;
mod wait;

use std::sync::Arc;

use runbook_core::registry::Registry;

/// Adds the modules of this folder.
pub(crate) fn register(registry: &mut Registry) {
    registry.add(Arc::new(absent::Absent::new()));
    registry.add(Arc::new(apply::Apply::new()));
    registry.add(Arc::new(get::Get::new()));
    registry.add(Arc::new(on_fargate::OnFargate::new()));
    registry.add(Arc::new(on_karpenter::OnKarpenter::new()));
    registry.add(Arc::new(patch::Patch::new()));
    registry.add(Arc::new(rollout::Rollout::new()));
    registry.add(Arc::new(rollout_restart::RolloutRestart::new()));
    registry.add(Arc::new(table::Table::new()));
    registry.add(Arc::new(wait::Wait::new()));
    registry.add(Arc::new(helm_release::HelmRelease::new()));
    registry.add(Arc::new(verify::Verify::new()));
}
