//! Each way to run the workloads, with its whole system layer.

use crate::allocatable::{ImageFamily, NodeSettings, allocatable};
use crate::catalogue::{Architecture, InstanceType};
use crate::fargate;
use crate::karpenter::{ExistingNode, NodePod, offered_type};
use crate::manifest::Workload;
use crate::money::{MONTH_HOURS, Unpriced};
use crate::pod::{Pod, PodTemplate};
use crate::prices::PriceBook;
use crate::quantity::{Bytes, Millicores};
use crate::region::{Region, zones};

use super::fleet::Fleet;
use super::shape::NodeShape;
use super::side::{Line, LineKind, NotHeld, Side, SideId};
use super::system::{self, Component};
use super::workload::{Images, Timed, Workloads};

/// Where and with which nodes.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The region.
    pub region: Region,
    /// The prices.
    pub book: &'a PriceBook,
    /// Which nodes.
    pub shape: NodeShape,
    /// Daemonsets that run as a sidecar in each pod on Fargate, by name.
    pub sidecars: &'a [String],
}

/// Auto Mode's default for the disk of a node.
const AUTO_MODE_VOLUME_GIB: i64 = 80;
/// The family of the managed node group.
const NODE_GROUP_FAMILY: &str = "m6i";
const AMD64: &[Architecture] = &[Architecture::Amd64];
const BOTH: &[Architecture] = &[Architecture::Amd64, Architecture::Arm64];

/// The bill of a side.
pub fn side(id: SideId, workloads: &Workloads, setting: &Setting<'_>) -> Side {
    match id {
        SideId::Fargate => all_fargate(workloads, setting),
        SideId::Nodeless => nodeless(workloads, setting),
        SideId::Karpenter => karpenter(id, workloads, setting, Images::Amd64),
        SideId::KarpenterSpot => karpenter(id, workloads, setting, Images::Amd64),
        SideId::KarpenterGraviton => karpenter(id, workloads, setting, Images::Both),
        SideId::NodeGroup => node_group(workloads, setting),
        SideId::AutoMode => auto_mode(workloads, setting),
    }
}

/// What the system costs on Fargate, and nothing else.
pub fn system_on_fargate(system: &[Workload], setting: &Setting<'_>) -> Side {
    let mut side = Side::new(SideId::Nodeless);
    for workload in system {
        let storage = crate::manifest::Storage::default();
        on_fargate(workload, MONTH_HOURS, &storage, &[], setting, &mut side);
    }
    side
}

fn all_fargate(workloads: &Workloads, setting: &Setting<'_>) -> Side {
    let mut side = Side::new(SideId::Fargate);
    let storage = &workloads.storage;
    let sidecars: Vec<&Workload> =
        workloads.daemonsets.iter().filter(|one| setting.sidecars.contains(&one.name)).collect();
    for workload in workloads.system.workloads(&system::FARGATE) {
        on_fargate(&workload, MONTH_HOURS, storage, &[], setting, &mut side);
    }
    for Timed { workload, hours } in &workloads.timed {
        on_fargate(workload, *hours, storage, &sidecars, setting, &mut side);
    }
    for daemonset in &workloads.daemonsets {
        side.notes.push(if setting.sidecars.contains(&daemonset.name) {
            format!("`{}` runs as a sidecar in each workload pod", daemonset.name)
        } else {
            format!(
                "`{}` does not run here: there are no nodes, and it is not named as a sidecar",
                daemonset.name
            )
        });
    }
    side
}

/// Puts the pods of a workload on the bill, or says why they cannot run there.
fn on_fargate(
    workload: &Workload,
    hours: i64,
    storage: &crate::manifest::Storage,
    sidecars: &[&Workload],
    setting: &Setting<'_>,
    side: &mut Side,
) {
    let pods = workload.pods();
    let Some(first) = pods.first() else { return };
    let mut template = PodTemplate::clone(&first.template);
    for sidecar in sidecars {
        template.resources.containers.extend(sidecar.template.resources.containers.clone());
    }
    let fitness = fargate::fitness(first, workload.kind, storage);
    let sized = fargate::size(&template.resources);
    let refused = match (fitness.obstacles.first(), &sized) {
        (Some(obstacle), _) => Some(obstacle.reason.clone()),
        (None, Err(too_big)) => Some(too_big.to_string()),
        (None, Ok(_)) => None,
    };
    if let Some(reason) = refused {
        let not_held = |pod: &Pod| NotHeld { pod: pod.to_string(), reason: reason.clone() };
        side.not_held.extend(pods.iter().map(not_held));
        return;
    }
    let Ok(sized) = sized else { return };
    side.add(Line {
        kind: LineKind::FargatePod,
        what: format!("{} at {}", super::workload::full_name(workload), sized.size),
        count: i64::from(workload.replicas),
        hours,
        price: fargate::price(&sized, setting.region.name(), setting.book),
    });
}

fn nodeless(workloads: &Workloads, setting: &Setting<'_>) -> Side {
    let mut side = system_on_fargate(&workloads.system.workloads(&system::NODELESS), setting);
    let parts = workloads.parts(&[], Images::Amd64);
    fleet(workloads, setting, AMD64).bill(&parts, &mut side);
    side
}

fn karpenter(id: SideId, workloads: &Workloads, setting: &Setting<'_>, images: Images) -> Side {
    let mut side = Side::new(id);
    let architectures = if images == Images::Both { BOTH } else { AMD64 };
    let mut fleet = fleet(workloads, setting, architectures);
    fleet.spot = id == SideId::KarpenterSpot;
    let system = workloads.system.workloads(&system::NODELESS);
    match standing_nodes(&system, &fleet) {
        Ok((one, nodes)) => {
            let quote = setting.book.on_demand(setting.region.name(), &one.name);
            side.add(Line {
                kind: LineKind::StandingNode,
                what: format!("{}, managed, for the system", one.name),
                count: i64::try_from(nodes.len()).unwrap_or(i64::MAX),
                hours: MONTH_HOURS,
                price: quote.map(|quote| quote.price),
            });
            for _ in &nodes {
                side.add(fleet.volume(LineKind::StandingVolume, MONTH_HOURS));
            }
            fleet.standing = nodes;
        }
        Err(why) => side.not_held.push(NotHeld { pod: "karpenter".to_owned(), reason: why.reason }),
    }
    let parts = workloads.parts(&[], images);
    // Nothing runs but the system: its nodes are there all the same.
    let parts = if parts.is_empty() { vec![(MONTH_HOURS, Vec::new())] } else { parts };
    fleet.bill(&parts, &mut side);
    side
}

fn node_group(workloads: &Workloads, setting: &Setting<'_>) -> Side {
    let system = workloads.system.workloads(&system::NODE_GROUP);
    let parts = workloads.parts(&system, Images::Amd64);
    let sizes =
        setting.shape.types(setting.region, AMD64).filter(|one| one.family() == NODE_GROUP_FAMILY);
    let mut best: Option<Side> = None;
    for one in sizes {
        let mut side = Side::new(SideId::NodeGroup);
        let mut fleet = fleet(workloads, setting, AMD64);
        fleet.types = vec![one];
        fleet.bill(&parts, &mut side);
        side.notes.push(format!(
            "nodes of {}: of the sizes of {NODE_GROUP_FAMILY} that is the cheapest in a steady state",
            one.name
        ));
        let is_better = best.as_ref().is_none_or(|known| {
            let rank =
                |side: &Side| (side.not_held.len(), side.total().holes.len(), side.total().amount);
            rank(&side) < rank(known)
        });
        if is_better {
            best = Some(side);
        }
    }
    best.unwrap_or_else(|| {
        let mut side = Side::new(SideId::NodeGroup);
        side.not_held.push(NotHeld {
            pod: "cluster-autoscaler".to_owned(),
            reason: format!("no {NODE_GROUP_FAMILY} is {}", setting.shape.title()),
        });
        side
    })
}

fn auto_mode(workloads: &Workloads, setting: &Setting<'_>) -> Side {
    let mut side = Side::new(SideId::AutoMode);
    let mut fleet = fleet(workloads, setting, AMD64);
    fleet.settings.image_family = ImageFamily::Bottlerocket;
    fleet.settings.root_volume = Bytes::gibibytes(AUTO_MODE_VOLUME_GIB);
    fleet.volume_gib = AUTO_MODE_VOLUME_GIB;
    fleet.daemons = daemons(&workloads.daemonsets);
    fleet.auto_mode = true;
    let system = workloads.system.workloads(&system::AUTO_MODE);
    fleet.bill(&workloads.parts(&system, Images::Amd64), &mut side);
    side.notes.push(
        "Auto Mode runs Karpenter, load balancers, volumes, names, proxy and network itself"
            .to_owned(),
    );
    side
}

fn daemons(workloads: &[Workload]) -> Vec<Pod> {
    workloads.iter().flat_map(Workload::pods).collect()
}

fn fleet<'a>(
    workloads: &Workloads,
    setting: &Setting<'a>,
    architectures: &[Architecture],
) -> Fleet<'a> {
    let mut on_each = workloads.system.workloads(&system::DAEMONS);
    on_each.extend(workloads.daemonsets.clone());
    Fleet {
        region: setting.region,
        book: setting.book,
        types: setting.shape.types(setting.region, architectures).collect(),
        settings: setting.shape.settings(),
        volume_gib: setting.shape.root_volume_gib.unwrap_or(0),
        daemons: daemons(&on_each),
        standing: Vec::new(),
        spot: false,
        auto_mode: false,
        namespaces: workloads.namespaces.clone(),
    }
}

/// Two nodes of the cheapest type that holds half of the system, in two zones; workloads may use what
/// is left of them.
fn standing_nodes(
    system: &[Workload],
    fleet: &Fleet<'_>,
) -> Result<(&'static InstanceType, Vec<ExistingNode>), Unpriced> {
    let mut halves: [Vec<Pod>; 2] = [Vec::new(), Vec::new()];
    for pod in system.iter().flat_map(|one| one.pods().into_iter().enumerate()) {
        halves[pod.0 % 2].push(pod.1);
    }
    let region = fleet.region.name();
    let mut fitting: Vec<(i64, &'static InstanceType)> = fleet
        .types
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
