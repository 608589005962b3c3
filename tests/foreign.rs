//! The finished cluster, described by clients that none of us wrote: kubectl, and boto3.
//!
//! `foreign/commands.txt` holds kubectl commands with what each prints and how it ends,
//! `foreign/describe.py` asks boto3, `foreign/aws` calls with it each operation that the sandbox
//! serves. A client that is not there did not run, and that is said loudly: it is no pass of what it
//! would have asserted.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Folder, Served, not_run, variable};

/// World seconds per real second: pods start in less than a second.
const SPEED: &str = "20";
/// The same where a cluster is made, updated and deleted; what must be refused in the meantime still
/// comes in time.
const FAST: &str = "100";

/// Runs the main job to its end and serves the world until the value is dropped.
pub(crate) fn finished_cluster() -> (Folder, Served) {
    finished_cluster_at(SPEED)
}

fn finished_cluster_at(speed: &str) -> (Folder, Served) {
    let folder = Folder::new();
    folder.well(&["run", "--quiet", "nodeless.yaml"]);
    let served = Served::with(&folder, &["--speed", speed]);
    (folder, served)
}

/// One command of the list.
#[derive(Debug)]
struct Case {
    line: usize,
    words: Vec<String>,
    expected: Vec<String>,
    code: i32,
}

/// Reads `$ command`, what it prints, `exit N`; lines that begin with `#` are remarks.
fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            assert!(!open, "line {}: the command before has no exit code", index + 1);
            open = true;
            let words = words(command);
            cases.push(Case { line: index + 1, words, expected: Vec::new(), code: 0 });
        } else if let Some(code) = line.strip_prefix("exit ").filter(|_| open) {
            cases.last_mut().unwrap().code = code.trim().parse().unwrap();
            open = false;
        } else if open && !line.trim().is_empty() {
            cases.last_mut().unwrap().expected.push(line.to_owned());
        } else {
            let remark = line.is_empty() || line.starts_with('#');
            assert!(remark, "line {}: neither command nor remark", index + 1);
        }
    }
    assert!(!open, "the last command has no exit code");
    cases
}

/// Splits as a shell does, as far as single quotes go.
pub(crate) fn words(command: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for character in command.chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether what was printed is what is expected. In an expected line `*` stands for any text
/// within a word, `...` for the rest of a line, a line `...` for any lines; how many spaces there
/// are does not count.
fn fits(expected: &[String], printed: &[String]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((line, rest)), _) if line.trim() == "..." => {
            (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..]))
        }
        (Some((line, rest)), Some((first, others))) => line_fits(line, first) && fits(rest, others),
        _ => false,
    }
}

fn line_fits(line: &str, printed: &str) -> bool {
    let mut wanted: Vec<&str> = line.split_whitespace().collect();
    let mut found: Vec<&str> = printed.split_whitespace().collect();
    if wanted.last() == Some(&"...") {
        wanted.pop();
        found.truncate(wanted.len());
    }
    wanted.len() == found.len()
        && wanted.iter().zip(found).all(|(wanted, found)| word_fits(wanted, found))
}

fn word_fits(wanted: &str, found: &str) -> bool {
    match wanted.split_once('*') {
        None => wanted == found,
        Some((start, rest)) => found.strip_prefix(start).is_some_and(|after| {
            after
                .char_indices()
                .map(|(index, _)| index)
                .chain([after.len()])
                .any(|index| word_fits(rest, &after[index..]))
        }),
    }
}

/// Runs a command of the list; the problem, if there is one.
fn problem(folder: &Folder, served: &Served, case: &Case) -> Option<String> {
    let files: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "foreign"].iter().collect();
    let said = folder
        .foreign("kubectl", &case.words[1..])
        .envs(served.environment.iter().cloned())
        .current_dir(files)
        .output()
        .unwrap();
    let printed: Vec<String> = [said.stdout, said.stderr]
        .iter()
        .flat_map(|text| {
            String::from_utf8_lossy(text).lines().map(without_newer_words).collect::<Vec<_>>()
        })
        .filter(|line| !line.trim().is_empty())
        .collect();
    let code = said.status.code();
    (code != Some(case.code) || !fits(&case.expected, &printed)).then(|| {
        format!(
            "commands.txt:{}: {}\nexpected, exit {}:\n  {}\nfound, exit {code:?}:\n  {}\n",
            case.line,
            case.words.join(" "),
            case.code,
            case.expected.join("\n  "),
            printed.join("\n  ")
        )
    })
}

/// kubectl 1.34 and later say from where something was deleted.
pub(crate) fn without_newer_words(line: &str) -> String {
    let Some((before, after)) = line.split_once(" from ") else { return line.to_owned() };
    match after.split_once(" namespace") {
        Some((name, rest)) if before.ends_with("deleted") && !name.contains(' ') => {
            format!("{before}{rest}")
        }
        _ => line.to_owned(),
    }
}

#[test]
fn kubectl_says_of_the_finished_cluster_what_it_says_of_a_real_one() {
    let cases = cases(include_str!("foreign/commands.txt"));
    assert!(cases.len() >= 40, "{} commands", cases.len());
    if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        return not_run("there is no kubectl on this machine");
    }
    let (folder, served) = finished_cluster();
    let problems: Vec<String> =
        cases.iter().filter_map(|case| problem(&folder, &served, case)).collect();
    assert!(
        problems.is_empty(),
        "{} of {} commands:\n{}",
        problems.len(),
        cases.len(),
        problems.join("\n")
    );
}

#[test]
fn boto3_describes_the_finished_cluster() {
    boto3_runs("describe.py", SPEED);
}

#[test]
fn boto3_calls_every_operation_of_aws_and_reads_every_answer() {
    boto3_runs("aws/operations.py", FAST);
}

/// Runs a script of `foreign` that asks the finished cluster by boto3. On its standard input is what
/// the sandbox says that it serves.
fn boto3_runs(script: &str, speed: &str) {
    let Some(python) = variable("RUNBOOK_PYTHON") else {
        return not_run("RUNBOOK_PYTHON names no Python with boto3; .ci/run makes one");
    };
    let (folder, served) = finished_cluster_at(speed);
    let coverage = folder.well(&["sandbox", "coverage", "--output", "json"]).out;
    folder.write("coverage.json", coverage);
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "foreign", script].iter().collect();
    let said = folder
        .foreign(&python, &[script])
        // No compiled files beside the sources.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(served.environment.iter().cloned())
        .stdin(std::fs::File::open(folder.path().join("coverage.json")).unwrap())
        .output()
        .unwrap();
    assert!(
        said.status.success(),
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
}

#[test]
fn expected_output_is_matched_by_word_and_by_line() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let printed = lines("NAME   READY\na-7f-x1   1/1\nb   0/1");
    assert!(fits(&lines("NAME READY\na-*-x* 1/1\nb 0/1"), &printed));
    assert!(fits(&lines("NAME READY\n..."), &printed));
    assert!(fits(&lines("...\nb 0/1"), &printed));
    assert!(fits(&lines("NAME ...\na-7f-x1 1/1 ...\nb 0/1"), &printed));
    for wrong in ["NAME READY", "NAME READY\n...\nc *", "NAME\n...", "NAME READY\na-* 1/1"] {
        assert!(!fits(&lines(wrong), &printed), "{wrong}");
    }
    assert_eq!(
        without_newer_words("pod \"a\" deleted from default namespace"),
        "pod \"a\" deleted"
    );
}
