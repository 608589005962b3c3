//! A small day by hand: two nodes, their pods, a Fargate pod, a control plane.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use runbook_capacity::money::{Amount, Price, Unit};
use runbook_showback::allocate::charge::{Charge, Origin, Overhead, Part, PodRef, Recipient};
use runbook_showback::allocate::showback::{Coverage, PriceBasis};
use runbook_showback::bill::Class;
use runbook_showback::observed::{ClusterId, Controller, Window};

/// The first day of it.
pub(crate) fn day() -> Date {
    "2026-10-01".parse().unwrap()
}

pub(crate) fn cluster() -> Arc<ClusterId> {
    Arc::new(ClusterId {
        account: Some("111122223333".to_owned()),
        region: "ap-northeast-2".to_owned(),
        name: "myeks".to_owned(),
    })
}

pub(crate) fn coverage() -> Coverage {
    Coverage {
        node_seconds_seen: 170_000,
        node_seconds_billed: 172_800,
        largest_hole: None,
        pods_seen_once: 0,
        pods: 3,
        resolution_seconds: 300,
    }
}

pub(crate) fn prices() -> PriceBasis {
    PriceBasis {
        oldest: Some("2026-03-30".parse().unwrap()),
        newest: Some("2026-07-20".parse().unwrap()),
        sources: vec!["the book".to_owned()],
        has_spot: false,
    }
}

pub(crate) fn pod(namespace: &str, name: &str, owner: &str) -> Arc<PodRef> {
    Arc::new(PodRef {
        cluster: cluster(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        controller: Some(Controller { kind: "Deployment".to_owned(), name: name.to_owned() }),
        labels: Arc::new(BTreeMap::from([("app".to_owned(), name.to_owned())])),
        owner: owner.into(),
    })
}

/// A node.
pub(crate) fn node(id: &str, kind: &str) -> Arc<Origin> {
    Arc::new(Origin {
        cluster: cluster(),
        resource_id: Some(id.to_owned()),
        name: format!("ip-{}.ap-northeast-2.compute.internal", id.trim_start_matches("i-")),
        kind: kind.to_owned(),
    })
}

/// What an origin cost on a day at an hourly price, divided by weights.
pub(crate) fn divided(
    origin: &Arc<Origin>,
    class: Class,
    period: Window,
    hourly: &str,
    to: Vec<(Recipient, Part, u64)>,
) -> Vec<Charge> {
    let price = Price::parse(hourly, Unit::Hour).unwrap();
    let weights: Vec<u64> = to.iter().map(|(_, _, weight)| *weight).collect();
    let amounts: Vec<Amount> = price.amount(1, period.seconds()).split(&weights);
    to.into_iter()
        .zip(amounts)
        .map(|((recipient, part, _), amount)| Charge {
            day: period.days().next().unwrap().0,
            period,
            class,
            origin: Arc::clone(origin),
            recipient,
            part,
            amount,
        })
        .collect()
}

/// The whole small day.
pub(crate) fn small() -> Vec<Charge> {
    let whole = Window::day(day());
    let half = Window { start: whole.start, end: "2026-10-01T11:17:05Z".parse().unwrap() };
    let (web, batch) = (pod("shop", "web", "checkout"), pod("jobs", "batch", "unowned"));
    let first = divided(
        &node("i-0aaa1111bbbb2222c", "m7g.large"),
        Class::Ec2Compute,
        whole,
        "0.1003",
        vec![
            (Recipient::Pod(Arc::clone(&web)), Part::Cpu, 3_333),
            (Recipient::Pod(Arc::clone(&web)), Part::Memory, 501),
            (Recipient::Pod(batch), Part::Cpu, 777),
            (Recipient::Node(Overhead::DaemonSets), Part::Cpu, 180),
            (Recipient::Node(Overhead::SystemReserve), Part::Memory, 200),
            (Recipient::Idle, Part::Cpu, 1_000),
            (Recipient::Idle, Part::Memory, 2_009),
        ],
    );
    let second = divided(
        &node("i-0ddd3333eeee4444f", "c5a.xlarge"),
        Class::Ec2Compute,
        half,
        "0.172",
        vec![
            (Recipient::Pod(web), Part::Cpu, 1),
            (Recipient::Node(Overhead::Boot), Part::Whole, 1),
            (Recipient::Idle, Part::Cpu, 1),
        ],
    );
    let dns = pod("kube-system", "coredns", "platform");
    let fargate = Arc::new(Origin {
        cluster: cluster(),
        resource_id: Some(
            "arn:aws:eks:ap-northeast-2:111122223333:pod/myeks/kube-system/coredns/uid-coredns"
                .to_owned(),
        ),
        name: "kube-system/coredns".to_owned(),
        kind: "0.25vCPU 0.5GB".to_owned(),
    });
    let to_dns = |part| vec![(Recipient::Pod(Arc::clone(&dns)), part, 1)];
    let vcpu = divided(&fargate, Class::FargateVcpu, whole, "0.01164", to_dns(Part::Cpu));
    let memory = divided(&fargate, Class::FargateMemory, whole, "0.002555", to_dns(Part::Memory));
    let plane = Arc::new(Origin {
        cluster: cluster(),
        resource_id: None,
        name: "control plane".to_owned(),
        kind: "standard support".to_owned(),
    });
    let shared = Recipient::Shared("control plane".into());
    let plane = divided(&plane, Class::ControlPlane, whole, "0.1", vec![(shared, Part::Whole, 1)]);
    [first, second, vcpu, memory, plane].concat()
}
