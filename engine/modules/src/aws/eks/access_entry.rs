//! `eks.access_entry`: lets an IAM principal into a cluster, as a person with access policies or, by
//! its type, as nodes (`EC2_LINUX`). Policies are compared whole: one that is not declared is taken
//! off, because rights that nobody asked for are a drift too.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use runbook_clients::aws::eks::{
    AccessEntry as LiveEntry, AssociatedPolicy, Client, CreateAccessEntry,
};
use runbook_core::change::{Action, Change, FieldChange};
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Listed, Module, Observation, Observed, Patience, Schema,
    Values, Verdict, compare,
};
use runbook_core::owner::Owner;
use runbook_core::value::{Type, Value};

use super::clusters_of;
use crate::arguments::{text, text_list, text_set, values};
use crate::aws::settling::{Stopped, ended, no_such_action, settled, touches};
use crate::aws::{observable, tagged};
use crate::connections;
use crate::failures::{self, Read as _};
use crate::schema::{defaulted, identity, immutable, one_of, output, texts};

/// `eks.access_entry`.
pub(in crate::aws) struct AccessEntry {
    schema: Schema,
}

impl AccessEntry {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                identity("cluster", "The cluster."),
                identity("principal_arn", "The ARN of the role or user."),
                immutable(one_of(
                    defaulted("type", Type::String, "STANDARD", "What the principal is."),
                    &[
                        "STANDARD",
                        "EC2_LINUX",
                        "EC2_WINDOWS",
                        "FARGATE_LINUX",
                        "EC2",
                        "HYBRID_LINUX",
                    ],
                )),
                defaulted(
                    "kubernetes_groups",
                    texts(),
                    Value::list([]),
                    "Its groups in the cluster; only of type `STANDARD`.",
                ),
                defaulted(
                    "policies",
                    Type::Map(Box::new(Type::Any)),
                    Value::map::<String>([]),
                    "Access policies by name or ARN, each `{namespaces: []}`; none means everywhere.",
                ),
                tagged::argument(),
            ],
            outputs: vec![
                output("arn", Type::String, "The entry's ARN."),
                output("username", Type::String, "The user name in the cluster."),
            ],
            iam_actions: &[
                "eks:AssociateAccessPolicy",
                "eks:CreateAccessEntry",
                "eks:DeleteAccessEntry",
                "eks:DescribeAccessEntry",
                "eks:DescribeCluster",
                "eks:DisassociateAccessPolicy",
                "eks:ListAccessEntries",
                "eks:ListAssociatedAccessPolicies",
                "eks:ListClusters",
                "eks:TagResource",
                "eks:UpdateAccessEntry",
            ],
            ..observable("eks.access_entry", "Lets an IAM principal into a cluster.")
        };
        Self { schema }
    }

    async fn carry_out(&self, context: &Context, intent: &Intent<'_>) -> Result<Values, Stopped> {
        let aws = connections::aws(context)?;
        let (eks, partition) = (aws.eks(), aws.partition().as_str());
        let arguments = intent.arguments;
        let (cluster, principal) = (text(arguments, "cluster"), text(arguments, "principal_arn"));
        match intent.change.action {
            Action::Create => {
                let entry = eks.create_access_entry(&entry(intent)).await?;
                for policy in policies(arguments, partition) {
                    eks.associate_access_policy(cluster, principal, &policy).await?;
                }
                Ok(outputs(&entry))
            }
            Action::Update => update(&eks, intent, partition).await.map(|()| Values::new()),
            Action::Delete => {
                eks.delete_access_entry(cluster, principal).await?;
                Ok(Values::new())
            }
            _ => Err(no_such_action("eks.access_entry", intent.change).into()),
        }
    }
}

#[async_trait]
impl Module for AccessEntry {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let kind = text(arguments, "type");
        if !kind.is_empty() && kind != "STANDARD" {
            for (name, is_given) in [
                ("kubernetes_groups", !text_set(arguments, "kubernetes_groups").is_empty()),
                ("policies", policy_map(arguments).next().is_some()),
            ] {
                if is_given {
                    let why = format!("is for entries of type `STANDARD`; this one is `{kind}`");
                    problems.push((name.to_owned(), why));
                }
            }
        }
        for (policy, scope) in policy_map(arguments) {
            if !matches!(scope, Value::Map(_) | Value::Null) {
                let why = format!(
                    "holds `{policy}` with {}, expected `{{namespaces: []}}`",
                    scope.kind()
                );
                problems.push(("policies".to_owned(), why));
            }
        }
        let principal = text(arguments, "principal_arn");
        if !principal.is_empty() && !principal.starts_with("arn:") {
            let why = format!("is `{principal}`, which is no ARN");
            problems.push(("principal_arn".to_owned(), why));
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let principal = text(arguments, "principal_arn");
        let mut detail = vec![text(arguments, "type").to_owned()];
        detail.extend(policy_map(arguments).map(|(policy, _)| policy.clone()));
        Description {
            subject: principal.rsplit('/').next().unwrap_or_default().to_owned(),
            detail: detail.join(", "),
        }
    }

    fn identity(&self, arguments: &Values) -> String {
        format!("{}/{}", text(arguments, "cluster"), text(arguments, "principal_arn"))
    }

    fn desired(&self, arguments: &Values) -> Values {
        let mut desired = Values::new();
        if let Some(kind) = arguments.get("type") {
            desired.insert("type".to_owned(), kind.clone());
        }
        if text(arguments, "type") == "STANDARD"
            && let Some(groups) = arguments.get("kubernetes_groups")
        {
            let set = text_list(text_set(arguments, "kubernetes_groups"));
            let groups = if groups.has_unknown() { groups.clone() } else { set };
            desired.insert("kubernetes_groups".to_owned(), groups);
        }
        match arguments.get("policies") {
            Some(Value::Map(policies)) => {
                let scopes = policies.iter().map(|(name, scope)| {
                    let namespaces = scope.as_map().and_then(|scope| scope.get("namespaces"));
                    let namespaces = match namespaces {
                        Some(list) if list.has_unknown() => list.clone(),
                        list => text_list(namespace_set(list)),
                    };
                    (bare(name).to_owned(), Value::map([("namespaces", namespaces)]))
                });
                desired.insert("policies".to_owned(), Value::map(scopes));
            }
            Some(unknown) => drop(desired.insert("policies".to_owned(), unknown.clone())),
            None => {}
        }
        tagged::desire(arguments, &mut desired);
        desired
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let eks = connections::aws(context)?.eks();
        let (cluster, principal) = (text(arguments, "cluster"), text(arguments, "principal_arn"));
        let entry = match eks.access_entry(cluster, principal).await {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(Observed::Absent),
            // In this mode there are no entries, and EKS does not even look.
            Err(error)
                if error.code() == Some("InvalidRequestException")
                    && error.message().contains("authentication mode") =>
            {
                return Ok(Observed::Absent);
            }
            Err(error) => return Err(failures::failure(&error)),
        };
        let associated = eks.associated_policies(cluster, principal).await.read()?;
        let policies = associated.unwrap_or_default().into_iter().map(|policy| {
            let mut namespaces = policy.namespaces;
            namespaces.sort();
            let scope = Value::map([("namespaces", text_list(namespaces))]);
            (bare(&policy.policy_arn).to_owned(), scope)
        });
        let mut groups = entry.kubernetes_groups.clone();
        groups.sort();
        Ok(Observed::Present(Observation {
            projection: values([
                ("type", Value::from(entry.kind.as_str())),
                ("kubernetes_groups", text_list(groups)),
                ("policies", Value::map(policies)),
                ("tags", tagged::project(arguments, &entry.tags)),
            ]),
            ownership: tagged::ownership(context, &entry.tags),
            outputs: outputs(&entry),
            private: serde_json::Value::Null,
        }))
    }

    fn diff(&self, arguments: &Values, observed: &Observed) -> Change {
        let desired = self.desired(arguments);
        let mut change = compare(&desired, observed, &["type"]);
        let Observed::Present(observation) = observed else { return change };
        let (Some(Value::Map(want)), Some(Value::Map(have))) =
            (desired.get("policies"), observation.projection.get("policies"))
        else {
            return change;
        };
        for (policy, scope) in have.iter().filter(|(policy, _)| !want.contains_key(*policy)) {
            change.fields.push(FieldChange {
                path: format!("policies.{policy}"),
                before: Some(scope.clone()),
                after: None,
                forces_replace: None,
            });
        }
        if change.action == Action::None && !change.fields.is_empty() {
            change.action = Action::Update;
        }
        change
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        ended(self.carry_out(context, &intent).await)
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        settled(self, context, arguments).await
    }

    fn expected(&self, _: Action, _: &Values) -> Duration {
        Duration::from_secs(2)
    }

    fn patience(&self) -> Patience {
        Patience { interval: Duration::from_secs(3), timeout: Duration::from_mins(3) }
    }

    async fn list(&self, context: &Context, owner: &Owner) -> Result<Option<Vec<Listed>>, Failure> {
        let aws = connections::aws(context)?;
        let eks = aws.eks();
        let mut listed = Vec::new();
        for cluster in clusters_of(&aws, owner).await? {
            for principal in eks.access_entries(&cluster).await.read()? {
                let Some(entry) = eks.access_entry(&cluster, &principal).await.read()? else {
                    continue;
                };
                let Some(address_tag) = tagged::address_of(owner, &entry.tags) else { continue };
                listed.push(Listed {
                    address_tag,
                    identity: format!("{cluster}/{principal}"),
                    arguments: values([
                        ("cluster", Value::from(cluster.as_str())),
                        ("principal_arn", Value::from(principal)),
                    ]),
                });
            }
        }
        Ok(Some(listed))
    }
}

fn outputs(entry: &LiveEntry) -> Values {
    values([
        ("arn", Value::from(entry.arn.as_str())),
        ("username", Value::from(entry.username.as_str())),
    ])
}

fn policy_map(arguments: &Values) -> impl Iterator<Item = (&String, &Value)> {
    arguments.get("policies").and_then(Value::as_map).into_iter().flatten()
}

/// The name of an access policy, given by name or ARN.
fn bare(policy: &str) -> &str {
    policy.rsplit('/').next().unwrap_or(policy)
}

fn namespace_set(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_list).unwrap_or_default();
    let mut names: Vec<String> =
        list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    names
}

/// The declared policies as EKS takes them.
fn policies(arguments: &Values, partition: &str) -> Vec<AssociatedPolicy> {
    let all: BTreeMap<&str, &Value> =
        policy_map(arguments).map(|(name, scope)| (bare(name), scope)).collect();
    all.into_iter()
        .map(|(name, scope)| AssociatedPolicy {
            policy_arn: policy_arn(partition, name),
            namespaces: namespace_set(scope.as_map().and_then(|scope| scope.get("namespaces"))),
        })
        .collect()
}

fn policy_arn(partition: &str, name: &str) -> String {
    format!("arn:{partition}:eks::aws:cluster-access-policy/{name}")
}

fn entry(intent: &Intent<'_>) -> CreateAccessEntry {
    let arguments = intent.arguments;
    CreateAccessEntry {
        cluster: text(arguments, "cluster").to_owned(),
        principal_arn: text(arguments, "principal_arn").to_owned(),
        kind: text(arguments, "type").to_owned(),
        username: None,
        kubernetes_groups: text_set(arguments, "kubernetes_groups"),
        tags: tagged::new(intent),
        token: intent.token.to_owned(),
    }
}

async fn update(eks: &Client, intent: &Intent<'_>, partition: &str) -> Result<(), Stopped> {
    let (arguments, change) = (intent.arguments, intent.change);
    let (cluster, principal) = (text(arguments, "cluster"), text(arguments, "principal_arn"));
    if let (Some(tags), Observed::Present(observation)) =
        (tagged::to_write(intent), intent.observed)
    {
        eks.tag(text(&observation.outputs, "arn"), &tags).await?;
    }
    if touches(change, "kubernetes_groups") {
        eks.update_access_entry(&entry(intent)).await?;
    }
    let declared = policies(arguments, partition);
    for policy in &declared {
        if touches(change, &format!("policies.{}", bare(&policy.policy_arn))) {
            eks.associate_access_policy(cluster, principal, policy).await?;
        }
    }
    for field in change.fields.iter().filter(|field| field.after.is_none()) {
        if let Some(name) = field.path.strip_prefix("policies.") {
            let arn = policy_arn(partition, name);
            eks.disassociate_access_policy(cluster, principal, &arn).await?;
        }
    }
    Ok(())
}
