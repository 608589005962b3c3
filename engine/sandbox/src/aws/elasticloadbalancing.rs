//! Load balancers, as far as a verification reads them: nothing in the sandbox makes one.

use serde_json::json;

use super::{Answer, Call, Operation, read};

pub(super) const OPERATIONS: &[Operation] = &[
    read("DescribeLoadBalancers", "Names", none_of),
    read("DescribeTargetGroups", "Names", none_of),
];

fn none_of(call: &mut Call<'_, '_>) -> Answer {
    Ok(match call.name {
        "DescribeLoadBalancers" => json!({"LoadBalancers": []}),
        _ => json!({"TargetGroups": []}),
    })
}
