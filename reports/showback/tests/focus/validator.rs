//! The validator of the Foundation behind FOCUS, on our files.
//!
//! `.ci/run` makes its Python environment; where there is none, that is said loudly. What it finds and is
//! not ours is in `tests/foreign/focus/allowed.csv`, with a reason each; one that it does not find any
//! more fails too, so that the list does not outlive its reasons.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use runbook_showback::allocate::charge::{Part, Recipient};
use runbook_showback::bill::Class;
use runbook_showback::focus::{Export, Format, Version, from_bill};
use tempfile::TempDir;

use crate::bills::replacement;
use crate::charges;
use crate::estimates::estimate;
use crate::files::table;

#[expect(clippy::disallowed_methods, reason = "what a test needs is named by who runs the tests")]
fn python() -> Option<String> {
    std::env::var("RUNBOOK_FOCUS_VALIDATOR").ok()
}

/// Says past the harness that something did not run: it must not look as if it had.
#[expect(clippy::explicit_write, reason = "the harness captures what `eprintln!` says")]
fn not_run(why: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "NOT RUN: {why}").unwrap();
}

fn foreign(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "tests", "foreign", "focus", name].iter().collect()
}

/// The rules that it says a file breaks, and how many it held it to.
fn failures(python: &str, file: &Path) -> (BTreeSet<String>, usize) {
    let said = Command::new(python)
        .arg(foreign("validate.py"))
        .arg(file)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", file.parent().unwrap())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success(), "{text}{}", String::from_utf8_lossy(&said.stderr));
    let mut lines = text.lines();
    let held: usize = lines.next().unwrap().strip_prefix("held to ").unwrap().parse().unwrap();
    (lines.map(str::to_owned).collect(), held)
}

/// What it finds in such files and is not ours.
fn allowed(of: &[&str]) -> BTreeSet<String> {
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).from_path(foreign("allowed.csv")).unwrap();
    let mut rules = BTreeSet::new();
    for record in reader.records() {
        let record = record.unwrap();
        assert!(record[2].len() > 20, "{} has no reason", &record[0]);
        assert!(["any", "csv", "bill"].contains(&&record[1]), "{} of {}", &record[0], &record[1]);
        if &record[1] == "any" || of.contains(&&record[1]) {
            rules.insert(record[0].to_owned());
        }
    }
    rules
}

/// A bill with all columns of FOCUS: the small day, before anybody divided it.
fn whole_bill() -> Vec<u8> {
    let mut charges = charges::small();
    for charge in charges.iter_mut().filter(|charge| charge.class == Class::Ec2Compute) {
        (charge.recipient, charge.part) = (Recipient::Idle, Part::Whole);
    }
    let (bytes, _) = estimate(&charges, Version::V1_2, Format::Csv);
    let mut rows = table(&bytes);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header: Vec<String> =
        rows[0].keys().filter(|name| !name.starts_with("x_")).cloned().collect();
    assert_eq!(header.len(), 57);
    writer.write_record(&header).unwrap();
    for row in &mut rows {
        row.insert("BilledCost".to_owned(), row["ListCost"].clone());
        row.insert("InvoiceId".to_owned(), "EUINKR26-1234567".to_owned());
        writer.write_record(header.iter().map(|name| &row[name])).unwrap();
    }
    writer.into_inner().unwrap()
}

#[test]
fn the_foundations_validator_finds_nothing_that_is_ours() {
    let Some(python) = python() else {
        return not_run(
            "RUNBOOK_FOCUS_VALIDATOR names no Python with the FinOps Foundation's validator; .ci/run makes one",
        );
    };
    let folder = TempDir::new().unwrap();
    let charges = charges::small();
    let mut files = Vec::new();
    for (format, name) in [(Format::Csv, "estimate.csv"), (Format::Parquet, "estimate.parquet")] {
        let path = folder.path().join(name);
        std::fs::write(&path, estimate(&charges, Version::V1_2, format).0).unwrap();
        files.push(path);
    }
    let bill = folder.path().join("whole.csv");
    std::fs::write(&bill, whole_bill()).unwrap();
    let replaced = folder.path().join("replaced.csv");
    let out = std::fs::File::create(&replaced).unwrap();
    let written =
        from_bill(&Export::open(&bill).unwrap(), &replacement(&charges, None), out).unwrap();
    assert_eq!((written.replaced, written.allocated, written.untouched), (2, 8, 3));
    let (of_bill, before) = failures(&python, &bill);
    let (of_replaced, held) = failures(&python, &replaced);
    assert!(held >= before && before > 300, "it held the bill to {before}, then to {held} rules");
    let ours: Vec<&String> = of_replaced.difference(&of_bill).collect();
    assert!(ours.is_empty(), "replacing node charges breaks {ours:?}");
    // What fails without any doing of ours is what the list has reasons for.
    let known = allowed(&["csv", "bill"]);
    let unknown: Vec<&String> = of_bill.difference(&known).collect();
    assert!(unknown.is_empty(), "the bill itself breaks {unknown:?}");

    for file in files {
        let (found, held) = failures(&python, &file);
        assert!(held > 300, "it held {} to {held} rules only", file.display());
        let allowed = allowed(&[file.extension().unwrap().to_str().unwrap()]);
        let ours: Vec<&String> = found.difference(&allowed).collect();
        assert!(ours.is_empty(), "{} breaks {ours:?}", file.display());
        let gone: Vec<&String> = allowed.difference(&found).collect();
        assert!(gone.is_empty(), "{}: allowed and not found any more: {gone:?}", file.display());
    }
}

#[test]
fn it_finds_a_planted_mistake() {
    let Some(python) = python() else {
        return not_run("RUNBOOK_FOCUS_VALIDATOR names no Python, so nothing was planted");
    };
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("spoilt.csv");
    let (bytes, _) = estimate(&charges::small(), Version::V1_2, Format::Csv);
    let text = String::from_utf8(bytes).unwrap();
    std::fs::write(&path, text.replace(",Usage,", ",Usages,")).unwrap();
    let (found, _) = failures(&python, &path);
    assert!(found.iter().any(|rule| rule.starts_with("ChargeCategory")), "{found:?}");
}
