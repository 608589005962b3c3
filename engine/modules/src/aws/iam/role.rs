//! `iam.role`: a role with its trust, its attachments and its inline policies.
//!
//! Attachments and inline policies are a superset: those declared must be there, others are left
//! alone. A role is deleted with all that hangs on it, because IAM refuses anything less.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use runbook_clients::aws::iam::{Client, CreateRole, Role as LiveRole};
use runbook_core::change::Action;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Observation, Observed, Patience, Schema, Values,
    Verdict,
};
use runbook_core::value::{Type, Value, duration};

use super::PATIENCE;
use crate::arguments::{optional_text, text, text_set, values};
use crate::aws::settling::{Stopped, ended, no_such_action, settled, touches};
use crate::aws::{documents, observable, tagged};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{argument, defaulted, identity, immutable, output, required, texts};

/// The longest name that IAM takes.
const LONGEST_NAME: usize = 64;

/// `iam.role`.
pub(in crate::aws) struct Role {
    schema: Schema,
}

impl Role {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                identity("name", "Its name, unique in the account."),
                immutable(defaulted("path", Type::String, "/", "Its path.")),
                argument("description", Type::String, "What it is for."),
                required("trust", Type::Any, "Who may take it on: a policy document."),
                defaulted(
                    "managed_policies",
                    texts(),
                    Value::list([]),
                    "Policies of AWS, by name, that must be attached.",
                ),
                defaulted(
                    "policy_arns",
                    texts(),
                    Value::list([]),
                    "Other policies, by ARN, that must be attached.",
                ),
                defaulted(
                    "inline_policies",
                    Type::Map(Box::new(Type::Any)),
                    Value::map::<String>([]),
                    "Inline policies: names to documents.",
                ),
                immutable(argument(
                    "permissions_boundary",
                    Type::String,
                    "The ARN of the policy that bounds its permissions.",
                )),
                argument("max_session", Type::Duration, "The longest session, 1h to 12h."),
                tagged::argument(),
            ],
            outputs: vec![
                output("arn", Type::String, "Its ARN."),
                output("name", Type::String, "Its name."),
                output("id", Type::String, "Its unique id."),
            ],
            iam_actions: &[
                "iam:AttachRolePolicy",
                "iam:CreateRole",
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:DetachRolePolicy",
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListInstanceProfilesForRole",
                "iam:ListRolePolicies",
                "iam:PutRolePolicy",
                "iam:RemoveRoleFromInstanceProfile",
                "iam:TagRole",
                "iam:UpdateAssumeRolePolicy",
                "iam:UpdateRole",
            ],
            ..observable("iam.role", "Makes a role and keeps its trust and policies.")
        };
        Self { schema }
    }

    async fn carry_out(&self, context: &Context, intent: &Intent<'_>) -> Result<Values, Stopped> {
        let aws = connections::aws(context)?;
        let iam = aws.iam();
        let name = text(intent.arguments, "name");
        let partition = aws.partition().as_str();
        match intent.change.action {
            Action::Create => {
                let role = iam.create_role(&to_create(intent)).await?;
                attach(&iam, intent, partition).await?;
                put_inline(&iam, intent).await?;
                Ok(outputs(&role))
            }
            Action::Update => {
                update(&iam, intent).await?;
                attach(&iam, intent, partition).await?;
                put_inline(&iam, intent).await?;
                Ok(Values::new())
            }
            Action::Delete => delete(&iam, name).await.map(|()| Values::new()),
            _ => Err(no_such_action("iam.role", intent.change).into()),
        }
    }
}

#[async_trait]
impl Module for Role {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let length = text(arguments, "name").chars().count();
        if length > LONGEST_NAME {
            let why = format!("has {length} characters; IAM takes at most {LONGEST_NAME}");
            problems.push(("name".to_owned(), why));
        }
        let path = text(arguments, "path");
        if !path.is_empty() && !(path.starts_with('/') && path.ends_with('/')) {
            problems.push(("path".to_owned(), format!("is `{path}`; it begins and ends with `/`")));
        }
        if let Some(why) = arguments.get("trust").and_then(documents::problem) {
            problems.push(("trust".to_owned(), why));
        }
        let inline = arguments.get("inline_policies").and_then(Value::as_map);
        for (policy, document) in inline.into_iter().flatten() {
            if let Some(why) = documents::problem(document) {
                problems
                    .push(("inline_policies".to_owned(), format!("holds `{policy}`, which {why}")));
            }
        }
        if let Some(seconds) = max_session(arguments)
            && !(3600..=43_200).contains(&seconds)
        {
            let why = "is outside of what IAM takes: 1h to 12h".to_owned();
            problems.push(("max_session".to_owned(), why));
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let mut policies = text_set(arguments, "managed_policies");
        let arns = text_set(arguments, "policy_arns");
        policies.extend(arns.iter().map(|arn| bare(arn).to_owned()));
        Description { subject: text(arguments, "name").to_owned(), detail: policies.join(", ") }
    }

    fn desired(&self, arguments: &Values) -> Values {
        let mut desired = values([
            ("managed_policies", members(arguments.get("managed_policies"))),
            ("policy_arns", members(arguments.get("policy_arns"))),
        ]);
        for name in ["path", "description", "permissions_boundary"] {
            if let Some(value) = arguments.get(name).filter(|value| **value != Value::Null) {
                desired.insert(name.to_owned(), value.clone());
            }
        }
        if let Some(trust) = documents::desire(arguments.get("trust")) {
            desired.insert("trust".to_owned(), trust);
        }
        match arguments.get("inline_policies") {
            Some(Value::Map(policies)) => {
                let canonical =
                    policies.iter().map(|(name, one)| (name.clone(), documents::canonical(one)));
                desired.insert("inline_policies".to_owned(), Value::map(canonical));
            }
            Some(unknown) => drop(desired.insert("inline_policies".to_owned(), unknown.clone())),
            None => {}
        }
        match arguments.get("max_session") {
            Some(unknown @ Value::Unknown(_)) => {
                desired.insert("max_session".to_owned(), unknown.clone());
            }
            _ => {
                if let Some(seconds) = max_session(arguments) {
                    desired.insert("max_session".to_owned(), Value::Integer(seconds));
                }
            }
        }
        tagged::desire(arguments, &mut desired);
        desired
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let aws = connections::aws(context)?;
        let iam = aws.iam();
        let name = text(arguments, "name");
        let Some(role) = iam.role(name).await.read()? else { return Ok(Observed::Absent) };
        let Some(attached) = iam.attached_policies(name).await.read()? else {
            return Ok(Observed::Absent);
        };
        let attached: BTreeSet<String> = attached.into_iter().map(|policy| policy.arn).collect();
        let inline = inline_policies(&iam, name, arguments).await?;
        let managed = text_set(arguments, "managed_policies")
            .into_iter()
            .filter(|policy| attached.contains(&managed_arn(aws.partition().as_str(), policy)));
        let arns = text_set(arguments, "policy_arns").into_iter();
        let arns = arns.filter(|arn| attached.contains(arn));
        let here = |names: &mut dyn Iterator<Item = String>| {
            Value::map(names.map(|name| (name, Value::Boolean(true))).collect::<Vec<_>>())
        };
        let mut managed = managed;
        let mut arns = arns;
        let optional = |value: Option<&String>| {
            value
                .filter(|text| !text.is_empty())
                .map_or(Value::Null, |text| Value::from(text.as_str()))
        };
        let projection = values([
            ("path", Value::from(role.path.as_str())),
            ("description", optional(role.description.as_ref())),
            ("permissions_boundary", optional(role.permissions_boundary.as_ref())),
            ("trust", documents::canonical(&Value::from(role.trust.as_str()))),
            ("managed_policies", here(&mut managed)),
            ("policy_arns", here(&mut arns)),
            ("inline_policies", Value::map(inline)),
            (
                "max_session",
                role.max_session_seconds
                    .map_or(Value::Null, |seconds| Value::Integer(seconds.into())),
            ),
            ("tags", tagged::project(arguments, &role.tags)),
        ]);
        Ok(Observed::Present(Observation {
            projection,
            ownership: tagged::ownership(context, &role.tags),
            outputs: outputs(&role),
            private: serde_json::Value::Null,
        }))
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        ended(self.carry_out(context, &intent).await)
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        settled(self, context, arguments).await
    }

    fn expected(&self, _: Action, _: &Values) -> Duration {
        Duration::from_secs(3)
    }

    fn patience(&self) -> Patience {
        PATIENCE
    }
}

fn outputs(role: &LiveRole) -> Values {
    values([
        ("arn", Value::from(role.arn.as_str())),
        ("name", Value::from(role.name.as_str())),
        ("id", Value::from(role.id.as_str())),
    ])
}

fn bare(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The ARN of a policy that AWS manages; its name may have a path (`service-role/…`).
fn managed_arn(partition: &str, name: &str) -> String {
    format!("arn:{partition}:iam::aws:policy/{}", name.trim_start_matches('/'))
}

fn max_session(arguments: &Values) -> Option<i64> {
    let time = duration(optional_text(arguments, "max_session")?)?;
    i64::try_from(time.as_secs()).ok()
}

/// A list as a set of keys, so that a missing one is one field.
fn members(list: Option<&Value>) -> Value {
    match list {
        Some(Value::List(items)) if items.iter().all(|item| item.as_str().is_some()) => Value::map(
            items.iter().filter_map(|item| Some((item.as_str()?.to_owned(), true.into()))),
        ),
        Some(Value::List(_) | Value::Unknown(_)) => {
            Value::Unknown(std::sync::Arc::new(Type::Map(Box::new(Type::Boolean))))
        }
        _ => Value::map::<String>([]),
    }
}

/// The declared inline policies that are there.
async fn inline_policies(
    iam: &Client,
    role: &str,
    arguments: &Values,
) -> Result<Vec<(String, Value)>, Failure> {
    let declared = arguments.get("inline_policies").and_then(Value::as_map);
    let mut there = Vec::new();
    for policy in declared.into_iter().flat_map(BTreeMap::keys) {
        if let Some(document) = iam.inline_policy(role, policy).await.read()? {
            there.push((policy.clone(), documents::canonical(&Value::from(document))));
        }
    }
    Ok(there)
}

fn to_create(intent: &Intent<'_>) -> CreateRole {
    let arguments = intent.arguments;
    let owned = |name: &str| optional_text(arguments, name).map(str::to_owned);
    CreateRole {
        name: text(arguments, "name").to_owned(),
        path: owned("path"),
        trust: arguments.get("trust").map(documents::text).unwrap_or_default(),
        description: owned("description"),
        max_session_seconds: max_session(arguments).and_then(|it| i32::try_from(it).ok()),
        permissions_boundary: owned("permissions_boundary"),
        tags: tagged::new(intent),
    }
}

/// Changes what is the role's own.
async fn update(iam: &Client, intent: &Intent<'_>) -> Result<(), Stopped> {
    let (arguments, change) = (intent.arguments, intent.change);
    let name = text(arguments, "name");
    if let Some(tags) = tagged::to_write(intent) {
        iam.tag_role(name, &tags).await?;
    }
    if touches(change, "trust")
        && let Some(trust) = arguments.get("trust")
    {
        iam.update_trust(name, &documents::text(trust)).await?;
    }
    if touches(change, "description") || touches(change, "max_session") {
        let seconds = max_session(arguments).and_then(|it| i32::try_from(it).ok());
        // IAM clears what an update leaves out.
        let live = match intent.observed {
            Observed::Present(observation) => observation.projection.clone(),
            Observed::Absent => Values::new(),
        };
        let description =
            optional_text(arguments, "description").or_else(|| optional_text(&live, "description"));
        let seconds = seconds.or_else(|| {
            live.get("max_session").and_then(Value::as_i64).and_then(|it| i32::try_from(it).ok())
        });
        iam.update_role(name, description, seconds).await?;
    }
    Ok(())
}

/// Attaches the declared policies that are not attached.
async fn attach(iam: &Client, intent: &Intent<'_>, partition: &str) -> Result<(), Stopped> {
    let name = text(intent.arguments, "name");
    let attached = |field: &str, policy: &str| match intent.observed {
        Observed::Present(observation) if intent.change.action == Action::Update => observation
            .projection
            .get(field)
            .and_then(Value::as_map)
            .is_some_and(|there| there.contains_key(policy)),
        _ => false,
    };
    for policy in text_set(intent.arguments, "managed_policies") {
        if !attached("managed_policies", &policy) {
            iam.attach_role_policy(name, &managed_arn(partition, &policy)).await?;
        }
    }
    for arn in text_set(intent.arguments, "policy_arns") {
        if !attached("policy_arns", &arn) {
            iam.attach_role_policy(name, &arn).await?;
        }
    }
    Ok(())
}

/// Writes the declared inline policies that differ.
async fn put_inline(iam: &Client, intent: &Intent<'_>) -> Result<(), Stopped> {
    let declared = intent.arguments.get("inline_policies").and_then(Value::as_map);
    for (policy, document) in declared.into_iter().flatten() {
        let differs = intent.change.action == Action::Create
            || touches(intent.change, &format!("inline_policies.{policy}"));
        if differs {
            let name = text(intent.arguments, "name");
            iam.put_inline_policy(name, policy, &documents::text(document)).await?;
        }
    }
    Ok(())
}

/// Takes everything off the role, then deletes it.
async fn delete(iam: &Client, name: &str) -> Result<(), Stopped> {
    for profile in iam.instance_profiles_of(name).await? {
        iam.remove_role_from_instance_profile(&profile, name).await?;
    }
    for policy in iam.attached_policies(name).await?.unwrap_or_default() {
        iam.detach_role_policy(name, &policy.arn).await?;
    }
    for policy in iam.inline_policies(name).await?.unwrap_or_default() {
        iam.delete_inline_policy(name, &policy).await?;
    }
    iam.delete_role(name).await?;
    Ok(())
}
