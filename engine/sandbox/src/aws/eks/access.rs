//! Access entries: who may talk to a cluster, and as what.

use serde_json::{Value, json};

use super::{ENTRIES, cluster, in_use, invalid, not_found, page, part, parts, time};
use crate::aws::{AwsError, Input};
use crate::store::Transaction;
use crate::world::{Context, ids};

pub(super) fn call(context: &Context, transaction: &mut Transaction<'_>, name: &str, input: &Input) -> Result<Value, AwsError> {
    let owner = input.label(0).to_owned();
    let document = cluster(transaction, &owner)?;
    if document["accessConfig"]["authenticationMode"] == "CONFIG_MAP" {
        return Err(AwsError::new(400, "InvalidRequestException", "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation."));
    }
    let principal = input.label(1).to_owned();
    match name {
        "CreateAccessEntry" => create(context, transaction, &owner, input),
        "ListAccessEntries" => Ok(page(input, "accessEntries", parts(transaction, ENTRIES, &owner).into_iter().map(|(arn, _)| json!(arn)).collect())),
        "DescribeAccessEntry" => Ok(json!({"accessEntry": outside(&find(transaction, &owner, &principal)?)})),
        "UpdateAccessEntry" => {
            let mut entry = find(transaction, &owner, &principal)?;
            for key in ["kubernetesGroups", "username"] {
                if !input.json[key].is_null() {
                    entry[key] = input.json[key].clone();
                }
            }
            transaction.put(ENTRIES, &part(&owner, &principal), entry.clone());
            Ok(json!({"accessEntry": outside(&entry)}))
        }
        "DeleteAccessEntry" => {
            find(transaction, &owner, &principal)?;
            transaction.delete(ENTRIES, &part(&owner, &principal));
            Ok(json!({}))
        }
        "AssociateAccessPolicy" => associate(transaction, &owner, &principal, input),
        "ListAssociatedAccessPolicies" => {
            let entry = find(transaction, &owner, &principal)?;
            Ok(json!({"clusterName": owner, "principalArn": principal, "associatedAccessPolicies": entry["policies"]}))
        }
        "DisassociateAccessPolicy" => {
            let mut entry = find(transaction, &owner, &principal)?;
            let gone = json!(input.label(2));
            if let Some(policies) = entry["policies"].as_array_mut() {
                policies.retain(|one| one["policyArn"] != gone);
            }
            transaction.put(ENTRIES, &part(&owner, &principal), entry);
            Ok(json!({}))
        }
        other => Err(AwsError::unknown_operation("eks", other)),
    }
}

fn outside(entry: &Value) -> Value {
    let mut answer = entry.clone();
    if let Some(entries) = answer.as_object_mut() {
        entries.remove("policies");
    }
    answer
}

fn find(transaction: &Transaction<'_>, owner: &str, principal: &str) -> Result<Value, AwsError> {
    let found = transaction.get(ENTRIES, &part(owner, principal));
    found.map(|value| (*value).clone()).ok_or_else(|| not_found(format!("The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.")))
}

fn entry(context: &Context, transaction: &Transaction<'_>, owner: &str, principal: &str, kind: &str) -> Value {
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

fn create(context: &Context, transaction: &mut Transaction<'_>, owner: &str, input: &Input) -> Result<Value, AwsError> {
    let principal = input.string("principalArn").unwrap_or_default();
    let kind = input.string("type").unwrap_or("STANDARD");
    if !matches!(kind, "STANDARD" | "EC2_LINUX" | "EC2_WINDOWS" | "FARGATE_LINUX" | "EC2" | "HYBRID_LINUX") {
        return Err(invalid(format!("Invalid access entry type {kind}")));
    }
    if transaction.get(ENTRIES, &part(owner, principal)).is_some() {
        return Err(in_use("The specified access entry resource is already in use on this cluster.".to_owned()));
    }
    if let Some(name) = principal.split(":role/").nth(1) {
        if crate::aws::iam::usable(transaction, principal).is_none() {
            return Err(invalid(format!("The specified principalArn is invalid: invalid principal. ({name} does not exist or is not visible yet)")));
        }
    }
    let mut created = entry(context, transaction, owner, principal, kind);
    created["tags"] = json!(input.json["tags"].as_object().cloned().unwrap_or_default());
    if kind == "STANDARD" {
        if let Some(groups) = input.json["kubernetesGroups"].as_array() {
            created["kubernetesGroups"] = json!(groups);
        }
        if let Some(username) = input.string("username") {
            created["username"] = json!(username);
        }
    }
    transaction.put(ENTRIES, &part(owner, principal), created.clone());
    Ok(json!({"accessEntry": outside(&created)}))
}

fn associate(transaction: &mut Transaction<'_>, owner: &str, principal: &str, input: &Input) -> Result<Value, AwsError> {
    let mut entry = find(transaction, owner, principal)?;
    let policy = input.string("policyArn").unwrap_or_default();
    if !policy.starts_with("arn:aws:eks::aws:cluster-access-policy/") {
        return Err(invalid(format!("The policyArn parameter format is not valid: {policy}")));
    }
    let now = time(transaction);
    let association = json!({"policyArn": policy, "accessScope": input.json["accessScope"], "associatedAt": now, "modifiedAt": now});
    if let Some(policies) = entry["policies"].as_array_mut() {
        policies.retain(|one| one["policyArn"] != json!(policy));
        policies.push(association.clone());
    }
    transaction.put(ENTRIES, &part(owner, principal), entry);
    Ok(json!({"clusterName": owner, "principalArn": principal, "associatedAccessPolicy": association}))
}

/// The creator of a cluster is its administrator.
pub(super) fn bootstrap_creator(context: &Context, transaction: &mut Transaction<'_>, owner: &str, principal: &str) {
    let mut created = entry(context, transaction, owner, principal, "STANDARD");
    let now = time(transaction);
    created["policies"] = json!([{
        "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        "accessScope": {"type": "cluster", "namespaces": []}, "associatedAt": now, "modifiedAt": now,
    }]);
    transaction.put(ENTRIES, &part(owner, principal), created);
}

/// EKS lets the pods of a profile in by itself.
pub(super) fn bootstrap_fargate(context: &Context, transaction: &mut Transaction<'_>, owner: &str, role: &str) {
    if transaction.get(ENTRIES, &part(owner, role)).is_none() {
        let created = entry(context, transaction, owner, role, "FARGATE_LINUX");
        transaction.put(ENTRIES, &part(owner, role), created);
    }
}

/// Whether a principal administers the cluster.
pub(crate) fn is_admin(transaction: &Transaction<'_>, owner: &str, principal: &str) -> Option<bool> {
    let entry = transaction.get(ENTRIES, &part(owner, principal))?;
    let admin = entry["policies"].as_array().into_iter().flatten().any(|one| {
        one["policyArn"].as_str().is_some_and(|arn| arn.ends_with("/AmazonEKSClusterAdminPolicy")) && one["accessScope"]["type"] == "cluster"
    });
    Some(admin || entry["kubernetesGroups"].as_array().into_iter().flatten().any(|group| group == "system:masters"))
}

/// Whether a role may join as a node of that kind.
pub(crate) fn has_type(transaction: &Transaction<'_>, owner: &str, role: &str, kind: &str) -> bool {
    transaction.get(ENTRIES, &part(owner, role)).is_some_and(|entry| entry["type"] == kind)
}
