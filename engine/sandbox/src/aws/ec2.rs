//! EC2: the network that a scenario declares, tags, and the instances that Karpenter makes.

mod types;
mod volumes;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::paging::{Paging, page};
use super::tags::{self, Tags};
use super::{Answer, Call, Input, Operation, Refusal, read, write};
use crate::store::Transaction;
use crate::world::Context;

pub(crate) const VPCS: &str = "ec2/vpc";
pub(crate) const SUBNETS: &str = "ec2/subnet";
pub(crate) const ROUTE_TABLES: &str = "ec2/route-table";
pub(crate) const SECURITY_GROUPS: &str = "ec2/security-group";
pub(crate) const NAT_GATEWAYS: &str = "ec2/nat-gateway";
pub(crate) const INTERNET_GATEWAYS: &str = "ec2/internet-gateway";
pub(crate) const INSTANCES: &str = "ec2/instance";
/// No scenario declares any; they can be asked for all the same.
const VPC_ENDPOINTS: &str = "ec2/vpc-endpoint";

/// Tags of one thing, those of AWS not counted.
const MOST_TAGS: usize = 50;
const PAGING: Paging = Paging {
    token: "NextToken",
    limit: "MaxResults",
    most: 1000,
    least: 5,
    bad_token: "InvalidNextToken",
};

pub(super) const OPERATIONS: &[Operation] = &[
    read("DescribeVpcs", "Filter", run),
    read("DescribeSubnets", "Filter", run),
    read("DescribeRouteTables", "Filter", run),
    read("DescribeSecurityGroups", "Filter", run),
    read("DescribeNatGateways", "Filter", run),
    read("DescribeInternetGateways", "Filter", run),
    read("DescribeInstances", "Filter", run),
    read("DescribeVpcEndpoints", "Filter", run),
    read("DescribeVolumes", "Filter", run),
    read("DescribeVpcAttribute", "Filter", run),
    read("DescribeAvailabilityZones", "Filter", run),
    read("DescribeInstanceTypes", "InstanceType", run),
    read("DescribeInstanceTypeOfferings", "Filter", run),
    write("CreateTags", "ResourceId", run),
    write("DeleteTags", "ResourceId", run),
];

fn run(call: &mut Call<'_, '_>) -> Answer {
    let Call { context, transaction, name, input, .. } = call;
    dispatch(context, transaction, name, input)
}

/// What can be described: operation, collection, the set's name, the id's filter.
const KINDS: [(&str, &str, &str, &str); 8] = [
    ("DescribeVpcs", VPCS, "vpcSet", "vpc-id"),
    ("DescribeSubnets", SUBNETS, "subnetSet", "subnet-id"),
    ("DescribeRouteTables", ROUTE_TABLES, "routeTableSet", "route-table-id"),
    ("DescribeSecurityGroups", SECURITY_GROUPS, "securityGroupInfo", "group-id"),
    ("DescribeNatGateways", NAT_GATEWAYS, "natGatewaySet", "nat-gateway-id"),
    ("DescribeInternetGateways", INTERNET_GATEWAYS, "internetGatewaySet", "internet-gateway-id"),
    ("DescribeInstances", INSTANCES, "reservationSet", "instance-id"),
    ("DescribeVpcEndpoints", VPC_ENDPOINTS, "vpcEndpointSet", "vpc-endpoint-id"),
];

fn dispatch(
    context: &Context,
    transaction: &mut Transaction<'_>,
    name: &str,
    input: &Input,
) -> Answer {
    if let Some((_, collection, set, id)) = KINDS.iter().find(|(operation, ..)| *operation == name)
    {
        let documents = transaction.list(collection).into_iter();
        let documents =
            documents.map(|(name, document)| (name.to_string(), (*document).clone())).collect();
        return describe(documents, set, id, input);
    }
    match name {
        "DescribeVolumes" => {
            describe(volumes::attached(context, transaction), "volumeSet", "volume-id", input)
        }
        "DescribeVpcAttribute" => attribute(transaction, input),
        "DescribeAvailabilityZones" => zones(context, input),
        "DescribeInstanceTypes" => types::describe(context, input),
        "DescribeInstanceTypeOfferings" => types::offerings(context, input),
        "CreateTags" | "DeleteTags" => change_tags(transaction, name, input),
        other => Err(Refusal::unknown_operation("ec2", other)),
    }
}

fn zones(context: &Context, input: &Input) -> Answer {
    let name = |letter: &str| format!("{}{letter}", context.region);
    let letters = ["a", "b", "c", "d"];
    let asked = input.texts("ZoneName");
    if let Some(none) = asked.iter().find(|one| !letters.iter().any(|letter| name(letter) == **one))
    {
        let why = format!("Invalid availability zone: [{none}]");
        return Err(Refusal::bad("InvalidParameterValue", why));
    }
    let zones: Vec<Value> = letters
        .iter()
        .enumerate()
        .filter(|(_, letter)| asked.is_empty() || asked.contains(&name(letter).as_str()))
        .map(|(index, letter)| json!({
            "zoneName": name(letter), "zoneId": format!("az{}", index + 1), "zoneState": "available",
            "regionName": context.region, "zoneType": "availability-zone", "optInStatus": "opt-in-not-required",
        }))
        .collect();
    Ok(json!({"availabilityZoneInfo": zones}))
}

/// A moment as EC2 writes it: to the millisecond.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Filters by name, each with the values that are wanted.
fn filters(input: &Input) -> Vec<(String, Vec<String>)> {
    let texts = |value: &Value| {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    input
        .list("Filter")
        .iter()
        .map(|one| (one["Name"].as_str().unwrap_or_default().to_owned(), texts(&one["Value"])))
        .collect()
}

/// Whether there is such a filter; those of [`matches()`], whatever is there to be filtered.
fn is_filter(name: &str, id: &str) -> bool {
    const NAMES: [&str; 13] = [
        "association.main",
        "association.subnet-id",
        "attachment.instance-id",
        "availability-zone",
        "group-name",
        "instance-state-name",
        "is-default",
        "isDefault",
        "nat-gateway-state",
        "state",
        "status",
        "tag-key",
        "vpc-id",
    ];
    name == id || name.starts_with("tag:") || NAMES.contains(&name)
}

fn matches(document: &Value, id: &str, name: &str, filter: &str, wanted: &[String]) -> bool {
    let has = |value: Option<&str>| {
        value.is_some_and(|value| wanted.iter().any(|pattern| wildcard(pattern, value)))
    };
    if filter == id {
        return has(Some(name));
    }
    let tags: Tags = serde_json::from_value(document["tags"].clone()).unwrap_or_default();
    if let Some(key) = filter.strip_prefix("tag:") {
        return has(tags.get(key).map(String::as_str));
    }
    match filter {
        "tag-key" => tags.keys().any(|key| has(Some(key))),
        "vpc-id" => has(document["vpcId"].as_str()),
        "group-name" => has(document["groupName"].as_str()),
        "availability-zone" => has(document["availabilityZone"].as_str()),
        "state" | "instance-state-name" | "nat-gateway-state" => {
            has(document["state"].as_str().or_else(|| document["instanceState"]["name"].as_str()))
        }
        "association.subnet-id" => {
            let associations = document["associationSet"].as_array().into_iter().flatten();
            associations.into_iter().any(|one| has(one["subnetId"].as_str()))
        }
        "attachment.instance-id" => {
            let attachments = document["attachmentSet"].as_array().into_iter().flatten();
            attachments.into_iter().any(|one| has(one["instanceId"].as_str()))
        }
        "status" => has(document["status"].as_str()),
        "association.main" => {
            let main = document["associationSet"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|one| one["main"] == json!(true));
            has(Some(if main { "true" } else { "false" }))
        }
        "isDefault" | "is-default" => {
            has(Some(if document["isDefault"] == json!(true) { "true" } else { "false" }))
        }
        _ => false,
    }
}

fn wildcard(pattern: &str, value: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == value,
        Some((start, end)) => value.strip_prefix(start).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|tail| wildcard(end, tail)))
        }),
    }
}

/// The refusal of an id that is not there, in the words of its kind.
fn not_found(id: &str) -> Refusal {
    let (code, why) = match id.split('-').next().unwrap_or_default() {
        "vpc" => ("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist")),
        "subnet" => ("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist")),
        "sg" => ("InvalidGroup.NotFound", format!("The security group '{id}' does not exist")),
        "rtb" => {
            ("InvalidRouteTableID.NotFound", format!("The routeTable ID '{id}' does not exist"))
        }
        "i" => ("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist")),
        "igw" => (
            "InvalidInternetGatewayID.NotFound",
            format!("The internetGateway ID '{id}' does not exist"),
        ),
        "vol" => ("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")),
        "nat" => ("NatGatewayNotFound", format!("NAT gateway {id} was not found")),
        "vpce" => {
            ("InvalidVpcEndpointId.NotFound", format!("The Vpc Endpoint Id '{id}' does not exist"))
        }
        _ => ("InvalidID", format!("The ID '{id}' is not valid")),
    };
    Refusal::bad(code, why)
}

/// The parameter that names things of a kind, on the wire.
fn parameter(id: &str) -> &'static str {
    match id {
        "vpc-id" => "VpcId",
        "subnet-id" => "SubnetId",
        "route-table-id" => "RouteTableId",
        "group-id" => "GroupId",
        "nat-gateway-id" => "NatGatewayId",
        "internet-gateway-id" => "InternetGatewayId",
        "instance-id" => "InstanceId",
        "volume-id" => "VolumeId",
        _ => "VpcEndpointId",
    }
}

fn describe(documents: Vec<(String, Value)>, set: &str, id: &str, input: &Input) -> Answer {
    let asked = input.texts(parameter(id));
    let is_there = |id: &str| documents.iter().any(|(name, _)| name == id);
    if let Some(missing) = asked.iter().find(|one| !is_there(one)) {
        return Err(not_found(missing));
    }
    let filters = filters(input);
    if let Some((unknown, _)) = filters.iter().find(|(name, _)| !is_filter(name, id)) {
        let why = format!("The filter '{unknown}' is not simulated by the sandbox");
        return Err(Refusal::bad("InvalidParameterValue", why));
    }
    let is_asked_for = |name: &str| asked.is_empty() || asked.contains(&name);
    let passes = |name: &str, document: &Value| {
        filters.iter().all(|(filter, wanted)| matches(document, id, name, filter, wanted))
    };
    let found: Vec<(String, Value)> = documents
        .into_iter()
        .filter(|(name, document)| is_asked_for(name) && passes(name, document))
        .map(|(name, document)| {
            let answer = outside(&document, set);
            (name, answer)
        })
        .collect();
    // Endpoints alone come in pages of any size.
    let least = if id == "vpc-endpoint-id" { 1 } else { PAGING.least };
    let (items, next) = page(Paging { least, ..PAGING }, input, found)?;
    let mut answer = json!({"nextToken": next});
    answer[set] = items.into();
    Ok(answer)
}

/// A document as EC2 answers it: tags as a set, an instance inside its reservation.
fn outside(document: &Value, set: &str) -> Value {
    let mut answer = document.clone();
    let tags: Tags = serde_json::from_value(document["tags"].clone()).unwrap_or_default();
    if let Some(entries) = answer.as_object_mut() {
        entries.remove("tags");
        entries.remove("attributes");
        entries.insert(
            "tagSet".to_owned(),
            tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect(),
        );
    }
    if set == "reservationSet" {
        if let Some(entries) = answer.as_object_mut() {
            entries.remove("reservationId");
            entries.remove("ownerId");
        }
        return json!({"reservationId": document["reservationId"], "ownerId": document["ownerId"], "instancesSet": [answer]});
    }
    answer
}

/// A parameter that must be there, in the words of EC2.
fn required<'a>(input: &'a Input, name: &str) -> Result<&'a str, Refusal> {
    input.text(name).ok_or_else(|| {
        let why = format!("The request must contain the parameter {name}");
        Refusal::bad("MissingParameter", why)
    })
}

fn attribute(transaction: &Transaction<'_>, input: &Input) -> Answer {
    let vpc = required(input, "VpcId")?;
    let document = transaction.get(VPCS, vpc).ok_or_else(|| not_found(vpc))?;
    let name = required(input, "Attribute")?;
    let default = match name {
        "enableDnsHostnames" | "enableDnsSupport" => true,
        "enableNetworkAddressUsageMetrics" => false,
        other => {
            let why =
                format!("Value ({other}) for parameter attribute is invalid. Unknown attribute.");
            return Err(Refusal::bad("InvalidParameterValue", why));
        }
    };
    let value = document["attributes"][name].as_bool().unwrap_or(default);
    let mut answer = json!({"vpcId": vpc});
    answer[name] = json!({"value": value});
    Ok(answer)
}

fn too_many_tags() -> Refusal {
    let why = format!("The maximum number of tags for a resource is {MOST_TAGS}.");
    Refusal::bad("TagLimitExceeded", why)
}

fn change_tags(transaction: &mut Transaction<'_>, operation: &str, input: &Input) -> Answer {
    let tags = tags::from_list(input.list("Tag"));
    if tags.len() > MOST_TAGS {
        return Err(too_many_tags());
    }
    tags::check(&tags, |why| Refusal::bad("InvalidParameterValue", why))?;
    for id in input.texts("ResourceId") {
        let found = KINDS
            .iter()
            .find_map(|(_, collection, ..)| Some((*collection, transaction.get(collection, id)?)));
        let Some((collection, document)) = found else {
            return Err(not_found(id));
        };
        let mut document = (*document).clone();
        let mut there: Tags = serde_json::from_value(document["tags"].clone()).unwrap_or_default();
        if operation == "CreateTags" {
            there.extend(tags.clone());
            if there.keys().filter(|key| !key.starts_with("aws:")).count() > MOST_TAGS {
                return Err(too_many_tags());
            }
        } else {
            there.retain(|key, value| {
                !tags.get(key).is_some_and(|wanted| wanted.is_empty() || wanted == value)
            });
        }
        document["tags"] = json!(there);
        transaction.put(collection, id, document);
    }
    Ok(json!({"return": true}))
}
