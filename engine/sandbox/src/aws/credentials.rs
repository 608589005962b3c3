//! Access keys and the principals behind them: the scenario's user, and sessions of roles.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::protocol::Request;
use super::refusal::Code;
use super::signature::{self, Claim};
use super::{Principal, Refusal};
use crate::store::{State, Transaction};

const COLLECTION: &str = "sts/access-key";

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessKey {
    pub(crate) secret: String,
    /// The ARN of whom it belongs to.
    pub(crate) principal: String,
    pub(crate) user_id: String,
    /// Of temporary credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<Session>,
}

/// What temporary credentials have beside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) token: String,
    /// Protocol time.
    pub(crate) expires: Timestamp,
}

pub(crate) fn put(transaction: &mut Transaction<'_>, id: &str, key: &AccessKey) {
    transaction.put_as(COLLECTION, id, key);
}

pub(crate) fn get(state: &State, id: &str) -> Option<AccessKey> {
    state.get_as(COLLECTION, id)
}

/// Who signed a request.
pub(crate) fn authenticate(
    transaction: &Transaction<'_>,
    request: &Request<'_>,
    claim: &Claim,
    real_now: Timestamp,
) -> Result<Principal, Refusal> {
    let unknown = || {
        Refusal::of(
            403,
            Code::UnknownAccessKey,
            "The security token included in the request is invalid.",
        )
    };
    let key: AccessKey = transaction.get_as(COLLECTION, &claim.access_key).ok_or_else(unknown)?;
    let token = key.session.as_ref().map(|session| session.token.as_str());
    if token != claim.session_token.as_deref() {
        return Err(unknown());
    }
    signature::check(request, claim, &key.secret, real_now)?;
    if key.session.as_ref().is_some_and(|session| session.expires <= real_now) {
        return Err(expired());
    }
    Ok(Principal { arn: key.principal, id: key.user_id })
}

/// What a service says to temporary credentials that are over.
pub(crate) fn expired() -> Refusal {
    Refusal::of(403, Code::ExpiredToken, "The security token included in the request is expired")
}
