//! `eks.addon`: software that EKS installs and keeps in a cluster.
//!
//! An add-on whose pods find no node is DEGRADED, which passes as soon as they do: it is waited
//! for, or, with `accept_degraded`, taken as good (the `DaemonSet`s that wait for Karpenter's first
//! node). A creation that failed does not recover.

use std::time::Duration;

use async_trait::async_trait;
use runbook_clients::aws::eks::{Addon as LiveAddon, ChangeAddon, Conflicts};
use runbook_core::change::{Action, Change, FieldChange};
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Charge, Context, Description, Intent, Listed, Module, Observation, Observed, Patience,
    Schema, Values, Verdict, compare,
};
use runbook_core::owner::Owner;
use runbook_core::value::{Type, Value};
use serde_json::json;

use super::{broken, check_gone, clusters_of, lived, status, waiting};
use crate::arguments::{boolean, optional_text, text, values};
use crate::aws::settling::{Stopped, ended, no_such_action, touches, unsettled};
use crate::aws::{observable, tagged};
use crate::charges::{self, Arguments};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{argument, defaulted, identity, output, volatile};

/// `eks.addon`.
pub(in crate::aws) struct Addon {
    schema: Schema,
}

impl Addon {
    pub(in crate::aws) fn new() -> Self {
        let nothing = Value::map::<String>([]);
        let schema = Schema {
            arguments: vec![
                identity("cluster", "The cluster."),
                identity("name", "Its name, for example `coredns`."),
                argument(
                    "version",
                    Type::Nullable(Box::new(Type::String)),
                    "Its version; null takes EKS's default when it is made, and is not compared.",
                ),
                defaulted("configuration", Type::Any, nothing, "Its configuration, whole."),
                argument(
                    "service_account_role_arn",
                    Type::String,
                    "The role of its service account.",
                ),
                defaulted(
                    "accept_degraded",
                    Type::Boolean,
                    false,
                    "Whether it counts as done while its pods have no node yet.",
                ),
                tagged::argument(),
            ],
            outputs: vec![
                output("name", Type::String, "Its name."),
                volatile("version", Type::String, "Its version."),
                volatile("status", Type::String, "Its status."),
            ],
            iam_actions: &[
                "eks:CreateAddon",
                "eks:DeleteAddon",
                "eks:DescribeAddon",
                "eks:DescribeCluster",
                "eks:ListAddons",
                "eks:ListClusters",
                "eks:TagResource",
                "eks:UpdateAddon",
                "iam:PassRole",
            ],
            bills: Some("what its pods ask for"),
            ..observable("eks.addon", "Installs an add-on and keeps its configuration.")
        };
        Self { schema }
    }

    async fn carry_out(&self, context: &Context, intent: &Intent<'_>) -> Result<Values, Stopped> {
        let eks = connections::aws(context)?.eks();
        let (cluster, name) = (text(intent.arguments, "cluster"), text(intent.arguments, "name"));
        match intent.change.action {
            Action::Create => {
                check_gone("add-on", name, intent.observed)?;
                let made = eks.create_addon(&asked_for(intent, Conflicts::Overwrite)).await?;
                return Ok(outputs(&made));
            }
            Action::Update => {
                if let (Some(tags), Observed::Present(observation)) =
                    (tagged::to_write(intent), intent.observed)
                {
                    let arn = observation.private.get("arn").and_then(|arn| arn.as_str());
                    eks.tag(arn.unwrap_or_default(), &tags).await?;
                }
                let fields = ["version", "configuration", "service_account_role_arn"];
                if fields.iter().any(|field| touches(intent.change, field))
                    || status(intent.observed) == "UPDATE_FAILED"
                {
                    // What others changed in the cluster stays theirs.
                    eks.update_addon(&asked_for(intent, Conflicts::Preserve)).await?;
                }
            }
            Action::Delete => eks.delete_addon(cluster, name, false).await?,
            _ => return Err(no_such_action("eks.addon", intent.change).into()),
        }
        Ok(Values::new())
    }
}

fn asked_for(intent: &Intent<'_>, conflicts: Conflicts) -> ChangeAddon {
    let arguments = intent.arguments;
    let is_new = intent.change.action == Action::Create;
    let configuration = arguments.get("configuration").map(configuration_text);
    ChangeAddon {
        cluster: text(arguments, "cluster").to_owned(),
        name: text(arguments, "name").to_owned(),
        version: optional_text(arguments, "version").map(str::to_owned),
        configuration: configuration.filter(|text| !(is_new && text == "{}")),
        service_account_role_arn: optional_text(arguments, "service_account_role_arn")
            .map(str::to_owned),
        conflicts,
        tags: if is_new { tagged::new(intent) } else { [].into() },
        token: intent.token.to_owned(),
    }
}

/// The configuration as text for EKS.
fn configuration_text(configuration: &Value) -> String {
    match configuration {
        Value::Null => "{}".to_owned(),
        other => match other.as_str() {
            Some(text) => text.to_owned(),
            None => other.to_json_exposing().to_string(),
        },
    }
}

/// A configuration as it is compared: its JSON, an absent one being empty.
fn configuration(given: Option<&Value>) -> Value {
    match given {
        None | Some(Value::Null) => Value::map::<String>([]),
        Some(Value::String(text)) if text.trim().is_empty() => Value::map::<String>([]),
        Some(Value::String(text)) => serde_json::from_str(text)
            .map_or_else(|_| Value::from(&**text), |json| Value::from_json(&json)),
        Some(other) => other.clone(),
    }
}

#[async_trait]
impl Module for Addon {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn charges(&self, arguments: &Arguments) -> Vec<Charge> {
        charges::of_addon(arguments)
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let given = configuration(arguments.get("configuration"));
        if matches!(given, Value::Map(_) | Value::Secret(_)) {
            return Vec::new();
        }
        vec![("configuration".to_owned(), "is not a map, or the JSON of one".to_owned())]
    }

    fn describe(&self, arguments: &Values) -> Description {
        let mut detail = Vec::new();
        detail.extend(optional_text(arguments, "version").map(str::to_owned));
        if let Value::Map(keys) = configuration(arguments.get("configuration")) {
            let shown = |value: &Value| !matches!(value, Value::Map(_) | Value::List(_));
            detail.extend(
                keys.iter()
                    .filter(|(_, value)| shown(value))
                    .map(|(key, value)| format!("{key}: {value}")),
            );
        }
        Description { subject: text(arguments, "name").to_owned(), detail: detail.join(", ") }
    }

    fn identity(&self, arguments: &Values) -> String {
        format!("{}/{}", text(arguments, "cluster"), text(arguments, "name"))
    }

    fn desired(&self, arguments: &Values) -> Values {
        let mut desired = Values::new();
        for name in ["version", "service_account_role_arn"] {
            if let Some(value) = arguments.get(name).filter(|value| **value != Value::Null) {
                desired.insert(name.to_owned(), value.clone());
            }
        }
        if let Some(given) = arguments.get("configuration") {
            desired.insert("configuration".to_owned(), configuration(Some(given)));
        }
        tagged::desire(arguments, &mut desired);
        desired
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let eks = connections::aws(context)?.eks();
        let (cluster, name) = (text(arguments, "cluster"), text(arguments, "name"));
        let Some(addon) = eks.addon(cluster, name).await.read()? else {
            return Ok(Observed::Absent);
        };
        let text = addon.configuration.as_deref().map(Value::from);
        let role = addon.service_account_role_arn.as_deref();
        Ok(Observed::Present(Observation {
            projection: values([
                ("version", Value::from(addon.version.as_str())),
                ("configuration", configuration(text.as_ref())),
                ("service_account_role_arn", role.map_or(Value::Null, Value::from)),
                ("tags", tagged::project(arguments, &addon.tags)),
            ]),
            ownership: tagged::ownership(context, &addon.tags),
            outputs: outputs(&addon),
            private: json!({"status": addon.status, "arn": addon.arn}),
        }))
    }

    fn diff(&self, arguments: &Values, observed: &Observed) -> Change {
        let desired = self.desired(arguments);
        let mut change = compare(&desired, observed, &[]);
        if let Observed::Present(observation) = observed {
            let live = observation.projection.get("configuration");
            undeclared(desired.get("configuration"), live, "configuration", &mut change.fields);
            let has_failed = status(observed) == "UPDATE_FAILED";
            if has_failed {
                change.reasons.push("its last update failed".to_owned());
            }
            if change.action == Action::None && (has_failed || !change.fields.is_empty()) {
                change.action = Action::Update;
            }
        }
        lived(change, observed)
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        ended(self.carry_out(context, &intent).await)
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let eks = connections::aws(context)?.eks();
        let (cluster, name) = (text(arguments, "cluster"), text(arguments, "name"));
        let Some(addon) = eks.addon(cluster, name).await.read()? else {
            return Ok(Verdict::NotYet("it cannot be seen yet".to_owned()));
        };
        let lenient = boolean(arguments, "accept_degraded");
        match addon.status.as_str() {
            "ACTIVE" => {}
            "CREATING" | "DEGRADED" if lenient => {}
            status @ ("CREATE_FAILED" | "UPDATE_FAILED" | "DELETE_FAILED") => {
                let failure = broken("add-on", name, status, &addon.health);
                return Ok(Verdict::Terminal(failure.hint(hint(cluster, name, status))));
            }
            other => return Ok(Verdict::NotYet(waiting(other, &addon.health))),
        }
        let observed = self.observe(context, arguments).await?;
        Ok(match unsettled(self, arguments, &observed) {
            Some(reason) => Verdict::NotYet(reason),
            None if !addon.health.is_empty() && !lenient => {
                Verdict::NotYet(waiting(&addon.status, &addon.health))
            }
            None => Verdict::Converged(outputs(&addon)),
        })
    }

    async fn verify_absent(
        &self,
        context: &Context,
        arguments: &Values,
    ) -> Result<Verdict, Failure> {
        let eks = connections::aws(context)?.eks();
        let (cluster, name) = (text(arguments, "cluster"), text(arguments, "name"));
        Ok(match eks.addon(cluster, name).await.read()? {
            None => Verdict::Converged(Values::new()),
            Some(addon) if addon.status == "DELETE_FAILED" => {
                Verdict::Terminal(broken("add-on", name, &addon.status, &addon.health))
            }
            Some(addon) => Verdict::NotYet(waiting(&addon.status, &addon.health)),
        })
    }

    fn expected(&self, action: Action, arguments: &Values) -> Duration {
        let lenient = boolean(arguments, "accept_degraded");
        match action {
            Action::Create if lenient => Duration::from_secs(5),
            Action::Create | Action::Update => Duration::from_secs(90),
            Action::Replace => Duration::from_mins(2),
            Action::Delete => Duration::from_secs(30),
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
            for name in eks.addons(&cluster).await.read()? {
                let Some(addon) = eks.addon(&cluster, &name).await.read()? else { continue };
                let Some(address_tag) = tagged::address_of(owner, &addon.tags) else { continue };
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

fn outputs(addon: &LiveAddon) -> Values {
    values([
        ("name", Value::from(addon.name.as_str())),
        ("version", Value::from(addon.version.as_str())),
        ("status", Value::from(addon.status.as_str())),
    ])
}

fn hint(cluster: &str, name: &str, status: &str) -> String {
    if status == "UPDATE_FAILED" {
        return "mend the cause, then run again: the update is asked for anew".to_owned();
    }
    format!(
        "it does not recover: mend the cause, then plan anew, which replaces it, or \
         `aws eks delete-addon --cluster-name {cluster} --addon-name {name}`"
    )
}

/// Live keys that the declared configuration does not have: an update takes them away, because EKS
/// takes a configuration whole.
fn undeclared(
    want: Option<&Value>,
    have: Option<&Value>,
    path: &str,
    fields: &mut Vec<FieldChange>,
) {
    let (Some(Value::Map(want)), Some(Value::Map(have))) = (want, have) else { return };
    for (key, live) in have.iter() {
        let path = format!("{path}.{key}");
        match want.get(key) {
            Some(declared) => undeclared(Some(declared), Some(live), &path, fields),
            None => fields.push(FieldChange {
                path,
                before: Some(live.clone()),
                after: None,
                forces_replace: None,
            }),
        }
    }
}
