//! The AWS services, all on one loopback port.
//!
//! A request is routed by the service in its credential scope, checked for its signature, decoded
//! by the service's [`protocol`] into one kind of [`Input`], carried out by the [`Operation`] of
//! that name in one transaction of the world, and answered in the protocol's own shape, refusals
//! included. What is not simulated answers so, loudly, and never with a bare 404.
//!
//! Answers are JSON values in the names of the wire; the query protocols write them as XML.

pub(crate) mod autoscaling;
pub(crate) mod ce;
pub(crate) mod credentials;
pub(crate) mod ec2;
pub(crate) mod eks;
pub(crate) mod elasticloadbalancing;
pub(crate) mod events;
pub(crate) mod front;
pub(crate) mod iam;
pub(crate) mod input;
pub(crate) mod paging;
pub(crate) mod pricing;
pub(crate) mod protocol;
pub(crate) mod refusal;
pub(crate) mod signature;
pub(crate) mod sqs;
pub(crate) mod ssm;
pub(crate) mod sts;
pub(crate) mod tags;

use jiff::Timestamp;
use serde_json::Value;

pub(crate) use input::Input;
pub(crate) use protocol::Protocol;
pub(crate) use refusal::Refusal;

use crate::requests::Class;
use crate::store::Transaction;
use crate::world::Context;

/// Who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    pub(crate) arn: String,
    pub(crate) id: String,
}

/// One call of an operation.
pub(crate) struct Call<'a, 't> {
    /// The operation's name: neighbours share a function.
    pub(crate) name: &'static str,
    pub(crate) context: &'a Context,
    pub(crate) transaction: &'a mut Transaction<'t>,
    pub(crate) principal: &'a Principal,
    pub(crate) input: &'a Input,
    /// Protocol time: for what expires there.
    pub(crate) real_now: Timestamp,
}

/// What an operation answers.
pub(crate) type Answer = Result<Value, Refusal>;

/// An operation of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    /// The parameter that says what it is about, for the request log.
    pub(crate) subject: &'static str,
    pub(crate) run: fn(&mut Call<'_, '_>) -> Answer,
}

/// An operation that only reads.
pub(crate) const fn read(
    name: &'static str,
    subject: &'static str,
    run: fn(&mut Call<'_, '_>) -> Answer,
) -> Operation {
    Operation { name, class: Class::Read, subject, run }
}

/// An operation that writes.
pub(crate) const fn write(
    name: &'static str,
    subject: &'static str,
    run: fn(&mut Call<'_, '_>) -> Answer,
) -> Operation {
    Operation { name, class: Class::Write, subject, run }
}

/// A service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// Its name in the credential scope.
    pub(crate) name: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) operations: &'static [Operation],
}

/// All services.
pub(crate) const SERVICES: [Service; 11] = [
    Service {
        name: "sts",
        protocol: Protocol::Query { namespace: "https://sts.amazonaws.com/doc/2011-06-15/" },
        operations: sts::OPERATIONS,
    },
    Service {
        name: "iam",
        protocol: Protocol::Query { namespace: "https://iam.amazonaws.com/doc/2010-05-08/" },
        operations: iam::OPERATIONS,
    },
    Service {
        name: "ec2",
        protocol: Protocol::Ec2 { namespace: "http://ec2.amazonaws.com/doc/2016-11-15/" },
        operations: ec2::OPERATIONS,
    },
    Service { name: "eks", protocol: Protocol::RestJson, operations: eks::OPERATIONS },
    Service {
        name: "sqs",
        protocol: Protocol::Json {
            version: "1.0",
            prefix: "AmazonSQS",
            kind: "com.amazonaws.sqs#",
        },
        operations: sqs::OPERATIONS,
    },
    Service {
        name: "events",
        protocol: Protocol::Json { version: "1.1", prefix: "AWSEvents", kind: "" },
        operations: events::OPERATIONS,
    },
    Service {
        name: "autoscaling",
        protocol: Protocol::Query { namespace: "http://autoscaling.amazonaws.com/doc/2011-01-01/" },
        operations: autoscaling::OPERATIONS,
    },
    Service {
        name: "elasticloadbalancing",
        protocol: Protocol::Query {
            namespace: "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
        },
        operations: elasticloadbalancing::OPERATIONS,
    },
    Service {
        name: "pricing",
        protocol: Protocol::Json { version: "1.1", prefix: "AWSPriceListService", kind: "" },
        operations: pricing::OPERATIONS,
    },
    Service {
        name: "ce",
        protocol: Protocol::Json { version: "1.1", prefix: "AWSInsightsIndexService", kind: "" },
        operations: ce::OPERATIONS,
    },
    Service {
        name: "ssm",
        protocol: Protocol::Json { version: "1.1", prefix: "AmazonSSM", kind: "" },
        operations: ssm::OPERATIONS,
    },
];

/// The service of that scope.
pub(crate) fn service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.name == name)
}

impl Service {
    /// The operation of that name.
    pub(crate) fn operation(&self, name: &str) -> Option<&'static Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }
}
