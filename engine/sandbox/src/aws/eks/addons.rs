//! Add-ons: their workloads live in the cluster, their health is those workloads'.

use serde_json::{Value, json};

use super::{
    ADDONS, PAGING, UPDATES, cluster, in_use, invalid, names, not_found, page, page_of, part,
    parts, time,
};
use crate::aws::{Answer, Call, Input, Refusal};
use crate::kubernetes;
use crate::store::Transaction;
use crate::world::{Context, Timer, ids};

/// Versions of an add-on by Kubernetes minor version.
type ByKubernetes = &'static [(&'static str, &'static [&'static str])];

/// Versions by add-on and Kubernetes minor version; the first is the default.
const VERSIONS: [(&str, ByKubernetes); 3] = [
    (
        "coredns",
        &[
            ("1.33", &["v1.12.1-eksbuild.2"]),
            ("1.34", &["v1.12.3-eksbuild.1", "v1.12.4-eksbuild.1"]),
            ("1.35", &["v1.13.1-eksbuild.1"]),
            ("1.36", &["v1.13.2-eksbuild.1"]),
        ],
    ),
    (
        "kube-proxy",
        &[
            ("1.33", &["v1.33.3-eksbuild.4"]),
            ("1.34", &["v1.34.0-eksbuild.2"]),
            ("1.35", &["v1.35.0-eksbuild.1"]),
            ("1.36", &["v1.36.0-eksbuild.1"]),
        ],
    ),
    (
        "vpc-cni",
        &[
            ("1.33", &["v1.20.1-eksbuild.3"]),
            ("1.34", &["v1.20.4-eksbuild.2"]),
            ("1.35", &["v1.21.1-eksbuild.1"]),
            ("1.36", &["v1.21.2-eksbuild.1"]),
        ],
    ),
];

/// The versions of an add-on that are offered for a version of Kubernetes, the default first.
pub(super) fn versions(addon: &str, kubernetes: &str) -> Option<&'static [&'static str]> {
    let (_, all) = VERSIONS.iter().find(|(name, _)| *name == addon)?;
    all.iter().find(|(version, _)| *version == kubernetes).map(|(_, versions)| *versions)
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Answer {
    let Call { context, transaction, name, input, .. } = call;
    let (context, input) = (*context, *input);
    match *name {
        "DescribeAddonVersions" => return describe_versions(input),
        "DescribeAddonConfiguration" => return describe_configuration(input),
        _ => {}
    }
    let owner = super::owner_of(input);
    let document = cluster(transaction, owner)?;
    let addon = input.text("addonName").unwrap_or_default().to_owned();
    match *name {
        "CreateAddon" => create(context, transaction, owner, &document, input),
        "ListAddons" => page(input, "addons", names(transaction, ADDONS, owner)),
        "DescribeAddon" => Ok(json!({"addon": find(transaction, owner, &addon)?})),
        "UpdateAddon" => update(context, transaction, owner, &document, &addon, input),
        _ => {
            let mut found = find(transaction, owner, &addon)?;
            found["status"] = json!("DELETING");
            transaction.put(ADDONS, &part(owner, &addon), found.clone());
            let preserve = input.flag("preserve") == Some(true);
            transaction.schedule_in(
                20,
                "eks.addon",
                &part(owner, &addon),
                json!({"to": "GONE", "preserve": preserve}),
            );
            Ok(json!({"addon": found}))
        }
    }
}

fn find(transaction: &Transaction<'_>, owner: &str, addon: &str) -> Answer {
    let found = transaction.get(ADDONS, &part(owner, addon));
    found
        .map(|value| (*value).clone())
        .ok_or_else(|| not_found(format!("No addon: {addon} found in cluster: {owner}")))
}

fn describe_versions(input: &Input) -> Answer {
    let is_offered = |asked: &str| {
        VERSIONS.iter().any(|(_, all)| all.iter().any(|(kubernetes, _)| *kubernetes == asked))
    };
    if let Some(unknown) = input.text("kubernetesVersion").filter(|asked| !is_offered(asked)) {
        return Err(invalid(format!("Kubernetes version {unknown} is not supported")));
    }
    let mut addons = Vec::new();
    for (name, all) in VERSIONS {
        if input.text("addonName").is_some_and(|wanted| wanted != name) {
            continue;
        }
        let mut listed = Vec::new();
        for (kubernetes, versions) in all {
            if input.text("kubernetesVersion").is_some_and(|wanted| wanted != *kubernetes) {
                continue;
            }
            for (index, version) in versions.iter().enumerate() {
                listed.push(json!({
                    "addonVersion": version, "architecture": ["amd64", "arm64"], "computeTypes": ["ec2", "fargate"], "requiresConfiguration": false,
                    "compatibilities": [{"clusterVersion": kubernetes, "platformVersions": ["*"], "defaultVersion": index == 0}],
                }));
            }
        }
        let described = json!({"addonName": name, "type": "networking", "owner": "aws", "publisher": "eks", "addonVersions": listed});
        addons.push((name.to_owned(), described));
    }
    let (addons, next) = page_of(PAGING, input, addons)?;
    Ok(json!({"addons": addons, "nextToken": next}))
}

fn describe_configuration(input: &Input) -> Answer {
    let addon = input.text("addonName").unwrap_or_default();
    let version = input.text("addonVersion").unwrap_or_default();
    let Some((_, all)) = VERSIONS.iter().find(|(name, _)| *name == addon) else {
        return Err(invalid(format!("Addon {addon} specified is not supported")));
    };
    if !all.iter().any(|(_, versions)| versions.contains(&version)) {
        return Err(invalid(format!("Addon version specified is not supported: {version}")));
    }
    Ok(
        json!({"addonName": addon, "addonVersion": version, "configurationSchema": schema(addon).to_string()}),
    )
}

/// What can be configured of an add-on.
fn schema(addon: &str) -> Value {
    let mut properties = json!({"resources": {"type": "object"}, "tolerations": {"type": "array"}, "nodeSelector": {"type": "object"}, "affinity": {"type": "object"}});
    if addon == "coredns" {
        for (name, kind) in [
            ("computeType", "string"),
            ("replicaCount", "integer"),
            ("corefile", "string"),
            ("podAnnotations", "object"),
            ("podLabels", "object"),
            ("podDisruptionBudget", "object"),
            ("topologySpreadConstraints", "array"),
            ("autoScaling", "object"),
        ] {
            properties[name] = json!({"type": kind});
        }
    }
    json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false, "properties": properties})
}

/// Configuration values are JSON of known keys.
fn check_configuration(addon: &str, text: Option<&str>) -> Answer {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(json!({})) };
    let wrong = |why: String| {
        invalid(format!("ConfigurationValue provided in request is not supported: {why}"))
    };
    let value: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let schema = schema(addon);
    for key in value.as_object().ok_or_else(|| wrong("not an object".to_owned()))?.keys() {
        if schema["properties"][key].is_null() {
            return Err(wrong(format!(
                "Json schema validation failed with error: [$: property '{key}' is not defined in the schema and the schema does not allow additional properties]"
            )));
        }
    }
    Ok(value)
}

fn pick_version(addon: &str, document: &Value, wanted: Option<&str>) -> Result<String, Refusal> {
    let kubernetes = document["version"].as_str().unwrap_or_default();
    let offered = versions(addon, kubernetes).ok_or_else(|| {
        invalid(format!(
            "Addon {addon} specified is not supported in {kubernetes} kubernetes version"
        ))
    })?;
    match wanted {
        None => Ok(offered.first().copied().unwrap_or_default().to_owned()),
        Some(version) if offered.contains(&version) => Ok(version.to_owned()),
        Some(version) => {
            Err(invalid(format!("Addon version specified is not supported: {version}")))
        }
    }
}

fn create(
    context: &Context,
    transaction: &mut Transaction<'_>,
    owner: &str,
    document: &Value,
    input: &Input,
) -> Answer {
    let addon = input.text("addonName").unwrap_or_default();
    if transaction.get(ADDONS, &part(owner, addon)).is_some() {
        return Err(in_use("Addon already exists.".to_string()));
    }
    if document["status"] != "ACTIVE" {
        return Err(in_use(format!("Cannot create addon because cluster {owner} is not ACTIVE")));
    }
    let version = pick_version(addon, document, input.text("addonVersion"))?;
    let configuration = check_configuration(addon, input.text("configurationValues"))?;
    let created = json!({
        "addonName": addon, "clusterName": owner, "status": "CREATING", "addonVersion": version, "health": {"issues": []},
        "addonArn": format!("arn:aws:eks:{}:{}:addon/{owner}/{addon}/{}", context.region, context.account, ids::uuid(context, &["addon", owner, addon])),
        "createdAt": time(transaction), "modifiedAt": time(transaction), "tags": input.value("tags").as_object().cloned().unwrap_or_default(),
        "configurationValues": input.text("configurationValues"), "owner": "aws", "publisher": "eks",
        "serviceAccountRoleArn": input.text("serviceAccountRoleArn"),
    });
    transaction.put(ADDONS, &part(owner, addon), created.clone());
    kubernetes::addons::install(context, transaction, owner, addon, &version, &configuration);
    transaction.schedule_in(15, "eks.addon", &part(owner, addon), json!({"to": "HEALTH"}));
    Ok(json!({"addon": created}))
}

fn update(
    context: &Context,
    transaction: &mut Transaction<'_>,
    owner: &str,
    document: &Value,
    addon: &str,
    input: &Input,
) -> Answer {
    let mut found = find(transaction, owner, addon)?;
    let status = found["status"].as_str().unwrap_or_default();
    if matches!(status, "CREATING" | "UPDATING" | "DELETING") {
        return Err(in_use(format!(
            "Addon {addon} cannot be updated as it is currently in {status} state"
        )));
    }
    let current = found["addonVersion"].as_str().map(str::to_owned);
    let version = pick_version(addon, document, input.text("addonVersion").or(current.as_deref()))?;
    let text = input
        .text("configurationValues")
        .or_else(|| found["configurationValues"].as_str())
        .map(str::to_owned);
    let configuration = check_configuration(addon, text.as_deref())?;
    found["addonVersion"] = json!(version);
    found["configurationValues"] = json!(text);
    if let Some(role) = input.text("serviceAccountRoleArn") {
        found["serviceAccountRoleArn"] = json!(role);
    }
    found["status"] = json!("UPDATING");
    found["modifiedAt"] = time(transaction);
    transaction.put(ADDONS, &part(owner, addon), found);
    kubernetes::addons::install(context, transaction, owner, addon, &version, &configuration);
    transaction.schedule_in(15, "eks.addon", &part(owner, addon), json!({"to": "HEALTH"}));
    let id = ids::uuid(context, &["addon-update", owner, addon, &transaction.now().to_string()]);
    let update = json!({"id": id, "status": "InProgress", "type": "AddonUpdate", "params": [], "createdAt": time(transaction), "errors": []});
    let mut kept = update.clone();
    kept["addonName"] = json!(addon);
    transaction.put(UPDATES, &part(owner, &id), kept);
    Ok(json!({"update": update}))
}

/// An add-on's updates that run end with its health.
fn end_updates(transaction: &mut Transaction<'_>, owner: &str, addon: &str) {
    for (id, mut update) in parts(transaction, UPDATES, owner) {
        if update["addonName"] == addon && update["status"] == "InProgress" {
            update["status"] = json!("Successful");
            transaction.put(UPDATES, &part(owner, &id), update);
        }
    }
}

pub(super) fn due(context: &Context, transaction: &mut Transaction<'_>, timer: &Timer) {
    let Some((owner, addon)) = timer.subject.split_once('/') else { return };
    let Some(found) = transaction.get(ADDONS, &timer.subject) else { return };
    let mut found = (*found).clone();
    if timer.payload["to"] == "GONE" {
        if timer.payload["preserve"] != json!(true) {
            kubernetes::addons::remove(transaction, owner, addon);
        }
        transaction.delete(ADDONS, &timer.subject);
        return;
    }
    // Health is what the workload says; while it is not ready, EKS looks again.
    match kubernetes::addons::not_ready(transaction, owner, addon) {
        None => {
            found["status"] = json!("ACTIVE");
            found["health"] = json!({"issues": []});
            end_updates(transaction, owner, addon);
        }
        Some(why) => {
            let waited =
                transaction.now().as_second() - found["modifiedAt"].as_i64().unwrap_or_default();
            if waited >= 30 {
                found["status"] = json!("DEGRADED");
                found["health"] = json!({"issues": [{"code": "InsufficientNumberOfReplicas", "message": why, "resourceIds": []}]});
            }
            transaction.schedule_in(10, "eks.addon", &timer.subject, json!({"to": "HEALTH"}));
        }
    }
    transaction.put(ADDONS, &timer.subject, found);
    let _ = context;
}
