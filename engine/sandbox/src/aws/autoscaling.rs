//! Auto Scaling and load balancing, as far as a verification reads them: a NodeLess cluster has none.

use serde_json::{Value, json};

use super::AwsError;
use crate::store::Transaction;

pub(super) fn call(transaction: &Transaction<'_>, name: &str) -> Result<Value, AwsError> {
    let all = |collection: &str| -> Vec<Value> {
        transaction.list(collection).into_iter().map(|(_, value)| (*value).clone()).collect()
    };
    match name {
        "DescribeAutoScalingGroups" => Ok(json!({"AutoScalingGroups": all("autoscaling/group")})),
        "DescribeLoadBalancers" => Ok(json!({"LoadBalancers": all("elb/load-balancer")})),
        "DescribeTargetGroups" => Ok(json!({"TargetGroups": all("elb/target-group")})),
        "DescribeTags" => Ok(json!({"Tags": []})),
        other => Err(AwsError::unknown_operation("autoscaling", other)),
    }
}
