//! Insights: what stands in the way of a cluster's next version, as far as the sandbox knows it.
//!
//! Each is worked out from the world when it is asked for. What EKS finds in a real cluster's audit
//! log (deprecated APIs) is not looked for, so it is not listed.

use serde_json::{Value, json};

use super::{ADDONS, PAGING, addons, cluster, clusters, invalid, not_found, page_of, parts};
use crate::aws::{Answer, Call, Input};
use crate::kubernetes;
use crate::store::Transaction;
use crate::world::{Context, ids};

const CATEGORIES: [&str; 3] = ["UPGRADE_READINESS", "MISCONFIGURATION", "ROLLBACK_READINESS"];
const STATUSES: [&str; 4] = ["PASSING", "WARNING", "ERROR", "UNKNOWN"];
/// Minor versions that a kubelet or a kube-proxy may be behind.
const MOST_BEHIND: i64 = 3;

/// EKS looks once a day.
const REFRESH_SECONDS: i64 = 24 * 3600;

/// What was looked at, and what was found: the resources that do not pass.
struct Finding {
    name: &'static str,
    description: &'static str,
    recommendation: &'static str,
    passing: &'static str,
    failing: &'static str,
    resources: Vec<Value>,
    addons: Vec<Value>,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Answer {
    let Call { context, transaction, name, input, .. } = call;
    let owner = super::owner_of(input);
    let document = cluster(transaction, owner)?;
    let insights = insights(context, transaction, owner, &document);
    if *name == "ListInsights" {
        return list(input, insights);
    }
    let id = input.text("id").unwrap_or_default();
    let found = insights.into_iter().find(|one| one["id"] == id);
    let found = found.ok_or_else(|| not_found(format!("No insight found for id: {id}.")))?;
    Ok(json!({"insight": found}))
}

fn list(input: &Input, insights: Vec<Value>) -> Answer {
    let filter = input.value("filter");
    for (name, known) in [("categories", &CATEGORIES[..]), ("statuses", &STATUSES[..])] {
        let asked = filter[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(unknown) = asked.into_iter().find(|one| !known.contains(one)) {
            return Err(invalid(format!("{unknown} is none of the {name} {}", known.join(", "))));
        }
    }
    let is_wanted = |name: &str, value: &Value| {
        filter[name].as_array().is_none_or(|wanted| wanted.is_empty() || wanted.contains(value))
    };
    let wanted = insights.into_iter().filter(|one| {
        is_wanted("categories", &one["category"])
            && is_wanted("kubernetesVersions", &one["kubernetesVersion"])
            && is_wanted("statuses", &one["insightStatus"]["status"])
    });
    let listed = wanted.map(|mut one| {
        if let Some(entries) = one.as_object_mut() {
            for detail in
                ["recommendation", "additionalInfo", "resources", "categorySpecificSummary"]
            {
                entries.remove(detail);
            }
        }
        (one["id"].as_str().unwrap_or_default().to_owned(), one)
    });
    let mut listed: Vec<(String, Value)> = listed.collect();
    listed.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (insights, next) = page_of(PAGING, input, listed)?;
    Ok(json!({"insights": insights, "nextToken": next}))
}

/// Those of the version that comes next; a cluster of the newest has none.
fn insights(
    context: &Context,
    transaction: &Transaction<'_>,
    owner: &str,
    document: &Value,
) -> Vec<Value> {
    let Some(minor) = minor(document["version"].as_str().unwrap_or_default()) else {
        return Vec::new();
    };
    let next = format!("1.{}", minor + 1);
    if document["status"] != "ACTIVE" || !clusters::is_offered(&next) {
        return Vec::new();
    }
    let findings = [
        kubelets(transaction, owner, minor + 1),
        proxies(transaction, owner, minor + 1),
        compatibility(transaction, owner, &next),
        health(document),
    ];
    let created = document["createdAt"].as_i64().unwrap_or_default();
    let age = transaction.now().as_second() - created;
    let refreshed = created + age - age % REFRESH_SECONDS;
    let described = findings.into_iter().map(|finding| {
        let is_passing = finding.resources.is_empty();
        let (status, reason) =
            if is_passing { ("PASSING", finding.passing) } else { ("ERROR", finding.failing) };
        json!({
            "id": ids::uuid(context, &["insight", owner, finding.name, &next]), "name": finding.name,
            "category": "UPGRADE_READINESS", "kubernetesVersion": next, "description": finding.description,
            "lastRefreshTime": refreshed, "lastTransitionTime": document["createdAt"],
            "insightStatus": {"status": status, "reason": reason}, "recommendation": finding.recommendation,
            "additionalInfo": {}, "resources": finding.resources,
            "categorySpecificSummary": {"deprecationDetails": [], "addonCompatibilityDetails": finding.addons},
        })
    });
    described.collect()
}

/// The minor version of `1.34`, `v1.34.1-eks-…`.
fn minor(version: &str) -> Option<i64> {
    version.split('.').nth(1)?.parse().ok()
}

fn failing(key: &str, value: String, reason: String) -> Value {
    json!({key: value, "insightStatus": {"status": "ERROR", "reason": reason}})
}

fn kubelets(transaction: &Transaction<'_>, owner: &str, next: i64) -> Finding {
    let nodes = kubernetes::list(transaction, owner, "", "nodes").into_iter();
    let late = nodes.filter_map(|node| {
        let version = node["status"]["nodeInfo"]["kubeletVersion"].as_str()?;
        let name = node["metadata"]["name"].as_str()?;
        (next - minor(version)? > MOST_BEHIND).then(|| {
            let uri = format!("/api/v1/nodes/{name}");
            failing("kubernetesResourceUri", uri, format!("its kubelet is {version}"))
        })
    });
    Finding {
        name: "Kubelet version skew",
        description: "Checks for kubelet versions of worker nodes in the cluster to see if upgrade would cause non compliance with supported Kubernetes kubelet version skew policy.",
        recommendation: "Upgrade your worker nodes to match the Kubernetes version of your cluster control plane.",
        passing: "Node kubelet versions match the cluster control plane version.",
        failing: "Kubelet versions are too far behind the next Kubernetes version.",
        resources: late.collect(),
        addons: Vec::new(),
    }
}

fn proxies(transaction: &Transaction<'_>, owner: &str, next: i64) -> Finding {
    let proxy =
        parts(transaction, ADDONS, owner).into_iter().find(|(name, _)| name == "kube-proxy");
    let late = proxy.and_then(|(_, addon)| {
        let version = addon["addonVersion"].as_str()?.to_owned();
        let arn = addon["addonArn"].as_str()?.to_owned();
        (next - minor(&version)? > MOST_BEHIND)
            .then(|| failing("arn", arn, format!("kube-proxy is {version}")))
    });
    Finding {
        name: "kube-proxy version skew",
        description: "Checks version of kube-proxy in cluster to see if upgrade would cause non compliance with supported Kubernetes kube-proxy version skew policy.",
        recommendation: "Upgrade kube-proxy to match the Kubernetes version of your cluster control plane.",
        passing: "kube-proxy versions match the cluster control plane version.",
        failing: "kube-proxy is too far behind the next Kubernetes version.",
        resources: late.into_iter().collect(),
        addons: Vec::new(),
    }
}

fn compatibility(transaction: &Transaction<'_>, owner: &str, next: &str) -> Finding {
    let (mut resources, mut details) = (Vec::new(), Vec::new());
    for (name, addon) in parts(transaction, ADDONS, owner) {
        let version = addon["addonVersion"].as_str().unwrap_or_default();
        let offered = addons::versions(&name, next).unwrap_or_default();
        if !offered.contains(&version) {
            let arn = addon["addonArn"].as_str().unwrap_or_default().to_owned();
            resources.push(failing(
                "arn",
                arn,
                format!("{name} {version} is not offered for {next}"),
            ));
            details.push(json!({"name": name, "compatibleVersions": offered}));
        }
    }
    Finding {
        name: "EKS add-on version compatibility",
        description: "Checks version of installed EKS add-ons to ensure they are compatible with the next version of Kubernetes.",
        recommendation: "Upgrade the EKS add-ons to a version that is compatible with the next version of Kubernetes.",
        passing: "All installed EKS add-on versions are compatible with next Kubernetes version.",
        failing: "Some installed EKS add-on versions are not compatible with next Kubernetes version.",
        resources,
        addons: details,
    }
}

fn health(document: &Value) -> Finding {
    let issues = document["health"]["issues"].as_array().into_iter().flatten();
    let arn = document["arn"].as_str().unwrap_or_default();
    let found = issues.map(|issue| {
        failing("arn", arn.to_owned(), issue["message"].as_str().unwrap_or_default().to_owned())
    });
    Finding {
        name: "Cluster health issues",
        description: "Checks for any cluster health issues that prevent successful upgrade to the next Kubernetes version on EKS.",
        recommendation: "Resolve the issues that DescribeCluster lists.",
        passing: "No cluster health issues detected.",
        failing: "The cluster has health issues.",
        resources: found.collect(),
        addons: Vec::new(),
    }
}
