//! Load balancers, as far as a verification reads them: nothing in the sandbox makes one.
//!
//! Two generations share the scope and the name of the first operation; the version tells which.

use serde_json::{Value, json};

use super::{Answer, Call, Input, Operation, Refusal, read};

const CLASSIC: &str = "2012-06-01";

pub(super) const OPERATIONS: &[Operation] = &[
    read("DescribeLoadBalancers", "Names", none_of),
    read("DescribeTargetGroups", "Names", none_of),
    read("DescribeTargetHealth", "TargetGroupArn", none_of),
    read("DescribeTags", "ResourceArns", tags_of_none),
];

fn none_of(call: &mut Call<'_, '_>) -> Answer {
    let input = call.input;
    if call.name == "DescribeTargetGroups" {
        check(input, &["LoadBalancerArn"], "LoadBalancerNotFound", "load balancers")?;
        check(input, &["Names", "TargetGroupArns"], "TargetGroupNotFound", "target groups")?;
        return Ok(json!({"TargetGroups": []}));
    }
    if call.name == "DescribeTargetHealth" {
        input.required("TargetGroupArn")?;
        check(input, &["TargetGroupArn"], "TargetGroupNotFound", "target groups")?;
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

/// Tags of what is not there: what it would be, its ARN says.
fn tags_of_none(call: &mut Call<'_, '_>) -> Answer {
    let arns = call.input.texts("ResourceArns");
    let arn = arns.first().ok_or_else(|| Refusal::missing("resourceArns"))?;
    let kind = arn.split(':').nth(5).and_then(|what| what.split('/').next()).unwrap_or_default();
    let (code, what) = match kind {
        "loadbalancer" => ("LoadBalancerNotFound", "Load balancer"),
        "targetgroup" => ("TargetGroupNotFound", "Target group"),
        "listener" => ("ListenerNotFound", "Listener"),
        "listener-rule" => ("RuleNotFound", "Rule"),
        "truststore" => ("TrustStoreNotFound", "Trust store"),
        _ => return Err(Refusal::invalid(format!("'{arn}' is not a valid load balancer ARN"))),
    };
    Err(Refusal::bad(code, format!("{what} '{arn}' not found")))
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
