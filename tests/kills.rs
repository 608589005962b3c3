//! Killed at fifty points of nodeless.yaml, resumed each time to the same world, nothing made twice.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::support::Folder;

/// How many runs are killed.
const KILLS: usize = 50;
/// An unkilled run has some 900 events; beyond its end a kill comes too late, which is fine, too.
const EVENTS: u64 = 920;

/// So many requests may be between their effect and their line in the log when the process is killed.
const AT_ONCE: usize = 2;

/// A fixed sequence that looks like chance: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Runs until that many events were seen, then kills; whether it was still running.
fn killed_after(folder: &Folder, events: u64) -> bool {
    let mut child = folder
        .command(&["run", "nodeless.yaml", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = lines.take(usize::try_from(events).unwrap()).count();
    // SIGKILL: nothing of ours gets a word in.
    child.kill().unwrap();
    child.wait().unwrap();
    seen as u64 == events
}

/// Successful creations, by what was created.
fn creations(folder: &Folder) -> BTreeMap<String, usize> {
    let mut creations = BTreeMap::new();
    for request in folder.requests(true) {
        let operation = request["operation"].as_str().unwrap();
        let status = request["status"].as_u64().unwrap();
        let creates = operation.starts_with("Create") && operation != "CreateTags";
        if creates && status < 300 {
            let subject = request["subject"].as_str().unwrap_or_default();
            let what = format!("{} {operation} {subject}", request["service"].as_str().unwrap());
            *creations.entry(what).or_insert(0) += 1;
        }
    }
    creations
}

fn kill_and_resume(events: u64, expected: &BTreeMap<String, usize>) {
    let folder = Folder::new();
    let was_running = killed_after(&folder, events);
    let said = folder.run(&["resume", "--quiet"]);
    assert_eq!(said.code, 0, "killed after {events} events: {said:#?}");
    if was_running && events < 800 {
        assert!(said.out.contains("✓ coredns  "), "killed after {events} events: {}", said.out);
    }
    let made = creations(&folder);
    let told = |what: &String| made.get(what).copied().unwrap_or(0);
    assert!(
        made.keys().all(|what| expected.contains_key(what)),
        "after {events} events: {made:#?}"
    );
    assert!(expected.keys().all(|what| told(what) <= 1), "after {events} events: {made:#?}");
    // What the world took in the moment of the kill may be in no log; that it is there is seen below.
    let untold: Vec<&String> = expected.keys().filter(|what| told(what) == 0).collect();
    assert!(untold.len() <= AT_ONCE, "killed after {events} events: {untold:?} were not made");
    let again = folder.well(&["run", "nodeless.yaml"]);
    assert!(again.last().contains("nothing to change"), "{events} events: {}", again.out);
}

#[test]
fn fifty_kills_each_resumed_to_the_same_world() {
    let whole = Folder::new();
    whole.well(&["run", "--quiet", "nodeless.yaml"]);
    let expected = creations(&whole);
    assert!(expected.len() > 20, "{expected:#?}");
    assert!(expected.values().all(|times| *times == 1), "{expected:#?}");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let points: Vec<u64> = (0..KILLS).map(|_| 1 + random.below(EVENTS)).collect();
    // Two at a time: they have nothing in common.
    std::thread::scope(|scope| {
        for half in points.chunks(KILLS.div_ceil(2)) {
            let expected = &expected;
            scope.spawn(move || half.iter().for_each(|events| kill_and_resume(*events, expected)));
        }
    });
}
