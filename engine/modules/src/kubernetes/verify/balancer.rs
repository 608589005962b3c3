//! K6: the load balancer controller. A cluster that has none and asks for none is `NodeLess` too.

use serde_json::Value;

use super::check::Check;
use super::cluster::{counted, fleet, ready_endpoints};
use super::world::{Asked, BALANCER, Balancer, ROLE_ANNOTATION, entry};

/// What it must be told on Fargate, where no instance can be asked.
const ARGUMENTS: [&str; 3] = ["--cluster-name", "--aws-region", "--aws-vpc-id"];

pub(super) fn judge(asked: &Asked, balancer: &Balancer) -> Vec<Check> {
    if balancer.deployment.is_none() && !asked.releases.contains_key(BALANCER) {
        return Vec::new();
    }
    let endpoints = ready_endpoints(&balancer.webhook_slices);
    let role = balancer
        .service_account
        .as_ref()
        .and_then(|account| entry(account, "/metadata/annotations", ROLE_ANNOTATION));
    let class = balancer.ingress_class.is_some();
    vec![
        fleet("K6", "load balancer controller", &balancer.pods),
        Check::hard(
            "K6",
            "its webhook",
            "at least 1 ready endpoint",
            endpoints > 0,
            counted(endpoints, "ready endpoint"),
        ),
        Check::hard(
            "K6",
            "its service account",
            "takes on a role",
            role.is_some(),
            role.unwrap_or("takes on no role"),
        ),
        told(balancer),
        Check::hard(
            "K6",
            "IngressClass alb",
            "exists",
            class,
            if class { "exists" } else { "it is not there" },
        ),
    ]
}

fn told(balancer: &Balancer) -> Check {
    let given: Vec<&str> = balancer
        .deployment
        .as_ref()
        .and_then(|one| one.pointer("/spec/template/spec/containers")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(|container| container.get("args")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let missing: Vec<&str> = ARGUMENTS
        .into_iter()
        .filter(|name| {
            !given.iter().any(|one| {
                one.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            })
        })
        .collect();
    let actual = if missing.is_empty() {
        "all given".to_owned()
    } else {
        format!("without {}", missing.join(", "))
    };
    Check::hard("K6", "its arguments", ARGUMENTS.join(", "), missing.is_empty(), actual)
}
