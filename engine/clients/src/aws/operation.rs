//! The class of each AWS operation, by its name.
//!
//! AWS names its reads `Describe…`, `List…` and `Get…`. The exceptions are listed. An operation
//! that this table does not know to be a read counts as a write: a mistake here refuses too much,
//! never too little.

use crate::request::RequestClass;

/// Reads that are not named like one.
const OTHER_READS: &[&str] = &[
    "AssumeRole",
    "AssumeRoleWithWebIdentity",
    "SimulateCustomPolicy",
    "SimulatePrincipalPolicy",
    "TestEventPattern",
];

/// Writes that are named like a read.
const WRITES_IN_DISGUISE: &[&str] = &[
    // Starts a password change or a report; none of them is called here, and none may be by mistake.
    "GetFederationToken",
    "GetSessionToken",
];

/// What an operation may do.
pub(crate) fn class_of(operation: &str) -> RequestClass {
    let reads_by_name =
        ["Describe", "List", "Get"].iter().any(|prefix| operation.starts_with(prefix));
    if OTHER_READS.contains(&operation)
        || (reads_by_name && !WRITES_IN_DISGUISE.contains(&operation))
    {
        RequestClass::Read
    } else {
        RequestClass::Write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_known_by_name() {
        for read in ["DescribeCluster", "ListRoles", "GetRole", "AssumeRole", "GetQueueAttributes"]
        {
            assert_eq!(class_of(read), RequestClass::Read, "{read}");
        }
    }

    #[test]
    fn whatever_is_not_known_to_read_writes() {
        for write in ["CreateTags", "PutRule", "TagResource", "ReceiveMessage", "Fetch", "get"] {
            assert_eq!(class_of(write), RequestClass::Write, "{write}");
        }
    }
}
