//! `eks.fargate_profile`: which pods run on Fargate. A profile cannot be changed, only its tags; a
//! cluster takes one operation on its profiles at a time.

use std::time::Duration;

use async_trait::async_trait;
use runbook_clients::aws::eks::{CreateFargateProfile, FargateProfile as LiveProfile, Selector};
use runbook_core::change::{Action, Change};
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Charge, Context, Description, Intent, Listed, Lock, Module, Observation, Observed,
    Patience, Schema, Values, Verdict, compare,
};
use runbook_core::owner::Owner;
use runbook_core::value::{Type, Value};
use serde_json::json;

use super::{broken, check_gone, clusters_of, control_plane, lived, waiting};
use crate::arguments::{list, text, text_list, text_map, text_set, values};
use crate::aws::settling::{Stopped, ended, no_such_action, unsettled};
use crate::aws::{observable, tagged};
use crate::charges::{self, Arguments};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{anythings, identity, immutable, output, required, texts};

/// The selectors that a profile may have, and the labels that a selector may have.
const MOST: usize = 5;

/// `eks.fargate_profile`.
pub(in crate::aws) struct FargateProfile {
    schema: Schema,
}

impl FargateProfile {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                identity("cluster", "The cluster."),
                identity("name", "Its name."),
                immutable(required("role_arn", Type::String, "The pod execution role.")),
                immutable(required("subnet_ids", texts(), "Private subnets for its pods.")),
                immutable(required(
                    "selectors",
                    anythings(),
                    "Which pods it takes: one to five of `{namespace, labels}`.",
                )),
                tagged::argument(),
            ],
            outputs: vec![
                output("name", Type::String, "Its name."),
                output("arn", Type::String, "Its ARN."),
            ],
            iam_actions: &[
                "eks:CreateFargateProfile",
                "eks:DeleteFargateProfile",
                "eks:DescribeCluster",
                "eks:DescribeFargateProfile",
                "eks:ListClusters",
                "eks:ListFargateProfiles",
                "eks:TagResource",
                "iam:CreateServiceLinkedRole",
                "iam:GetRole",
                "iam:PassRole",
            ],
            bills: Some("vCPU and memory of the pods it takes, per second"),
            ..observable("eks.fargate_profile", "Makes a profile: its pods run on Fargate.")
        };
        Self { schema }
    }

    async fn carry_out(&self, context: &Context, intent: &Intent<'_>) -> Result<Values, Stopped> {
        let eks = connections::aws(context)?.eks();
        let arguments = intent.arguments;
        let (cluster, name) = (text(arguments, "cluster"), text(arguments, "name"));
        match intent.change.action {
            Action::Create => {
                check_gone("Fargate profile", name, intent.observed)?;
                let profile = CreateFargateProfile {
                    cluster: cluster.to_owned(),
                    name: name.to_owned(),
                    pod_execution_role_arn: text(arguments, "role_arn").to_owned(),
                    subnet_ids: text_set(arguments, "subnet_ids"),
                    selectors: selectors(arguments),
                    tags: tagged::new(intent),
                    token: intent.token.to_owned(),
                };
                let made = eks.create_fargate_profile(&profile).await.map_err(Stopped::from);
                let made = made.map_err(|stopped| stopped.explained(explained))?;
                Ok(outputs(&made))
            }
            Action::Update => {
                if let (Some(tags), Observed::Present(observation)) =
                    (tagged::to_write(intent), intent.observed)
                {
                    eks.tag(text(&observation.outputs, "arn"), &tags).await?;
                }
                Ok(Values::new())
            }
            Action::Delete => {
                eks.delete_fargate_profile(cluster, name).await?;
                Ok(Values::new())
            }
            _ => Err(no_such_action("eks.fargate_profile", intent.change).into()),
        }
    }
}

/// What to do about the refusals that people meet.
fn explained(failure: Failure) -> Failure {
    let message = failure.message.to_ascii_lowercase();
    let hint = if message.contains("not a private subnet") {
        "a private subnet has no route to an internet gateway; `ec2.subnets` finds them"
    } else if message.contains("trust policy") {
        "the role must trust eks-fargate-pods.amazonaws.com, and an aws:SourceArn in the condition \
         is that of profiles: arn:…:fargateprofile/<cluster>/*, not the cluster's"
    } else if message.contains("availability zone") {
        "choose subnets in zones that offer Fargate"
    } else if message.contains("limit") {
        "a cluster takes 10 profiles; raise the quota, or put selectors together"
    } else if message.contains("passrole") {
        "the caller needs iam:PassRole on the pod execution role"
    } else if message.contains("slr") {
        "the caller needs iam:GetRole on AWSServiceRoleForAmazonEKSForFargate"
    } else {
        return failure;
    };
    failure.hint(hint)
}

#[async_trait]
impl Module for FargateProfile {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn charges(&self, arguments: &Arguments) -> Vec<Charge> {
        let of = |name: &str| arguments.get(name).cloned().unwrap_or_default();
        let mut charge = charges::one("fargate_profile", "pods that it takes");
        charge.details = charges::details(json!({ "selectors": of("selectors") }));
        vec![charge]
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if text(arguments, "name").starts_with("eks-") {
            let why = "begins with `eks-`, which EKS keeps for itself".to_owned();
            problems.push(("name".to_owned(), why));
        }
        if let Some(Value::List(given)) = arguments.get("selectors") {
            let mut wrong = |why: String| problems.push(("selectors".to_owned(), why));
            if given.is_empty() {
                wrong("is empty; a profile needs at least one selector".to_owned());
            }
            if given.len() > MOST {
                wrong(format!("holds {} selectors; a profile has at most {MOST}", given.len()));
            }
            for (index, selector) in given.iter().enumerate() {
                if let Some(why) = selector_problem(selector) {
                    wrong(format!("[{index}] {why}"));
                }
            }
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let selectors = selectors(arguments).into_iter().map(|selector| {
            let labels = selector.labels.iter().map(|(key, value)| format!(" {key}={value}"));
            format!("{}{}", selector.namespace, labels.collect::<String>())
        });
        let selectors: Vec<String> = selectors.collect();
        Description {
            subject: text(arguments, "name").to_owned(),
            detail: format!("pods of {}", selectors.join(", ")),
        }
    }

    fn identity(&self, arguments: &Values) -> String {
        format!("{}/{}", text(arguments, "cluster"), text(arguments, "name"))
    }

    fn desired(&self, arguments: &Values) -> Values {
        let mut desired = Values::new();
        if let Some(role) = arguments.get("role_arn") {
            desired.insert("role_arn".to_owned(), role.clone());
        }
        let known = |name: &str, set: Value| {
            let given = arguments.get(name)?;
            Some((name.to_owned(), if given.has_unknown() { given.clone() } else { set }))
        };
        desired.extend(known("subnet_ids", text_list(text_set(arguments, "subnet_ids"))));
        desired.extend(known("selectors", selector_values(selectors(arguments))));
        tagged::desire(arguments, &mut desired);
        desired
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let eks = connections::aws(context)?.eks();
        let (cluster, name) = (text(arguments, "cluster"), text(arguments, "name"));
        let Some(profile) = eks.fargate_profile(cluster, name).await.read()? else {
            return Ok(Observed::Absent);
        };
        let mut subnets = profile.subnet_ids.clone();
        subnets.sort();
        subnets.dedup();
        Ok(Observed::Present(Observation {
            projection: values([
                ("role_arn", Value::from(profile.pod_execution_role_arn.as_str())),
                ("subnet_ids", text_list(subnets)),
                ("selectors", selector_values(profile.selectors.clone())),
                ("tags", tagged::project(arguments, &profile.tags)),
            ]),
            ownership: tagged::ownership(context, &profile.tags),
            outputs: outputs(&profile),
            private: json!({"status": profile.status}),
        }))
    }

    fn diff(&self, arguments: &Values, observed: &Observed) -> Change {
        let immutable = ["role_arn", "subnet_ids", "selectors"];
        lived(compare(&self.desired(arguments), observed, &immutable), observed)
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        ended(self.carry_out(context, &intent).await)
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let eks = connections::aws(context)?.eks();
        let (cluster, name) = (text(arguments, "cluster"), text(arguments, "name"));
        let Some(profile) = eks.fargate_profile(cluster, name).await.read()? else {
            return Ok(Verdict::NotYet("it cannot be seen yet".to_owned()));
        };
        match profile.status.as_str() {
            "ACTIVE" => {}
            status @ ("CREATE_FAILED" | "DELETE_FAILED") => {
                let failure = broken("Fargate profile", name, status, &profile.health);
                return Ok(Verdict::Terminal(failure.hint(format!(
                    "it does not recover: mend the cause, then plan anew, which replaces it, or \
                     `aws eks delete-fargate-profile --cluster-name {cluster} --fargate-profile-name {name}`"
                ))));
            }
            other => return Ok(Verdict::NotYet(waiting(other, &profile.health))),
        }
        let observed = self.observe(context, arguments).await?;
        Ok(match unsettled(self, arguments, &observed) {
            Some(reason) => Verdict::NotYet(reason),
            None => Verdict::Converged(outputs(&profile)),
        })
    }

    async fn verify_absent(
        &self,
        context: &Context,
        arguments: &Values,
    ) -> Result<Verdict, Failure> {
        let eks = connections::aws(context)?.eks();
        let (cluster, name) = (text(arguments, "cluster"), text(arguments, "name"));
        Ok(match eks.fargate_profile(cluster, name).await.read()? {
            None => Verdict::Converged(Values::new()),
            Some(profile) if profile.status == "DELETE_FAILED" => {
                Verdict::Terminal(broken("Fargate profile", name, &profile.status, &profile.health))
            }
            Some(profile) => Verdict::NotYet(waiting(&profile.status, &profile.health)),
        })
    }

    fn locks(&self, arguments: &Values) -> Vec<Lock> {
        control_plane(text(arguments, "cluster"))
    }

    fn expected(&self, action: Action, _: &Values) -> Duration {
        match action {
            Action::Create | Action::Delete => Duration::from_mins(2),
            Action::Replace => Duration::from_mins(4),
            Action::Update => Duration::from_secs(1),
            Action::None | Action::Wait => Duration::ZERO,
        }
    }

    fn patience(&self) -> Patience {
        Patience { interval: Duration::from_secs(10), timeout: Duration::from_mins(15) }
    }

    async fn list(&self, context: &Context, owner: &Owner) -> Result<Option<Vec<Listed>>, Failure> {
        let aws = connections::aws(context)?;
        let eks = aws.eks();
        let mut listed = Vec::new();
        for cluster in clusters_of(&aws, owner).await? {
            for name in eks.fargate_profiles(&cluster).await.read()? {
                let Some(profile) = eks.fargate_profile(&cluster, &name).await.read()? else {
                    continue;
                };
                let Some(address_tag) = tagged::address_of(owner, &profile.tags) else { continue };
                listed.push(Listed {
                    address_tag,
                    identity: format!("{cluster}/{name}"),
                    arguments: values([
                        ("cluster", Value::from(cluster.as_str())),
                        ("name", Value::from(name)),
                    ]),
                });
            }
        }
        Ok(Some(listed))
    }
}

fn outputs(profile: &LiveProfile) -> Values {
    values([
        ("name", Value::from(profile.name.as_str())),
        ("arn", Value::from(profile.arn.as_str())),
    ])
}

/// What is wrong with a selector.
fn selector_problem(selector: &Value) -> Option<String> {
    let Value::Map(keys) = selector else {
        return Some(format!("is {}, expected `{{namespace, labels}}`", selector.kind()));
    };
    if let Some(key) = keys.keys().find(|key| !matches!(key.as_str(), "namespace" | "labels")) {
        return Some(format!("has the unknown key `{key}`; there are `namespace` and `labels`"));
    }
    if keys.get("namespace").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Some("has no `namespace`".to_owned());
    }
    let labels =
        keys.get("labels").and_then(Value::as_map).map_or(0, std::collections::BTreeMap::len);
    (labels > MOST).then(|| format!("has {labels} labels; a selector has at most {MOST}"))
}

/// The declared selectors.
fn selectors(arguments: &Values) -> Vec<Selector> {
    let given = list(arguments, "selectors").iter().filter_map(Value::as_map);
    given
        .map(|selector| Selector {
            namespace: text(selector, "namespace").to_owned(),
            labels: text_map(selector, "labels"),
        })
        .collect()
}

/// Selectors as a set: sorted, without doubles, labels always there.
fn selector_values(mut selectors: Vec<Selector>) -> Value {
    selectors.sort();
    selectors.dedup();
    Value::list(selectors.into_iter().map(|selector| {
        let labels = selector.labels.into_iter().map(|(key, value)| (key, Value::from(value)));
        Value::map([("namespace", Value::from(selector.namespace)), ("labels", Value::map(labels))])
    }))
}
