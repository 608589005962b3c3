//! The AWS services, all on one loopback port.
//!
//! A request is routed by the service in its credential scope, checked for its signature, decoded
//! by the service's protocol, carried out in one transaction of the world, and answered in the
//! protocol's own shape, errors included. An operation that is not simulated answers so, loudly,
//! and never with a bare 404.

pub(crate) mod autoscaling;
pub(crate) mod ec2;
pub(crate) mod eks;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod iam;
pub(crate) mod protocol;
pub(crate) mod signature;
pub(crate) mod sqs;
pub(crate) mod ssm;
pub(crate) mod sts;
mod tags;

use serde_json::Value;

pub(crate) use error::AwsError;
pub(crate) use protocol::{Input, Operation, Protocol};

use crate::store::Transaction;
use crate::world::Context;

/// Who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    pub(crate) arn: String,
    pub(crate) id: String,
}

/// The services, by the name in the credential scope, with their protocol.
pub(crate) const SERVICES: [(&str, Protocol); 9] = [
    ("sts", Protocol::Query { version: "2011-06-15" }),
    ("iam", Protocol::Query { version: "2010-05-08" }),
    ("ec2", Protocol::Ec2 { version: "2016-11-15" }),
    ("eks", Protocol::RestJson),
    ("sqs", Protocol::Json { version: "1.0", prefix: "AmazonSQS" }),
    ("events", Protocol::Json { version: "1.1", prefix: "AWSEvents" }),
    ("autoscaling", Protocol::Query { version: "2011-01-01" }),
    ("elasticloadbalancing", Protocol::Query { version: "2015-12-01" }),
    ("ssm", Protocol::Json { version: "1.1", prefix: "AmazonSSM" }),
];

/// The protocol of a service.
pub(crate) fn protocol_of(service: &str) -> Option<Protocol> {
    SERVICES.iter().find(|(name, _)| *name == service).map(|(_, protocol)| *protocol)
}

/// Carries out an operation.
pub(crate) fn call(
    context: &Context,
    transaction: &mut Transaction<'_>,
    principal: &Principal,
    operation: &Operation,
    input: &Input,
) -> Result<Value, AwsError> {
    let name = operation.name.as_str();
    match operation.service.as_str() {
        "sts" => sts::call(context, principal, name, input),
        "iam" => iam::call(context, transaction, name, input),
        "ec2" => ec2::call(context, transaction, name, input),
        "eks" => eks::call(context, transaction, principal, name, input),
        "sqs" => sqs::call(context, transaction, name, input),
        "events" => events::call(context, transaction, name, input),
        "autoscaling" | "elasticloadbalancing" => autoscaling::call(transaction, name),
        "ssm" => ssm::call(context, name, input),
        _ => Err(AwsError::unknown_operation(&operation.service, name)),
    }
}

/// The class of an operation, from its name.
pub(crate) fn class(name: &str) -> &'static str {
    let reads = ["Describe", "List", "Get", "Simulate", "AssumeRole"];
    if reads.iter().any(|prefix| name.starts_with(prefix)) { "read" } else { "write" }
}
