//! One stream of kubectl commands, answered by a real control plane and by the sandbox.
//!
//! `foreign/stream/stream.txt` holds the commands, `recorded.txt` beside it what the real control
//! plane answered to this kubectl, `differences.txt` what the sandbox may say differently, with the
//! reasons. Where the real one is at hand (`RUNBOOK_CONTROL_PLANE` names a folder of its programs)
//! both answer now; with `RUNBOOK_RECORD` the record is written anew.

mod control_plane;
mod normal;
mod raw;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use control_plane::ControlPlane;
use regex::Regex;

use crate::foreign::{finished_cluster, without_newer_words, words};
use crate::support::{Folder, not_run, variable};

/// A command and what was said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    command: String,
    lines: Vec<String>,
    code: i32,
}

/// Something that the sandbox may say differently.
#[derive(Debug)]
struct Allowed {
    text: String,
    command: Regex,
    /// Lines that do not count; without it none does, only how the command ends.
    line: Option<Regex>,
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "foreign", "stream"].iter().collect()
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn pattern(text: &str) -> Regex {
    Regex::new(&format!("^{}$", regex::escape(text.trim()).replace(r"\*", ".*"))).unwrap()
}

/// `command | line, or any | reason`; `*` stands for any text.
fn allowed(file: &str) -> Vec<Allowed> {
    let text = text(file);
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let parts: Vec<&str> = line.splitn(3, " | ").collect();
            let [command, what, reason] = parts[..] else { panic!("three parts: {line}") };
            assert!(reason.len() > 10, "a reason: {line}");
            let line = (what.trim() != "any").then(|| pattern(what));
            Allowed { text: command.to_owned(), command: pattern(command), line }
        })
        .collect()
}

/// What each command of the stream says, in a namespace of its own.
fn answers(kubeconfig: &Path) -> Vec<Answer> {
    let home = Folder::new();
    let scoped = home.path().join("kubeconfig");
    let kubectl = |arguments: &[&str]| {
        let mut command = home.foreign("kubectl", arguments);
        command.env("KUBECONFIG", &scoped).current_dir(folder());
        command.output().unwrap()
    };
    let whole = home
        .foreign("kubectl", &["config", "view", "--raw", "--flatten"])
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap();
    assert!(whole.status.success(), "{whole:?}");
    std::fs::write(&scoped, whole.stdout).unwrap();
    let named = kubectl(&["config", "set-context", "--current", "--namespace=stream"]);
    assert!(named.status.success(), "{named:?}");
    text("stream.txt")
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(|command| {
            let split = words(command);
            let arguments: Vec<&str> = split[1..].iter().map(String::as_str).collect();
            let said = kubectl(&arguments);
            let lines = [said.stdout, said.stderr]
                .iter()
                .flat_map(|text| normal::lines(&String::from_utf8_lossy(text)))
                .map(|line| without_newer_words(&line))
                .collect();
            let code = said.status.code().unwrap_or(-1);
            Answer { command: command.to_owned(), lines, code }
        })
        .collect()
}

fn written(answers: &[Answer], stream: &str, client: &str) -> String {
    let mut text = format!(
        "# What the real control plane answered to `{stream}`; written by the test itself.\n# {client}\n"
    );
    for answer in answers {
        let _ = write!(text, "\n$ {}\n", answer.command);
        for line in &answer.lines {
            let _ = writeln!(text, "{line}");
        }
        let _ = writeln!(text, "exit {}", answer.code);
    }
    text
}

fn recorded(file: &str) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    for line in text(file).lines().skip(2) {
        if let Some(command) = line.strip_prefix("$ ") {
            answers.push(Answer { command: command.to_owned(), lines: Vec::new(), code: 0 });
        } else if let Some(answer) = answers.last_mut() {
            match line.strip_prefix("exit ") {
                Some(code) => answer.code = code.parse().unwrap(),
                None if line.is_empty() => {}
                None => answer.lines.push(line.to_owned()),
            }
        }
    }
    answers
}

/// Where the answers differ and may not, and which allowances were of no use.
fn problems(ours: &[Answer], real: &[Answer], allowed: &[Allowed]) -> Vec<String> {
    assert_eq!(ours.len(), real.len());
    let mut used = vec![false; allowed.len()];
    let mut problems = Vec::new();
    for (ours, real) in ours.iter().zip(real) {
        assert_eq!(ours.command, real.command);
        let rules: Vec<usize> =
            (0..allowed.len()).filter(|at| allowed[*at].command.is_match(&ours.command)).collect();
        if ours == real {
            continue;
        }
        for at in &rules {
            let line = allowed[*at].line.as_ref();
            let matches = |text: &String| line.is_none_or(|line| line.is_match(text.trim()));
            used[*at] |= ours.lines.iter().chain(&real.lines).any(matches);
        }
        let any = rules.iter().any(|at| allowed[*at].line.is_none());
        let counting = |answer: &Answer| -> Vec<String> {
            let counts = |line: &&String| {
                !rules.iter().any(|at| {
                    allowed[*at].line.as_ref().is_some_and(|pattern| pattern.is_match(line.trim()))
                })
            };
            answer.lines.iter().filter(counts).cloned().collect()
        };
        if ours.code != real.code || !any && counting(ours) != counting(real) {
            problems.push(difference(ours, real));
        }
    }
    let useless = used.iter().zip(allowed).filter(|(used, _)| !**used);
    problems.extend(useless.map(|(_, rule)| format!("{}: there is no difference", rule.text)));
    problems
}

fn difference(ours: &Answer, real: &Answer) -> String {
    let only = |here: &Answer, there: &Answer, sign: char| -> String {
        let lines = here.lines.iter().filter(|line| !there.lines.contains(line));
        lines.fold(String::new(), |text, line| format!("{text}  {sign} {line}\n"))
    };
    format!(
        "{}\n  exit {} here, {} there\n{}{}",
        ours.command,
        ours.code,
        real.code,
        only(ours, real, '+'),
        only(real, ours, '-')
    )
}

#[test]
fn the_sandbox_answers_as_a_real_control_plane_does() {
    let Ok(version) = Command::new("kubectl").args(["version", "--client"]).output() else {
        return not_run("there is no kubectl on this machine");
    };
    let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap().to_owned();
    let of_record = text("recorded.txt").lines().nth(1).unwrap_or_default().to_owned();
    let same_kubectl = of_record == format!("# {version}");
    let real = match variable("RUNBOOK_CONTROL_PLANE") {
        Some(programs) => {
            let plane = ControlPlane::start(Path::new(&programs));
            let real = answers(&plane.kubeconfig());
            if variable("RUNBOOK_RECORD").is_some() {
                std::fs::write(
                    folder().join("recorded.txt"),
                    written(&real, "stream.txt", &version),
                )
                .unwrap();
            } else if same_kubectl {
                let problems = problems(&recorded("recorded.txt"), &real, &[]);
                assert!(problems.is_empty(), "the record is old:\n{}", problems.join("\n"));
            }
            real
        }
        None if same_kubectl => {
            not_run("RUNBOOK_CONTROL_PLANE names no real control plane; its record judges");
            recorded("recorded.txt")
        }
        None => return not_run("the record is of another kubectl, and there is no control plane"),
    };
    let (_folder, served) = finished_cluster();
    let ours = answers(&served.kubeconfig().unwrap());
    let problems = problems(&ours, &real, &allowed("differences.txt"));
    assert!(
        problems.is_empty(),
        "{} of {} commands:\n{}",
        problems.len(),
        ours.len(),
        problems.join("\n")
    );
}
