//! What FOCUS and Parquet take for a month of 200 nodes, 5,000 pods and 40 teams: 318 000 charges.
//!
//! Prints figures; asserts nothing, since machines differ. With a folder it leaves the files there, so
//! that another engine can be asked the same (`cost` by owner and namespace):
//!
//! `cargo bench -p runbook-showback --bench focus -- FOLDER`
//! `duckdb -c "SELECT owner, namespace, sum(cost) FROM 'FOLDER/charges.parquet' GROUP BY ALL"`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures this machine, and what cannot go on here is a failed one"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::ToSpan;
use jiff::civil::Date;
use runbook_capacity::money::{Amount, Price, Unit};
use runbook_showback::allocate::charge::{Charge, Origin, Part, PodRef, Recipient};
use runbook_showback::allocate::showback::{Coverage, PriceBasis, Weight};
use runbook_showback::bill::Class;
use runbook_showback::focus::{
    Account, Estimate, Export, Format, Replacement, Version, check, from_bill, from_charges,
};
use runbook_showback::observed::{ClusterId, Window};
use runbook_showback::render::parquet;

const NODES: usize = 200;
const PODS_PER_NODE: usize = 25;
const TEAMS: usize = 40;
const DAYS: i32 = 31;
const ROUNDS: usize = 5;

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let kept = folder.is_some();
    let folder = folder.map_or_else(
        || std::env::temp_dir().join(format!("runbook-focus-{}", std::process::id())),
        PathBuf::from,
    );
    std::fs::create_dir_all(&folder).unwrap();
    measure(&folder);
    if !kept {
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

fn measure(folder: &Path) {
    let charges = month();
    let first: Date = "2026-10-01".parse().unwrap();
    let window = Window { start: Window::day(first).start, end: Window::day(last(first)).end };
    println!(
        "{} charges of {NODES} nodes, {} pods, {TEAMS} teams",
        charges.len(),
        NODES * PODS_PER_NODE
    );
    let at = |name: &str| folder.join(name);
    report("charges as Parquet", || {
        parquet::charges(&charges, window, File::create(at("charges.parquet")).unwrap()).unwrap()
    });
    report("cost by owner and namespace", || by_owner(&charges));
    let account = Account { id: "999988887777".to_owned(), name: None };
    let (coverage, prices) = (coverage(), prices());
    let estimate = Estimate {
        charges: &charges,
        coverage: &coverage,
        prices: &prices,
        weight: Weight::Fixed(900),
        billing_account: Some(&account),
    };
    for name in ["focus.csv", "focus.parquet"] {
        report(&format!("an estimate as {name}"), || {
            let out = File::create(at(name)).unwrap();
            from_charges(&estimate, Version::V1_3, Format::of(name), out).unwrap().rows
        });
        report(&format!("{name} held to our rules"), || {
            let checked = check(&Export::open(&at(name)).unwrap()).unwrap();
            assert!(checked.violations.is_empty(), "{:?}", checked.violations);
            checked.rows
        });
    }
    std::fs::write(at("bill.csv"), bill(first)).unwrap();
    let bill = Export::open(&at("bill.csv")).unwrap();
    let replacement = Replacement { charges: &charges, weight: Weight::Fixed(900), version: None };
    report("an hourly bill of those nodes, replaced", || {
        from_bill(&bill, &replacement, File::create(at("replaced.csv")).unwrap()).unwrap().rows
    });
}

/// Runs it some times and says the best and how many rows it was.
fn report(what: &str, mut work: impl FnMut() -> u64) {
    let mut best = Duration::MAX;
    let mut rows = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        rows = work();
        best = best.min(start.elapsed());
    }
    println!("{what:<45} {:>9.1} ms  {rows} rows", best.as_secs_f64() * 1e3);
}

fn by_owner(charges: &[Charge]) -> u64 {
    let mut sums: BTreeMap<(&str, &str), Amount> = BTreeMap::new();
    for charge in charges {
        let key = match &charge.recipient {
            Recipient::Pod(pod) => (&*pod.owner, pod.namespace.as_str()),
            _ => ("", ""),
        };
        *sums.entry(key).or_default() += charge.amount;
    }
    sums.len() as u64
}

fn last(first: Date) -> Date {
    first.checked_add((DAYS - 1).days()).unwrap()
}

fn month() -> Vec<Charge> {
    let cluster = Arc::new(ClusterId {
        account: Some("111122223333".to_owned()),
        region: "ap-northeast-2".to_owned(),
        name: "myeks".to_owned(),
    });
    let pod = |number: usize| {
        let team = number * 7 % TEAMS;
        Arc::new(PodRef {
            cluster: Arc::clone(&cluster),
            namespace: format!("team-{team}-{}", number % 3),
            name: format!("web-{number}-7c5ddbdf54-x2x7q"),
            uid: format!("6f1b2c3d-0000-4000-8000-{number:012}"),
            controller: None,
            labels: Arc::new(BTreeMap::from([("app".to_owned(), format!("web-{number}"))])),
            owner: format!("team-{team}").into(),
        })
    };
    let price = Price::parse("0.1003", Unit::Hour).unwrap();
    let first: Date = "2026-10-01".parse().unwrap();
    let mut charges = Vec::new();
    for node in 0..NODES {
        let origin = Arc::new(Origin {
            cluster: Arc::clone(&cluster),
            resource_id: Some(instance(node)),
            name: format!("ip-10-0-{}-{}.internal", node / 250, node % 250),
            kind: "m7g.large".to_owned(),
        });
        let pods: Vec<_> = (0..PODS_PER_NODE).map(|at| pod(node * PODS_PER_NODE + at)).collect();
        let mut to: Vec<(Recipient, Part)> = Vec::new();
        for pod in &pods {
            to.push((Recipient::Pod(Arc::clone(pod)), Part::Cpu));
            to.push((Recipient::Pod(Arc::clone(pod)), Part::Memory));
        }
        to.push((Recipient::Idle, Part::Cpu));
        for day in 0..DAYS {
            let day = first.checked_add(day.days()).unwrap();
            let weights: Vec<u64> = (0..to.len() as u64).map(|at| at * 37 % 101 + 1).collect();
            let amounts = price.amount(1, 86_400).split(&weights);
            for ((recipient, part), amount) in to.iter().zip(amounts) {
                charges.push(Charge {
                    day,
                    period: Window::day(day),
                    class: Class::Ec2Compute,
                    origin: Arc::clone(&origin),
                    recipient: recipient.clone(),
                    part: *part,
                    amount,
                });
            }
        }
    }
    charges
}

fn instance(node: usize) -> String {
    format!("i-{node:017x}")
}

/// Every hour of every node for a week, and as many rows of other things.
fn bill(first: Date) -> String {
    let mut text = "BilledCost,ChargeCategory,ChargePeriodEnd,ChargePeriodStart,ListCost,PricingQuantity,PricingUnit,ResourceId,ServiceCategory\n".to_owned();
    for hour in 0..7 * 24 {
        let start = Window::day(first).start + hour.hours();
        let end = start + 1.hours();
        for node in 0..NODES {
            let id = instance(node);
            text.push_str(&format!("0.1003,Usage,{end},{start},0.1003,1,Hours,{id},Compute\n"));
            text.push_str(&format!("0.0021,Usage,{end},{start},0.0021,1,GB,{id}-bucket,Storage\n"));
        }
    }
    text
}

fn coverage() -> Coverage {
    Coverage {
        node_seconds_seen: 1,
        node_seconds_billed: 1,
        largest_hole: None,
        pods_seen_once: 0,
        pods: 5_000,
        resolution_seconds: 300,
    }
}

fn prices() -> PriceBasis {
    PriceBasis {
        oldest: Some("2026-03-30".parse().unwrap()),
        newest: Some("2026-03-30".parse().unwrap()),
        sources: vec!["the book".to_owned()],
        has_spot: false,
    }
}
