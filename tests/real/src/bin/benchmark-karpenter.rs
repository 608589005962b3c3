//! Karpenter's own benchmark and ours on the same pods, in one run:
//! `benchmark-karpenter JUDGE [RUNS]`, from the root, in a release build.
//!
//! JUDGE is the built Go program of `tests/real/karpenter`. It makes the pods of Karpenter's benchmark
//! and solves them, each run with a new scheduler, as its benchmark does once; the clock runs while it
//! solves. Ours is then asked the same from the same files, and its clock runs while it prepares as
//! well. Ours must have as many nodes, a price within Karpenter's range and an answer that can be
//! carried out; what is printed says so, and the exit is 1 where it does not hold.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use runbook_capacity::karpenter::{PackInput, PackOutcome, Preferences, pack, read_instance_types};
use runbook_capacity::manifest;
use runbook_real::cases::Case;
use runbook_real::feasible;
use runbook_real::judge::Judge;
use runbook_real::records::Answer;
use serde::Deserialize;

/// What is asked: pods, their mix, and what preferences are worth.
const QUESTIONS: [(usize, &str, &str); 8] = [
    (1_000, "diverse", "respect"),
    (1_000, "diverse", "ignore"),
    (5_000, "diverse", "respect"),
    (5_000, "diverse", "ignore"),
    (1_000, "preferences", "respect"),
    (1_000, "preferences", "ignore"),
    (5_000, "preferences", "respect"),
    (5_000, "preferences", "ignore"),
];

/// How many times faster ours is to be.
const ASKED: f64 = 50.0;

/// A run of Karpenter's.
#[derive(Debug, Deserialize)]
struct Run {
    nodes: Vec<serde_json::Value>,
    unschedulable: Vec<String>,
    usd_per_hour: f64,
    seconds: f64,
    cpu_seconds: f64,
}

/// The least and the most.
fn ends(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max))
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (judge, runs) = match arguments.as_slice() {
        [judge] => (judge, 3),
        [judge, runs] => (judge, runs.parse()?),
        _ => return Err("usage: benchmark-karpenter JUDGE [RUNS]".into()),
    };
    let mut judge = Judge::start(judge, runs)?;
    let folder = judge.folder().to_owned();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{:>5} {:11} {:7} | {:>9} {:>9} {:>6} {:>21} | {:>9} {:>6} {:>10} | {:>6} {:>6}",
        "pods",
        "mix",
        "wishes",
        "Karpenter",
        "its CPU",
        "nodes",
        "$/h",
        "ours",
        "nodes",
        "$/h",
        "times",
        "CPU"
    )?;
    let mut holds = true;
    for (pods, mix, preferences) in QUESTIONS {
        // Where no zone is chosen by chance, one run says all; it takes minutes.
        let question = serde_json::json!({
            "preferences": preferences,
            "runs": if mix == "preferences" { 1 } else { runs },
            "benchmark": {"mix": mix, "pods": pods, "folder": folder},
        });
        let theirs: Vec<Run> = judge.ask(&question)?;
        let (seconds, ours) = ours(&folder, preferences)?;
        let wrong = problems(&folder, &theirs, &ours)?;
        #[expect(clippy::cast_precision_loss, reason = "a few thousand pods")]
        let count = pods as f64;
        let best = theirs.iter().map(|run| run.seconds).fold(f64::INFINITY, f64::min);
        let cpu = theirs.iter().map(|run| run.cpu_seconds).fold(f64::INFINITY, f64::min);
        let (low, high) = ends(theirs.iter().map(|run| run.usd_per_hour));
        let price = ours.price.map_or(f64::NAN, runbook_capacity::money::Price::dollars);
        writeln!(
            out,
            "{pods:>5} {mix:11} {preferences:7} | {:>7.0}/s {cpu:>8.2}s {:>6} {low:>10.2}-{high:<10.2} | {:>7.0}/s {:>6} {price:>10.2} | {:>5.0}x {:>5.0}x",
            count / best,
            theirs[0].nodes.len(),
            count / seconds,
            ours.nodes.len(),
            best / seconds,
            cpu / seconds,
        )?;
        for one in &wrong {
            writeln!(out, "      {one}")?;
        }
        if best / seconds < ASKED {
            writeln!(out, "      below the {ASKED} times that are asked for")?;
            holds = false;
        }
        holds &= wrong.is_empty();
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ours: the best of five, and its answer.
fn ours(folder: &Path, preferences: &str) -> Result<(f64, PackOutcome), Box<dyn Error>> {
    let read = |name: &str| fs::read_to_string(folder.join(name));
    let all = |problems: Vec<_>| -> Box<dyn Error> { format!("{problems:?}").into() };
    let input = PackInput {
        pods: manifest::read("pods.json", &read("pods.json")?).map_err(all)?.pods(),
        node_pools: manifest::read_node_pools("pool.json", &read("pool.json")?).map_err(all)?,
        instance_types: read_instance_types("types.csv", &read("types.csv")?)
            .map_err(|problems| format!("{problems:?}"))?,
        preferences: if preferences == "ignore" {
            Preferences::Ignore
        } else {
            Preferences::Respect
        },
        ..PackInput::default()
    };
    let mut best: Option<(f64, PackOutcome)> = None;
    for _ in 0..5 {
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
        let began = Instant::now();
        let outcome = pack(&input);
        let seconds = began.elapsed().as_secs_f64();
        if best.as_ref().is_none_or(|(least, _)| seconds < *least) {
            best = Some((seconds, outcome));
        }
    }
    best.ok_or_else(|| "nothing was packed".into())
}

/// What is wrong with ours.
fn problems(
    folder: &Path,
    theirs: &[Run],
    ours: &PackOutcome,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut found = Vec::new();
    if !theirs.iter().all(|run| run.nodes.len() == ours.nodes.len()) {
        let counts: Vec<usize> = theirs.iter().map(|run| run.nodes.len()).collect();
        found.push(format!("{} nodes, Karpenter {counts:?}", ours.nodes.len()));
    }
    let (low, high) = ends(theirs.iter().map(|run| run.usd_per_hour));
    let price = ours.price.map_or(f64::NAN, runbook_capacity::money::Price::dollars);
    // One part in ten thousand, as everywhere.
    if !(price >= low * 0.9999 && price <= high * 1.0001) {
        found.push(format!("{price} $/h, Karpenter {low} to {high} in {} runs", theirs.len()));
    }
    let lost = theirs.iter().map(|run| run.unschedulable.len()).max().unwrap_or(0);
    if ours.unschedulable.len() > lost {
        found.push(format!("{} pods without a place", ours.unschedulable.len()));
    }
    let mut written = serde_json::to_value(ours)?;
    let names = ours.unschedulable.iter().map(|one| one.pod.clone()).collect::<Vec<_>>();
    written["unschedulable"] = names.into();
    let answer: Answer = serde_json::from_value(written)?;
    let read = |name: &str| fs::read_to_string(folder.join(name));
    let case = Case {
        name: "benchmark".to_owned(),
        pods: read("pods.json")?,
        node_pools: vec![read("pool.json")?],
        daemonsets: None,
        instance_types: read("types.csv")?,
    };
    found.extend(feasible::problems(&case, &answer).into_iter().take(3));
    Ok(found)
}
