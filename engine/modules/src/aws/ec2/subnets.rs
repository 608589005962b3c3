//! `ec2.subnets`: a VPC's subnets by where their routes lead.
//!
//! Fargate takes only *private* subnets, those without a route to an internet gateway. A private
//! subnet from which nothing leads out is *isolated*: pods in it stay Pending for ever, because
//! their images cannot be pulled, and no error says so. So it counts as private only with an egress
//! of its own, or with interface endpoints in the VPC.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use runbook_clients::aws::Connection;
use runbook_clients::aws::ec2::{Filter, RouteTable, RouteTarget, Subnet};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Observed, Schema, Values, Verdict,
};
use runbook_core::value::{Type, Value};

use crate::arguments::{text, text_list, text_set, values};
use crate::aws::settling::{looked_up, only_reads};
use crate::aws::{found, lookup};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{defaulted, output, required, texts};

/// `ec2.subnets`.
pub(in crate::aws) struct Subnets {
    schema: Schema,
}

impl Subnets {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                required("vpc_id", Type::String, "The VPC."),
                defaulted(
                    "private_ids",
                    texts(),
                    Value::list([]),
                    "Exactly these private subnets; all of the VPC when empty.",
                ),
                defaulted(
                    "minimum_zones",
                    Type::Integer,
                    2_i64,
                    "In how many zones the private subnets must be.",
                ),
            ],
            outputs: vec![
                output("private_ids", texts(), "Private subnets with a way out, sorted."),
                output("public_ids", texts(), "Subnets with a route to an internet gateway."),
                output("isolated_ids", texts(), "Subnets without a way out."),
                output("zones", texts(), "The zones of the private subnets."),
            ],
            iam_actions: &[
                "ec2:DescribeRouteTables",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcEndpoints",
            ],
            ..lookup("ec2.subnets", "Sorts a VPC's subnets into private, public and isolated ones.")
        };
        Self { schema }
    }
}

#[async_trait]
impl Module for Subnets {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        Description {
            subject: text(arguments, "vpc_id").to_owned(),
            detail: text_set(arguments, "private_ids").join(", "),
        }
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let aws = connections::aws(context)?;
        let vpc = text(arguments, "vpc_id");
        let sorted = sorted(&aws, vpc).await?;
        let given = text_set(arguments, "private_ids");
        let private: Vec<&Subnet> =
            if given.is_empty() { sorted.of(Kind::Private) } else { sorted.chosen(vpc, &given)? };
        if private.is_empty() {
            return Err(sorted.none_private(vpc));
        }
        let zones: BTreeSet<&str> = private.iter().map(|subnet| subnet.zone.as_str()).collect();
        let minimum = arguments.get("minimum_zones").and_then(Value::as_i64).unwrap_or(2);
        if i64::try_from(zones.len()).unwrap_or(i64::MAX) < minimum {
            return Err(too_few_zones(vpc, &private, &zones, minimum));
        }
        Ok(found(values([
            ("private_ids", ids(&private)),
            ("public_ids", ids(&sorted.of(Kind::Public))),
            ("isolated_ids", ids(&sorted.of(Kind::Isolated))),
            ("zones", text_list(zones)),
        ])))
    }

    async fn apply(&self, _: &Context, _: Intent<'_>) -> Applied {
        only_reads("ec2.subnets")
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        looked_up(self, context, arguments).await
    }
}

fn ids(subnets: &[&Subnet]) -> Value {
    text_list(subnets.iter().map(|subnet| subnet.id.as_str()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    Private,
    Isolated,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Public => "public: it has a route to an internet gateway",
            Self::Private => "private",
            Self::Isolated => "isolated: nothing leads out of it",
        }
    }
}

/// Subnets by id, with what they are.
struct Sorted(BTreeMap<String, (Subnet, Kind)>);

impl Sorted {
    fn of(&self, kind: Kind) -> Vec<&Subnet> {
        self.0.values().filter(|(_, one)| *one == kind).map(|(subnet, _)| subnet).collect()
    }

    /// The given subnets, if each of them is a private one of this VPC.
    fn chosen(&self, vpc: &str, given: &[String]) -> Result<Vec<&Subnet>, Failure> {
        let mut chosen = Vec::new();
        let mut wrong = Vec::new();
        for id in given {
            match self.0.get(id) {
                Some((subnet, Kind::Private)) => chosen.push(subnet),
                Some((_, kind)) => wrong.push(format!("`{id}` is {}", kind.word())),
                None => wrong.push(format!("`{id}` is not in VPC `{vpc}`")),
            }
        }
        if wrong.is_empty() {
            return Ok(chosen);
        }
        Err(self.seen(Failure::new(
            Class::Invalid,
            format!("Fargate cannot run in these subnets: {}", wrong.join("; ")),
        )
        .hint(
            "choose private subnets with a NAT gateway (or with interface endpoints for ecr.api, \
             ecr.dkr, sts and logs); without a way out image pulls hang and pods stay Pending",
        )))
    }

    fn none_private(&self, vpc: &str) -> Failure {
        self.seen(Failure::new(
            Class::Invalid,
            format!("VPC `{vpc}` has no private subnet with a way out, and Fargate runs in no other"),
        )
        .hint(
            "make private subnets whose default route leads to a NAT gateway, in two zones or more",
        ))
    }

    fn seen(&self, mut failure: Failure) -> Failure {
        if self.0.is_empty() {
            return failure.evidence("there is no subnet");
        }
        for (subnet, kind) in self.0.values() {
            failure = failure.evidence(format!("{} {} {}", subnet.id, subnet.zone, kind.word()));
        }
        failure
    }
}

fn too_few_zones(vpc: &str, private: &[&Subnet], zones: &BTreeSet<&str>, minimum: i64) -> Failure {
    let zones: Vec<&str> = zones.iter().copied().collect();
    let mut failure = Failure::new(
        Class::Invalid,
        format!(
            "the private subnets of VPC `{vpc}` are in {} of {minimum} zones: {}",
            zones.len(),
            zones.join(", ")
        ),
    )
    .hint("add private subnets in another zone, or lower `minimum_zones`");
    for subnet in private {
        failure = failure.evidence(format!("{} {}", subnet.id, subnet.zone));
    }
    failure
}

async fn sorted(aws: &Connection, vpc: &str) -> Result<Sorted, Failure> {
    let in_vpc = [Filter::new("vpc-id", vpc)];
    let subnets = aws.ec2().subnets(&in_vpc).await.read()?;
    let tables = aws.ec2().route_tables(&in_vpc).await.read()?;
    let mut kinds: BTreeMap<String, (Subnet, Kind)> = subnets
        .into_iter()
        .map(|subnet| {
            let kind = table_of(&tables, &subnet.id).map_or(Kind::Isolated, kind);
            (subnet.id.clone(), (subnet, kind))
        })
        .collect();
    if kinds.values().any(|(_, kind)| *kind == Kind::Isolated) && has_endpoints(aws, vpc).await? {
        for (_, kind) in kinds.values_mut().filter(|(_, kind)| *kind == Kind::Isolated) {
            *kind = Kind::Private;
        }
    }
    Ok(Sorted(kinds))
}

/// A subnet's own route table, else the main one.
fn table_of<'a>(tables: &'a [RouteTable], subnet: &str) -> Option<&'a RouteTable> {
    tables
        .iter()
        .find(|table| table.subnet_ids.iter().any(|one| one == subnet))
        .or_else(|| tables.iter().find(|table| table.is_main))
}

fn kind(table: &RouteTable) -> Kind {
    let to_internet = |target: &RouteTarget| matches!(target, RouteTarget::InternetGateway(_));
    // EKS refuses a subnet with any such route, a default one or not.
    if table.routes.iter().any(|route| to_internet(&route.target)) {
        return Kind::Public;
    }
    let leads_out = table.routes.iter().any(|route| {
        let is_default = matches!(route.destination.as_str(), "0.0.0.0/0" | "::/0");
        let is_local = matches!(route.target, RouteTarget::Local | RouteTarget::VpcEndpoint(_));
        is_default && route.is_active && !is_local
    });
    if leads_out { Kind::Private } else { Kind::Isolated }
}

/// Whether images can be pulled through endpoints of the VPC.
async fn has_endpoints(aws: &Connection, vpc: &str) -> Result<bool, Failure> {
    let endpoints = aws.ec2().vpc_endpoints(&[Filter::new("vpc-id", vpc)]).await.read()?;
    let usable = |service: &str| {
        endpoints.iter().any(|one| {
            one.kind == "Interface"
                && one.state.eq_ignore_ascii_case("available")
                && one.service.ends_with(service)
        })
    };
    Ok(usable(".ecr.api") && usable(".ecr.dkr"))
}
