//! `eks.cluster`: a control plane.
//!
//! Version, endpoints and support policy change in place, each as an update of its own, and EKS
//! takes one update at a time: the first that finds another one running is refused, the engine
//! looks again after a pause, and what is then still missing is asked for. How callers are
//! authenticated is a choice at creation here; `eks.authentication_mode` owns it afterwards.

use std::time::Duration;

use async_trait::async_trait;
use runbook_clients::aws::eks::{Client, Cluster as LiveCluster, CreateCluster, VpcAccess};
use runbook_core::change::{Action, Change};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Argument, Charge, Context, Description, Intent, Listed, Lock, Module, Observation,
    Observed, Output, Patience, Schema, Values, Verdict, compare,
};
use runbook_core::owner::Owner;
use runbook_core::value::{Type, Value};
use serde_json::json;

use super::{broken, check_gone, control_plane, lived, updates, waiting};
use crate::arguments::{boolean, optional_text, text, text_list, text_set, values};
use crate::aws::settling::{Stopped, ended, no_such_action, touches, unsettled};
use crate::aws::{observable, tagged};
use crate::charges::{self, Arguments};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{defaulted, identity, immutable, one_of, output, required, texts, volatile};

/// `eks.cluster`.
pub(in crate::aws) struct Cluster {
    schema: Schema,
}

impl Cluster {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: arguments(),
            outputs: outputs_declared(),
            iam_actions: &[
                "eks:CreateCluster",
                "eks:DeleteCluster",
                "eks:DescribeCluster",
                "eks:DescribeUpdate",
                "eks:ListClusters",
                "eks:ListUpdates",
                "eks:TagResource",
                "eks:UpdateClusterConfig",
                "eks:UpdateClusterVersion",
                "iam:CreateServiceLinkedRole",
                "iam:PassRole",
            ],
            bills: Some("control plane, per hour"),
            ..observable("eks.cluster", "Makes a cluster's control plane and keeps its settings.")
        };
        Self { schema }
    }

    async fn carry_out(&self, context: &Context, intent: &Intent<'_>) -> Result<Values, Stopped> {
        let eks = connections::aws(context)?.eks();
        let name = text(intent.arguments, "name");
        match intent.change.action {
            Action::Create => {
                check_gone("cluster", name, intent.observed)?;
                let cluster = eks.create_cluster(&to_create(intent)).await?;
                Ok(outputs(&cluster))
            }
            Action::Update => update(&eks, intent).await.map(|()| Values::new()),
            Action::Delete => {
                eks.delete_cluster(name).await?;
                Ok(Values::new())
            }
            _ => Err(no_such_action("eks.cluster", intent.change).into()),
        }
    }
}

fn arguments() -> Vec<Argument> {
    vec![
        identity("name", "Its name."),
        required("version", Type::String, "Its Kubernetes version, for example `1.34`."),
        immutable(required("role_arn", Type::String, "The role of its control plane.")),
        immutable(required("subnet_ids", texts(), "Its subnets, in two zones or more.")),
        immutable(defaulted(
            "security_group_ids",
            texts(),
            Value::list([]),
            "Security groups besides the one that EKS makes.",
        )),
        defaulted(
            "endpoint_public",
            Type::Boolean,
            true,
            "Whether its API is reached from the internet.",
        ),
        defaulted(
            "endpoint_private",
            Type::Boolean,
            true,
            "Whether its API is reached inside the VPC.",
        ),
        one_of(
            defaulted(
                "authentication_mode",
                Type::String,
                "API_AND_CONFIG_MAP",
                "How callers are authenticated when it is made; see `eks.authentication_mode`.",
            ),
            &["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"],
        ),
        defaulted(
            "bootstrap_self_managed_addons",
            Type::Boolean,
            false,
            "Whether EKS puts CoreDNS, kube-proxy and the VPC CNI into it without add-ons.",
        ),
        defaulted(
            "bootstrap_creator_admin",
            Type::Boolean,
            true,
            "Whether its maker becomes its administrator.",
        ),
        one_of(
            defaulted(
                "support_type",
                Type::String,
                "STANDARD",
                "What happens when the version's standard support ends: an upgrade, or a dearer hour.",
            ),
            &["STANDARD", "EXTENDED"],
        ),
        tagged::argument(),
    ]
}

fn outputs_declared() -> Vec<Output> {
    vec![
        output("name", Type::String, "Its name."),
        output("arn", Type::String, "Its ARN."),
        volatile("version", Type::String, "Its Kubernetes version."),
        output("endpoint", Type::String, "Where its API is."),
        output("certificate_authority", Type::String, "Its authority's certificate, base64."),
        output("oidc_issuer", Type::String, "Its OIDC issuer, `https://…`."),
        output("security_group_id", Type::String, "The security group that EKS made for it."),
        output("vpc_id", Type::String, "Its VPC."),
        volatile("platform_version", Type::String, "Its platform version."),
    ]
}

#[async_trait]
impl Module for Cluster {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn charges(&self, _: &Arguments) -> Vec<Charge> {
        vec![charges::one("eks_control_plane", "control plane")]
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let version = text(arguments, "version");
        if !version.is_empty() && minor(version).is_none() {
            let why = format!("is `{version}`; a version of EKS looks like `1.34`");
            problems.push(("version".to_owned(), why));
        }
        let given = |name: &str| arguments.get(name).and_then(Value::as_bool);
        if given("endpoint_public") == Some(false) && given("endpoint_private") == Some(false) {
            let why =
                "is false as well as `endpoint_public`: nobody could reach the API".to_owned();
            problems.push(("endpoint_private".to_owned(), why));
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let given = |name: &str| arguments.get(name).and_then(Value::as_bool);
        let endpoint = match (given("endpoint_public"), given("endpoint_private")) {
            (Some(true), Some(true)) => ", private and public endpoint",
            (Some(true), Some(false)) => ", public endpoint",
            (Some(false), Some(true)) => ", private endpoint",
            _ => "",
        };
        let version = arguments.get("version").map(ToString::to_string).unwrap_or_default();
        Description {
            subject: text(arguments, "name").to_owned(),
            detail: format!("{version}{endpoint}"),
        }
    }

    fn desired(&self, arguments: &Values) -> Values {
        let mut desired = Values::new();
        for name in ["version", "role_arn", "endpoint_public", "endpoint_private", "support_type"] {
            if let Some(value) = arguments.get(name) {
                desired.insert(name.to_owned(), value.clone());
            }
        }
        for name in ["subnet_ids", "security_group_ids"] {
            if let Some(value) = arguments.get(name) {
                let is_known = !value.has_unknown();
                let set = text_list(text_set(arguments, name));
                desired.insert(name.to_owned(), if is_known { set } else { value.clone() });
            }
        }
        tagged::desire(arguments, &mut desired);
        desired
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let eks = connections::aws(context)?.eks();
        let name = text(arguments, "name");
        let Some(cluster) = eks.cluster(name).await.read()? else { return Ok(Observed::Absent) };
        let sorted = |list: &[String]| {
            let set: std::collections::BTreeSet<&str> = list.iter().map(String::as_str).collect();
            text_list(set)
        };
        if cluster.status != "DELETING"
            && let Some(wanted) = optional_text(arguments, "version")
        {
            check_step(name, &cluster.version, wanted)?;
        }
        Ok(Observed::Present(Observation {
            projection: values([
                ("version", Value::from(cluster.version.as_str())),
                ("role_arn", Value::from(cluster.role_arn.as_str())),
                ("subnet_ids", sorted(&cluster.subnet_ids)),
                ("security_group_ids", sorted(&cluster.security_group_ids)),
                ("endpoint_public", Value::Boolean(cluster.access.public)),
                ("endpoint_private", Value::Boolean(cluster.access.private)),
                ("support_type", cluster.support_type.as_deref().map_or(Value::Null, Value::from)),
                ("tags", tagged::project(arguments, &cluster.tags)),
            ]),
            ownership: tagged::ownership(context, &cluster.tags),
            outputs: outputs(&cluster),
            private: json!({"status": cluster.status}),
        }))
    }

    fn diff(&self, arguments: &Values, observed: &Observed) -> Change {
        let immutable = ["role_arn", "subnet_ids", "security_group_ids"];
        lived(compare(&self.desired(arguments), observed, &immutable), observed)
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        ended(self.carry_out(context, &intent).await)
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let aws = connections::aws(context)?;
        let name = text(arguments, "name");
        let Some(cluster) = aws.eks().cluster(name).await.read()? else {
            return Ok(Verdict::NotYet("it cannot be seen yet".to_owned()));
        };
        match cluster.status.as_str() {
            "ACTIVE" => {}
            "FAILED" => {
                let failure = broken("cluster", name, "FAILED", &cluster.health);
                let hint =
                    "it does not recover: delete it and run again, or plan anew, which replaces it";
                return Ok(Verdict::Terminal(failure.hint(hint)));
            }
            other => return Ok(Verdict::NotYet(waiting(other, &cluster.health))),
        }
        let observed = self.observe(context, arguments).await?;
        if let Some(reason) = unsettled(self, arguments, &observed) {
            return updates::verdict(&aws, name, reason).await;
        }
        let outputs = outputs(&cluster);
        let missing = self.schema.outputs.iter().find(|one| !outputs.contains_key(one.name));
        Ok(match missing {
            Some(missing) => Verdict::NotYet(format!("ACTIVE, its {} not known yet", missing.name)),
            None => Verdict::Converged(outputs),
        })
    }

    async fn verify_absent(
        &self,
        context: &Context,
        arguments: &Values,
    ) -> Result<Verdict, Failure> {
        let eks = connections::aws(context)?.eks();
        Ok(match eks.cluster(text(arguments, "name")).await.read()? {
            None => Verdict::Converged(Values::new()),
            Some(cluster) => Verdict::NotYet(waiting(&cluster.status, &cluster.health)),
        })
    }

    fn locks(&self, arguments: &Values) -> Vec<Lock> {
        control_plane(text(arguments, "name"))
    }

    fn expected(&self, action: Action, _: &Values) -> Duration {
        match action {
            Action::Create | Action::Update => Duration::from_secs(570),
            Action::Replace => Duration::from_mins(14),
            Action::Delete => Duration::from_mins(4),
            Action::None | Action::Wait => Duration::ZERO,
        }
    }

    fn patience(&self) -> Patience {
        Patience { interval: Duration::from_secs(15), timeout: Duration::from_mins(25) }
    }

    async fn list(&self, context: &Context, owner: &Owner) -> Result<Option<Vec<Listed>>, Failure> {
        let eks = connections::aws(context)?.eks();
        let mut listed = Vec::new();
        for name in eks.clusters().await.read()? {
            let Some(cluster) = eks.cluster(&name).await.read()? else { continue };
            if let Some(address_tag) = tagged::address_of(owner, &cluster.tags) {
                let arguments = values([("name", Value::from(name.as_str()))]);
                listed.push(Listed { address_tag, identity: name, arguments });
            }
        }
        Ok(Some(listed))
    }
}

fn outputs(cluster: &LiveCluster) -> Values {
    let optional = [
        ("endpoint", &cluster.endpoint),
        ("certificate_authority", &cluster.certificate_authority),
        ("oidc_issuer", &cluster.oidc_issuer),
        ("security_group_id", &cluster.cluster_security_group_id),
        ("vpc_id", &cluster.vpc_id),
        ("platform_version", &cluster.platform_version),
    ];
    let mut outputs = values([
        ("name", Value::from(cluster.name.as_str())),
        ("arn", Value::from(cluster.arn.as_str())),
        ("version", Value::from(cluster.version.as_str())),
    ]);
    for (name, value) in optional {
        if let Some(value) = value {
            outputs.insert(name.to_owned(), Value::from(value.as_str()));
        }
    }
    outputs
}

fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("1.").and_then(|minor| minor.parse().ok())
}

/// EKS moves a control plane one minor version up at a time, and never back.
fn check_step(cluster: &str, live: &str, wanted: &str) -> Result<(), Failure> {
    let (Some(from), Some(to)) = (minor(live), minor(wanted)) else { return Ok(()) };
    if to == from || to == from + 1 {
        return Ok(());
    }
    let (why, hint) = if to < from {
        ("EKS does not go back to an older version", format!("set `version` to `{live}`"))
    } else {
        (
            "EKS goes one minor version up at a time",
            format!("set `version` to `1.{}` first", from + 1),
        )
    };
    Err(Failure::new(
        Class::Invalid,
        format!("cluster `{cluster}` has version {live} and cannot become {wanted}: {why}"),
    )
    .hint(hint))
}

fn to_create(intent: &Intent<'_>) -> CreateCluster {
    let arguments = intent.arguments;
    CreateCluster {
        name: text(arguments, "name").to_owned(),
        version: text(arguments, "version").to_owned(),
        role_arn: text(arguments, "role_arn").to_owned(),
        subnet_ids: text_set(arguments, "subnet_ids"),
        security_group_ids: text_set(arguments, "security_group_ids"),
        access: VpcAccess {
            public: boolean(arguments, "endpoint_public"),
            private: boolean(arguments, "endpoint_private"),
            public_cidrs: Vec::new(),
        },
        authentication_mode: optional_text(arguments, "authentication_mode").map(str::to_owned),
        creator_is_admin: boolean(arguments, "bootstrap_creator_admin"),
        bootstrap_self_managed_addons: boolean(arguments, "bootstrap_self_managed_addons"),
        support_type: optional_text(arguments, "support_type").map(str::to_owned),
        tags: tagged::new(intent),
        token: intent.token.to_owned(),
    }
}

/// Asks for the updates in turn, the short ones first.
async fn update(eks: &Client, intent: &Intent<'_>) -> Result<(), Stopped> {
    let (arguments, change, token) = (intent.arguments, intent.change, intent.token);
    let name = text(arguments, "name");
    if let (Some(tags), Observed::Present(observation)) =
        (tagged::to_write(intent), intent.observed)
    {
        eks.tag(text(&observation.outputs, "arn"), &tags).await?;
    }
    if touches(change, "support_type") {
        let support = text(arguments, "support_type");
        eks.update_support_type(name, support, &format!("{token}-s")).await?;
    }
    if touches(change, "endpoint_public") || touches(change, "endpoint_private") {
        let access = VpcAccess {
            public: boolean(arguments, "endpoint_public"),
            private: boolean(arguments, "endpoint_private"),
            // Not given, they stay as they are.
            public_cidrs: Vec::new(),
        };
        eks.update_endpoint_access(name, &access, &format!("{token}-e")).await?;
    }
    if touches(change, "version") {
        eks.update_version(name, text(arguments, "version"), &format!("{token}-v")).await?;
    }
    Ok(())
}
