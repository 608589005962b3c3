//! `nodeless.verify`: is the cluster `NodeLess`?
//!
//! | file | what it is |
//! |---|---|
//! | `world` | what was asked for and what was seen |
//! | `read` | reading it through the AWS and Kubernetes APIs |
//! | `aws` | A1 to A8: the account |
//! | `cluster`, `balancer` | K1 to K8: the cluster; W1: a workload |
//! | `check` | one check, and how checks are shown |
//!
//! Reading and judging are apart: the judges are functions of what was seen. As long as a hard
//! check does not hold the task has not converged, and says which; warnings are only shown.

mod aws;
mod balancer;
mod check;
mod cluster;
mod read;
#[cfg(test)]
mod tests;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use runbook_core::change::{Action, Change};
use runbook_core::connection::Kind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observed, Patience, Schema, Values,
    Verdict,
};
use runbook_core::value::{Field, Type, Value};

use crate::arguments::{optional_text, text, texts};
use crate::connections;
use crate::schema::{argument, defaulted, output, required, texts as texts_type};

use check::Check;
use world::{Asked, Wanted, Workload};

/// See the module documentation.
pub(super) struct Verify {
    schema: Schema,
}

fn object(fields: &[&str]) -> Type {
    let field = |name: &&str| ((*name).to_owned(), Field { r#type: Type::String, required: true });
    Type::Object(fields.iter().map(field).collect())
}

fn check_type() -> Type {
    let mut fields: BTreeMap<String, Field> = ["id", "subject", "expected", "actual", "severity"]
        .iter()
        .map(|name| ((*name).to_owned(), Field { r#type: Type::String, required: true }))
        .collect();
    fields.insert("passed".to_owned(), Field { r#type: Type::Boolean, required: true });
    Type::Object(fields)
}

impl Verify {
    pub(super) fn new() -> Self {
        let releases = Type::Map(Box::new(object(&["namespace", "version"])));
        let schema = Schema {
            name: "nodeless.verify",
            summary: "Checks that a cluster is NodeLess, from what the account and the cluster say.",
            nature: Nature::Pure,
            follows: true,
            connection: Some(Kind::Kubernetes),
            arguments: vec![
                required("cluster", Type::String, "The cluster's name."),
                required("profiles", texts_type(), "Fargate profiles that must be active."),
                defaulted(
                    "karpenter_namespace",
                    Type::String,
                    "karpenter",
                    "Where Karpenter runs.",
                ),
                argument("karpenter_node_pool", Type::String, "A NodePool that must be ready."),
                argument(
                    "node_role_arn",
                    Type::String,
                    "The role of Karpenter's nodes; that of its node class when not given.",
                ),
                argument(
                    "execution_role_arn",
                    Type::String,
                    "The role of Fargate's nodes; those of the profiles when not given.",
                ),
                argument(
                    "rules",
                    texts_type(),
                    "Rules that must tell Karpenter's queue of interruptions.",
                ),
                argument("releases", releases, "Helm releases that must be deployed, by name."),
                argument(
                    "workload",
                    object(&["namespace", "selector"]),
                    "Pods that must run on nodes that Karpenter made.",
                ),
            ],
            outputs: vec![
                output(
                    "checks",
                    Type::List(Box::new(check_type())),
                    "Each check with what was found.",
                ),
                output("columns", texts_type(), "The same as a table: its columns."),
                output(
                    "rows",
                    Type::List(Box::new(texts_type())),
                    "The same as a table: its rows.",
                ),
                output("passed", Type::Boolean, "Whether all hard checks hold."),
            ],
            may: &[Action::Wait, Action::None],
            iam_actions: &[
                "eks:DescribeCluster",
                "eks:ListNodegroups",
                "eks:ListFargateProfiles",
                "eks:DescribeFargateProfile",
                "eks:DescribeAccessEntry",
                "autoscaling:DescribeAutoScalingGroups",
                "ec2:DescribeInstances",
                "iam:GetOpenIDConnectProvider",
                "iam:GetRole",
                "sqs:GetQueueUrl",
                "sqs:GetQueueAttributes",
                "events:ListTargetsByRule",
            ],
            kubernetes_verbs: &[
                "list nodes",
                "list pods",
                "list secrets",
                "get secrets",
                "get configmaps",
                "get serviceaccounts",
                "get deployments.apps",
                "list deployments.apps",
                "list endpointslices.discovery.k8s.io",
                "get leases.coordination.k8s.io",
                "get ingressclasses.networking.k8s.io",
                "list nodepools.karpenter.sh",
                "list ec2nodeclasses.karpenter.k8s.aws",
            ],
            bills: None,
        };
        Self { schema }
    }
}

fn asked(arguments: &Values) -> Asked {
    let owned = |name: &str| optional_text(arguments, name).map(str::to_owned);
    let part = |map: &BTreeMap<String, Value>, name: &str| {
        map.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let releases = arguments.get("releases").and_then(Value::as_map).into_iter().flatten();
    Asked {
        cluster: text(arguments, "cluster").to_owned(),
        profiles: texts(arguments, "profiles"),
        karpenter_namespace: text(arguments, "karpenter_namespace").to_owned(),
        node_pool: owned("karpenter_node_pool"),
        node_role_arn: owned("node_role_arn"),
        execution_role_arn: owned("execution_role_arn"),
        rules: texts(arguments, "rules"),
        releases: releases
            .filter_map(|(name, release)| {
                let release = release.as_map()?;
                let (namespace, version) = (part(release, "namespace"), part(release, "version"));
                Some((name.clone(), Wanted { namespace, version }))
            })
            .collect(),
        workload: arguments.get("workload").and_then(Value::as_map).map(|workload| Workload {
            namespace: part(workload, "namespace"),
            selector: part(workload, "selector"),
        }),
    }
}

/// All checks, those of the account first.
fn judge(asked: &Asked, account: &world::Account, inside: &world::Inside) -> Vec<Check> {
    let mut checks = aws::judge(asked, account, inside);
    checks.extend(cluster::judge(asked, inside));
    checks
}

#[async_trait]
impl Module for Verify {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        let subject = arguments.get("cluster").map(ToString::to_string).unwrap_or_default();
        Description { subject, detail: "is NodeLess".to_owned() }
    }

    async fn observe(&self, _: &Context, _: &Values) -> Result<Observed, Failure> {
        Ok(Observed::Absent)
    }

    fn diff(&self, _: &Values, _: &Observed) -> Change {
        Change::none()
    }

    async fn apply(&self, _: &Context, _: Intent<'_>) -> Applied {
        Applied::Rejected(Failure::new(Class::Bug, "a task that writes nothing was asked to write"))
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let cluster = connections::cluster(context)?;
        let Some(account) = &cluster.aws else {
            return Err(Failure::new(
                Class::Invalid,
                format!(
                    "`{}` needs the cluster's AWS account, and its connection is a kubeconfig",
                    context.address
                ),
            )
            .hint("give the kubernetes connection `eks_cluster` instead of `kubeconfig`"));
        };
        let asked = asked(arguments);
        let inside = read::inside(&cluster.kubernetes, &asked).await?;
        let accounts = read::service_accounts(&cluster.kubernetes, &asked, &inside).await?;
        let account = read::account(account, &asked, &inside, &accounts).await?;
        let checks = judge(&asked, &account, &inside);
        Ok(match check::missing(&checks) {
            Some(missing) => Verdict::NotYet(missing),
            None => Verdict::Converged(check::outputs(&checks)),
        })
    }

    fn patience(&self) -> Patience {
        Patience { interval: Duration::from_secs(5), timeout: Duration::from_mins(5) }
    }
}
