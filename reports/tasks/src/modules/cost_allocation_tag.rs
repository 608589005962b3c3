//! `ce.cost_allocation_tag`: a tag counts in Cost Explorer and in exports from its activation on.
//!
//! Asking whether it does costs money, so no plan asks: the task is deferred in each, and asks once right
//! before it would write. A tag can be activated once a bill has seen it, which takes up to a day after
//! something was tagged. It is never deactivated: bills of others may rely on it.

use std::time::Duration;

use async_trait::async_trait;
use runbook_clients::{Class as ClientClass, Error, Undone};
use runbook_core::change::Action;
use runbook_core::connection::Kind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observation, Observed, Schema, Values,
    Verdict,
};
use runbook_core::owner::Ownership;
use runbook_core::value::{Type, Value};

use super::schema::{identity, output, text};
use crate::surroundings::aws;

/// See the module documentation.
pub(super) struct CostAllocationTag {
    schema: Schema,
}

impl CostAllocationTag {
    pub(super) fn new() -> Self {
        let schema = Schema {
            name: "ce.cost_allocation_tag",
            summary: "Activates a tag for cost allocation; bills carry it from then on.",
            nature: Nature::Observable,
            follows: false,
            connection: Some(Kind::Aws),
            arguments: vec![identity("key", "The tag's key, such as `runbook/owner`.")],
            outputs: vec![output("active", Type::Boolean, "Whether it counts.")],
            may: &[Action::Update],
            iam_actions: &["ce:ListCostAllocationTags", "ce:UpdateCostAllocationTagsStatus"],
            kubernetes_verbs: &[],
            bills: Some("Cost Explorer, per request"),
        };
        Self { schema }
    }
}

fn failure(error: &Error) -> Failure {
    let class = match error.class() {
        ClientClass::NotFound => Class::NotFound,
        ClientClass::Denied | ClientClass::Refused => Class::Denied,
        ClientClass::Throttled => Class::Throttled,
        ClientClass::Conflict => Class::Conflict,
        ClientClass::Invalid => Class::Invalid,
        ClientClass::Unavailable | ClientClass::Unreadable => Class::Unavailable,
        ClientClass::Timeout => Class::Timeout,
    };
    let failure = Failure::new(class, error.to_string());
    if class == Class::Denied {
        return failure
            .hint("cost allocation tags belong to the management account of an organization");
    }
    failure
}

#[async_trait]
impl Module for CostAllocationTag {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn looking_costs(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        match text(arguments, "key") {
            Some(key) if key.chars().count() > 128 => {
                vec![("key".to_owned(), "is longer than a tag's key, 128 characters".to_owned())]
            }
            _ => Vec::new(),
        }
    }

    fn describe(&self, arguments: &Values) -> Description {
        Description {
            subject: arguments.get("key").map(ToString::to_string).unwrap_or_default(),
            detail: "active in cost allocation".to_owned(),
        }
    }

    fn desired(&self, _: &Values) -> Values {
        [("active".to_owned(), Value::from(true))].into()
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let key = text(arguments, "key").unwrap_or_default();
        let found = aws(context)?.cost_explorer().is_tag_active(key).await;
        let Some(active) = found.map_err(|error| failure(&error))? else {
            return Err(Failure::new(
                Class::NotFound,
                format!("no bill has seen the tag `{key}` yet"),
            )
            .hint("it can be activated up to a day after something was tagged with it: run this again then"));
        };
        Ok(Observed::Present(Observation {
            projection: [("active".to_owned(), Value::from(active))].into(),
            ownership: Ownership::Setting,
            outputs: [("active".to_owned(), Value::from(active))].into(),
            private: serde_json::Value::Null,
        }))
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        if intent.change.action == Action::Delete {
            return Applied::Rejected(Failure::new(
                Class::Invalid,
                "a cost allocation tag is not deactivated: bills of others may rely on it",
            ));
        }
        let key = text(intent.arguments, "key").unwrap_or_default();
        let done = match aws(context) {
            Ok(aws) => aws.cost_explorer().activate_tag(key).await,
            Err(failure) => return Applied::Rejected(failure),
        };
        match done {
            Ok(()) => Applied::Acknowledged(Values::new()),
            Err(Undone::Rejected(error)) => Applied::Rejected(failure(&error)),
            Err(Undone::Ambiguous(error)) => Applied::Ambiguous(failure(&error)),
        }
    }

    async fn verify(&self, _: &Context, _: &Values) -> Result<Verdict, Failure> {
        // The answer to the activation says that it counts; asking again would cost again, and what is
        // active stays so.
        Ok(Verdict::Converged([("active".to_owned(), Value::from(true))].into()))
    }

    async fn verify_absent(&self, _: &Context, _: &Values) -> Result<Verdict, Failure> {
        Ok(Verdict::Converged(Values::new()))
    }

    fn expected(&self, _: Action, _: &Values) -> Duration {
        Duration::from_secs(1)
    }
}

/// What is compared is only whether it counts.
#[cfg(test)]
mod tests {
    use runbook_core::change::Change;

    use super::*;

    #[test]
    fn an_active_tag_is_no_change_and_another_is_activated() {
        let module = CostAllocationTag::new();
        let arguments: Values = [("key".to_owned(), Value::from("runbook/owner"))].into();
        let seen = |active: bool| {
            Observed::Present(Observation {
                projection: [("active".to_owned(), Value::from(active))].into(),
                ownership: Ownership::Setting,
                outputs: Values::new(),
                private: serde_json::Value::Null,
            })
        };
        assert_eq!(module.diff(&arguments, &seen(true)), Change::none());
        assert_eq!(module.diff(&arguments, &seen(false)).action, Action::Update);
        assert!(module.looking_costs());
    }
}
