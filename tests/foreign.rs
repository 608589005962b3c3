//! The finished cluster, described by clients that none of us wrote: kubectl, and boto3.
//!
//! `foreign/commands.txt` holds kubectl commands with what each prints and how it ends,
//! `foreign/describe.py` asks boto3. A client that is not there did not run, and that is said
//! loudly: it is no pass of what it would have asserted.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// World seconds per real second: pods start in less than a second.
const SPEED: &str = "20";

/// A served world in which `nodeless.yaml` was carried out.
struct Served {
    folder: TempDir,
    child: Child,
    environment: Vec<(String, String)>,
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself; what the test found is what counts.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The command in a folder, with nothing of the person who runs the tests.
fn runbook(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    plain(&mut command, folder);
    command
}

#[expect(clippy::disallowed_methods, reason = "programs are found where the tests find them")]
fn plain(command: &mut Command, home: &Path) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", home);
}

/// Runs the main job to its end and serves the world until the value is dropped.
fn finished_cluster() -> Served {
    let folder = TempDir::with_prefix("runbook-foreign-").unwrap();
    let ran = runbook(folder.path(), &["run", "nodeless.yaml"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut child = runbook(folder.path(), &["sandbox", "up", "--speed", SPEED])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut environment = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !environment.iter().any(|(name, _)| name == "KUBECONFIG") {
        let line = lines.next().expect("`sandbox up` prints the environment").unwrap();
        if let Some((name, value)) = line.strip_prefix("export ").and_then(|it| it.split_once('='))
        {
            environment.push((name.to_owned(), value.trim_matches('\'').to_owned()));
        }
    }
    // Whoever serves may go on to print; nobody needs to read it.
    std::thread::spawn(move || lines.for_each(drop));
    Served { folder, child, environment }
}

/// Says on the terminal itself that something did not run: a captured message would be unseen.
#[expect(clippy::print_stderr, reason = "a client that is missing must not pass in silence")]
fn did_not_run(what: &str, why: &str) {
    let text = format!("NOT RUN: {what}: {why}\n");
    // The harness captures `eprintln`, but not what is written to the stream itself.
    if std::io::stderr().write_all(text.as_bytes()).is_err() {
        eprintln!("{text}");
    }
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
fn words(command: &str) -> Vec<String> {
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
fn problem(served: &Served, kubectl: &Path, case: &Case) -> Option<String> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "foreign"].iter().collect();
    let mut command = Command::new(kubectl);
    plain(&mut command, served.folder.path());
    let said = command
        .args(&case.words[1..])
        .envs(served.environment.iter().cloned())
        .current_dir(folder)
        .stdin(Stdio::null())
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
fn without_newer_words(line: &str) -> String {
    let Some((before, after)) = line.split_once(" from ") else { return line.to_owned() };
    match after.split_once(" namespace") {
        Some((name, rest)) if before.ends_with("deleted") && !name.contains(' ') => {
            format!("{before}{rest}")
        }
        _ => line.to_owned(),
    }
}

/// A program on PATH.
#[expect(clippy::disallowed_methods, reason = "programs are found where the tests find them")]
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[test]
fn kubectl_says_of_the_finished_cluster_what_it_says_of_a_real_one() {
    let cases = cases(include_str!("foreign/commands.txt"));
    assert!(cases.len() >= 40, "{} commands", cases.len());
    let Some(kubectl) = on_path("kubectl") else {
        return did_not_run("commands of kubectl", "no kubectl on PATH");
    };
    let served = finished_cluster();
    let problems: Vec<String> =
        cases.iter().filter_map(|case| problem(&served, &kubectl, case)).collect();
    assert!(
        problems.is_empty(),
        "{} of {} commands:\n{}",
        problems.len(),
        cases.len(),
        problems.join("\n")
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "CI says where its Python is")]
fn boto3_describes_the_finished_cluster() {
    let Some(python) = std::env::var_os("RUNBOOK_PYTHON") else {
        return did_not_run("boto3", "RUNBOOK_PYTHON is not set");
    };
    let served = finished_cluster();
    let script: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests", "foreign", "describe.py"].iter().collect();
    let mut command = Command::new(python);
    plain(&mut command, served.folder.path());
    let said = command.arg(script).envs(served.environment.iter().cloned()).output().unwrap();
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
