//! Auto Scaling, as far as a verification reads it: a `NodeLess` cluster has no groups.

use super::paging::{Paging, page};
use super::{Answer, Call, Operation, read};
use serde_json::json;

const GROUPS: &str = "autoscaling/group";
const PAGING: Paging = Paging {
    token: "NextToken",
    limit: "MaxRecords",
    most: 100,
    least: 1,
    bad_token: "InvalidNextToken",
};

pub(super) const OPERATIONS: &[Operation] =
    &[read("DescribeAutoScalingGroups", "Filters", describe_groups)];

fn describe_groups(call: &mut Call<'_, '_>) -> Answer {
    let named = call.input.texts("AutoScalingGroupNames");
    let groups = call
        .transaction
        .list(GROUPS)
        .into_iter()
        .filter(|(name, _)| named.is_empty() || named.contains(&&**name))
        .map(|(name, value)| (name.to_string(), (*value).clone()));
    let (groups, next) = page(PAGING, call.input, groups.collect())?;
    Ok(json!({"AutoScalingGroups": groups, "NextToken": next}))
}
