//! Where an answer goes: whole, where it was asked for, or a word about why not.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::process::{Command, Stdio};

use crate::support::{Folder, Said};

const COMPARE: [&str; 7] =
    ["report", "compare", "pods.csv", "--region", "ap-northeast-2", "-o", "csv"];

fn folder() -> Folder {
    Folder::new().file("pods.csv", "name,cpu,memory,replicas\nweb,250m,512Mi,3\n")
}

fn to(place: &str) -> Vec<&str> {
    COMPARE.into_iter().chain(["--out", place]).collect()
}

#[test]
fn a_full_disk_behind_stdout_is_a_failure() {
    let folder = folder();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = folder.command(&COMPARE).stdout(full).output().unwrap();
    let said = Said::of(&output);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.err.contains("failed to write to stdout: No space left"), "{}", said.err);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = folder();
    let mut child =
        folder.command(&COMPARE).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_link_stays_a_link() {
    let folder = folder();
    folder.write("real.csv", "old");
    std::os::unix::fs::symlink("real.csv", folder.path().join("link.csv")).unwrap();
    folder.well(&to("link.csv"));
    assert!(folder.path().join("link.csv").is_symlink());
    assert_eq!(folder.read("real.csv").trim_end(), folder.well(&COMPARE).out.trim_end());
}

#[test]
fn a_pipe_is_written_to_and_not_replaced() {
    let folder = folder();
    let made = Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
    assert!(made.success());
    // Opened for both, neither side waits for the other.
    let mut pipe =
        OpenOptions::new().read(true).write(true).open(folder.path().join("pipe")).unwrap();
    folder.well(&to("pipe"));
    let kind = std::fs::metadata(folder.path().join("pipe")).unwrap().file_type();
    assert!(kind.is_fifo(), "{kind:?}");
    let expected = folder.well(&COMPARE).out;
    let mut read = vec![0; expected.trim_end().len()];
    pipe.read_exact(&mut read).unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), expected.trim_end());
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("taken")).unwrap();
    let said = folder.run(&to("taken"));
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.err.contains("failed to write"), "{}", said.err);
    let said = folder.run(&to("nowhere/answer.csv"));
    assert_eq!(said.code, 1, "{said:#?}");
    let left: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".part"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_dash_is_stdout() {
    let folder = folder();
    assert_eq!(folder.well(&to("-")).out, folder.well(&COMPARE).out);
    assert!(!folder.path().join("-").exists());
}

#[test]
fn options_that_would_be_ignored_are_refused() {
    let folder = folder();
    folder.write("inventory.json", r#"{"kind": "Inventory", "version": 1, "items": []}"#);
    let compare = ["report", "compare"];
    let cases: [&[&str]; 6] = [
        &["pods.csv", "--on", "aws"],
        &["pods.csv", "--cluster", "myeks"],
        &["--inventory", "inventory.json", "--kubeconfig", "kubeconfig"],
        &["--inventory", "inventory.json", "--scenario", "slow"],
        &["--inventory", "inventory.json", "pods.csv"],
        &["--context", "one"],
    ];
    for case in cases {
        let arguments: Vec<&str> = compare.iter().chain(case).copied().collect();
        let said = folder.run(&arguments);
        assert_eq!((said.code, said.out.as_str()), (64, ""), "{arguments:?}: {said:#?}");
    }
    let autoscalers: [&[&str]; 2] = [&["--priority", "blue"], &["--print-trace", "-o", "csv"]];
    for case in autoscalers {
        let arguments: Vec<&str> = ["report", "autoscalers"].iter().chain(case).copied().collect();
        let said = folder.run(&arguments);
        assert_eq!((said.code, said.out.as_str()), (64, ""), "{arguments:?}: {said:#?}");
    }
}
