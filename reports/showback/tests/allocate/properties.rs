//! What holds for any intervals and any rules: the parts are the whole, exactly, at every level; idle is
//! never below zero; the order of rows does not show.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use runbook_capacity::fargate::sizes;
use runbook_capacity::money::Amount;
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::quantity::{Bytes, Millicores};
use runbook_showback::allocate::charge::{Overhead, Part, Recipient};
use runbook_showback::allocate::showback::{RowKind, Showback};
use runbook_showback::allocate::{Charges, Request, charges, showback};
use runbook_showback::bill::Class;
use runbook_showback::observed::{
    ClusterId, Controller, NodeInterval, Observed, Place, PodInterval, Usage, Window,
};

use crate::scene::{all, at, book, cluster, labels, looked_at, node, on, pod, request};

const START: i64 = 1_790_812_800; // 2026-10-01

fn second(offset: i64) -> Timestamp {
    Timestamp::from_second(START + offset).unwrap()
}

fn period() -> Window {
    Window { start: second(0), end: second(3 * 86_400) }
}

fn moment() -> impl Strategy<Value = i64> {
    -86_400_i64..4 * 86_400
}

fn clusters() -> impl Strategy<Value = Arc<ClusterId>> {
    select(vec!["blue", "green"]).prop_map(cluster)
}

fn amounts() -> impl Strategy<Value = Resources> {
    let cpu = prop_oneof![Just(None), (0_i64..9000).prop_map(Some), Just(Some(i64::MAX))];
    let memory = prop_oneof![Just(None), (0_i64..40 << 30).prop_map(Some), Just(Some(i64::MAX))];
    (cpu, memory).prop_map(|(cpu, memory)| Resources {
        cpu: cpu.map(Millicores),
        memory: memory.map(Bytes),
        ..Resources::default()
    })
}

prop_compose! {
    fn nodes()(
        cluster in clusters(),
        name in select(vec!["a", "b", "c"]),
        uid in 0_u8..4,
        kind in select(vec![Some("m5.xlarge"), Some("m5.large"), Some("x99.huge"), Some("p3.2xlarge"), None]),
        (capacity, allocatable) in (amounts(), amounts()),
        volume in prop::option::of(0_i64..200),
        (launched, ready, drained, ended) in (
            moment(), prop::option::of(moment()), prop::option::of(moment()), prop::option::of(moment()),
        ),
        (seen, looked) in (moment(), 0_i64..86_400),
    ) -> NodeInterval {
        NodeInterval {
            cluster,
            uid: format!("{name}{uid}"),
            instance_id: (uid > 1).then(|| format!("i-{name}{uid}")),
            instance_type: kind.map(str::to_owned),
            capacity,
            allocatable,
            volume: volume.map(Bytes::gibibytes),
            launched: second(launched),
            ready: ready.map(second),
            drained: drained.map(second),
            ended: ended.map(second),
            seen: Window { start: second(seen), end: second(seen + looked) },
            ..node(name, "00:00", None)
        }
    }
}

fn places() -> impl Strategy<Value = Place> {
    prop_oneof![
        1 => Just(Place::Nowhere),
        6 => select(vec!["a", "b", "c", "d"]).prop_map(on),
        2 => (prop::option::of(0_usize..74), prop::option::of(0_i64..100)).prop_map(|(size, disk)| Place::Fargate {
            node: "fargate-1".to_owned(),
            size: size.map(|size| sizes()[size]),
            storage: disk.map(Bytes::gibibytes),
            is_annotated: true,
        }),
    ]
}

prop_compose! {
    fn pods()(
        cluster in clusters(),
        namespace in select(vec!["shop", "jobs", "kube-system", "unowned"]),
        name in select(vec!["one", "two", "three"]),
        place in places(),
        requests in amounts(),
        usage in prop::option::of(amounts()),
        kind in select(vec![None, Some("Deployment"), Some("DaemonSet")]),
        team in prop::option::of(select(vec!["red", "blue", "", "\u{202e}odd"])),
        (scheduled, started, finished, ended) in (
            prop::option::of(moment()), prop::option::of(moment()),
            prop::option::of(moment()), prop::option::of(moment()),
        ),
        (seen, looked, looks, is_part) in (moment(), 0_i64..86_400, 0_u64..3, any::<bool>()),
    ) -> PodInterval {
        PodInterval {
            cluster,
            requests,
            usage: usage.map(|used| Usage { cpu: used.cpu, memory: used.memory }),
            controller: kind.map(|kind| Controller { kind: kind.to_owned(), name: name.to_owned() }),
            labels: labels(&team.map(|team| vec![("team", team)]).unwrap_or_default()),
            scheduled: scheduled.map(second),
            started: started.map(second),
            finished: finished.map(second),
            ended: ended.map(second),
            is_part,
            seen: Window { start: second(seen), end: second(seen + looked) },
            looks,
            ..pod(&format!("{namespace}/{name}"), place, ("-", "-"), ("00:00", None))
        }
    }
}

fn spread() -> impl Strategy<Value = String> {
    select(vec![
        "rule: proportional",
        "rule: proportional, per: node",
        "rule: even",
        "rule: apart",
        "rule: fixed, shares: {red: 2, absent: 1, unowned: 4}",
    ])
    .prop_map(str::to_owned)
}

prop_compose! {
    fn rules()(
        owners in select(vec![
            "[]",
            "[{label: team}, {namespace: shop, owner: shop, from: 2026-10-02}, {namespace: jobs, owner: red, until: 2026-10-01}]",
            "[{default: true, owner: all}, {label: team}]",
        ]),
        (idle, overhead) in (spread(), spread()),
        (plane, system, given) in (spread(), spread(), spread()),
        weight in select(vec!["9:1", "7.46:1", "by_price", "0.01:1"]),
    ) -> String {
        let cluster = |spread: &str| spread.replace(", per: node", "");
        format!(
            "weight: {weight}\nowners: {owners}\nidle: {{{idle}}}\nnode_overhead: {{{overhead}}}\n\
             shared:\n  control_plane: {{{}}}\n  system_layer: {{namespaces: [kube-system], {}}}\n  \
             given: [{{name: nat, class: nat, hourly: 0.0590000001, cluster: blue, {}}}, {{name: alb, monthly: 7.77, cluster: green, {}}}]\n\
             budgets: [{{owner: red, monthly: 3}}, {{owner: unowned, monthly: 50}}]",
            cluster(&plane), cluster(&system), cluster(&given), cluster(&given),
        )
    }
}

prop_compose! {
    fn scenes()(
        nodes in prop::collection::vec(nodes(), 0..7),
        pods in prop::collection::vec(pods(), 0..12),
        (from, until) in (moment(), moment()),
    ) -> Observed {
        let covered = Window { start: second(from.min(until)), end: second(from.max(until)) };
        let clusters = ["blue", "green"].map(|name| looked_at(cluster(name), vec![covered])).to_vec();
        Observed { window: period(), clusters, nodes, pods, findings: Vec::new() }
    }
}

fn grouped() -> impl Strategy<Value = &'static str> {
    select(vec![
        "team",
        "namespace",
        "team,namespace",
        "cluster,node",
        "pod",
        "controller,label:team",
        "annotation:none",
    ])
}

fn asked(by: &str, rules: &str) -> Request {
    let mut request = request(period(), by, rules);
    request.as_of = at("2026-10-03T18:00:00Z");
    request
}

fn sum(amounts: impl Iterator<Item = Amount>) -> Amount {
    amounts.sum()
}

/// What an origin costs for a second, by class; from the book alone.
fn rate(class: Class, kind: &str) -> Option<i128> {
    let hourly = match (class, kind) {
        (Class::Ec2Compute, "m5.xlarge") => 10_000_000_000,
        (Class::Ec2Compute, "m5.large") => 5_000_000_000,
        (Class::ControlPlane, _) => 1_000_000_000,
        _ => return None,
    };
    Some(hourly * 730)
}

/// Every origin's day adds up to its price times its seconds, and to no more than a day.
fn charges_hold(charges: &Charges) {
    let mut origins: BTreeMap<_, (Amount, Window)> = BTreeMap::new();
    for charge in &charges.charges {
        assert!(charge.amount > Amount::ZERO, "{charge:?}");
        if matches!(charge.recipient, Recipient::Node(Overhead::Volume)) {
            assert_eq!((charge.class, charge.part), (Class::Ebs, Part::Whole));
        }
        let key = (charge.day, charge.period, charge.class, Arc::clone(&charge.origin));
        origins.entry(key).or_insert((Amount::ZERO, charge.period)).0 += charge.amount;
    }
    for ((day, period, class, origin), (amount, _)) in &origins {
        assert_eq!(Window::day(*day).overlap(*period), Some(*period));
        let Some(rate) = rate(*class, &origin.kind) else { continue };
        let cost = rate * i128::from(period.seconds());
        // Without an id two nodes of one name look like one origin here: it costs a multiple.
        assert_eq!(amount.raw() % cost, 0, "{origin:?} on {day}");
        if origin.resource_id.is_some() {
            assert_eq!(amount.raw(), cost, "{origin:?} on {day}");
        }
    }
}

/// The parts are the whole at every level of every table.
fn table_holds(showback: &Showback, charges: &Charges) {
    let total = all(&showback.total);
    assert_eq!(total, sum(charges.charges.iter().map(|charge| charge.amount)));
    assert_eq!(total, sum(showback.groups.iter().map(|group| all(&group.cost))));
    assert_eq!(total, sum(showback.classes.iter().map(|(_, amount)| *amount)));
    assert_eq!(total, sum(showback.groups.iter().map(|group| group.under_other_weight)));
    for (index, (name, amount)) in showback.total.parts().into_iter().enumerate() {
        let rows = showback.groups.iter().map(|group| group.cost.parts()[index].1);
        assert_eq!(sum(rows), amount, "{name}");
        assert!(amount >= Amount::ZERO, "{name}");
    }
    for (day, date) in showback.days.iter().enumerate() {
        let charged = charges.charges.iter().filter(|charge| charge.day == *date);
        let rows = showback.groups.iter().map(|group| group.by_day[day]);
        assert_eq!(sum(rows), sum(charged.map(|charge| charge.amount)), "{date}");
    }
    for (index, group) in showback.groups.iter().enumerate() {
        assert_eq!(all(&group.cost), sum(group.by_day.iter().copied()), "{:?}", group.key);
        assert!(group.cost.parts().iter().all(|(_, amount)| *amount >= Amount::ZERO));
        assert_eq!(group.key.len(), showback.by.len());
        let lines: Vec<_> = showback.pods.iter().filter(|line| line.group == index).collect();
        if !lines.is_empty() && matches!(group.kind, RowKind::Owned | RowKind::Unowned) {
            for (part, (name, amount)) in group.cost.parts().into_iter().enumerate() {
                let pods = lines.iter().map(|line| line.cost.parts()[part].1);
                assert_eq!(sum(pods), amount, "{name} of {:?}", group.key);
            }
        }
        assert!(group.pods <= u64::try_from(lines.len()).unwrap());
    }
    if let Some(change) = &showback.change {
        let causes = sum(change.causes.iter().map(|(_, amount)| *amount));
        assert_eq!(causes, total - change.total_before);
        assert_eq!(
            change.total_before,
            sum(showback.groups.iter().filter_map(|group| group.before))
        );
    }
    let is_estimated = showback.coverage.node_seconds_billed > 0
        && showback.coverage.node_seconds_seen * 100 < showback.coverage.node_seconds_billed * 95;
    assert!(showback.is_estimate || !is_estimated);
    assert!(showback.coverage.node_seconds_seen <= showback.coverage.node_seconds_billed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_parts_are_the_whole(seen in scenes(), earlier in prop::option::of(scenes()), by in grouped(), rules in rules()) {
        let mut request = asked(by, &rules);
        request.prices.before = Some(Arc::new(book().scaled(10, 11)));
        let earlier = earlier.map(|earlier| Observed {
            window: Window { start: second(-86_400), end: second(0) },
            ..earlier
        });
        let charges = charges(&seen, &book(), &request).unwrap();
        charges_hold(&charges);
        let showback = showback(&seen, earlier.as_ref(), &book(), &request).unwrap();
        table_holds(&showback, &charges);
    }

    #[test]
    fn the_order_of_rows_does_not_show(seen in scenes(), by in grouped(), rules in rules(), turn in 0_usize..20) {
        let request = asked(by, &rules);
        let mut turned = seen.clone();
        turned.nodes.reverse();
        turned.clusters.reverse();
        if !turned.pods.is_empty() {
            let turn = turn % turned.pods.len();
            turned.pods.rotate_left(turn);
            turned.pods.reverse();
        }
        let (one, two) = (charges(&seen, &book(), &request), charges(&turned, &book(), &request));
        prop_assert_eq!(one.unwrap(), two.unwrap());
        let one = showback(&seen, Some(&turned), &book(), &request).unwrap();
        prop_assert_eq!(one, showback(&turned, Some(&seen), &book(), &request).unwrap());
    }

    #[test]
    fn any_text_is_rules_or_is_refused(text in "\\PC{0,60}") {
        drop(runbook_showback::allocate::Rules::read("rules.yaml", &text));
    }
}
