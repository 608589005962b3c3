//! What every cluster runs for itself, which differs from side to side and is part of its price.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::manifest::{JobFacts, Workload, WorkloadKind};
use crate::pod::{Pod, PodTemplate};
use crate::pod_resources::PodResources;
use crate::quantity::{Bytes, Millicores};

use super::break_even::NodeOverhead;

/// A component of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The one who makes nodes.
    Karpenter,
    /// The other one.
    ClusterAutoscaler,
    /// Names.
    CoreDns,
    /// Load balancers.
    LoadBalancerController,
    /// Usage of CPU and memory.
    MetricsServer,
    /// Volumes.
    EbsController,
    /// The network of pods, on each node.
    VpcCni,
    /// Services, on each node.
    KubeProxy,
    /// Volumes, on each node.
    EbsNode,
}

/// Its name, its namespace, how many, millicores, MiB. Requests are those of the charts and add-ons;
/// the load balancer controller's is its chart's hint. Of `aws-node` and `kube-proxy`, which ask for
/// CPU only, 40 MiB each are allowed for, so that a node's overhead is 180m, 200Mi and 3 pods.
type Figures = (&'static str, &'static str, u32, i64, i64);

impl Component {
    const ALL: [(Self, Figures); 9] = [
        (Self::Karpenter, ("karpenter", "karpenter", 2, 1000, 1024)),
        (Self::ClusterAutoscaler, ("cluster-autoscaler", "kube-system", 1, 100, 600)),
        (Self::CoreDns, ("coredns", "kube-system", 2, 100, 70)),
        (
            Self::LoadBalancerController,
            ("aws-load-balancer-controller", "kube-system", 2, 100, 128),
        ),
        (Self::MetricsServer, ("metrics-server", "kube-system", 1, 100, 200)),
        (Self::EbsController, ("ebs-csi-controller", "kube-system", 2, 60, 240)),
        (Self::VpcCni, ("aws-node", "kube-system", 1, 50, 40)),
        (Self::KubeProxy, ("kube-proxy", "kube-system", 1, 100, 40)),
        (Self::EbsNode, ("ebs-csi-node", "kube-system", 1, 30, 120)),
    ];

    fn figures(self) -> Figures {
        Self::ALL
            .iter()
            .find(|(one, _)| *one == self)
            .map_or(("", "", 0, 0, 0), |(_, figures)| *figures)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.figures().0
    }

    /// Whether each node has one.
    pub fn is_daemon(self) -> bool {
        matches!(self, Self::VpcCni | Self::KubeProxy | Self::EbsNode)
    }

    /// The component a workload is, by its name.
    pub fn of(workload: &Workload) -> Option<Self> {
        // A pod or `ReplicaSet` without its Deployment is called after it.
        let is_made = matches!(workload.kind, WorkloadKind::Pod | WorkloadKind::ReplicaSet);
        Self::ALL.iter().map(|(one, _)| *one).find(|one| {
            let called_after = workload
                .name
                .strip_prefix(one.name())
                .is_some_and(|rest| is_made && rest.starts_with('-'));
            (one.name() == workload.name || called_after)
                && one.is_daemon() == (workload.kind == WorkloadKind::DaemonSet)
        })
    }

    /// Karpenter that asks for what it uses in a small cluster: 250m and 700Mi.
    pub fn small_karpenter() -> Workload {
        let mut workload = Self::Karpenter.workload();
        workload.template = Arc::new(PodTemplate {
            resources: PodResources::one(Millicores(250), Bytes::mebibytes(700)),
            ..PodTemplate::default()
        });
        workload
    }

    /// It as a workload.
    pub fn workload(self) -> Workload {
        let (name, namespace, replicas, cpu, memory) = self.figures();
        Workload {
            kind: if self.is_daemon() { WorkloadKind::DaemonSet } else { WorkloadKind::Deployment },
            namespace: namespace.into(),
            name: name.to_owned(),
            replicas,
            hours: None,
            job: JobFacts::default(),
            pod: None,
            template: Arc::new(PodTemplate {
                resources: PodResources::one(Millicores(cpu), Bytes::mebibytes(memory)),
                ..PodTemplate::default()
            }),
        }
    }
}

/// What runs beside the system on each node by default: 180m, 200Mi, 3 pods.
pub fn node_overhead(daemons: &[Pod]) -> NodeOverhead {
    let requests = daemons.iter().map(|pod| pod.template.resources.kubernetes_requests());
    let mut overhead = NodeOverhead {
        cpu: Millicores::ZERO,
        memory: Bytes::ZERO,
        pods: u32::try_from(daemons.len()).unwrap_or(u32::MAX),
    };
    for one in requests {
        overhead.cpu += one.cpu.unwrap_or_default();
        overhead.memory += one.memory.unwrap_or_default();
    }
    overhead
}

/// The system of a cluster: components, each as the files have it or else as its chart.
#[derive(Debug, Clone, Default)]
pub struct System {
    found: Vec<(Component, Workload)>,
}

impl System {
    /// Takes the components out of some workloads.
    pub fn taken_from(workloads: Vec<Workload>) -> (Self, Vec<Workload>) {
        let mut system = Self::default();
        let mut others = Vec::new();
        for workload in workloads {
            match Component::of(&workload) {
                Some(component) => system.found.push((component, workload)),
                None => others.push(workload),
            }
        }
        (system, others)
    }

    /// A component: all that the files have of it, else its chart's.
    pub fn of(&self, component: Component) -> Vec<Workload> {
        let found: Vec<Workload> = self
            .found
            .iter()
            .filter(|(one, _)| *one == component)
            .map(|(_, workload)| workload.clone())
            .collect();
        if found.is_empty() { vec![component.workload()] } else { found }
    }

    /// The components that the files have.
    pub fn found(&self) -> BTreeSet<&'static str> {
        self.found.iter().map(|(component, _)| component.name()).collect()
    }

    /// Some of them.
    pub fn workloads(&self, components: &[Component]) -> Vec<Workload> {
        components.iter().flat_map(|one| self.of(*one)).collect()
    }
}

/// On Fargate with Karpenter: everything that is no daemonset.
pub const NODELESS: [Component; 5] = [
    Component::Karpenter,
    Component::CoreDns,
    Component::LoadBalancerController,
    Component::MetricsServer,
    Component::EbsController,
];
/// All on Fargate: no nodes, so neither Karpenter nor volumes of EBS.
pub const FARGATE: [Component; 3] =
    [Component::CoreDns, Component::LoadBalancerController, Component::MetricsServer];
/// On a managed node group.
pub const NODE_GROUP: [Component; 5] = [
    Component::ClusterAutoscaler,
    Component::CoreDns,
    Component::LoadBalancerController,
    Component::MetricsServer,
    Component::EbsController,
];
/// Under Auto Mode, which runs the other controllers outside the cluster or inside its image.
pub const AUTO_MODE: [Component; 1] = [Component::MetricsServer];
/// On each node, but not under Auto Mode.
pub const DAEMONS: [Component; 3] = [Component::VpcCni, Component::KubeProxy, Component::EbsNode];
