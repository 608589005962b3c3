//! What stands behind a task's connection: the engine carries it opaquely, this crate knows it.
//!
//! The command's connector puts an [`aws::Connection`] behind a connection of kind `aws` and a
//! [`Cluster`] behind one of kind `kubernetes`. Each task gets the connection with its own observer
//! of tries, so that every request shows up under the task that sent it.

use std::sync::Arc;

use runbook_clients::helm::{Exec, Helm};
use runbook_clients::{Observer, Try, aws, kubernetes};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Context, Try as CoreTry, TryObserver};

/// A cluster with what installs charts into it.
#[derive(Clone)]
pub struct Cluster {
    /// The cluster's API.
    pub kubernetes: kubernetes::Connection,
    /// The AWS connection that it was reached through; none for a kubeconfig.
    pub aws: Option<aws::Connection>,
    /// The helm command line of this target.
    pub helm: Helm,
    /// What makes tokens for helm.
    pub exec: Exec,
}

/// Passes tries on to the engine.
struct Tries(Arc<dyn TryObserver>);

impl Observer for Tries {
    fn tried(&self, one: Try) {
        self.0.tried(CoreTry {
            operation: one.operation,
            class: one.class.as_str().to_owned(),
            number: one.number,
            outcome: one.outcome,
        });
    }
}

/// The observer of tries that a client of this task reports to.
pub(crate) fn observer(context: &Context) -> Arc<dyn Observer> {
    Arc::new(Tries(context.tries.clone()))
}

fn handle<T: Clone + 'static>(context: &Context, kind: &str) -> Result<T, Failure> {
    context.connection.as_ref().and_then(|one| one.handle.downcast_ref::<T>()).cloned().ok_or_else(
        || {
            Failure::new(
                Class::Bug,
                format!(
                    "the task `{}` was not given a connection of kind `{kind}`",
                    context.address
                ),
            )
        },
    )
}

/// The task's AWS connection.
pub(crate) fn aws(context: &Context) -> Result<aws::Connection, Failure> {
    Ok(handle::<aws::Connection>(context, "aws")?.observed_by(observer(context)))
}

/// The task's cluster.
pub(crate) fn cluster(context: &Context) -> Result<Cluster, Failure> {
    let cluster = handle::<Cluster>(context, "kubernetes")?;
    let observer = observer(context);
    Ok(Cluster {
        kubernetes: cluster.kubernetes.observed_by(observer.clone()),
        aws: cluster.aws.map(|aws| aws.observed_by(observer)),
        ..cluster
    })
}
