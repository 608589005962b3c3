//! EC2: the network that a scenario declares, tags, and the instances that Karpenter makes.

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

const PAGING: Paging =
    Paging { token: "NextToken", limit: "MaxResults", most: 1000, bad_token: "InvalidNextToken" };

pub(super) const OPERATIONS: &[Operation] = &[
    read("DescribeVpcs", "Filter", run),
    read("DescribeSubnets", "Filter", run),
    read("DescribeRouteTables", "Filter", run),
    read("DescribeSecurityGroups", "Filter", run),
    read("DescribeNatGateways", "Filter", run),
    read("DescribeInternetGateways", "Filter", run),
    read("DescribeInstances", "Filter", run),
    read("DescribeVpcEndpoints", "Filter", run),
    read("DescribeVpcAttribute", "Filter", run),
    read("DescribeAvailabilityZones", "Filter", run),
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
        return describe(transaction, collection, set, id, input);
    }
    match name {
        "DescribeVpcAttribute" => attribute(transaction, input),
        "DescribeAvailabilityZones" => {
            let zones: Vec<Value> = ["a", "b", "c", "d"]
                .iter()
                .enumerate()
                .map(|(index, letter)| json!({
                    "zoneName": format!("{}{letter}", context.region), "zoneId": format!("az{}", index + 1), "zoneState": "available",
                    "regionName": context.region, "zoneType": "availability-zone", "optInStatus": "opt-in-not-required",
                }))
                .collect();
            Ok(json!({"availabilityZoneInfo": zones}))
        }
        "CreateTags" | "DeleteTags" => change_tags(transaction, name, input),
        other => Err(Refusal::unknown_operation("ec2", other)),
    }
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

fn matches(
    document: &Value,
    id: &str,
    name: &str,
    filter: &str,
    wanted: &[String],
) -> Result<bool, Refusal> {
    let has = |value: Option<&str>| {
        value.is_some_and(|value| wanted.iter().any(|pattern| wildcard(pattern, value)))
    };
    if filter == id {
        return Ok(has(Some(name)));
    }
    let tags: Tags = serde_json::from_value(document["tags"].clone()).unwrap_or_default();
    if let Some(key) = filter.strip_prefix("tag:") {
        return Ok(has(tags.get(key).map(String::as_str)));
    }
    Ok(match filter {
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
        other => {
            return Err(Refusal::bad(
                "InvalidParameterValue",
                format!("The filter '{other}' is not simulated by the sandbox"),
            ));
        }
    })
}

fn wildcard(pattern: &str, value: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == value,
        Some((start, end)) => value.strip_prefix(start).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|tail| wildcard(end, tail)))
        }),
    }
}

fn describe(
    transaction: &Transaction<'_>,
    collection: &str,
    set: &str,
    id: &str,
    input: &Input,
) -> Answer {
    let asked: Vec<&str> = [
        "VpcId",
        "SubnetId",
        "RouteTableId",
        "GroupId",
        "NatGatewayId",
        "InternetGatewayId",
        "InstanceId",
    ]
    .iter()
    .flat_map(|name| input.texts(name))
    .collect();
    for one in &asked {
        if transaction.get(collection, one).is_none() {
            let kind = match id {
                "vpc-id" => "InvalidVpcID.NotFound",
                "subnet-id" => "InvalidSubnetID.NotFound",
                "group-id" => "InvalidGroup.NotFound",
                "route-table-id" => "InvalidRouteTableID.NotFound",
                "instance-id" => "InvalidInstanceID.NotFound",
                _ => "NatGatewayNotFound",
            };
            return Err(Refusal::bad(kind, format!("The ID '{one}' does not exist")));
        }
    }
    let filters = filters(input);
    let mut found = Vec::new();
    for (name, document) in transaction.list(collection) {
        if !asked.is_empty() && !asked.iter().any(|one| *one == &*name) {
            continue;
        }
        let mut right = true;
        for (filter, wanted) in &filters {
            right &= matches(&document, id, &name, filter, wanted)?;
        }
        if right {
            found.push((name.to_string(), outside(&document, set)));
        }
    }
    let (items, next) = page(PAGING, input, found)?;
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
        return json!({"reservationId": document["reservationId"], "ownerId": document["ownerId"], "instancesSet": [answer]});
    }
    answer
}

fn attribute(transaction: &Transaction<'_>, input: &Input) -> Answer {
    let vpc = input.text("VpcId").unwrap_or_default();
    let document = transaction.get(VPCS, vpc).ok_or_else(|| {
        Refusal::bad("InvalidVpcID.NotFound", format!("The vpc ID '{vpc}' does not exist"))
    })?;
    let name = input.text("Attribute").unwrap_or_default();
    let value = document["attributes"][name].as_bool().unwrap_or(true);
    let mut answer = json!({"vpcId": vpc});
    answer[name] = json!({"value": value});
    Ok(answer)
}

fn change_tags(transaction: &mut Transaction<'_>, operation: &str, input: &Input) -> Answer {
    let tags = tags::from_list(input.list("Tag"));
    tags::check(&tags, |why| Refusal::bad("InvalidParameterValue", why))?;
    for id in input.texts("ResourceId") {
        let found = KINDS
            .iter()
            .find_map(|(_, collection, ..)| Some((*collection, transaction.get(collection, id)?)));
        let Some((collection, document)) = found else {
            let code = if id.starts_with("sg-") {
                "InvalidGroup.NotFound"
            } else if id.starts_with("subnet-") {
                "InvalidSubnetID.NotFound"
            } else {
                "InvalidID"
            };
            return Err(Refusal::bad(code, format!("The ID '{id}' does not exist")));
        };
        let mut document = (*document).clone();
        let mut there: Tags = serde_json::from_value(document["tags"].clone()).unwrap_or_default();
        if operation == "CreateTags" {
            there.extend(tags.clone());
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
