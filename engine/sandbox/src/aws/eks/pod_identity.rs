//! Pod identity associations: which role the pods of a service account have.
//!
//! They are kept and answered; no agent runs on the sandbox's nodes, and on Fargate none could.

use serde_json::{Value, json};

use super::{
    PAGING, POD_IDENTITIES, cluster, in_use, invalid, not_found, page_of, part, parts, time,
};
use crate::aws::{Answer, Call, Input, Refusal, iam};
use crate::store::Transaction;
use crate::world::{Context, ids};

/// Associations of one cluster.
const MOST: usize = 5000;

pub(super) fn run(call: &mut Call<'_, '_>) -> Answer {
    let Call { context, transaction, name, input, .. } = call;
    let (context, input) = (*context, *input);
    let owner = super::owner_of(input);
    cluster(transaction, owner)?;
    match *name {
        "CreatePodIdentityAssociation" => create(context, transaction, owner, input),
        "ListPodIdentityAssociations" => list(transaction, owner, input),
        "DescribePodIdentityAssociation" => {
            Ok(json!({"association": find(transaction, owner, input)?}))
        }
        "UpdatePodIdentityAssociation" => {
            let mut association = find(transaction, owner, input)?;
            for field in ["roleArn", "targetRoleArn"] {
                if let Some(role) = input.text(field) {
                    check_role(transaction, field, role)?;
                    association[field] = json!(role);
                }
            }
            if let Some(is_disabled) = input.flag("disableSessionTags") {
                association["disableSessionTags"] = json!(is_disabled);
            }
            association["modifiedAt"] = time(transaction);
            let key = part(owner, input.text("associationId").unwrap_or_default());
            transaction.put(POD_IDENTITIES, &key, association.clone());
            Ok(json!({"association": association}))
        }
        "DeletePodIdentityAssociation" => {
            let association = find(transaction, owner, input)?;
            let key = part(owner, input.text("associationId").unwrap_or_default());
            transaction.delete(POD_IDENTITIES, &key);
            Ok(json!({"association": association}))
        }
        other => Err(Refusal::unknown_operation("eks", other)),
    }
}

fn find(transaction: &Transaction<'_>, owner: &str, input: &Input) -> Answer {
    let id = input.text("associationId").unwrap_or_default();
    let found = transaction.get(POD_IDENTITIES, &part(owner, id));
    found.map(|value| (*value).clone()).ok_or_else(|| {
        not_found(format!(
            "The specified association id {id} could not be found in cluster {owner}"
        ))
    })
}

fn check_role(transaction: &Transaction<'_>, field: &str, role: &str) -> Result<(), Refusal> {
    if !role.contains(":role/") {
        return Err(invalid(format!("The {field} {role} is not the ARN of a role")));
    }
    if iam::usable(transaction, role).is_none() {
        return Err(invalid(format!("Role provided in the request does not exist: {role}")));
    }
    Ok(())
}

fn create(
    context: &Context,
    transaction: &mut Transaction<'_>,
    owner: &str,
    input: &Input,
) -> Answer {
    if !input.value("policy").is_null() {
        return Err(Refusal::not_simulated("session policies of pod identity associations"));
    }
    let text = |name: &'static str| match input.text(name) {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(invalid(format!("{name} is required"))),
    };
    let (namespace, account, role) =
        (text("namespace")?, text("serviceAccount")?, text("roleArn")?);
    let there = parts(transaction, POD_IDENTITIES, owner);
    let of_account =
        |one: &Value| one["namespace"] == namespace && one["serviceAccount"] == account;
    if there.iter().any(|(_, one)| of_account(one)) {
        return Err(in_use(format!(
            "Association already exists: namespace {namespace}, service account {account}"
        )));
    }
    check_role(transaction, "roleArn", role)?;
    if let Some(target) = input.text("targetRoleArn") {
        check_role(transaction, "targetRoleArn", target)?;
    }
    if there.len() >= MOST {
        return Err(Refusal::bad(
            "ResourceLimitExceededException",
            format!("Cannot exceed quota for pod identity associations: {MOST}"),
        ));
    }
    let id = format!("a-{}", ids::hex(context, &["pod identity", owner, namespace, account], 17));
    let now = time(transaction);
    let association = json!({
        "clusterName": owner, "namespace": namespace, "serviceAccount": account, "roleArn": role, "associationId": id,
        "associationArn": format!("arn:aws:eks:{}:{}:podidentityassociation/{owner}/{id}", context.region, context.account),
        "tags": input.value("tags").as_object().cloned().unwrap_or_default(), "createdAt": now, "modifiedAt": now,
        "disableSessionTags": input.flag("disableSessionTags").unwrap_or(false), "targetRoleArn": input.text("targetRoleArn"),
    });
    transaction.put(POD_IDENTITIES, &part(owner, &id), association.clone());
    Ok(json!({"association": association}))
}

fn list(transaction: &Transaction<'_>, owner: &str, input: &Input) -> Answer {
    let is_wanted = |one: &Value| {
        ["namespace", "serviceAccount"]
            .iter()
            .all(|name| input.text(name).is_none_or(|wanted| one[*name] == wanted))
    };
    let shown = ["clusterName", "namespace", "serviceAccount", "associationArn", "associationId"];
    let all = parts(transaction, POD_IDENTITIES, owner).into_iter();
    let listed = all.filter(|(_, one)| is_wanted(one)).map(|(id, one)| {
        (id, shown.iter().map(|name| ((*name).to_owned(), one[*name].clone())).collect())
    });
    let (associations, next) = page_of(PAGING, input, listed.collect())?;
    Ok(json!({"associations": associations, "nextToken": next}))
}
