//! `sts.caller_identity`: who the runbook is, and where.

use async_trait::async_trait;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Observed, Schema, Values, Verdict,
};
use runbook_core::value::{Type, Value};

use super::settling::{looked_up, only_reads};
use super::{found, lookup};
use crate::arguments::values;
use crate::connections;
use crate::failures::Read as _;
use crate::schema::output;

/// `sts.caller_identity`.
pub(super) struct CallerIdentity {
    schema: Schema,
}

impl CallerIdentity {
    pub(super) fn new() -> Self {
        let schema = Schema {
            outputs: vec![
                output("account", Type::String, "The account."),
                output("arn", Type::String, "The ARN of the caller."),
                output("user_id", Type::String, "The caller's unique id."),
                output("partition", Type::String, "The partition: `aws`, `aws-cn`, …"),
                output("region", Type::String, "The connection's region."),
                output("dns_suffix", Type::String, "What host names of services end in."),
            ],
            iam_actions: &["sts:GetCallerIdentity"],
            ..lookup("sts.caller_identity", "Looks up who runs the runbook, and in which account.")
        };
        Self { schema }
    }
}

#[async_trait]
impl Module for CallerIdentity {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, _: &Values) -> Description {
        Description { subject: "caller".to_owned(), detail: String::new() }
    }

    async fn observe(&self, context: &Context, _: &Values) -> Result<Observed, Failure> {
        let aws = connections::aws(context)?;
        let caller = aws.sts().caller_identity().await.read()?;
        Ok(found(values([
            ("account", Value::from(caller.account)),
            ("arn", Value::from(caller.arn)),
            ("user_id", Value::from(caller.user_id)),
            ("partition", Value::from(caller.partition.as_str())),
            ("region", Value::from(aws.region())),
            ("dns_suffix", Value::from(caller.partition.dns_suffix())),
        ])))
    }

    async fn apply(&self, _: &Context, _: Intent<'_>) -> Applied {
        only_reads("sts.caller_identity")
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        looked_up(self, context, arguments).await
    }
}
