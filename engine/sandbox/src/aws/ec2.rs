//! EC2: the network that a scenario declares, tags, and the instances that Karpenter makes.

use serde_json::{Value, json};

use super::tags::{self, Tags};
use super::{AwsError, Input};
use crate::store::Transaction;
use crate::world::Context;

pub(crate) const VPCS: &str = "ec2/vpc";
pub(crate) const SUBNETS: &str = "ec2/subnet";
pub(crate) const ROUTE_TABLES: &str = "ec2/route-table";
pub(crate) const SECURITY_GROUPS: &str = "ec2/security-group";
pub(crate) const NAT_GATEWAYS: &str = "ec2/nat-gateway";
pub(crate) const INSTANCES: &str = "ec2/instance";

/// What can be described: operation, collection, the set's name, the id's filter.
const KINDS: [(&str, &str, &str, &str); 6] = [
    ("DescribeVpcs", VPCS, "vpcSet", "vpc-id"),
    ("DescribeSubnets", SUBNETS, "subnetSet", "subnet-id"),
    ("DescribeRouteTables", ROUTE_TABLES, "routeTableSet", "route-table-id"),
    ("DescribeSecurityGroups", SECURITY_GROUPS, "securityGroupInfo", "group-id"),
    ("DescribeNatGateways", NAT_GATEWAYS, "natGatewaySet", "nat-gateway-id"),
    ("DescribeInstances", INSTANCES, "reservationSet", "instance-id"),
];

pub(super) fn call(context: &Context, transaction: &mut Transaction<'_>, name: &str, input: &Input) -> Result<Value, AwsError> {
    if let Some((_, collection, set, id)) = KINDS.iter().find(|(operation, ..)| *operation == name) {
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
        other => Err(AwsError::unknown_operation("ec2", other)),
    }
}

/// Filters: `Filter.N.Name` and `Filter.N.Value.M`.
fn filters(input: &Input) -> Vec<(String, Vec<String>)> {
    (1..)
        .map_while(|number| Some((input.text(&format!("Filter.{number}.Name"))?.to_owned(), input.list(&format!("Filter.{number}.Value")))))
        .collect()
}

fn matches(document: &Value, id: &str, name: &str, filter: &str, wanted: &[String]) -> Result<bool, AwsError> {
    let has = |value: Option<&str>| value.is_some_and(|value| wanted.iter().any(|pattern| wildcard(pattern, value)));
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
        "state" | "instance-state-name" => has(document["state"].as_str().or_else(|| document["instanceState"]["name"].as_str())),
        "association.subnet-id" => {
            let associations = document["associationSet"].as_array().into_iter().flatten();
            associations.into_iter().any(|one| has(one["subnetId"].as_str()))
        }
        "association.main" => {
            let main = document["associationSet"].as_array().into_iter().flatten().any(|one| one["main"] == json!(true));
            has(Some(if main { "true" } else { "false" }))
        }
        "isDefault" | "is-default" => has(Some(if document["isDefault"] == json!(true) { "true" } else { "false" })),
        other => return Err(AwsError::bad("InvalidParameterValue", format!("The filter '{other}' is not simulated by the sandbox"))),
    })
}

fn wildcard(pattern: &str, value: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == value,
        Some((start, end)) => value.strip_prefix(start).is_some_and(|rest| (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|tail| wildcard(end, tail)))),
    }
}

fn describe(transaction: &Transaction<'_>, collection: &str, set: &str, id: &str, input: &Input) -> Result<Value, AwsError> {
    let asked: Vec<String> = ["VpcId", "SubnetId", "RouteTableId", "GroupId", "NatGatewayId", "InstanceId"].iter().flat_map(|name| input.list(name)).collect();
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
            return Err(AwsError::bad(kind, format!("The ID '{one}' does not exist")));
        }
    }
    let filters = filters(input);
    let mut found = Vec::new();
    for (name, document) in transaction.list(collection) {
        if !asked.is_empty() && !asked.iter().any(|one| **one == *name) {
            continue;
        }
        let mut right = true;
        for (filter, wanted) in &filters {
            right &= matches(&document, id, &name, filter, wanted)?;
        }
        if right {
            found.push(outside(&document, set));
        }
    }
    let start: usize = input.text("NextToken").and_then(|token| token.parse().ok()).unwrap_or(0);
    let most: usize = input.text("MaxResults").and_then(|most| most.parse().ok()).unwrap_or(1000);
    let total = found.len();
    let page: Vec<Value> = found.into_iter().skip(start).take(most).collect();
    let next = start + page.len();
    let mut answer = json!({});
    answer[set] = page.into();
    if next < total {
        answer["nextToken"] = json!(next.to_string());
    }
    Ok(answer)
}

/// A document as EC2 answers it: tags as a set, an instance inside its reservation.
fn outside(document: &Value, set: &str) -> Value {
    let mut answer = document.clone();
    let tags: Tags = serde_json::from_value(document["tags"].clone()).unwrap_or_default();
    if let Some(entries) = answer.as_object_mut() {
        entries.remove("tags");
        entries.remove("attributes");
        entries.insert("tagSet".to_owned(), tags::to_ec2(&tags));
    }
    if set == "reservationSet" {
        return json!({"reservationId": document["reservationId"], "ownerId": document["ownerId"], "instancesSet": [answer]});
    }
    answer
}

fn attribute(transaction: &Transaction<'_>, input: &Input) -> Result<Value, AwsError> {
    let vpc = input.text("VpcId").unwrap_or_default();
    let document = transaction.get(VPCS, vpc).ok_or_else(|| AwsError::bad("InvalidVpcID.NotFound", format!("The vpc ID '{vpc}' does not exist")))?;
    let name = input.text("Attribute").unwrap_or_default();
    let value = document["attributes"][name].as_bool().unwrap_or(true);
    let mut answer = json!({"vpcId": vpc});
    answer[name] = json!({"value": value});
    Ok(answer)
}

fn change_tags(transaction: &mut Transaction<'_>, operation: &str, input: &Input) -> Result<Value, AwsError> {
    let tags = tags::from_query(input, "Tag");
    for id in input.list("ResourceId") {
        let found = KINDS.iter().find_map(|(_, collection, ..)| Some((*collection, transaction.get(collection, &id)?)));
        let Some((collection, document)) = found else {
            let code = if id.starts_with("sg-") { "InvalidGroup.NotFound" } else if id.starts_with("subnet-") { "InvalidSubnetID.NotFound" } else { "InvalidID" };
            return Err(AwsError::bad(code, format!("The ID '{id}' does not exist")));
        };
        let mut document = (*document).clone();
        let mut there: Tags = serde_json::from_value(document["tags"].clone()).unwrap_or_default();
        if operation == "CreateTags" {
            there.extend(tags.clone());
        } else {
            there.retain(|key, value| !tags.get(key).is_some_and(|wanted| wanted.is_empty() || wanted == value));
        }
        document["tags"] = json!(there);
        transaction.put(collection, &id, document);
    }
    Ok(json!({"return": true}))
}
