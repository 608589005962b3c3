//! `eks.nodes`: what runs nodes for a cluster besides Fargate: managed node groups, Auto Scaling
//! groups, Auto Mode, instances. A cluster without the first three is what NodeLess means.

use async_trait::async_trait;
use runbook_clients::aws::ec2::Filter;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Observed, Schema, Values, Verdict,
};
use runbook_core::value::{Type, Value};

use crate::arguments::{text, text_list, values};
use crate::aws::settling::{looked_up, only_reads};
use crate::aws::{found, lookup};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{anythings, output, required, texts};

/// `eks.nodes`.
pub(in crate::aws) struct Nodes {
    schema: Schema,
}

impl Nodes {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: vec![required("cluster", Type::String, "The cluster.")],
            outputs: vec![
                output("node_groups", texts(), "Its managed node groups."),
                output("auto_scaling_groups", texts(), "Auto Scaling groups tagged for it."),
                output("auto_mode", Type::Boolean, "Whether it is in Auto Mode."),
                output(
                    "instances",
                    anythings(),
                    "Its instances: `{id, type, node_pool}`, `node_pool` empty where Karpenter did not make it.",
                ),
            ],
            iam_actions: &[
                "autoscaling:DescribeAutoScalingGroups",
                "ec2:DescribeInstances",
                "eks:DescribeCluster",
                "eks:ListNodegroups",
            ],
            ..lookup("eks.nodes", "Looks up what runs nodes for a cluster.")
        };
        Self { schema }
    }
}

#[async_trait]
impl Module for Nodes {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        Description { subject: text(arguments, "cluster").to_owned(), detail: String::new() }
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let aws = connections::aws(context)?;
        let name = text(arguments, "cluster");
        let cluster = aws.eks().cluster(name).await.read()?.ok_or_else(|| {
            Failure::new(Class::NotFound, format!("no cluster `{name}` in {}", aws.region()))
        })?;
        let mut node_groups = aws.eks().node_groups(name).await.read()?;
        node_groups.sort();
        let owned = format!("kubernetes.io/cluster/{name}");
        let scaling = aws.autoscaling();
        let mut groups = scaling.groups_tagged(&owned, None).await.read()?;
        groups.extend(scaling.groups_tagged("eks:cluster-name", Some(name)).await.read()?);
        let mut groups: Vec<String> = groups.into_iter().map(|group| group.name).collect();
        groups.sort();
        groups.dedup();
        let running = ["pending", "running", "stopping", "stopped"];
        let filters = [Filter::new("tag-key", owned), Filter::any("instance-state-name", running)];
        let mut instances = aws.ec2().instances(&filters).await.read()?;
        instances.sort_by(|one, other| one.id.cmp(&other.id));
        let instances = instances.into_iter().map(|instance| {
            let pool = instance.tags.get("karpenter.sh/nodepool").map_or("", String::as_str);
            Value::map([
                ("node_pool", Value::from(pool)),
                ("id", Value::from(instance.id)),
                ("type", Value::from(instance.instance_type)),
            ])
        });
        Ok(found(values([
            ("node_groups", text_list(node_groups)),
            ("auto_scaling_groups", text_list(groups)),
            ("auto_mode", Value::Boolean(cluster.auto_mode)),
            ("instances", Value::list(instances)),
        ])))
    }

    async fn apply(&self, _: &Context, _: Intent<'_>) -> Applied {
        only_reads("eks.nodes")
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        looked_up(self, context, arguments).await
    }
}
