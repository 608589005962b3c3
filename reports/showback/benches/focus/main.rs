//! What FOCUS and Parquet take for a month of 200 nodes, 5,000 pods at a time and 40 teams, beside the
//! showback itself. Prints figures; asserts nothing about time, since machines differ.
//!
//! With a folder it leaves its files there, so that another engine can be asked the same:
//!
//! ```sh
//! cargo bench -p runbook-showback --bench focus -- FOLDER
//! cd FOLDER && duckdb < …/benches/focus/allocation.sql
//! duckdb -c "SELECT owner, namespace, sum(cost) FROM 'charges.parquet' GROUP BY ALL"
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures this machine, and what cannot go on here is a failed one"
)]

mod month;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use jiff::{Timestamp, ToSpan};
use parquet::arrow::ArrowWriter;
use runbook_capacity::prices::PriceBook;
use runbook_showback::allocate::charge::Charge;
use runbook_showback::allocate::showback::{Basis, Weight};
use runbook_showback::allocate::{PriceOptions, Request, Rules, charges, dimensions, showback};
use runbook_showback::focus::{
    Account, Estimate, Export, Format, Replacement, Version, check, from_bill, from_charges,
};
use runbook_showback::observed::{Observed, Place};
use runbook_showback::render::parquet as tables;

const ROUNDS: usize = 3;
const RULES: &str = "
owners: [{label: team}]
idle: {rule: proportional}
";

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
    let observed = month::Month::new(5).fill();
    let request = request(&observed);
    let book = PriceBook::embedded();
    println!("{} stays of pods on {} nodes", observed.pods.len(), observed.nodes.len());
    let at = |name: &str| folder.join(name);
    stays(&observed, &at("stays.parquet"));
    nodes(&observed, &at("nodes.parquet"));
    report("showback by team and namespace", || {
        showback(&observed, None, book, &request).unwrap().groups.len() as u64
    });
    let answer = showback(&observed, None, book, &request).unwrap();
    report("its days as Parquet", || {
        tables::showback(&answer, File::create(at("showback.parquet")).unwrap()).unwrap()
    });
    drop(answer);
    let all = charges(&observed, book, &request).unwrap();
    report("charges as Parquet", || {
        let out = File::create(at("charges.parquet")).unwrap();
        tables::charges(&all.charges, observed.window, out).unwrap()
    });
    let account = Account { id: "999988887777".to_owned(), name: None };
    let estimate = Estimate::of(&all, Weight::Fixed(900), Some(&account));
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
    replace(&observed, &all.charges, folder);
    println!("{} MB of memory at most", peak());
}

fn replace(observed: &Observed, charges: &[Charge], folder: &Path) {
    let path = folder.join("bill.csv");
    std::fs::write(&path, bill(observed)).unwrap();
    let bill = Export::open(&path).unwrap();
    let replacement = Replacement { charges, weight: Weight::Fixed(900), version: None };
    report("a bill by hour of two days, replaced", || {
        let out = File::create(folder.join("replaced.csv")).unwrap();
        from_bill(&bill, &replacement, out).unwrap().rows
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
    println!("{what:<42} {:>9.1} ms   {rows} rows", best.as_secs_f64() * 1e3);
}

fn request(observed: &Observed) -> Request {
    Request {
        window: observed.window,
        basis: Basis::Period,
        by: dimensions("team,namespace").unwrap(),
        weight: None,
        as_of: observed.window.end + 72.hours(),
        from: "a benchmark".to_owned(),
        is_provisional: false,
        rules: Rules::read("rules.yaml", RULES).unwrap(),
        prices: PriceOptions::default(),
    }
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn numbers(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// When something ended, or the window did.
fn stop(observed: &Observed, ended: Option<Timestamp>) -> i64 {
    ended.unwrap_or(observed.window.end).as_second()
}

fn stays(observed: &Observed, path: &Path) {
    let pods = &observed.pods;
    let node = |place: &Place| match place {
        Place::Node(node) => node.clone(),
        _ => String::new(),
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("node", texts(pods.iter().map(|pod| node(&pod.place)))),
        ("owner", texts(pods.iter().map(|pod| pod.labels["team"].clone()))),
        ("namespace", texts(pods.iter().map(|pod| pod.namespace.clone()))),
        ("pod", texts(pods.iter().map(|pod| pod.name.clone()))),
        ("start", numbers(pods.iter().filter_map(|pod| pod.scheduled).map(Timestamp::as_second))),
        ("stop", numbers(pods.iter().map(|pod| stop(observed, pod.ended)))),
        ("millicores", numbers(pods.iter().map(|pod| pod.requests.cpu.unwrap().0))),
        ("bytes", numbers(pods.iter().map(|pod| pod.requests.memory.unwrap().0))),
    ];
    write(path, columns);
}

fn nodes(observed: &Observed, path: &Path) {
    let nodes = &observed.nodes;
    let price = Float64Array::from(vec![0.8024; nodes.len()]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("node", texts(nodes.iter().map(|node| node.name.clone()))),
        ("start", numbers(nodes.iter().map(|node| node.launched.as_second()))),
        ("stop", numbers(nodes.iter().map(|node| stop(observed, node.ended)))),
        ("millicores", numbers(nodes.iter().map(|node| node.capacity.cpu.unwrap().0))),
        ("bytes", numbers(nodes.iter().map(|node| node.capacity.memory.unwrap().0))),
        ("dollars_per_hour", Arc::new(price)),
    ];
    write(path, columns);
}

/// Every hour of every node for two days, and as many rows of other things.
fn bill(observed: &Observed) -> String {
    let mut text = "BilledCost,ChargeCategory,ChargePeriodEnd,ChargePeriodStart,ListCost,PricingQuantity,PricingUnit,ResourceId,ServiceCategory\n".to_owned();
    for hour in 0..48 {
        let start = observed.window.start + hour.hours();
        let end = start + 1.hours();
        for node in &observed.nodes {
            let is_there = node.launched < end && stop(observed, node.ended) > start.as_second();
            let Some(id) = node.instance_id.as_ref().filter(|_| is_there) else { continue };
            text.push_str(&format!("0.1003,Usage,{end},{start},0.1003,1,Hours,{id},Compute\n"));
            text.push_str(&format!("0.0021,Usage,{end},{start},0.0021,1,GB,{id}-b,Storage\n"));
        }
    }
    text
}

/// The most memory this process had so far, in MB.
fn peak() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1000
}
