//! Auto Scaling, as far as a verification reads it: a `NodeLess` cluster has no groups.

use serde_json::{Value, json};

use super::{Answer, Call, Operation, read};

const GROUPS: &str = "autoscaling/group";

pub(super) const OPERATIONS: &[Operation] =
    &[read("DescribeAutoScalingGroups", "Filters", describe_groups)];

fn describe_groups(call: &mut Call<'_, '_>) -> Answer {
    let groups: Vec<Value> =
        call.transaction.list(GROUPS).into_iter().map(|(_, value)| (*value).clone()).collect();
    Ok(json!({"AutoScalingGroups": groups}))
}
