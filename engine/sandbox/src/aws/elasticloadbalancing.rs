//! Load balancers, as far as a verification reads them: nothing in the sandbox makes one.
//!
//! Two generations share the scope and the name of the first operation; the version tells which.

use serde_json::{Value, json};

use super::{Answer, Call, Input, Operation, Refusal, read};

const CLASSIC: &str = "2012-06-01";

pub(super) const OPERATIONS: &[Operation] = &[
    read("DescribeLoadBalancers", "Names", none_of),
    read("DescribeTargetGroups", "Names", none_of),
];

fn none_of(call: &mut Call<'_, '_>) -> Answer {
    let input = call.input;
    if call.name == "DescribeTargetGroups" {
        check(input, &["LoadBalancerArn"], "LoadBalancerNotFound", "load balancers")?;
        check(input, &["Names", "TargetGroupArns"], "TargetGroupNotFound", "target groups")?;
        return Ok(json!({"TargetGroups": []}));
    }
    if input.text("Version") == Some(CLASSIC) {
        if let Some(name) = input.texts("LoadBalancerNames").first() {
            let why = format!("There is no ACTIVE Load Balancer named '{name}'");
            return Err(Refusal::bad("LoadBalancerNotFound", why));
        }
        return Ok(json!({"LoadBalancerDescriptions": []}));
    }
    check(input, &["Names", "LoadBalancerArns"], "LoadBalancerNotFound", "load balancers")?;
    Ok(json!({"LoadBalancers": []}))
}

/// What is asked for by name is not there.
fn check(input: &Input, names: &[&str], code: &str, what: &str) -> Result<(), Refusal> {
    let is_named = names.iter().any(|name| match input.value(name) {
        Value::Array(items) => !items.is_empty(),
        other => !other.is_null(),
    });
    if is_named {
        return Err(Refusal::bad(code, format!("One or more {what} not found")));
    }
    Ok(())
}
