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
use std::io::Write as _;
use std::path::Path;

use runbook_real::cases;
use runbook_real::judge::Judge;
use runbook_real::records::{Distinct, Outcome, Record};

/// Karpenter's version in `tests/real/karpenter/go.mod`.
const KARPENTER: &str = "1.14.1";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [judge, runs, records, chosen @ ..] = arguments.as_slice() else {
        return Err("usage: record-karpenter JUDGE RUNS RECORDS [CASE…]".into());
    };
    let known = known(Path::new(records))?;
    let mut judge = Judge::start(judge, runs.parse()?)?;
    let mut lines = Vec::new();
    for number in 0..cases::COUNT {
        let case = cases::case(number);
        if !chosen.is_empty() && !chosen.contains(&case.name) {
            lines.extend(known.iter().find(|record| record.case == case.name).cloned());
            continue;
        }
        let answered: Vec<Distinct> = judge.answers(&case)?.iter().map(Distinct::of).collect();
        lines.push(Record {
            case: case.name.clone(),
            digest: case.digest(),
            karpenter: KARPENTER.to_owned(),
            runs: answered.len(),
            outcome: Outcome::of(&answered).ok_or("the judge was asked for no run")?,
        });
    }
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
