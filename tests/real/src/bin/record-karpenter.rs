//! Asks the judge all cases and writes the records: `record-karpenter JUDGE RUNS RECORDS [CASE…]`.
//!
//! With cases named, only those are asked and the other records stay: a case in which Karpenter
//! chooses zones by chance may need more runs until its range is known.
//!
//! `sorted.jsonl` has the answers of a copy in which chance has no part: the same program built with
//! `-replace sigs.k8s.io/karpenter=COPY`, COPY being the module with `sorted-zones.patch` applied,
//! asked for the cases in which Karpenter's runs differ.
//!
//! JUDGE is the built Go program of `tests/real/karpenter`. Run it after a change of the cases or
//! of Karpenter's version, and read the difference before committing it.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use runbook_real::cases::{self, Case};
use runbook_real::records::{Answer, Distinct, Outcome, Record};

/// Karpenter's version in `tests/real/karpenter/go.mod`.
const KARPENTER: &str = "1.14.1";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [judge, runs, records, chosen @ ..] = arguments.as_slice() else {
        return Err("usage: record-karpenter JUDGE RUNS RECORDS [CASE…]".into());
    };
    let known = known(Path::new(records))?;
    let folder = std::env::temp_dir().join(format!("karpenter-cases-{}", std::process::id()));
    let mut child = Command::new(judge)
        .args(["-runs", runs])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut questions = child.stdin.take().ok_or("the judge has no input")?;
    let mut answers = BufReader::new(child.stdout.take().ok_or("the judge has no output")?).lines();
    let mut lines = Vec::new();
    for number in 0..cases::COUNT {
        let case = cases::case(number);
        if !chosen.is_empty() && !chosen.contains(&case.name) {
            lines.extend(known.iter().find(|record| record.case == case.name).cloned());
            continue;
        }
        writeln!(questions, "{}", write_case(&folder, &case)?)?;
        let line = answers.next().ok_or_else(|| format!("the judge ended at {}", case.name))??;
        let answered: Vec<Answer> = serde_json::from_str(&line)?;
        let answered: Vec<Distinct> = answered.iter().map(Distinct::of).collect();
        lines.push(Record {
            case: case.name.clone(),
            digest: case.digest(),
            karpenter: KARPENTER.to_owned(),
            runs: answered.len(),
            outcome: Outcome::of(&answered).ok_or("the judge was asked for no run")?,
        });
    }
    drop(questions);
    child.wait()?;
    fs::remove_dir_all(folder)?;
    let mut out = fs::File::create(records)?;
    for record in lines {
        writeln!(out, "{}", serde_json::to_string(&record)?)?;
    }
    Ok(())
}

/// The records that are there.
fn known(records: &Path) -> Result<Vec<Record>, Box<dyn Error>> {
    if !records.exists() {
        return Ok(Vec::new());
    }
    fs::read_to_string(records)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn write_case(folder: &Path, case: &Case) -> Result<serde_json::Value, Box<dyn Error>> {
    let folder = folder.join(&case.name);
    fs::create_dir_all(&folder)?;
    let save = |name: String, text: &str| -> std::io::Result<String> {
        let path = folder.join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let mut pools = Vec::new();
    for (index, pool) in case.node_pools.iter().enumerate() {
        pools.push(save(format!("pool-{index}.json"), pool)?);
    }
    let daemonsets = match &case.daemonsets {
        Some(text) => save("daemonsets.json".to_owned(), text)?,
        None => String::new(),
    };
    Ok(serde_json::json!({
        "pods": save("pods.json".to_owned(), &case.pods)?,
        "node_pools": pools,
        "daemonsets": daemonsets,
        "instance_types": save("types.csv".to_owned(), &case.instance_types)?,
    }))
}
