//! Each way to run the workloads, with its whole system layer.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use crate::allocatable::{ImageFamily, NodeSettings, allocatable};
use crate::catalogue::{Architecture, InstanceType, catalogue};
use crate::karpenter::{ExistingNode, NodePod, offered_type};
use crate::manifest::{NodePool, Workload};
use crate::money::Unpriced;
use crate::pod::Pod;
use crate::pod_resources::Resources;
use crate::prices::PriceBook;
use crate::quantity::{Bytes, Millicores};
use crate::region::{Region, zones};

use super::allowed::Allowed;
use super::break_even::{Ground, Nodes};
use super::fleet::Fleet;
use super::runs::MONTH_SECONDS;
use super::shape::NodeShape;
use super::side::{Line, LineKind, NotHeld, Side, SideId};
use super::system::{self, Component};
use super::workload::{ARCH, Images, Workloads};
use super::{node_group, on_fargate};

/// Where and with which nodes.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The region.
    pub region: Region,
    /// The prices.
    pub book: &'a PriceBook,
    /// Which nodes.
    pub shape: NodeShape,
    /// Daemonsets that run as a sidecar in each pod on Fargate, by name, and what the sidecar asks for
    /// where that is not what the daemonset does.
    pub sidecars: &'a BTreeMap<String, Option<Resources>>,
    /// Pools of the user; without any, one that allows every type of the shape.
    pub pools: &'a [NodePool],
    /// For which processors images are, where that is known.
    pub images: Option<Images>,
    /// The family of the managed node group, or its type.
    pub node_group: &'a str,
    /// Whether pods also arrive in portions, with consolidation to rest after each, where Karpenter
    /// makes the nodes.
    pub settles: bool,
}

static NO_SIDECARS: BTreeMap<String, Option<Resources>> = BTreeMap::new();

impl<'a> Setting<'a> {
    /// With no sidecars, no pools, unknown images, and a node group of m6i.
    pub fn new(region: Region, book: &'a PriceBook, shape: NodeShape) -> Self {
        Self {
            region,
            book,
            shape,
            sidecars: &NO_SIDECARS,
            pools: &[],
            images: None,
            node_group: NODE_GROUP_FAMILY,
            settles: true,
        }
    }

    /// Images of all sides but the one that asks what arm64 would save. A pool that names
    /// architectures is believed to know.
    fn images(&self) -> Images {
        let names_architecture =
            |pool: &NodePool| pool.requirements.iter().any(|one| one.key == ARCH);
        let known = self.pools.iter().any(names_architecture).then_some(Images::Both);
        self.images.or(known).unwrap_or(Images::Amd64)
    }
}

/// Auto Mode's default for the disk of a node.
const AUTO_MODE_VOLUME_GIB: i64 = 80;
/// The family of the managed node group.
pub const NODE_GROUP_FAMILY: &str = "m6i";
const AMD64: &[Architecture] = &[Architecture::Amd64];
const BOTH: &[Architecture] = &[Architecture::Amd64, Architecture::Arm64];

/// The bill of a side.
pub fn side(id: SideId, workloads: &Workloads, setting: &Setting<'_>) -> Side {
    match id {
        SideId::Fargate => all_fargate(workloads, setting),
        SideId::Nodeless => nodeless(workloads, setting),
        SideId::Karpenter | SideId::KarpenterSpot => {
            karpenter(id, workloads, setting, setting.images())
        }
        SideId::KarpenterGraviton => {
            karpenter(id, workloads, setting, setting.images.unwrap_or(Images::Both))
        }
        SideId::NodeGroup => node_group::side(workloads, setting),
        SideId::AutoMode => auto_mode(workloads, setting),
    }
}

/// What the system costs on Fargate, and nothing else.
pub fn system_on_fargate(system: &[Workload], setting: &Setting<'_>) -> Side {
    let mut side = Side::new(SideId::Nodeless);
    for workload in system {
        on_fargate::bill_component(workload, setting, &mut side);
    }
    side
}

fn all_fargate(workloads: &Workloads, setting: &Setting<'_>) -> Side {
    let mut side = Side::new(SideId::Fargate);
    let sidecars = on_fargate::sidecars(&workloads.daemonsets, setting);
    for workload in workloads.system.workloads(&system::FARGATE) {
        on_fargate::bill_component(&workload, setting, &mut side);
    }
    for timed in &workloads.timed {
        on_fargate::bill_workload(timed, &workloads.storage, &sidecars, setting, &mut side);
    }
    for daemonset in &workloads.daemonsets {
        side.notes.push(on_fargate_note(daemonset, setting));
    }
    side
}

/// What becomes of a daemonset where there are no nodes.
fn on_fargate_note(daemonset: &Workload, setting: &Setting<'_>) -> String {
    let name = &daemonset.name;
    if !setting.sidecars.contains_key(name) {
        return format!(
            "`{name}` does not run here: there are no nodes, and it is not named as a sidecar"
        );
    }
    match on_fargate::why_no_sidecar(daemonset) {
        None => format!("`{name}` runs as a sidecar in each workload pod"),
        Some(why) => {
            format!(
                "`{name}` does not run here and is on no bill: Fargate cannot run it as a sidecar either: {why}"
            )
        }
    }
}

fn nodeless(workloads: &Workloads, setting: &Setting<'_>) -> Side {
    let mut side = system_on_fargate(&workloads.system.workloads(&system::NODELESS), setting);
    let images = setting.images();
    let parts = workloads.parts(&[], images);
    fleet(workloads, setting, offered(images, workloads)).bill(&parts, &mut side);
    side
}

fn architectures(images: Images) -> &'static [Architecture] {
    if images == Images::Both { BOTH } else { AMD64 }
}

/// What Karpenter and Auto Mode offer: a pod that asks for arm64 gets it. The others are kept to
/// amd64 by [`Images::pods`] where nothing is known of their images.
fn offered(images: Images, workloads: &Workloads) -> &'static [Architecture] {
    if workloads.ask_for_arm64() { BOTH } else { architectures(images) }
}

fn karpenter(id: SideId, workloads: &Workloads, setting: &Setting<'_>, images: Images) -> Side {
    let mut side = Side::new(id);
    let mut fleet = fleet(workloads, setting, offered(images, workloads));
    fleet.spot = id == SideId::KarpenterSpot;
    let system = workloads.system.workloads(&system::NODELESS);
    // The pair is a managed group of its own: pools say nothing about it.
    let types: Vec<&InstanceType> =
        setting.shape.types(setting.region, architectures(images)).collect();
    match standing_nodes(&system, &types, &fleet) {
        Ok((one, nodes)) => {
            let quote = setting.book.on_demand(setting.region.name(), &one.name);
            side.add(Line {
                kind: LineKind::StandingNode,
                what: format!("{}, managed, for the system", one.name),
                instance_type: Some(one.name.clone()),
                count: i64::try_from(nodes.len()).unwrap_or(i64::MAX),
                seconds: MONTH_SECONDS,
                price: quote.map(|quote| quote.price),
            });
            for _ in &nodes {
                side.add(fleet.volume(LineKind::StandingVolume, MONTH_SECONDS));
            }
            fleet.standing = nodes;
        }
        Err(why) => side.not_held.push(NotHeld { pod: "karpenter".to_owned(), reason: why.reason }),
    }
    let parts = workloads.parts(&[], images);
    // Nothing runs but the system: its nodes are there all the same.
    let parts = if parts.is_empty() { vec![(MONTH_SECONDS, Vec::new())] } else { parts };
    fleet.bill(&parts, &mut side);
    side
}

fn auto_mode(workloads: &Workloads, setting: &Setting<'_>) -> Side {
    let mut side = Side::new(SideId::AutoMode);
    // Pools say nothing about these nodes, nor for which processors their images are.
    let images = setting.images.unwrap_or(Images::Amd64);
    let architectures = offered(images, workloads);
    let mut fleet = fleet(workloads, setting, architectures);
    fleet.settings.image_family = ImageFamily::Bottlerocket;
    fleet.settings.root_volume = Bytes::gibibytes(AUTO_MODE_VOLUME_GIB);
    fleet.volume_gib = AUTO_MODE_VOLUME_GIB;
    fleet.daemons = daemons(&workloads.daemonsets);
    fleet.auto_mode = true;
    fleet.pools = Vec::new();
    fleet.types = setting.shape.types(setting.region, architectures).collect();
    let system = workloads.system.workloads(&system::AUTO_MODE);
    fleet.bill(&workloads.parts(&system, images), &mut side);
    side.notes.push(
        "Auto Mode runs Karpenter, load balancers, volumes, names, proxy and network itself"
            .to_owned(),
    );
    if !setting.pools.is_empty() {
        side.notes.push(node_group::NO_POOLS.to_owned());
    }
    side
}

fn daemons(workloads: &[Workload]) -> Vec<Pod> {
    workloads.iter().flat_map(Workload::pods).collect()
}

fn daemons_of_each_node(workloads: &Workloads) -> Vec<Pod> {
    let mut on_each = workloads.system.workloads(&system::DAEMONS);
    on_each.extend(workloads.daemonsets.clone());
    daemons(&on_each)
}

/// What Karpenter may choose from: the types of the shape, or what the user's pools allow of any.
fn types(setting: &Setting<'_>, architectures: &[Architecture]) -> Vec<&'static InstanceType> {
    if setting.pools.is_empty() {
        return setting.shape.types(setting.region, architectures).collect();
    }
    catalogue().iter().filter(|one| setting.shape.allows(one, setting.region)).collect()
}

/// The nodes that the first side has, for a workload by itself: of the same pools, and for the same
/// images.
pub fn nodes<'a>(workloads: &Workloads, setting: &Setting<'a>) -> Nodes<'a> {
    let images = setting.images();
    let architectures = offered(images, workloads);
    let ground = Ground {
        region: setting.region,
        book: setting.book,
        shape: setting.shape,
        architectures,
        overhead: system::node_overhead(&daemons_of_each_node(workloads)),
    };
    let allowed = Allowed::new(setting.pools, images, setting.region);
    Nodes::among(ground, types(setting, architectures), Some(allowed))
}

pub(super) fn fleet<'a>(
    workloads: &Workloads,
    setting: &Setting<'a>,
    architectures: &[Architecture],
) -> Fleet<'a> {
    Fleet {
        region: setting.region,
        book: setting.book,
        types: types(setting, architectures),
        pools: setting.pools.to_vec(),
        least_nodes: usize::try_from(setting.shape.nodes_at_least).unwrap_or(usize::MAX),
        settles: setting.settles,
        settings: setting.shape.settings(),
        volume_gib: setting.shape.root_volume_gib.unwrap_or(0),
        daemons: daemons_of_each_node(workloads),
        standing: Vec::new(),
        spot: false,
        auto_mode: false,
        namespaces: workloads.namespaces.clone(),
        offered: OnceCell::new(),
    }
}

/// Two nodes of the cheapest type that holds half of the system, in two zones; workloads may use what
/// is left of them.
fn standing_nodes(
    system: &[Workload],
    types: &[&'static InstanceType],
    fleet: &Fleet<'_>,
) -> Result<(&'static InstanceType, Vec<ExistingNode>), Unpriced> {
    let mut halves: [Vec<Pod>; 2] = [Vec::new(), Vec::new()];
    for pod in system.iter().flat_map(|one| one.pods().into_iter().enumerate()) {
        halves[pod.0 % 2].push(pod.1);
    }
    let region = fleet.region.name();
    let mut fitting: Vec<(i64, &'static InstanceType)> = types
        .iter()
        .filter(|one| halves.iter().all(|half| holds(one, &fleet.settings, half, &fleet.daemons)))
        .filter_map(|one| {
            let quote = fleet.book.on_demand(region, &one.name).ok()?;
            Some((quote.price.ten_billionths(), *one))
        })
        .collect();
    fitting.sort_by(|one, other| (one.0, &one.1.name).cmp(&(other.0, &other.1.name)));
    let (_, chosen) = fitting.first().ok_or_else(|| {
        Unpriced::because(format!("no node with a price in `{region}` holds half of the system"))
    })?;
    let nodes = halves.into_iter().zip(zones(fleet.region)).enumerate();
    let nodes =
        nodes.filter_map(|(index, (pods, zone))| standing_node(index, chosen, pods, zone, fleet));
    Ok((chosen, nodes.collect()))
}

fn holds(one: &InstanceType, settings: &NodeSettings, pods: &[Pod], daemons: &[Pod]) -> bool {
    let offered = allocatable(one, settings);
    let mut cpu = Millicores::ZERO;
    let mut memory = Bytes::ZERO;
    for pod in pods.iter().chain(daemons) {
        let requests = pod.template.resources.kubernetes_requests();
        cpu += requests.cpu.unwrap_or_default();
        memory += requests.memory.unwrap_or_default();
    }
    let count = u32::try_from(pods.len() + daemons.len()).unwrap_or(u32::MAX);
    cpu <= offered.cpu && memory <= offered.memory && count <= offered.pods
}

fn standing_node(
    index: usize,
    one: &InstanceType,
    pods: Vec<Pod>,
    zone: &str,
    fleet: &Fleet<'_>,
) -> Option<ExistingNode> {
    let option = offered_type(one, fleet.region, &[zone.to_owned()], &fleet.settings, fleet.book)?;
    let mut labels: std::collections::BTreeMap<String, String> = option
        .labels
        .iter()
        .filter_map(|(key, values)| Some((key.clone(), values.first()?.clone())))
        .collect();
    labels.insert(crate::launch::ZONE.to_owned(), zone.to_owned());
    labels.insert("eks.amazonaws.com/capacityType".to_owned(), "ON_DEMAND".to_owned());
    let on_it = |pod| NodePod { pod, is_daemon: false };
    Some(ExistingNode {
        name: format!("system-{index}"),
        node_pool: None,
        labels,
        taints: Vec::new(),
        capacity: option.capacity,
        allocatable: option.allocatable,
        max_pods: option.pods,
        is_initialized: true,
        pods: pods.into_iter().map(on_it).collect(),
    })
}

/// The components that a side's controllers are, for its line in the answer.
pub fn components(id: SideId) -> &'static [Component] {
    match id {
        SideId::Fargate => &system::FARGATE,
        SideId::NodeGroup => &system::NODE_GROUP,
        SideId::AutoMode => &system::AUTO_MODE,
        SideId::Nodeless
        | SideId::Karpenter
        | SideId::KarpenterSpot
        | SideId::KarpenterGraviton => &system::NODELESS,
    }
}
