//! STS: who we are.

use super::Partition;
use super::call::Calls;
use crate::error::Error;

/// Calls STS.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_sts::Client,
    calls: Calls,
}

/// Who signs the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerIdentity {
    /// The account.
    pub account: String,
    /// The principal's ARN; for an assumed role, the session's.
    pub arn: String,
    /// Its unique id.
    pub user_id: String,
    /// The partition of that ARN.
    pub partition: Partition,
}

impl Client {
    pub(super) fn new(sdk: aws_sdk_sts::Client, calls: Calls) -> Self {
        Self { sdk, calls }
    }

    /// Who signs the requests.
    pub async fn caller_identity(&self) -> Result<CallerIdentity, Error> {
        const NAME: &str = "GetCallerIdentity";
        let output = self.calls.read(NAME, || self.sdk.get_caller_identity().send()).await?;
        let missing = |field: &str| self.calls.incomplete(NAME, field);
        let arn = output.arn.ok_or_else(|| missing("Arn"))?;
        Ok(CallerIdentity {
            account: output.account.ok_or_else(|| missing("Account"))?,
            user_id: output.user_id.ok_or_else(|| missing("UserId"))?,
            partition: Partition::of_arn(&arn).ok_or_else(|| missing("Arn"))?,
            arn,
        })
    }
}
