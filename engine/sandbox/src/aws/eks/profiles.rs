//! Fargate profiles: immutable, made and deleted one at a time.

use serde_json::{Value, json};

use super::{PROFILES, cluster, in_use, invalid, names, not_found, page, part, parts, time};
use crate::aws::{Answer, Call, Input, Refusal, ec2, iam};
use crate::store::Transaction;
use crate::world::{Context, Timer, ids};

/// Selectors of one profile.
const MOST_SELECTORS: usize = 5;
/// Profiles of one cluster.
const MOST_PROFILES: usize = 10;

pub(super) fn run(call: &mut Call<'_, '_>) -> Answer {
    let Call { context, transaction, name, input, .. } = call;
    let (context, input) = (*context, *input);
    let owner = super::owner_of(input);
    cluster(transaction, owner)?;
    match *name {
        "CreateFargateProfile" => create(context, transaction, owner, input),
        "ListFargateProfiles" => {
            page(input, "fargateProfileNames", names(transaction, PROFILES, owner))
        }
        "DescribeFargateProfile" => Ok(
            json!({"fargateProfile": outside(&find(transaction, owner, input.text("fargateProfileName").unwrap_or_default())?)}),
        ),
        _ => delete(
            context,
            transaction,
            owner,
            input.text("fargateProfileName").unwrap_or_default(),
        ),
    }
}

fn find(transaction: &Transaction<'_>, owner: &str, name: &str) -> Answer {
    let found = transaction.get(PROFILES, &part(owner, name));
    found
        .map(|value| (*value).clone())
        .ok_or_else(|| not_found(format!("No Fargate Profile found with name: {name}.")))
}

/// What is answered: without what only the sandbox keeps.
fn outside(profile: &Value) -> Value {
    let mut answer = profile.clone();
    if let Some(entries) = answer.as_object_mut() {
        entries.remove("clientRequestToken");
    }
    answer
}

/// One profile operation at a time, and none during an update of the cluster.
fn check_free(transaction: &Transaction<'_>, owner: &str) -> Result<(), Refusal> {
    for (name, profile) in parts(transaction, PROFILES, owner) {
        let status = profile["status"].as_str().unwrap_or_default();
        if matches!(status, "CREATING" | "DELETING") {
            return Err(in_use(format!(
                "Cannot perform the operation because cluster {owner} currently has Fargate profile {name} in status {status}"
            )));
        }
    }
    if super::clusters::is_updating(transaction, owner) {
        return Err(in_use(format!(
            "Cannot perform the operation because cluster {owner} currently has an update in progress"
        )));
    }
    Ok(())
}

fn create(
    context: &Context,
    transaction: &mut Transaction<'_>,
    owner: &str,
    input: &Input,
) -> Answer {
    let name = input.text("fargateProfileName").unwrap_or_default();
    if let Ok(there) = find(transaction, owner, name) {
        let token = input.text("clientRequestToken");
        if token.is_some() && there["clientRequestToken"].as_str() == token {
            return Ok(json!({"fargateProfile": outside(&there)}));
        }
        return Err(in_use(format!(
            "A Fargate Profile already exists with this name in this cluster: {name}"
        )));
    }
    if name.starts_with("eks-") {
        return Err(invalid("Fargate Profile names may not start with eks-"));
    }
    let selectors = input.value("selectors").as_array().cloned().unwrap_or_default();
    if selectors.is_empty() {
        return Err(invalid("Fargate Profile requires at least one selector."));
    }
    if selectors.len() > MOST_SELECTORS {
        return Err(invalid("Request exceeds the maximum number of selectors: 5"));
    }
    if parts(transaction, PROFILES, owner).len() >= MOST_PROFILES {
        return Err(Refusal::new(
            400,
            "ResourceLimitExceededException",
            "Fargate profile limit exceeded for cluster",
        ));
    }
    let document = cluster(transaction, owner)?;
    if document["status"] != "ACTIVE" {
        return Err(in_use(format!(
            "Cannot create Fargate Profile because cluster {owner} is not ACTIVE"
        )));
    }
    check_free(transaction, owner)?;
    let role = input.text("podExecutionRoleArn").unwrap_or_default();
    let trusted =
        iam::usable(transaction, role).is_some_and(|found| trusts(context, owner, &found.trust));
    if !trusted {
        return Err(invalid(
            "Misconfigured PodExecutionRole Trust Policy; Please add the eks-fargate-pods.amazonaws.com Service Principal",
        ));
    }
    let subnets: Vec<&str> =
        input.value("subnets").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for subnet in &subnets {
        if !is_private(transaction, subnet)? {
            return Err(invalid(format!(
                "Subnet {subnet} provided in Fargate Profile is not a private subnet"
            )));
        }
    }
    let first = parts(transaction, PROFILES, owner).is_empty();
    let profile = json!({
        "fargateProfileName": name, "clusterName": owner, "createdAt": time(transaction), "podExecutionRoleArn": role, "subnets": subnets,
        "fargateProfileArn": format!("arn:aws:eks:{}:{}:fargateprofile/{owner}/{name}/{}", context.region, context.account, ids::uuid(context, &["profile", owner, name])),
        "selectors": selectors, "status": "CREATING", "tags": input.value("tags").as_object().cloned().unwrap_or_default(),
        "health": {"issues": []}, "clientRequestToken": input.text("clientRequestToken"),
    });
    transaction.put(PROFILES, &part(owner, name), profile.clone());
    let spread =
        i64::try_from(ids::below(context, &["profile", owner, name], 30)).unwrap_or_default();
    let seconds = if first { 110 + spread } else { 40 + spread };
    transaction.schedule_in(seconds, "eks.profile", &part(owner, name), json!({"to": "ACTIVE"}));
    Ok(json!({"fargateProfile": outside(&profile)}))
}

/// The trust policy lets Fargate pods of this cluster in: the source ARN is a profile's, not the
/// cluster's.
fn trusts(context: &Context, owner: &str, trust: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(trust) else { return false };
    let statements = document["Statement"].as_array().cloned().unwrap_or_default();
    let prefix =
        format!("arn:aws:eks:{}:{}:fargateprofile/{owner}/", context.region, context.account);
    statements.iter().any(|statement| {
        let service = statement["Principal"]["Service"].to_string();
        let source = statement["Condition"]["ArnLike"]["aws:SourceArn"].as_str();
        service.contains("eks-fargate-pods.amazonaws.com")
            && source.is_none_or(|source| {
                source.starts_with(&prefix) || source.ends_with("fargateprofile/*")
            })
    })
}

/// No route to an internet gateway.
fn is_private(transaction: &Transaction<'_>, subnet: &str) -> Result<bool, Refusal> {
    let found = transaction
        .get(ec2::SUBNETS, subnet)
        .ok_or_else(|| invalid(format!("The subnet ID '{subnet}' does not exist")))?;
    let tables: Vec<_> =
        transaction.list(ec2::ROUTE_TABLES).into_iter().map(|(_, table)| table).collect();
    let own = tables.iter().find(|table| {
        table["associationSet"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|one| one["subnetId"] == json!(subnet))
    });
    let main = tables.iter().find(|table| {
        table["vpcId"] == found["vpcId"]
            && table["associationSet"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|one| one["main"] == json!(true))
    });
    let routes = own
        .or(main)
        .map(|table| table["routeSet"].as_array().cloned().unwrap_or_default())
        .unwrap_or_default();
    Ok(!routes.iter().any(|route| {
        route["gatewayId"].as_str().is_some_and(|gateway| gateway.starts_with("igw-"))
    }))
}

fn delete(context: &Context, transaction: &mut Transaction<'_>, owner: &str, name: &str) -> Answer {
    let mut profile = find(transaction, owner, name)?;
    check_free(transaction, owner)?;
    profile["status"] = json!("DELETING");
    transaction.put(PROFILES, &part(owner, name), profile.clone());
    let seconds = 60
        + i64::try_from(ids::below(context, &["profile", owner, name, "delete"], 60))
            .unwrap_or_default();
    transaction.schedule_in(seconds, "eks.profile", &part(owner, name), json!({"to": "GONE"}));
    Ok(json!({"fargateProfile": outside(&profile)}))
}

pub(super) fn due(context: &Context, transaction: &mut Transaction<'_>, timer: &Timer) {
    let Some((owner, _)) = timer.subject.split_once('/') else { return };
    let Some(profile) = transaction.get(PROFILES, &timer.subject) else { return };
    let mut profile = (*profile).clone();
    let role = profile["podExecutionRoleArn"].as_str().unwrap_or_default().to_owned();
    if timer.payload["to"] == "ACTIVE" {
        profile["status"] = json!("ACTIVE");
        transaction.put(PROFILES, &timer.subject, profile);
        super::access::bootstrap_fargate(context, transaction, owner, &role);
        // The webhook that marks pods knows the profile a few seconds later.
        transaction.schedule_in(4, "fargate.webhook", &timer.subject, Value::Null);
        return;
    }
    transaction.delete(PROFILES, &timer.subject);
    let still_used = parts(transaction, PROFILES, owner)
        .iter()
        .any(|(_, one)| one["podExecutionRoleArn"] == json!(role));
    if !still_used {
        transaction.delete(super::ENTRIES, &part(owner, &role));
    }
}
