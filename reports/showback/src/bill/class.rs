//! What a usage type is for: the class it belongs to, the region it begins with, what is left of it.
//!
//! A usage type is a region's code and a name (`APN2-BoxUsage:m7g.large`); the first region has none in
//! the older services. What it means depends on the service (`Fargate-GB-Hours` of ECS is none of ours),
//! which CUR, FOCUS and Cost Explorer each call by another name.

use super::Class;
use crate::prices::{PREFIXES, UNNAMED_REGION};

/// The services whose lines are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Ec2,
    Eks,
    LoadBalancing,
    Network,
    Other,
}

impl Service {
    /// By its code in a CUR, its name in Cost Explorer or in FOCUS.
    fn of(name: &str) -> Self {
        match name {
            "AmazonEC2"
            | "Amazon Elastic Compute Cloud - Compute"
            | "EC2 - Other"
            | "Amazon Elastic Compute Cloud" => Self::Ec2,
            "AmazonEKS"
            | "Amazon Elastic Container Service for Kubernetes"
            | "Amazon Elastic Kubernetes Service" => Self::Eks,
            "AWSELB" | "Amazon Elastic Load Balancing" | "Elastic Load Balancing" => {
                Self::LoadBalancing
            }
            "AmazonVPC"
            | "Amazon Virtual Private Cloud"
            | "AWSDataTransfer"
            | "AWS Data Transfer" => Self::Network,
            _ => Self::Other,
        }
    }
}

/// What Cost Explorer calls the services that are asked about.
pub(crate) const COST_EXPLORER_SERVICES: [&str; 5] = [
    "Amazon Elastic Compute Cloud - Compute",
    "Amazon Elastic Container Service for Kubernetes",
    "Amazon Elastic Load Balancing",
    "Amazon Virtual Private Cloud",
    "EC2 - Other",
];

/// The class of a line.
pub fn classify(service: &str, usage_type: &str, operation: &str) -> Class {
    let (_, name) = split_region(usage_type);
    let starts = |with: &[&str]| with.iter().any(|one| name.starts_with(one));
    match Service::of(service) {
        Service::Eks => match name {
            "Fargate-vCPU-Hours:perCPU" => Class::FargateVcpu,
            "Fargate-GB-Hours" => Class::FargateMemory,
            "Fargate-EphemeralStorage-GB-Hours" => Class::FargateStorage,
            _ if operation == "EKSAutoUsage" || name.contains("EKS-Auto") => Class::AutoModeFee,
            _ if name.starts_with("EKSAuto") => Class::AutoModeFee,
            _ if name.starts_with("AmazonEKS-Hours:") => Class::ControlPlane,
            _ => Class::Other,
        },
        Service::Ec2 if starts(&["BoxUsage", "SpotUsage", "DedicatedUsage", "HeavyUsage"]) => {
            Class::Ec2Compute
        }
        Service::Ec2 if starts(&["EBS:Volume"]) => Class::Ebs,
        Service::Ec2 | Service::Network if starts(&["NatGateway-", "RegionalNatGateway-"]) => {
            Class::Nat
        }
        Service::LoadBalancing | Service::Ec2
            if starts(&["LoadBalancerUsage", "LCUUsage", "TrustStore"]) =>
        {
            Class::LoadBalancer
        }
        Service::LoadBalancing if starts(&["DataProcessing-Bytes"]) => Class::LoadBalancer,
        Service::Ec2 | Service::Network | Service::LoadBalancing if is_transfer(name) => {
            Class::Transfer
        }
        _ => Class::Other,
    }
}

/// `DataTransfer-Regional-Bytes`, and between regions `USE1-AWS-Out-Bytes`.
fn is_transfer(name: &str) -> bool {
    name.starts_with("DataTransfer-")
        || name.ends_with("-AWS-Out-Bytes")
        || name.ends_with("-AWS-In-Bytes")
}

/// Whether it is a split row's: the share of a pod in an instance that has a row of its own.
pub(super) fn is_split(usage_type: &str) -> bool {
    let (_, name) = split_region(usage_type);
    matches!(name, "EKS-EC2-vCPU-Hours" | "EKS-EC2-GB-Hours" | "EKS-EC2-GPU-Hours")
}

/// The region that a usage type begins with, and the rest. Without a code it is the first region's; a
/// code that is in no table is taken off, and its region is not known.
pub(crate) fn split_region(usage_type: &str) -> (Option<&'static str>, &str) {
    for (region, codes) in PREFIXES {
        for code in codes.iter().filter(|code| !code.is_empty()) {
            if let Some(rest) = usage_type.strip_prefix(code) {
                return (Some(region), rest);
            }
        }
    }
    if let Some((code, rest)) = usage_type.split_once('-') {
        let is_code = code.len() <= 5
            && code.bytes().all(|one| one.is_ascii_uppercase() || one.is_ascii_digit())
            && code.bytes().any(|one| one.is_ascii_digit());
        if is_code {
            return (None, rest);
        }
    }
    (Some(UNNAMED_REGION), usage_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_class_of_their_service_and_usage_type() {
        let rows = [
            ("AmazonEC2", "APN2-BoxUsage:m7g.large", "RunInstances", Class::Ec2Compute),
            ("AmazonEC2", "BoxUsage:m7g.large", "RunInstances", Class::Ec2Compute),
            ("AmazonEC2", "EU-SpotUsage:c6g.xlarge", "RunInstances:SV001", Class::Ec2Compute),
            (
                "Amazon Elastic Compute Cloud - Compute",
                "USW2-DedicatedUsage:m5.large",
                "",
                Class::Ec2Compute,
            ),
            ("EC2 - Other", "APN2-EBS:VolumeUsage.gp3", "", Class::Ebs),
            ("AmazonEC2", "APN2-EBS:VolumeP-IOPS.gp3", "", Class::Ebs),
            ("AmazonEC2", "APN2-EBS:SnapshotUsage", "", Class::Other),
            ("AmazonEKS", "APN2-Fargate-vCPU-Hours:perCPU", "FargatePod", Class::FargateVcpu),
            ("AmazonEKS", "USE1-Fargate-GB-Hours", "", Class::FargateMemory),
            ("AmazonEKS", "APN2-Fargate-EphemeralStorage-GB-Hours", "", Class::FargateStorage),
            ("AmazonECS", "APN2-Fargate-GB-Hours", "", Class::Other),
            ("AmazonEKS", "APN2-AmazonEKS-Hours:perCluster", "", Class::ControlPlane),
            ("AmazonEKS", "APN2-AmazonEKS-Hours:extendedSupport", "", Class::ControlPlane),
            ("AmazonEKS", "APN2-EKS-Auto-Mode:m7g.large", "EKSAutoUsage", Class::AutoModeFee),
            ("AmazonEC2", "APN2-NatGateway-Hours", "NatGateway", Class::Nat),
            ("EC2 - Other", "NatGateway-Bytes", "", Class::Nat),
            ("AWSELB", "APN2-LoadBalancerUsage", "LoadBalancing:Network", Class::LoadBalancer),
            ("AWSELB", "APN2-LCUUsage", "LoadBalancing:Application", Class::LoadBalancer),
            ("AmazonEC2", "APN2-DataTransfer-Regional-Bytes", "", Class::Transfer),
            ("EC2 - Other", "APN2-USE1-AWS-Out-Bytes", "", Class::Transfer),
            ("AmazonCloudFront", "US-DataTransfer-Out-Bytes", "", Class::Other),
            ("AmazonS3", "APN2-TimedStorage-ByteHrs", "", Class::Other),
        ];
        for (service, usage_type, operation, class) in rows {
            assert_eq!(classify(service, usage_type, operation), class, "{service} {usage_type}");
        }
    }

    #[test]
    fn usage_types_tell_their_region() {
        assert_eq!(
            split_region("APN2-BoxUsage:m7g.large"),
            (Some("ap-northeast-2"), "BoxUsage:m7g.large")
        );
        assert_eq!(split_region("BoxUsage:m7g.large"), (Some("us-east-1"), "BoxUsage:m7g.large"));
        assert_eq!(
            split_region("EU-EBS:VolumeUsage.gp3"),
            (Some("eu-west-1"), "EBS:VolumeUsage.gp3")
        );
        assert_eq!(split_region("MXC1-BoxUsage:m7g.large"), (None, "BoxUsage:m7g.large"));
        assert_eq!(split_region("NatGateway-Hours"), (Some("us-east-1"), "NatGateway-Hours"));
    }

    #[test]
    fn split_rows_are_known() {
        assert!(is_split("APN2-EKS-EC2-vCPU-Hours") && is_split("EKS-EC2-GB-Hours"));
        assert!(!is_split("APN2-Fargate-GB-Hours"));
    }
}
