//! `iam.service_linked_role`: the role that an AWS service keeps for itself, there once per account.
//! A setting: whoever needs it shares it, so it is made when missing and never deleted.

use std::time::Duration;

use async_trait::async_trait;
use runbook_core::change::Action;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Observation, Observed, Patience, Schema, Values,
    Verdict,
};
use runbook_core::owner::Ownership;
use runbook_core::value::{Type, Value};

use super::PATIENCE;
use crate::arguments::{text, values};
use crate::aws::observable;
use crate::aws::settling::{no_such_action, settled};
use crate::connections;
use crate::failures::{self, Read as _};
use crate::schema::{identity, output};

/// `iam.service_linked_role`.
pub(in crate::aws) struct ServiceLinkedRole {
    schema: Schema,
}

impl ServiceLinkedRole {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                identity("service", "The service, for example `spot.amazonaws.com`."),
                identity("role", "The role's name, for example `AWSServiceRoleForEC2Spot`."),
            ],
            outputs: vec![
                output("arn", Type::String, "Its ARN."),
                output("name", Type::String, "Its name."),
            ],
            may: &[Action::Create],
            iam_actions: &["iam:CreateServiceLinkedRole", "iam:GetRole"],
            ..observable(
                "iam.service_linked_role",
                "Makes sure that an AWS service has its own role in the account.",
            )
        };
        Self { schema }
    }
}

#[async_trait]
impl Module for ServiceLinkedRole {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        Description {
            subject: text(arguments, "role").to_owned(),
            detail: text(arguments, "service").to_owned(),
        }
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let iam = connections::aws(context)?.iam();
        let Some(role) = iam.role(text(arguments, "role")).await.read()? else {
            return Ok(Observed::Absent);
        };
        Ok(Observed::Present(Observation {
            projection: Values::new(),
            ownership: Ownership::Setting,
            outputs: values([("arn", Value::from(role.arn)), ("name", Value::from(role.name))]),
            private: serde_json::Value::Null,
        }))
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        match intent.change.action {
            Action::Create => {}
            Action::Delete => {
                let role = text(intent.arguments, "role");
                return Applied::Rejected(
                    Failure::new(
                        Class::Invalid,
                        format!("the service-linked role `{role}` is shared by the whole account and is not deleted"),
                    )
                    .hint(format!(
                        "when nothing uses it: `aws iam delete-service-linked-role --role-name {role}`"
                    )),
                );
            }
            _ => {
                return Applied::Rejected(no_such_action("iam.service_linked_role", intent.change));
            }
        }
        let iam = match connections::aws(context) {
            Ok(aws) => aws.iam(),
            Err(failure) => return Applied::Rejected(failure),
        };
        match iam.create_service_linked_role(text(intent.arguments, "service")).await {
            Ok(_) => Applied::Acknowledged(Values::new()),
            // Somebody was faster; or the service made it when it was first used.
            Err(undone) if undone.error().already_exists() => Applied::Acknowledged(Values::new()),
            Err(undone) => failures::undone(&undone),
        }
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        settled(self, context, arguments).await
    }

    fn expected(&self, _: Action, _: &Values) -> Duration {
        Duration::from_secs(2)
    }

    fn patience(&self) -> Patience {
        PATIENCE
    }
}
