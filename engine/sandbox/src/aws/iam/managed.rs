//! The policies that AWS manages, as far as EKS runbooks attach them.
//!
//! Their documents are stand-ins: nothing in the sandbox evaluates permissions.

use serde_json::json;

use super::{POLICIES, Policy};
use crate::store::Transaction;
use crate::world::{Context, ids};

/// Paths and names under `arn:aws:iam::aws:policy`.
const NAMES: [&str; 18] = [
    "/AmazonEKSClusterPolicy",
    "/AmazonEKSVPCResourceController",
    "/AmazonEKSServicePolicy",
    "/AmazonEKSFargatePodExecutionRolePolicy",
    "/AmazonEKSWorkerNodePolicy",
    "/AmazonEKSWorkerNodeMinimalPolicy",
    "/AmazonEKS_CNI_Policy",
    "/AmazonEC2ContainerRegistryReadOnly",
    "/AmazonEC2ContainerRegistryPullOnly",
    "/AmazonSSMManagedInstanceCore",
    "/CloudWatchLogsFullAccess",
    "/ReadOnlyAccess",
    "/AmazonVPCReadOnlyAccess",
    "/AmazonEC2ReadOnlyAccess",
    "/AmazonS3ReadOnlyAccess",
    "/aws-service-role/AmazonEKSServiceRolePolicy",
    "/service-role/AmazonEBSCSIDriverPolicy",
    "/AdministratorAccess",
];

pub(crate) fn lay_out(context: &Context, transaction: &mut Transaction<'_>) {
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    });
    for name in NAMES {
        let (path, bare) = name.rsplit_once('/').unwrap_or(("", name));
        let policy = Policy {
            name: bare.to_owned(),
            path: format!("{path}/"),
            id: ids::iam(context, "ANPA", bare),
            created: transaction.now(),
            description: None,
            default: 1,
            last: 1,
            versions: [(1, document.to_string())].into(),
            tags: super::Tags::new(),
        };
        transaction.put_as(POLICIES, &format!("arn:aws:iam::aws:policy{name}"), &policy);
    }
}
