//! `assert`: something is true, or the run stops here.

use async_trait::async_trait;
use runbook_core::change::{Action, Change};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observed, Schema, Values, Verdict,
};
use runbook_core::value::Type;

use super::nothing_to_apply;
use crate::arguments::{boolean, text};
use crate::schema::required;

/// See the module documentation.
pub(super) struct Assert {
    schema: Schema,
}

impl Assert {
    pub(super) fn new() -> Self {
        let schema = Schema {
            name: "assert",
            summary: "Stops here unless something is true.",
            nature: Nature::Pure,
            follows: true,
            connection: None,
            arguments: vec![
                required("that", Type::Boolean, "What must be true."),
                required("message", Type::String, "What to say when it is not."),
            ],
            outputs: Vec::new(),
            may: &[Action::None],
            iam_actions: &[],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { schema }
    }
}

#[async_trait]
impl Module for Assert {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        let subject = arguments.get("message").map(ToString::to_string).unwrap_or_default();
        Description { subject, detail: String::new() }
    }

    async fn observe(&self, _: &Context, _: &Values) -> Result<Observed, Failure> {
        Ok(Observed::Absent)
    }

    fn diff(&self, _: &Values, _: &Observed) -> Change {
        Change::none()
    }

    async fn apply(&self, _: &Context, _: Intent<'_>) -> Applied {
        nothing_to_apply()
    }

    async fn verify(&self, _: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        if boolean(arguments, "that") {
            return Ok(Verdict::Converged(Values::new()));
        }
        Ok(Verdict::Terminal(Failure::new(Class::Invalid, text(arguments, "message"))))
    }
}
