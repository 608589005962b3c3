//! Where usage stands on a bill: services, usage types, operations, units, as AWS names them.

/// What discounts can be given on.
pub(crate) const DISCOUNTED: [&str; 6] = ["ec2", "ebs", "fargate", "eks", "nat", "vpc"];

/// A kind of charge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The product code of the cost and usage report.
    pub(crate) code: &'static str,
    /// The service of Cost Explorer.
    pub(crate) service: &'static str,
    /// The product name of the cost and usage report.
    pub(crate) product: &'static str,
    pub(crate) family: &'static str,
    /// The usage type after the region's prefix.
    pub(crate) usage: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) unit: &'static str,
    /// Which discount it has.
    pub(crate) discount: &'static str,
    /// Of FOCUS.
    pub(crate) category: &'static str,
}

const EC2: &str = "Amazon Elastic Compute Cloud - Compute";
const EC2_OTHER: &str = "EC2 - Other";
const EC2_PRODUCT: &str = "Amazon Elastic Compute Cloud";
const EKS: &str = "Amazon Elastic Container Service for Kubernetes";

pub(crate) const ON_DEMAND: Place = Place {
    code: "AmazonEC2",
    service: EC2,
    product: EC2_PRODUCT,
    family: "Compute Instance",
    usage: "BoxUsage",
    operation: "RunInstances",
    unit: "Hrs",
    discount: "ec2",
    category: "Compute",
};
pub(crate) const SPOT: Place =
    Place { usage: "SpotUsage", operation: "RunInstances:SV001", ..ON_DEMAND };
pub(crate) const VOLUME: Place = Place {
    service: EC2_OTHER,
    family: "Storage",
    usage: "EBS:VolumeUsage.gp3",
    operation: "CreateVolume-Gp3",
    unit: "GB-Mo",
    discount: "ebs",
    category: "Storage",
    ..ON_DEMAND
};
pub(crate) const NAT: Place = Place {
    service: EC2_OTHER,
    family: "NAT Gateway",
    usage: "NatGateway-Hours",
    operation: "NatGateway",
    unit: "Hrs",
    discount: "nat",
    category: "Networking",
    ..ON_DEMAND
};
pub(crate) const ADDRESS: Place = Place {
    code: "AmazonVPC",
    service: "Amazon Virtual Private Cloud",
    product: "Amazon Virtual Private Cloud",
    family: "VpcEndpoint",
    usage: "PublicIPv4:InUseAddress",
    operation: "AllocateAddressVPC",
    unit: "Hrs",
    discount: "vpc",
    category: "Networking",
};
pub(crate) const CLUSTER: Place = Place {
    code: "AmazonEKS",
    service: EKS,
    product: EKS,
    family: "Compute",
    usage: "AmazonEKS-Hours:perCluster",
    operation: "CreateOperation",
    unit: "Hours",
    discount: "eks",
    category: "Compute",
};
pub(crate) const FARGATE_VCPU: Place = Place {
    usage: "Fargate-vCPU-Hours:perCPU",
    operation: "FargatePod",
    unit: "hours",
    discount: "fargate",
    ..CLUSTER
};
pub(crate) const FARGATE_MEMORY: Place = Place { usage: "Fargate-GB-Hours", ..FARGATE_VCPU };
/// Of credits.
pub(crate) const CREDIT: Place =
    Place { usage: "", operation: "", unit: "", discount: "", ..ON_DEMAND };
pub(crate) const TAX: Place = Place {
    code: "AmazonEC2",
    service: "Tax",
    product: "Tax",
    family: "",
    usage: "",
    operation: "",
    unit: "",
    discount: "",
    category: "Other",
};
