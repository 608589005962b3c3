//! Small scenes: clusters, nodes and pods in few words, and answers as few lines of text.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use runbook_capacity::money::{Amount, Price, Unit};
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::prices::{PriceBook, Provenance, Quote, Service};
use runbook_capacity::quantity::{Bytes, Millicores, Quantity};
use runbook_showback::allocate::charge::{Charge, Overhead, Recipient};
use runbook_showback::allocate::showback::{Basis, Breakdown, RowKind};
use runbook_showback::allocate::{
    Charges, PriceOptions, Refused, Request, Rules, Showback, charges, dimensions, showback,
};
use runbook_showback::observed::{
    CapacityType, ClusterId, ClusterObserved, Controller, NodeInterval, Observed, Place,
    PodInterval, Source, Usage, Window,
};

pub(crate) const REGION: &str = "us-east-1";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// `00:00` of the first of October, or a whole moment.
pub(crate) fn clock(text: &str) -> Timestamp {
    match text.len() {
        5 => at(&format!("2026-10-01T{text}:00Z")),
        _ => at(text),
    }
}

pub(crate) fn window(start: &str, end: &str) -> Window {
    Window::new(clock(start), clock(end)).unwrap()
}

pub(crate) fn cluster(name: &str) -> Arc<ClusterId> {
    Arc::new(ClusterId { account: None, region: REGION.to_owned(), name: name.to_owned() })
}

/// Prices that can be counted on fingers: m5.xlarge 1 $, m5.large half of it, a Fargate vCPU 9 cents and
/// a GB one, a control plane 10 cents.
pub(crate) fn book() -> PriceBook {
    let mut book = PriceBook::default();
    let quote = |dollars: &str, unit| Quote {
        price: Price::parse(dollars, unit).unwrap(),
        provenance: Arc::new(Provenance {
            as_of: "2026-09-01".parse().unwrap(),
            source: "a test".to_owned(),
        }),
    };
    for (name, dollars) in [("m5.xlarge", "1"), ("m5.large", "0.5"), ("p3.2xlarge", "3")] {
        book.set_on_demand(REGION, name, quote(dollars, Unit::Hour));
    }
    for (service, dollars, unit) in [
        (Service::FargateVcpu, "0.09", Unit::Hour),
        (Service::FargateMemory, "0.01", Unit::Hour),
        (Service::FargateEphemeralStorage, "0.001", Unit::Hour),
        (Service::EksControlPlane, "0.1", Unit::Hour),
        (Service::EksControlPlaneExtendedSupport, "0.6", Unit::Hour),
        (Service::EbsGp3, "0.0744", Unit::Month),
    ] {
        book.set_service(REGION, service, quote(dollars, unit));
    }
    book
}

fn resources(cpu: &str, memory: &str) -> Resources {
    let mut resources = Resources::default();
    for (name, text) in [("cpu", cpu), ("memory", memory)] {
        if text != "-" {
            resources.set(name, Quantity::parse(text).unwrap());
        }
    }
    resources
}

/// A node of 4 vCPU and 16 GiB, all of it allocatable, without a volume.
pub(crate) fn node(name: &str, from: &str, until: Option<&str>) -> NodeInterval {
    let (launched, ended) = (clock(from), until.map(clock));
    NodeInterval {
        cluster: cluster("myeks"),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        instance_id: Some(format!("i-{name}")),
        instance_type: Some("m5.xlarge".to_owned()),
        capacity_type: CapacityType::OnDemand,
        zone: None,
        pool: None,
        is_auto_mode: false,
        capacity: resources("4", "16Gi"),
        allocatable: resources("4", "16Gi"),
        volume: Some(Bytes(0)),
        launched,
        ready: Some(launched),
        drained: None,
        ended,
        seen: Window { start: launched, end: ended.unwrap_or(launched).max(launched) },
        looks: 9,
        source: Source::Poll,
    }
}

/// A running pod of a Deployment; `-` for what it does not ask for.
pub(crate) fn pod(
    name: &str,
    place: Place,
    (cpu, memory): (&str, &str),
    (from, until): (&str, Option<&str>),
) -> PodInterval {
    let (namespace, name) = name.split_once('/').unwrap();
    let (start, ended) = (clock(from), until.map(clock));
    PodInterval {
        cluster: cluster("myeks"),
        uid: format!("uid-{namespace}-{name}"),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        controller: Some(Controller { kind: "Deployment".to_owned(), name: name.to_owned() }),
        labels: Arc::default(),
        annotations: Arc::default(),
        namespace_labels: Arc::default(),
        place,
        requests: resources(cpu, memory),
        usage: None,
        phase: "Running".to_owned(),
        scheduled: Some(start),
        started: Some(start),
        finished: None,
        ended,
        is_part: false,
        seen: Window { start, end: ended.unwrap_or(start).max(start) },
        looks: 9,
        source: Source::Poll,
    }
}

pub(crate) fn on(node: &str) -> Place {
    Place::Node(node.to_owned())
}

pub(crate) fn fargate(size: &str) -> Place {
    Place::Fargate {
        node: "fargate-ip-1".to_owned(),
        size: runbook_capacity::fargate::Size::from_annotation(size),
        storage: None,
        is_annotated: true,
    }
}

pub(crate) fn used(cpu: &str, memory: &str) -> Option<Usage> {
    let of = |text: &str| Quantity::parse(text).unwrap();
    Some(Usage { cpu: Some(Millicores::from(of(cpu))), memory: Some(Bytes::from(of(memory))) })
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Arc<BTreeMap<String, String>> {
    Arc::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

/// What was seen in a window that was covered as a whole; no control plane, which has its own tests.
pub(crate) fn observed(
    window: Window,
    nodes: Vec<NodeInterval>,
    pods: Vec<PodInterval>,
) -> Observed {
    Observed { window, clusters: Vec::new(), nodes, pods, findings: Vec::new() }
}

pub(crate) fn looked_at(id: Arc<ClusterId>, covered: Vec<Window>) -> ClusterObserved {
    ClusterObserved {
        id,
        covered,
        resolution_seconds: 300,
        looks: 100,
        is_in_extended_support: Some(false),
        created: None,
        sources: [Source::Poll].into(),
    }
}

/// A book without a control plane, for scenes about nodes alone.
pub(crate) fn nodes_only() -> PriceBook {
    let mut book = book();
    book.unprice(REGION, "eks_control_plane", "not in this scene".to_owned());
    book
}

pub(crate) fn request(window: Window, by: &str, rules: &str) -> Request {
    Request {
        window,
        basis: Basis::Period,
        by: dimensions(by).unwrap(),
        weight: None,
        as_of: at("2026-12-01T00:00:00Z"),
        from: "a test".to_owned(),
        is_provisional: false,
        rules: Rules::read("rules.yaml", rules).unwrap_or_else(|why| panic!("{why:?}")),
        prices: PriceOptions::default(),
    }
}

pub(crate) fn charged(observed: &Observed, book: &PriceBook) -> Charges {
    charges(observed, book, &request(observed.window, "namespace", "")).unwrap()
}

pub(crate) fn shown(observed: &Observed, by: &str, rules: &str) -> Showback {
    try_shown(observed, by, rules).unwrap()
}

pub(crate) fn try_shown(observed: &Observed, by: &str, rules: &str) -> Result<Showback, Refused> {
    showback(observed, None, &nodes_only(), &request(observed.window, by, rules))
}

fn to(recipient: &Recipient) -> String {
    match recipient {
        Recipient::Pod(pod) => format!("{}/{}", pod.namespace, pod.name),
        Recipient::Idle => "idle".to_owned(),
        Recipient::Shared(name) => format!("shared {name}"),
        Recipient::Node(overhead) => match overhead {
            Overhead::DaemonSets => "daemonsets",
            Overhead::Boot => "boot",
            Overhead::Drain => "drain",
            Overhead::SystemReserve => "system reserve",
            Overhead::Volume => "volume",
        }
        .to_owned(),
    }
}

fn line(charge: &Charge) -> String {
    format!(
        "{} {} {:?} {:?} {} {}",
        charge.day,
        charge.origin.name,
        charge.class,
        charge.part,
        to(&charge.recipient),
        charge.amount.dollars(5)
    )
}

/// The charges as text, one a line.
pub(crate) fn lines(charges: &Charges) -> Vec<String> {
    charges.charges.iter().map(line).collect()
}

/// Charges by recipient, all parts together, in dollars.
pub(crate) fn by_recipient(charges: &Charges) -> BTreeMap<String, String> {
    let mut sums: BTreeMap<String, Amount> = BTreeMap::new();
    for charge in &charges.charges {
        *sums.entry(to(&charge.recipient)).or_default() += charge.amount;
    }
    sums.into_iter().map(|(to, amount)| (to, amount.dollars(4))).collect()
}

pub(crate) fn sums(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(to, amount)| ((*to).to_owned(), (*amount).to_owned())).collect()
}

pub(crate) fn all(cost: &Breakdown) -> Amount {
    cost.parts().iter().map(|(_, amount)| *amount).sum()
}

/// The rows as text: kind, key, the parts that are not nothing.
pub(crate) fn rows(showback: &Showback) -> Vec<String> {
    showback
        .groups
        .iter()
        .map(|group| {
            let kind = match group.kind {
                RowKind::Owned => "",
                RowKind::Unowned => "(unowned) ",
                RowKind::Idle => "(idle) ",
                RowKind::NodeOverhead => "(overhead) ",
                RowKind::Shared => "(shared) ",
            };
            let parts: Vec<String> = group
                .cost
                .parts()
                .iter()
                .filter(|(_, amount)| *amount != Amount::ZERO)
                .map(|(name, amount)| format!("{name} {}", amount.dollars(4)))
                .collect();
            format!(
                "{kind}{} = {} [{}] {} pods",
                group.key.join(","),
                all(&group.cost).dollars(4),
                parts.join(", "),
                group.pods
            )
        })
        .collect()
}

pub(crate) fn codes(showback: &Showback) -> Vec<&'static str> {
    showback.findings.iter().map(|finding| finding.code).collect()
}
