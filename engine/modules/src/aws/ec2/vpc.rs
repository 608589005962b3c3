//! `ec2.vpc`: the one VPC of a name or an id, checked for what Fargate needs of it.

use async_trait::async_trait;
use runbook_clients::aws::Connection;
use runbook_clients::aws::ec2::{Filter, Vpc as LiveVpc};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Observed, Schema, Values, Verdict,
};
use runbook_core::value::{Type, Value};

use crate::arguments::{boolean, optional_text, values};
use crate::aws::settling::{looked_up, only_reads};
use crate::aws::{found, lookup};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{argument, defaulted, output};

/// `ec2.vpc`.
pub(in crate::aws) struct Vpc {
    schema: Schema,
}

impl Vpc {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                argument("name", Type::String, "The value of its tag `Name`."),
                argument("id", Type::String, "Its id; wins over `name`."),
                defaulted(
                    "require_dns",
                    Type::Boolean,
                    true,
                    "Whether it must resolve names and give host names, as Fargate needs.",
                ),
            ],
            outputs: vec![
                output("id", Type::String, "Its id."),
                output("cidr", Type::String, "Its primary network."),
                output("name", Type::String, "The value of its tag `Name`."),
            ],
            iam_actions: &["ec2:DescribeVpcAttribute", "ec2:DescribeVpcs"],
            ..lookup("ec2.vpc", "Looks up one VPC and checks that Fargate can work in it.")
        };
        Self { schema }
    }
}

#[async_trait]
impl Module for Vpc {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        let given = optional_text(arguments, "id").or_else(|| optional_text(arguments, "name"));
        Description { subject: given.unwrap_or("VPC").to_owned(), detail: String::new() }
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let aws = connections::aws(context)?;
        let vpc = the_one(&aws, arguments).await?;
        if boolean(arguments, "require_dns") {
            check_dns(&aws, &vpc.id).await?;
        }
        Ok(found(values([
            ("name", Value::from(vpc.tags.get("Name").map_or("", String::as_str))),
            ("id", Value::from(vpc.id)),
            ("cidr", Value::from(vpc.cidr)),
        ])))
    }

    async fn apply(&self, _: &Context, _: Intent<'_>) -> Applied {
        only_reads("ec2.vpc")
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        looked_up(self, context, arguments).await
    }
}

async fn the_one(aws: &Connection, arguments: &Values) -> Result<LiveVpc, Failure> {
    let (filter, wanted) = match (optional_text(arguments, "id"), optional_text(arguments, "name"))
    {
        (Some(id), _) => (Filter::new("vpc-id", id), format!("has the id `{id}`")),
        (None, Some(name)) => (Filter::new("tag:Name", name), format!("is named `{name}`")),
        (None, None) => {
            return Err(Failure::new(Class::Invalid, "ec2.vpc was given neither `name` nor `id`")
                .hint("give one of them"));
        }
    };
    let mut vpcs = aws.ec2().vpcs(&[filter]).await.read()?;
    vpcs.sort_by(|one, other| one.id.cmp(&other.id));
    if vpcs.len() > 1 {
        let ids: Vec<&str> = vpcs.iter().map(|vpc| vpc.id.as_str()).collect();
        let mut failure = Failure::new(
            Class::Conflict,
            format!(
                "{} VPCs in {} match where one {wanted}: {}",
                ids.len(),
                aws.region(),
                ids.join(", ")
            ),
        )
        .hint("say which one is meant with `id`");
        for vpc in &vpcs {
            failure = failure.evidence(format!("{} {}", vpc.id, vpc.cidr));
        }
        return Err(failure);
    }
    vpcs.pop().ok_or_else(|| {
        Failure::new(Class::NotFound, format!("no VPC in {} {wanted}", aws.region()))
            .hint("`aws ec2 describe-vpcs` lists them; give the right `name` or `id`")
    })
}

/// Fargate pods resolve names through the VPC; without these attributes they never start.
async fn check_dns(aws: &Connection, id: &str) -> Result<(), Failure> {
    let dns = aws.ec2().vpc_dns(id).await.read()?;
    let mut off = Vec::new();
    let mut commands = Vec::new();
    for (is_on, name, option) in [
        (dns.support, "enableDnsSupport", "--enable-dns-support"),
        (dns.hostnames, "enableDnsHostnames", "--enable-dns-hostnames"),
    ] {
        if !is_on {
            off.push(name);
            commands.push(format!("`aws ec2 modify-vpc-attribute --vpc-id {id} {option}`"));
        }
    }
    if off.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Class::Invalid,
        format!(
            "{} of VPC `{id}` is off, and Fargate pods do not start without it",
            off.join(" and ")
        ),
    )
    .hint(format!("turn it on: {}", commands.join(" and "))))
}
