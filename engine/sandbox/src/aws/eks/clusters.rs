//! Clusters and their updates.

use serde_json::{Value, json};

use super::{
    ADDONS, CLUSTERS, ENTRIES, PAGING, POD_IDENTITIES, PROFILES, UPDATES, cluster, in_use, invalid,
    not_found, page, page_of, part, parts, time,
};
use crate::aws::refusal::Code;
use crate::aws::{Answer, Call, Input, Principal, Refusal, ec2, iam};
use crate::kubernetes;
use crate::store::Transaction;
use crate::world::{Context, Timer, ids};

/// Versions that are offered, the default first.
const VERSIONS: [&str; 4] = ["1.34", "1.35", "1.36", "1.33"];

/// Whether a version is offered.
pub(super) fn is_offered(version: &str) -> bool {
    VERSIONS.contains(&version)
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Answer {
    let Call { context, transaction, principal, name, input, .. } = call;
    let (context, input) = (*context, *input);
    let owner = super::owner_of(input);
    match *name {
        "CreateCluster" => create(context, transaction, principal, input),
        "DescribeCluster" => {
            Ok(json!({"cluster": outside(context, &cluster(transaction, owner)?)?}))
        }
        "ListClusters" => page(
            input,
            "clusters",
            transaction.list(CLUSTERS).iter().map(|(name, _)| name.to_string()).collect(),
        ),
        "DeleteCluster" => delete(context, transaction, owner),
        "UpdateClusterConfig" => update_config(context, transaction, input),
        "UpdateClusterVersion" => update_version(context, transaction, input),
        "DescribeUpdate" => {
            cluster(transaction, owner)?;
            let update =
                transaction.get(UPDATES, &part(owner, input.text("updateId").unwrap_or_default()));
            let update = update.ok_or_else(|| {
                not_found(format!(
                    "No update found for ID: {}",
                    input.text("updateId").unwrap_or_default()
                ))
            })?;
            let mut update = (*update).clone();
            if let Some(entries) = update.as_object_mut() {
                entries.remove("addonName");
            }
            Ok(json!({"update": update}))
        }
        "ListUpdates" => {
            cluster(transaction, owner)?;
            let addon = input.value("addonName");
            let wanted = parts(transaction, UPDATES, owner)
                .into_iter()
                .filter(|(_, update)| update["addonName"] == *addon)
                .map(|(id, _)| id);
            page(input, "updateIds", wanted.collect())
        }
        "DescribeClusterVersions" => describe_versions(input),
        "ListNodegroups" => {
            cluster(transaction, owner)?;
            page(input, "nodegroups", Vec::new())
        }
        _ => {
            cluster(transaction, owner)?;
            Err(not_found(format!(
                "No node group found for name: {}.",
                input.text("nodegroupName").unwrap_or_default()
            )))
        }
    }
}

fn describe_versions(input: &Input) -> Answer {
    // One is a text, several are a list.
    let wanted: Vec<&str> =
        input.text("clusterVersions").into_iter().chain(input.texts("clusterVersions")).collect();
    let only_default = input.flag("defaultOnly") == Some(true);
    let versions = VERSIONS
        .iter()
        .filter(|version| wanted.is_empty() || wanted.contains(version))
        .filter(|version| !only_default || **version == VERSIONS[0])
        .map(|version| {
            let described = json!({
                "clusterVersion": version, "defaultVersion": *version == VERSIONS[0], "clusterType": "eks",
                "versionStatus": "STANDARD_SUPPORT", "status": "standard-support",
            });
            ((*version).to_owned(), described)
        });
    let mut versions: Vec<(String, Value)> = versions.collect();
    versions.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (versions, next) = page_of(PAGING, input, versions)?;
    Ok(json!({"clusterVersions": versions, "nextToken": next}))
}

/// What is answered: without what only the sandbox keeps, and with where its API server is *now*
/// and whose certificate that has. Nothing stored depends on ports.
fn outside(context: &Context, cluster: &Value) -> Answer {
    let mut answer = cluster.clone();
    let Some(entries) = answer.as_object_mut() else { return Ok(answer) };
    entries.remove("creator");
    entries.remove("bootstrapSelfManagedAddons");
    if cluster["status"] == "CREATING" {
        entries.remove("endpoint");
        return Ok(answer);
    }
    let name = cluster["name"].as_str().unwrap_or_default();
    let endpoint = context
        .addresses
        .cluster(name)
        .map_err(|error| Refusal::of(500, Code::Failure, error.to_string()))?;
    entries.insert("endpoint".to_owned(), json!(endpoint));
    entries.insert("certificateAuthority".to_owned(), json!({"data": context.authority}));
    Ok(answer)
}

fn create(
    context: &Context,
    transaction: &mut Transaction<'_>,
    principal: &Principal,
    input: &Input,
) -> Answer {
    let json = input.whole();
    let name = input.required("name")?;
    if name.len() > 100 {
        return Err(invalid("The cluster name must have between 1 and 100 characters"));
    }
    let is_taken = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_');
    if !name.starts_with(|one: char| one.is_ascii_alphanumeric()) || !name.chars().all(is_taken) {
        return Err(invalid(
            "The cluster name must begin with a letter or a digit and have letters, digits, hyphens and underscores",
        ));
    }
    if let Some(there) = transaction.get(CLUSTERS, name) {
        let token = input.text("clientRequestToken");
        if token.is_some() && there["clientRequestToken"].as_str() == token {
            return Ok(json!({"cluster": outside(context, &there)?}));
        }
        return Err(in_use(format!("Cluster already exists with name: {name}")));
    }
    let version = input.text("version").unwrap_or(VERSIONS[0]);
    if !VERSIONS.contains(&version) {
        return Err(invalid(format!("unsupported Kubernetes version {version}")));
    }
    let role = input.text("roleArn").unwrap_or_default();
    let trusted =
        iam::usable(transaction, role).is_some_and(|role| role.trust.contains("eks.amazonaws.com"));
    if !trusted {
        return Err(invalid(format!(
            "Role with arn: {role}, could not be assumed because it does not exist or the trusted entity is not correct"
        )));
    }
    let subnets: Vec<&str> = json["resourcesVpcConfig"]["subnetIds"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let (vpc, zones) = network(transaction, &subnets)?;
    if zones < 2 {
        return Err(invalid("Subnets specified must be in at least two different AZs"));
    }
    let group = security_group(context, transaction, name, &vpc);
    let id = ids::hex(context, &["cluster", name], 32).to_uppercase();
    let config = &json["resourcesVpcConfig"];
    let access = &json["accessConfig"];
    let arn = format!("arn:aws:eks:{}:{}:cluster/{name}", context.region, context.account);
    let document = json!({
        "name": name, "arn": arn, "createdAt": time(transaction), "version": version, "roleArn": role, "status": "CREATING",
        "endpoint": format!("https://{id}.gr7.{}.eks.amazonaws.com", context.region),
        "resourcesVpcConfig": {
            "subnetIds": subnets, "securityGroupIds": config["securityGroupIds"].as_array().cloned().unwrap_or_default(),
            "clusterSecurityGroupId": group, "vpcId": vpc,
            "endpointPublicAccess": config["endpointPublicAccess"].as_bool().unwrap_or(true),
            "endpointPrivateAccess": config["endpointPrivateAccess"].as_bool().unwrap_or(false),
            "publicAccessCidrs": config["publicAccessCidrs"].as_array().cloned().unwrap_or_else(|| vec![json!("0.0.0.0/0")]),
        },
        "kubernetesNetworkConfig": {"serviceIpv4Cidr": "10.100.0.0/16", "ipFamily": "ipv4", "elasticLoadBalancing": {"enabled": false}},
        "logging": {"clusterLogging": [{"types": ["api", "audit", "authenticator", "controllerManager", "scheduler"], "enabled": false}]},
        "identity": {"oidc": {"issuer": format!("https://oidc.eks.{}.amazonaws.com/id/{id}", context.region)}},
        "platformVersion": "eks.9", "tags": json["tags"].as_object().cloned().unwrap_or_default(), "health": {"issues": []},
        "accessConfig": {
            "authenticationMode": access["authenticationMode"].as_str().unwrap_or("CONFIG_MAP"),
            "bootstrapClusterCreatorAdminPermissions": access["bootstrapClusterCreatorAdminPermissions"].as_bool().unwrap_or(true),
        },
        "upgradePolicy": {"supportType": json["upgradePolicy"]["supportType"].as_str().unwrap_or("EXTENDED")},
        "computeConfig": {"enabled": false}, "deletionProtection": false,
        "clientRequestToken": input.text("clientRequestToken"),
        "bootstrapSelfManagedAddons": json["bootstrapSelfManagedAddons"].as_bool().unwrap_or(true),
        "creator": principal.arn,
    });
    transaction.put(CLUSTERS, name, document.clone());
    let seconds = 9 * 60
        + i64::try_from(ids::below(context, &["cluster", name, "seconds"], 40)).unwrap_or_default();
    transaction.schedule_in(seconds, "eks.cluster", name, json!({"to": "ACTIVE"}));
    Ok(json!({"cluster": outside(context, &document)?}))
}

/// The VPC of some subnets, and how many zones they are in.
fn network(transaction: &Transaction<'_>, subnets: &[&str]) -> Result<(String, usize), Refusal> {
    let mut zones = std::collections::BTreeSet::new();
    let mut vpcs = std::collections::BTreeSet::new();
    for subnet in subnets {
        let found = transaction
            .get(ec2::SUBNETS, subnet)
            .ok_or_else(|| invalid(format!("The subnet ID '{subnet}' does not exist")))?;
        zones.insert(found["availabilityZone"].as_str().unwrap_or_default().to_owned());
        vpcs.insert(found["vpcId"].as_str().unwrap_or_default().to_owned());
    }
    match (vpcs.len(), vpcs.pop_first()) {
        (1, Some(vpc)) => Ok((vpc, zones.len())),
        (0, _) => Err(invalid("Subnets must be given")),
        _ => Err(invalid("Subnets must be in the same VPC")),
    }
}

/// EKS makes a security group of the cluster's own.
fn security_group(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    vpc: &str,
) -> String {
    let id = ids::ec2(context, "sg", &format!("cluster/{cluster}"));
    let mut tags = serde_json::Map::new();
    tags.insert("Name".to_owned(), json!(format!("eks-cluster-sg-{cluster}")));
    tags.insert("aws:eks:cluster-name".to_owned(), json!(cluster));
    tags.insert(format!("kubernetes.io/cluster/{cluster}"), json!("owned"));
    let group = json!({
        "groupId": id, "groupName": format!("eks-cluster-sg-{cluster}"), "vpcId": vpc, "ownerId": context.account,
        "groupDescription": "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.",
        "tags": tags, "ipPermissions": [], "ipPermissionsEgress": [],
    });
    transaction.put(ec2::SECURITY_GROUPS, &id, group);
    id
}

fn delete(context: &Context, transaction: &mut Transaction<'_>, name: &str) -> Answer {
    let mut document = cluster(transaction, name)?;
    if let Some((profile, value)) = parts(transaction, PROFILES, name).first() {
        let status = value["status"].as_str().unwrap_or_default();
        return Err(in_use(format!(
            "Cannot delete because cluster {name} currently has Fargate profile {profile} in {status} state"
        )));
    }
    document["status"] = json!("DELETING");
    transaction.put(CLUSTERS, name, document.clone());
    let seconds = 180
        + i64::try_from(ids::below(context, &["cluster", name, "delete"], 120)).unwrap_or_default();
    transaction.schedule_in(seconds, "eks.cluster", name, json!({"to": "GONE"}));
    Ok(json!({"cluster": outside(context, &document)?}))
}

pub(super) fn due(context: &Context, transaction: &mut Transaction<'_>, timer: &Timer) {
    let name = timer.subject.as_str();
    let Ok(mut document) = cluster(transaction, name) else { return };
    if timer.payload["to"] == "ACTIVE" {
        document["status"] = json!("ACTIVE");
        transaction.put(CLUSTERS, name, document.clone());
        if document["accessConfig"]["bootstrapClusterCreatorAdminPermissions"] == json!(true) {
            let creator = document["creator"].as_str().unwrap_or_default().to_owned();
            super::access::bootstrap_creator(context, transaction, name, &creator);
        }
        kubernetes::bootstrap(context, transaction, name);
        return;
    }
    for collection in [ADDONS, ENTRIES, UPDATES, POD_IDENTITIES] {
        for (one, _) in parts(transaction, collection, name) {
            transaction.delete(collection, &part(name, &one));
        }
    }
    if let Some(group) = document["resourcesVpcConfig"]["clusterSecurityGroupId"].as_str() {
        transaction.delete(ec2::SECURITY_GROUPS, group);
    }
    kubernetes::delete_cluster(transaction, name);
    transaction.delete(CLUSTERS, name);
}

/// Refuses while another update of the cluster runs.
fn check_free(transaction: &Transaction<'_>, name: &str) -> Answer {
    let document = cluster(transaction, name)?;
    let status = document["status"].as_str().unwrap_or_default();
    if status != "ACTIVE" {
        return Err(in_use(format!(
            "Cannot update cluster {name} because it is in {status} state"
        )));
    }
    if is_updating(transaction, name) {
        return Err(in_use(format!(
            "Cannot perform the operation because cluster {name} currently has an update in progress"
        )));
    }
    Ok(document)
}

/// Whether an update of the cluster runs.
pub(super) fn is_updating(transaction: &Transaction<'_>, name: &str) -> bool {
    parts(transaction, UPDATES, name)
        .iter()
        .any(|(_, update)| update["status"] == "InProgress" && update["type"] != "AddonUpdate")
}

fn begin_update(
    context: &Context,
    transaction: &mut Transaction<'_>,
    name: &str,
    kind: &str,
    change: Value,
    seconds: i64,
) -> Value {
    let count = parts(transaction, UPDATES, name).len();
    let id = ids::uuid(context, &["update", name, &count.to_string()]);
    let update = json!({"id": id, "status": "InProgress", "type": kind, "params": [], "createdAt": time(transaction), "errors": []});
    transaction.put(UPDATES, &part(name, &id), update.clone());
    transaction.schedule_in(seconds, "eks.update", &part(name, &id), change);
    json!({"update": update})
}

fn update_config(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let name = super::owner_of(input);
    let mut document = check_free(transaction, name)?;
    let wanted = input.whole();
    let order = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"];
    let place = |mode: &str| order.iter().position(|one| *one == mode);
    if let Some(mode) = wanted["accessConfig"]["authenticationMode"].as_str() {
        let current = document["accessConfig"]["authenticationMode"].as_str().unwrap_or_default();
        match (place(current), place(mode)) {
            (Some(from), Some(to)) if from == to => {
                return Err(Refusal::new(
                    400,
                    "InvalidRequestException",
                    "No changes needed for the access config provided",
                ));
            }
            (Some(from), Some(to)) if to > from => {
                document["accessConfig"]["authenticationMode"] = json!(mode);
            }
            _ => {
                return Err(invalid(format!(
                    "Unsupported authentication mode update from {current} to {mode}"
                )));
            }
        }
    }
    if let Some(config) = wanted["resourcesVpcConfig"].as_object() {
        let same = config.iter().all(|(key, value)| document["resourcesVpcConfig"][key] == *value);
        if same {
            return Err(invalid("Cluster is already at the desired configuration"));
        }
        for (key, value) in config {
            document["resourcesVpcConfig"][key] = value.clone();
        }
    }
    if let Some(support) = wanted["upgradePolicy"]["supportType"].as_str() {
        document["upgradePolicy"]["supportType"] = json!(support);
    }
    let change = json!({
        "accessConfig": document["accessConfig"], "resourcesVpcConfig": document["resourcesVpcConfig"], "upgradePolicy": document["upgradePolicy"],
    });
    Ok(begin_update(context, transaction, name, "AccessConfigUpdate", change, 70))
}

fn update_version(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let name = super::owner_of(input);
    let document = check_free(transaction, name)?;
    let version = input.text("version").unwrap_or_default();
    let minor =
        |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let current = document["version"].as_str().unwrap_or_default();
    if !VERSIONS.contains(&version) || minor(version) != minor(current).map(|minor| minor + 1) {
        return Err(invalid(format!(
            "Unsupported Kubernetes minor version update from {current} to {version}"
        )));
    }
    Ok(begin_update(
        context,
        transaction,
        name,
        "VersionUpdate",
        json!({"version": version}),
        10 * 60,
    ))
}

pub(super) fn update_due(transaction: &mut Transaction<'_>, timer: &Timer) {
    let Some((name, _)) = timer.subject.split_once('/') else { return };
    if let Ok(mut document) = cluster(transaction, name) {
        for (key, value) in timer.payload.as_object().into_iter().flatten() {
            document[key] = value.clone();
        }
        transaction.put(CLUSTERS, name, document);
    }
    if let Some(update) = transaction.get(UPDATES, &timer.subject) {
        let mut update = (*update).clone();
        update["status"] = json!("Successful");
        transaction.put(UPDATES, &timer.subject, update);
    }
}
