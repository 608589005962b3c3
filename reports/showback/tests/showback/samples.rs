//! Showbacks made by hand: a small one in which everything that can be said is said, and large ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use runbook_capacity::money::{Amount, Price, Unit, Unpriced};
use runbook_showback::allocate::charge::PodRef;
use runbook_showback::allocate::showback::{
    Basis, Breakdown, BudgetLine, Cause, Change, Coverage, Group, PodLine, PriceBasis, RowKind,
    RuleUse, Showback, Weight,
};
use runbook_showback::bill::Class;
use runbook_showback::observed::{ClusterId, Controller, Finding, Severity, Window};

/// Dollars, exactly.
pub(crate) fn usd(dollars: &str) -> Amount {
    match dollars.trim_matches(['0', '.']) {
        "" => Amount::ZERO,
        _ => Price::parse(dollars, Unit::Piece).expect("dollars").amount(1, 0),
    }
}

pub(crate) fn window(start: &str, end: &str) -> Window {
    Window::new(start.parse().expect("a moment"), end.parse().expect("a moment")).expect("a window")
}

pub(crate) fn cluster(name: &str) -> Arc<ClusterId> {
    Arc::new(ClusterId {
        account: Some("111122223333".to_owned()),
        region: "ap-northeast-2".to_owned(),
        name: name.to_owned(),
    })
}

pub(crate) fn pod(
    cluster: &Arc<ClusterId>,
    namespace: &str,
    name: &str,
    owner: &str,
) -> Arc<PodRef> {
    Arc::new(PodRef {
        cluster: cluster.clone(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        controller: Some(Controller { kind: "Deployment".to_owned(), name: "api".to_owned() }),
        labels: Arc::new(BTreeMap::new()),
        owner: owner.into(),
    })
}

/// Of six figures: vCPU, memory, Fargate, overhead, idle, shared.
pub(crate) fn cost(figures: [Amount; 6]) -> Breakdown {
    let [cpu, memory, fargate, node_overhead, idle, shared] = figures;
    Breakdown { cpu, memory, fargate, node_overhead, idle, shared }
}

fn sum(costs: impl IntoIterator<Item = Breakdown>) -> Breakdown {
    costs.into_iter().fold(Breakdown::default(), |sum, more| Breakdown {
        cpu: sum.cpu + more.cpu,
        memory: sum.memory + more.memory,
        fargate: sum.fargate + more.fargate,
        node_overhead: sum.node_overhead + more.node_overhead,
        idle: sum.idle + more.idle,
        shared: sum.shared + more.shared,
    })
}

pub(crate) fn whole(cost: &Breakdown) -> Amount {
    cost.parts().into_iter().map(|(_, amount)| amount).sum()
}

/// A row that is somebody's, or a cost that is kept apart.
pub(crate) fn group(kind: RowKind, key: &[&str], cost: Breakdown, pods: u64) -> Group {
    Group {
        kind,
        key: key.iter().map(|one| (*one).to_owned()).collect(),
        cost,
        pods,
        cpu_millicore_seconds: i128::from(pods) * 250 * 86_400,
        memory_byte_seconds: i128::from(pods) * (256 << 20) * 86_400,
        by_day: Vec::new(),
        before: None,
        under_other_weight: whole(&cost),
    }
}

/// Rows and pods as a showback whose totals, days and classes are theirs.
pub(crate) fn showback(
    by: &[&str],
    days: i8,
    mut groups: Vec<Group>,
    pods: Vec<PodLine>,
) -> Showback {
    let first: Date = "2026-10-01".parse().expect("a day");
    let days: Vec<Date> = (0..days)
        .map(|day| first.checked_add(jiff::Span::new().days(day)).expect("a day"))
        .collect();
    let weights: Vec<u64> = (0..days.len() as u64).map(|day| 7 + day * 5 % 11).collect();
    for group in &mut groups {
        group.by_day = whole(&group.cost).split(&weights);
    }
    let total = sum(groups.iter().map(|group| group.cost));
    let classes = whole(&total).split(&[70, 5, 12, 3, 10]);
    let named = [
        Class::Ec2Compute,
        Class::Ebs,
        Class::FargateVcpu,
        Class::FargateMemory,
        Class::ControlPlane,
    ];
    let end = days.last().map_or(first, |last| last.tomorrow().expect("a day"));
    Showback {
        window: Window { start: Window::day(first).start, end: Window::day(end).start },
        basis: Basis::Period,
        from: "sandbox".to_owned(),
        clusters: vec![cluster("myeks")],
        by: by.iter().map(|one| (*one).to_owned()).collect(),
        is_estimate: false,
        is_provisional: false,
        as_of: "2026-11-03T06:00:00Z".parse().expect("a moment"),
        weight: Weight::Fixed(900),
        other_weight: Weight::Fixed(746),
        total,
        classes: named.into_iter().zip(classes).collect(),
        days,
        coverage: Coverage {
            node_seconds_seen: 2_592_000,
            node_seconds_billed: 2_595_600,
            largest_hole: None,
            pods_seen_once: 0,
            pods: groups.iter().map(|group| group.pods).sum(),
            resolution_seconds: 300,
        },
        groups,
        pods,
        prices: PriceBasis {
            oldest: Some("2026-03-30".parse().expect("a day")),
            newest: Some("2026-10-05".parse().expect("a day")),
            sources: vec!["AWS Price List, read by runbook".to_owned()],
            has_spot: false,
        },
        change: None,
        budgets: Vec::new(),
        unpriced: Vec::new(),
        unmeasured: Vec::new(),
        rules: Vec::new(),
        findings: Vec::new(),
    }
}

fn line(group: usize, pod: Arc<PodRef>, place: &str, cost: Breakdown, lingering: i64) -> PodLine {
    let place = place.to_owned();
    PodLine { group, pod, place, cost, seconds: 250_000, lingering_seconds: lingering }
}

/// Three days of two teams, with everything that can be said.
pub(crate) fn small() -> Showback {
    let of = |figures: [&str; 6]| cost(figures.map(usd));
    let id = cluster("myeks");
    let payments = [
        of(["3.3333333333", "0.6666666667", "0", "0.111", "0.5", "1.005"]),
        of(["1.6666666666", "0.3333333333", "0", "0.0555", "0.25", "0.5025"]),
    ];
    let search = [of(["0", "0", "4.0049", "0", "0", "0.9951"])];
    let groups = vec![
        Group {
            before: Some(usd("7.5")),
            under_other_weight: usd("8.3"),
            ..group(RowKind::Owned, &["payments", "pay"], sum(payments), 2)
        },
        Group {
            before: Some(usd("6.0")),
            under_other_weight: usd("5.1238999999"),
            ..group(RowKind::Owned, &["search", "find"], sum(search), 1)
        },
        group(RowKind::Unowned, &["unowned", ""], Breakdown::default(), 1),
        Group {
            before: Some(usd("0.25")),
            ..group(RowKind::Idle, &["", ""], of(["0", "0", "0", "0", "2.3455", "0"]), 0)
        },
    ];
    let pods = vec![
        line(0, pod(&id, "pay", "api-7c5d-x2x7q", "payments"), "ip-192-168-14-9", payments[0], 0),
        line(0, pod(&id, "pay", "api-7c5d-kk2p4", "payments"), "ip-192-168-14-9", payments[1], 0),
        line(1, pod(&id, "find", "index-29311-abcde", "search"), "0.5vCPU 1GB", search[0], 7_500),
    ];
    let mut made = showback(&["team", "namespace"], 3, groups, pods);
    let (total, before) = (whole(&made.total), usd("14.0"));
    made.is_estimate = true;
    made.is_provisional = true;
    made.coverage = Coverage {
        node_seconds_seen: 240_000,
        node_seconds_billed: 259_200,
        largest_hole: Some(window("2026-10-02T01:00:00Z", "2026-10-02T06:20:00Z")),
        pods_seen_once: 1,
        pods: 4,
        resolution_seconds: 300,
    };
    made.change = Some(Change {
        before: window("2026-09-28T00:00:00Z", "2026-10-01T00:00:00Z"),
        total_before: before,
        causes: vec![
            (Cause::Volume, usd("0.9")),
            (Cause::Price, Amount::ZERO - usd("0.1")),
            (Cause::Mix, Amount::ZERO),
            (Cause::New, total - before - usd("0.3")),
            (Cause::Gone, Amount::ZERO - usd("0.5")),
        ],
        largest: vec![
            (vec!["search".to_owned(), "find".to_owned()], Amount::ZERO - usd("1.0"), Cause::Gone),
            (vec!["payments".to_owned(), "pay".to_owned()], usd("0.9"), Cause::Volume),
        ],
    });
    beside(&mut made, &id);
    made
}

/// What stands beside its figures.
fn beside(made: &mut Showback, id: &Arc<ClusterId>) {
    made.budgets = vec![
        BudgetLine {
            owner: "payments".to_owned(),
            budget: usd("80"),
            spent: usd("8.42"),
            projected: usd("87.01"),
            breach: Some("2026-10-29".parse().expect("a day")),
            passed_percent: None,
        },
        BudgetLine {
            owner: "search".to_owned(),
            budget: usd("60"),
            spent: usd("5"),
            projected: usd("51.67"),
            breach: None,
            passed_percent: None,
        },
    ];
    made.unpriced = vec![(
        "ip-192-168-14-7 (x9.large)".to_owned(),
        Unpriced::because(
            "no price of `x9.large` in `ap-northeast-2`; runbook prices refresh asks",
        ),
    )];
    made.unmeasured = vec![pod(id, "default", "shell", "unowned")];
    made.prices.has_spot = true;
    made.rules = vec![
        RuleUse { rule: "owners.yaml:3 namespace pay".to_owned(), matched: 2, shadowed: 0 },
        RuleUse { rule: "owners.yaml:9 namespace old-shop".to_owned(), matched: 0, shadowed: 0 },
        RuleUse { rule: "owners.yaml:12 label team".to_owned(), matched: 0, shadowed: 2 },
    ];
    made.findings = vec![Finding {
        severity: Severity::Warning,
        code: "sample_hole",
        subject: "ap-northeast-2/myeks".to_owned(),
        message: "nobody looked for 5 h 20 min; `runbook serve` looks all the time".to_owned(),
    }];
}

/// One look: a rate.
pub(crate) fn rate() -> Showback {
    let of = |figures: [&str; 6]| cost(figures.map(usd));
    let groups = vec![
        group(
            RowKind::Owned,
            &["payments"],
            of(["0.01234", "0.003", "0", "0.0004", "0", "0.05"]),
            3,
        ),
        group(RowKind::Unowned, &["unowned"], of(["0", "0", "0.01675", "0", "0", "0.05"]), 1),
        group(RowKind::Idle, &[""], of(["0", "0", "0", "0", "0.0211", "0"]), 0),
    ];
    let mut made = showback(&["team"], 1, groups, Vec::new());
    made.basis = Basis::HourlyRate;
    made.window = window("2026-10-03T12:00:00Z", "2026-10-03T12:00:00Z");
    made.coverage.pods_seen_once = 4;
    made
}

/// A month of many pods in many teams, whose names somebody made who means no good.
pub(crate) fn many(pods: usize, teams: usize, name: &str) -> Showback {
    let id = cluster("myeks");
    let mut lines = Vec::new();
    for index in 0..pods {
        let team = index * index / 97 % teams;
        let raw = |seed: usize| {
            Amount::from_raw(
                i128::try_from((index * 7_919 + seed * 104_729) % 1_000_003).expect("small")
                    * 40_000_000_000,
            )
        };
        let figures = [raw(1), raw(2), Amount::ZERO, raw(3), raw(4), raw(5)];
        let owner = format!("team-{team}{name}");
        let namespace = format!("space-{team}{name}");
        let pod =
            pod(&id, &namespace, &format!("service-{index:05}-7c5ddbdf54-x2x7q{name}"), &owner);
        lines.push(line(team, pod, &format!("ip-192-168-14-{team}{name}"), cost(figures), 0));
    }
    let mut groups: Vec<Group> = (0..teams)
        .map(|team| {
            let own = lines.iter().filter(|line| line.group == team);
            let cost = sum(own.clone().map(|line| line.cost));
            let (owner, space) = (format!("team-{team}{name}"), format!("space-{team}{name}"));
            let pods = own.count() as u64;
            let before = whole(&cost).split(&[9, 1])[0];
            Group { before: Some(before), ..group(RowKind::Owned, &[&owner, &space], cost, pods) }
        })
        .collect();
    let idle = cost([
        Amount::ZERO,
        Amount::ZERO,
        Amount::ZERO,
        Amount::ZERO,
        usd("812.345678"),
        Amount::ZERO,
    ]);
    groups.push(group(RowKind::Unowned, &["unowned", ""], Breakdown::default(), 0));
    groups.push(group(RowKind::Idle, &["", ""], idle, 0));
    let order: Vec<usize> = {
        let mut order: Vec<usize> = (0..teams).collect();
        order.sort_by_key(|team| std::cmp::Reverse(whole(&groups[*team].cost)));
        order
    };
    let place = |team: usize| order.iter().position(|one| *one == team).expect("a place");
    for line in &mut lines {
        line.group = place(line.group);
    }
    lines.sort_by_key(|line| (line.group, std::cmp::Reverse(whole(&line.cost))));
    let sorted =
        order.iter().map(|team| groups[*team].clone()).chain(groups[teams..].iter().cloned());
    let sorted: Vec<Group> = sorted.collect();
    let mut made = showback(&["team", "namespace"], 31, sorted, lines);
    let before: Amount = made.groups.iter().filter_map(|group| group.before).sum();
    let total = whole(&made.total);
    let parts = (total - before).split(&[60, 5, 15, 20]);
    made.change = Some(Change {
        before: window("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"),
        total_before: before,
        causes: vec![
            (Cause::Volume, parts[0]),
            (Cause::Price, parts[1]),
            (Cause::Mix, parts[2]),
            (Cause::New, parts[3] + usd("120.5")),
            (Cause::Gone, Amount::ZERO - usd("120.5")),
        ],
        largest: made
            .groups
            .iter()
            .take(8)
            .map(|group| {
                (
                    group.key.clone(),
                    whole(&group.cost) - group.before.unwrap_or_default(),
                    Cause::Volume,
                )
            })
            .collect(),
    });
    remarks(&mut made, &id, pods, teams, name);
    made
}

/// All that stands beside the figures, as long as it may become.
fn remarks(made: &mut Showback, id: &Arc<ClusterId>, pods: usize, teams: usize, name: &str) {
    made.budgets = made
        .groups
        .iter()
        .take(teams.min(40))
        .map(|group| BudgetLine {
            owner: group.key[0].clone(),
            budget: usd("1500"),
            spent: whole(&group.cost),
            projected: whole(&group.cost),
            breach: (whole(&group.cost) > usd("1500"))
                .then(|| "2026-10-24".parse().expect("a day")),
            passed_percent: (whole(&group.cost) > usd("1200")).then_some(80),
        })
        .collect();
    made.unmeasured = (0..pods / 10)
        .map(|index| pod(id, &format!("n{name}"), &format!("p{index}{name}"), "unowned"))
        .collect();
    made.unpriced = (0..pods / 10)
        .map(|index| {
            (format!("node-{index}{name}"), Unpriced::because(format!("no price of `{name}`")))
        })
        .collect();
    made.findings = (0..200)
        .map(|index| Finding {
            severity: Severity::Warning,
            code: "sample_hole",
            subject: format!("{index}{name}"),
            message: format!("nobody looked {name}"),
        })
        .collect();
    made.rules = (0..200)
        .map(|index| RuleUse {
            rule: format!("owners.yaml:{index} {name}"),
            matched: 0,
            shadowed: index,
        })
        .collect();
}
