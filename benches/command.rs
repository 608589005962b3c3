//! What the command costs around the work: a thousand commands with plan and journal against the
//! same commands spawned directly, and how soon it answers. Prints figures; asserts nothing, since
//! machines differ.
//!
//! `cargo bench --bench command [-- FOLDER_FOR_STATE]`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark measures this machine, and what cannot go on here is a failed one"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Commands per round, two at a time.
const COMMANDS: usize = 1_000;
/// Rounds; the two kinds alternate, so that whatever else the machine does hits both.
const ROUNDS: usize = 7;

const TRUE: &str = "apiVersion: runbook/v1
name: commands
tasks:
  - id: command
    for_each: ${{ range(1000) | map('string') | list }}
    uses: shell
    with:
      argv: [/bin/true]
";

const TRIVIAL: &str = "apiVersion: runbook/v1
name: trivial
tasks:
  - id: one
    uses: assert
    with:
      that: ${{ true }}
      message: never said
";

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(|| PathBuf::from("/dev/shm"), PathBuf::from);
    let mut out = std::io::stdout();
    let home = tempfile::TempDir::new_in(&folder).unwrap();
    let (mut direct, mut ours) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        direct.push(timed(spawn_directly));
        ours.push(timed(|| run(home.path(), round)));
    }
    let (direct, ours) = (median(direct), median(ours));
    writeln!(
        out,
        "{COMMANDS} × /bin/true, two at a time, state in {}: {ours:?} against {direct:?} spawned directly, {:.2} ×",
        folder.display(),
        ours.as_secs_f64() / direct.as_secs_f64()
    )
    .unwrap();
    std::fs::write(home.path().join("trivial.yaml"), TRIVIAL).unwrap();
    for arguments in [&["--version"][..], &["check", "trivial.yaml"]] {
        let times = (0..51).map(|_| timed(|| ends_well(&mut runbook(home.path(), arguments))));
        let median = median(times.collect());
        writeln!(out, "runbook {}: {median:?}", arguments.join(" ")).unwrap();
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn runbook(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(arguments).current_dir(home).env_clear().env("HOME", home);
    command
}

fn ends_well(command: &mut Command) {
    let said = command.stdin(Stdio::null()).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

/// With plan, journal and events. A command that cannot be observed runs again in each run.
fn run(home: &Path, round: usize) {
    let folder = home.join(round.to_string());
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("true.yaml"), TRUE).unwrap();
    ends_well(&mut runbook(&folder, &["run", "--quiet", "--parallelism", "2", "true.yaml"]));
}

/// The same commands, their output read as ours is, from two threads.
fn spawn_directly() {
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..COMMANDS / 2 {
                    ends_well(&mut Command::new("/bin/true"));
                }
            });
        }
    });
}
