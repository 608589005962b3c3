//! `eks.authentication_mode`: whether access entries work. A setting of a cluster, and a road of one
//! direction: `CONFIG_MAP` → `API_AND_CONFIG_MAP` → `API`.

use std::time::Duration;

use async_trait::async_trait;
use runbook_core::change::{Action, Change};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Lock, Module, Observation, Observed, Patience, Schema,
    Values, Verdict, compare,
};
use runbook_core::owner::Ownership;
use runbook_core::value::{Type, Value};

use super::{control_plane, updates};
use crate::arguments::{optional_text, text, values};
use crate::aws::observable;
use crate::aws::settling::{Stopped, ended, no_such_action};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{identity, one_of, output, required};

/// The modes in the only direction there is.
const ROAD: [&str; 3] = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"];

/// `eks.authentication_mode`.
pub(in crate::aws) struct AuthenticationMode {
    schema: Schema,
}

impl AuthenticationMode {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                identity("cluster", "The cluster."),
                one_of(
                    required("mode", Type::String, "The mode; it cannot be taken back."),
                    &["API_AND_CONFIG_MAP", "API"],
                ),
            ],
            outputs: vec![output("mode", Type::String, "The mode.")],
            may: &[Action::Update],
            iam_actions: &[
                "eks:DescribeCluster",
                "eks:DescribeUpdate",
                "eks:ListUpdates",
                "eks:UpdateClusterConfig",
            ],
            ..observable("eks.authentication_mode", "Lets access entries work in a cluster.")
        };
        Self { schema }
    }

    async fn carry_out(&self, context: &Context, intent: &Intent<'_>) -> Result<Values, Stopped> {
        let eks = connections::aws(context)?.eks();
        let cluster = text(intent.arguments, "cluster");
        if intent.change.action == Action::Delete {
            return Err(Failure::new(
                Class::Invalid,
                format!("the authentication mode of cluster `{cluster}` cannot be taken back"),
            )
            .into());
        }
        if intent.change.action != Action::Update {
            return Err(no_such_action("eks.authentication_mode", intent.change).into());
        }
        let mode = text(intent.arguments, "mode");
        eks.update_authentication_mode(cluster, mode, intent.token).await?;
        Ok(Values::new())
    }
}

fn place(mode: &str) -> Option<usize> {
    ROAD.iter().position(|one| *one == mode)
}

#[async_trait]
impl Module for AuthenticationMode {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        Description {
            subject: text(arguments, "cluster").to_owned(),
            detail: text(arguments, "mode").to_owned(),
        }
    }

    fn desired(&self, arguments: &Values) -> Values {
        arguments.get("mode").map(|mode| values([("mode", mode.clone())])).unwrap_or_default()
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let aws = connections::aws(context)?;
        let name = text(arguments, "cluster");
        let cluster = aws.eks().cluster(name).await.read()?.ok_or_else(|| {
            Failure::new(Class::NotFound, format!("no cluster `{name}` in {}", aws.region()))
        })?;
        // What EKS does not tell is its default.
        let live = cluster.authentication_mode.unwrap_or_else(|| "CONFIG_MAP".to_owned());
        if let Some(wanted) = optional_text(arguments, "mode")
            && place(wanted) < place(&live)
        {
            return Err(Failure::new(
                Class::Invalid,
                format!("cluster `{name}` has authentication mode {live}, from which EKS does not go back to {wanted}"),
            )
            .hint(format!("set `mode` to `{live}`")));
        }
        let mode = values([("mode", Value::from(live))]);
        Ok(Observed::Present(Observation {
            projection: mode.clone(),
            ownership: Ownership::Setting,
            outputs: mode,
            private: serde_json::Value::Null,
        }))
    }

    fn diff(&self, arguments: &Values, observed: &Observed) -> Change {
        let mut change = compare(&self.desired(arguments), observed, &[]);
        if change.action == Action::Update {
            change.reasons.push("irreversible: EKS does not go back".to_owned());
        }
        change
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        ended(self.carry_out(context, &intent).await)
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let aws = connections::aws(context)?;
        let name = text(arguments, "cluster");
        let Some(cluster) = aws.eks().cluster(name).await.read()? else {
            return Ok(Verdict::NotYet("the cluster cannot be seen".to_owned()));
        };
        let mode = cluster.authentication_mode.unwrap_or_default();
        if mode != text(arguments, "mode") {
            return updates::verdict(&aws, name, format!("the mode is {mode}")).await;
        }
        Ok(if cluster.status == "ACTIVE" {
            Verdict::Converged(values([("mode", Value::from(mode))]))
        } else {
            Verdict::NotYet(cluster.status)
        })
    }

    fn locks(&self, arguments: &Values) -> Vec<Lock> {
        control_plane(text(arguments, "cluster"))
    }

    fn expected(&self, action: Action, _: &Values) -> Duration {
        if action.writes() { Duration::from_secs(75) } else { Duration::ZERO }
    }

    fn patience(&self) -> Patience {
        Patience { interval: Duration::from_secs(10), timeout: Duration::from_mins(20) }
    }
}
