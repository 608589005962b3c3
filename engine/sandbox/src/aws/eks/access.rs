//! Access entries: who may talk to a cluster, and as what.

use serde_json::{Value, json};

use super::{
    ENTRIES, PAGING, cluster, in_use, invalid, not_found, page, page_of, part, parts, time,
};
use crate::aws::{Answer, Call, Input, Refusal};
use crate::store::Transaction;
use crate::world::{Context, ids};

pub(super) fn run(call: &mut Call<'_, '_>) -> Answer {
    let Call { context, transaction, name, input, .. } = call;
    let (context, input) = (*context, *input);
    let owner = super::owner_of(input);
    let document = cluster(transaction, owner)?;
    if document["accessConfig"]["authenticationMode"] == "CONFIG_MAP" {
        return Err(Refusal::new(
            400,
            "InvalidRequestException",
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.",
        ));
    }
    let principal = input.text("principalArn").unwrap_or_default().to_owned();
    match *name {
        "CreateAccessEntry" => create(context, transaction, owner, input),
        "ListAccessEntries" => list(transaction, owner, input),
        "DescribeAccessEntry" => {
            Ok(json!({"accessEntry": outside(&find(transaction, owner, &principal)?)}))
        }
        "UpdateAccessEntry" => {
            let mut entry = find(transaction, owner, &principal)?;
            check_groups(input)?;
            for key in ["kubernetesGroups", "username"] {
                if !input.value(key).is_null() {
                    entry[key] = input.value(key).clone();
                }
            }
            entry["modifiedAt"] = time(transaction);
            transaction.put(ENTRIES, &part(owner, &principal), entry.clone());
            Ok(json!({"accessEntry": outside(&entry)}))
        }
        "DeleteAccessEntry" => {
            find(transaction, owner, &principal)?;
            transaction.delete(ENTRIES, &part(owner, &principal));
            Ok(json!({}))
        }
        "AssociateAccessPolicy" => associate(transaction, owner, &principal, input),
        "ListAssociatedAccessPolicies" => {
            let entry = find(transaction, owner, &principal)?;
            let policies = entry["policies"].as_array().cloned().unwrap_or_default().into_iter();
            let keyed =
                policies.map(|one| (one["policyArn"].as_str().unwrap_or_default().to_owned(), one));
            let mut keyed: Vec<(String, Value)> = keyed.collect();
            keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
            let (policies, next) = page_of(PAGING, input, keyed)?;
            Ok(
                json!({"clusterName": owner, "principalArn": principal, "associatedAccessPolicies": policies, "nextToken": next}),
            )
        }
        "DisassociateAccessPolicy" => {
            let mut entry = find(transaction, owner, &principal)?;
            let gone = json!(input.text("policyArn"));
            let policies = entry["policies"].as_array_mut();
            let place = policies
                .as_ref()
                .and_then(|all| all.iter().position(|one| one["policyArn"] == gone));
            let (Some(policies), Some(place)) = (policies, place) else {
                return Err(not_found(
                    "The specified policyArn could not be found. You can view your associated access policies with 'list-associated-access-policies'.".to_owned(),
                ));
            };
            policies.remove(place);
            transaction.put(ENTRIES, &part(owner, &principal), entry);
            Ok(json!({}))
        }
        other => Err(Refusal::unknown_operation("eks", other)),
    }
}

fn list(transaction: &Transaction<'_>, owner: &str, input: &Input) -> Answer {
    let policy = input.text("associatedPolicyArn");
    let has = |entry: &Value| {
        let mut policies = entry["policies"].as_array().into_iter().flatten();
        policy.is_none_or(|policy| policies.any(|one| one["policyArn"] == policy))
    };
    let entries = parts(transaction, ENTRIES, owner).into_iter();
    let names = entries.filter(|(_, entry)| has(entry)).map(|(principal, _)| principal);
    page(input, "accessEntries", names.collect())
}

/// Groups of Kubernetes' own are not for access entries.
fn check_groups(input: &Input) -> Result<(), Refusal> {
    match input.texts("kubernetesGroups").iter().find(|group| group.starts_with("system:")) {
        Some(group) => Err(invalid(format!(
            "The kubernetes group name {group} is invalid, it cannot start with system:"
        ))),
        None => Ok(()),
    }
}

fn outside(entry: &Value) -> Value {
    let mut answer = entry.clone();
    if let Some(entries) = answer.as_object_mut() {
        entries.remove("policies");
    }
    answer
}

fn find(transaction: &Transaction<'_>, owner: &str, principal: &str) -> Answer {
    let found = transaction.get(ENTRIES, &part(owner, principal));
    found.map(|value| (*value).clone()).ok_or_else(|| not_found("The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.".to_string()))
}

fn entry(
    context: &Context,
    transaction: &Transaction<'_>,
    owner: &str,
    principal: &str,
    kind: &str,
) -> Value {
    let (username, groups) = match kind {
        "EC2_LINUX" => ("system:node:{{EC2PrivateDNSName}}".to_owned(), vec!["system:nodes"]),
        "FARGATE_LINUX" => ("system:node:{{SessionName}}".to_owned(), vec!["system:nodes"]),
        _ => (principal.to_owned(), vec![]),
    };
    let name = principal.rsplit('/').next().unwrap_or_default();
    json!({
        "clusterName": owner, "principalArn": principal, "type": kind, "username": username, "kubernetesGroups": groups, "tags": {}, "policies": [],
        "accessEntryArn": format!("arn:aws:eks:{}:{}:access-entry/{owner}/role/{}/{name}/{}", context.region, context.account, context.account, ids::uuid(context, &["entry", owner, principal])),
        "createdAt": time(transaction), "modifiedAt": time(transaction),
    })
}

fn create(
    context: &Context,
    transaction: &mut Transaction<'_>,
    owner: &str,
    input: &Input,
) -> Answer {
    let principal = input.text("principalArn").unwrap_or_default();
    let kind = input.text("type").unwrap_or("STANDARD");
    check_groups(input)?;
    if !matches!(
        kind,
        "STANDARD" | "EC2_LINUX" | "EC2_WINDOWS" | "FARGATE_LINUX" | "EC2" | "HYBRID_LINUX"
    ) {
        return Err(invalid(format!("Invalid access entry type {kind}")));
    }
    if transaction.get(ENTRIES, &part(owner, principal)).is_some() {
        return Err(in_use(
            "The specified access entry resource is already in use on this cluster.".to_owned(),
        ));
    }
    if let Some(name) = principal.split(":role/").nth(1)
        && crate::aws::iam::usable(transaction, principal).is_none()
    {
        return Err(invalid(format!(
            "The specified principalArn is invalid: invalid principal. ({name} does not exist or is not visible yet)"
        )));
    }
    let mut created = entry(context, transaction, owner, principal, kind);
    created["tags"] = json!(input.value("tags").as_object().cloned().unwrap_or_default());
    if kind == "STANDARD" {
        if let Some(groups) = input.value("kubernetesGroups").as_array() {
            created["kubernetesGroups"] = json!(groups);
        }
        if let Some(username) = input.text("username") {
            created["username"] = json!(username);
        }
    }
    transaction.put(ENTRIES, &part(owner, principal), created.clone());
    Ok(json!({"accessEntry": outside(&created)}))
}

fn associate(
    transaction: &mut Transaction<'_>,
    owner: &str,
    principal: &str,
    input: &Input,
) -> Answer {
    let mut entry = find(transaction, owner, principal)?;
    let policy = input.text("policyArn").unwrap_or_default();
    if !policy.starts_with("arn:aws:eks::aws:cluster-access-policy/") {
        return Err(invalid(format!("The policyArn parameter format is not valid: {policy}")));
    }
    let scope = input.value("accessScope");
    let is_scope = match scope["type"].as_str() {
        Some("cluster") => true,
        Some("namespace") => scope["namespaces"].as_array().is_some_and(|all| !all.is_empty()),
        _ => false,
    };
    if !is_scope {
        return Err(invalid(
            "The accessScope must be of type cluster, or of type namespace with at least one namespace",
        ));
    }
    let now = time(transaction);
    let association = json!({"policyArn": policy, "accessScope": input.value("accessScope"), "associatedAt": now, "modifiedAt": now});
    if let Some(policies) = entry["policies"].as_array_mut() {
        policies.retain(|one| one["policyArn"] != json!(policy));
        policies.push(association.clone());
    }
    transaction.put(ENTRIES, &part(owner, principal), entry);
    Ok(
        json!({"clusterName": owner, "principalArn": principal, "associatedAccessPolicy": association}),
    )
}

/// The creator of a cluster is its administrator.
pub(super) fn bootstrap_creator(
    context: &Context,
    transaction: &mut Transaction<'_>,
    owner: &str,
    principal: &str,
) {
    let mut created = entry(context, transaction, owner, principal, "STANDARD");
    let now = time(transaction);
    created["policies"] = json!([{
        "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        "accessScope": {"type": "cluster", "namespaces": []}, "associatedAt": now, "modifiedAt": now,
    }]);
    transaction.put(ENTRIES, &part(owner, principal), created);
}

/// EKS lets the pods of a profile in by itself.
pub(super) fn bootstrap_fargate(
    context: &Context,
    transaction: &mut Transaction<'_>,
    owner: &str,
    role: &str,
) {
    if transaction.get(ENTRIES, &part(owner, role)).is_none() {
        let created = entry(context, transaction, owner, role, "FARGATE_LINUX");
        transaction.put(ENTRIES, &part(owner, role), created);
    }
}

/// Whether a role may join as a node of that kind.
pub(crate) fn has_type(transaction: &Transaction<'_>, owner: &str, role: &str, kind: &str) -> bool {
    transaction.get(ENTRIES, &part(owner, role)).is_some_and(|entry| entry["type"] == kind)
}
