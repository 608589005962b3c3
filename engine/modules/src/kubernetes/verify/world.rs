//! What was asked for and what was seen: all that the checks judge by.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runbook_clients::aws::autoscaling::AutoScalingGroup;
use runbook_clients::aws::ec2::Instance;
use runbook_clients::aws::eks::{Cluster as EksCluster, FargateProfile};
use runbook_clients::kubernetes::placement::Pod;
use serde_json::Value;

/// The namespace of the system's own pods.
pub(super) const SYSTEM: &str = "kube-system";
/// The Deployment of the load balancer controller.
pub(super) const BALANCER: &str = "aws-load-balancer-controller";
/// The Service of its webhook.
pub(super) const BALANCER_WEBHOOK: &str = "aws-load-balancer-webhook-service";
/// The annotation by which a service account takes on a role.
pub(super) const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";

/// What the task asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// The cluster.
    pub(super) cluster: String,
    /// Fargate profiles that must be there.
    pub(super) profiles: Vec<String>,
    /// Where Karpenter runs.
    pub(super) karpenter_namespace: String,
    /// A pool that must be there.
    pub(super) node_pool: Option<String>,
    /// The role of Karpenter's nodes.
    pub(super) node_role_arn: Option<String>,
    /// The role of Fargate's nodes.
    pub(super) execution_role_arn: Option<String>,
    /// Rules that must tell Karpenter's queue of interruptions.
    pub(super) rules: Vec<String>,
    /// Helm releases that must be there, by name.
    pub(super) releases: BTreeMap<String, Wanted>,
    /// Pods that must run on Karpenter's nodes.
    pub(super) workload: Option<Workload>,
}

/// A release that must be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its chart's version.
    pub(super) version: String,
}

/// Pods of a workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Workload {
    /// Their namespace.
    pub(super) namespace: String,
    /// Their labels.
    pub(super) selector: String,
}

impl Asked {
    /// The namespaces whose pods belong on Fargate.
    pub(super) fn system_namespaces(&self) -> Vec<&str> {
        let mut namespaces = vec![SYSTEM];
        if self.karpenter_namespace != SYSTEM {
            namespaces.push(&self.karpenter_namespace);
        }
        namespaces
    }
}

/// What the account shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    /// The cluster.
    pub(super) cluster: Option<EksCluster>,
    /// Its managed node groups.
    pub(super) node_groups: Vec<String>,
    /// Auto Scaling groups that carry its tags.
    pub(super) auto_scaling_groups: Vec<AutoScalingGroup>,
    /// Instances that carry its tag and are not gone.
    pub(super) instances: Vec<Instance>,
    /// Its profiles.
    pub(super) profiles: Vec<FargateProfile>,
    /// Whether IAM knows its issuer.
    pub(super) has_oidc_provider: bool,
    /// Roles that its service accounts take on, with whether they exist.
    pub(super) roles: BTreeMap<String, bool>,
    /// Karpenter's queue, with its ARN when it exists.
    pub(super) queue: Option<(String, Option<String>)>,
    /// The asked rules: the ARNs of their targets; none when there is no such rule.
    pub(super) rules: BTreeMap<String, Option<Vec<String>>>,
    /// The kind of access entry that each role of nodes has.
    pub(super) access: BTreeMap<String, Option<String>>,
    /// The role of Karpenter's nodes, as asked or as the node class says.
    pub(super) node_role_arn: Option<String>,
}

/// What the cluster shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Inside {
    /// World time.
    pub(super) now: Timestamp,
    /// All nodes.
    pub(super) nodes: Vec<Value>,
    /// The pods of the system's namespaces.
    pub(super) pods: Vec<Pod>,
    /// The pods of `CoreDNS`.
    pub(super) dns_pods: Vec<Pod>,
    /// Its Deployment.
    pub(super) dns: Option<Value>,
    /// The endpoint slices of its Service.
    pub(super) dns_slices: Vec<Value>,
    /// Karpenter.
    pub(super) karpenter: Karpenter,
    /// The load balancer controller.
    pub(super) balancer: Balancer,
    /// The asked releases: status and chart version; none when there is no such release.
    pub(super) releases: BTreeMap<String, Option<(String, String)>>,
    /// The pods of the workload.
    pub(super) workload: Vec<Pod>,
    /// The old table of who may speak to the cluster.
    pub(super) aws_auth: Option<Value>,
}

/// Karpenter's objects.
#[derive(Debug, Clone, Default)]
pub(super) struct Karpenter {
    /// Its Deployment.
    pub(super) deployment: Option<Value>,
    /// Its pods.
    pub(super) pods: Vec<Pod>,
    /// Who leads.
    pub(super) lease: Option<Value>,
    /// Its node classes.
    pub(super) node_classes: Vec<Value>,
    /// Its node pools.
    pub(super) node_pools: Vec<Value>,
}

/// The load balancer controller's objects.
#[derive(Debug, Clone, Default)]
pub(super) struct Balancer {
    /// Its Deployment.
    pub(super) deployment: Option<Value>,
    /// Its pods.
    pub(super) pods: Vec<Pod>,
    /// The endpoint slices of its webhook.
    pub(super) webhook_slices: Vec<Value>,
    /// Its service account.
    pub(super) service_account: Option<Value>,
    /// The class of its Ingresses.
    pub(super) ingress_class: Option<Value>,
}

/// Text in an object; empty when it is not there.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A label or annotation of an object.
pub(super) fn entry<'a>(object: &'a Value, pointer: &str, key: &str) -> Option<&'a str> {
    object.pointer(pointer)?.get(key)?.as_str()
}
