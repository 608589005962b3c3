//! A month of world time with short pods: how long each day takes, what the process holds, how long the
//! files are. Prints; asserts nothing, since machines differ.
//!
//! `cargo bench -p runbook-sandbox --bench month -- 31 5` plays 31 days with a job of four minutes every
//! five minutes: about nine thousand pods.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write as _;
use std::path::Path;

use jiff::SignedDuration;
use runbook_sandbox::BillFormat;
use support::month::Month;
use support::{CLUSTER, World};
use tokio::time::Instant;

/// The allocator of the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn say(text: &str) {
    writeln!(std::io::stdout().lock(), "{text}").unwrap();
}

/// MiB that the process holds.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}

fn kibibytes(folder: &Path, name: &str) -> u64 {
    std::fs::metadata(folder.join("sandbox").join(name)).map_or(0, |about| about.len() / 1024)
}

#[tokio::main]
async fn main() {
    let numbers: Vec<u32> = std::env::args().filter_map(|one| one.parse().ok()).collect();
    let days = numbers.first().copied().unwrap_or(31);
    let minutes = numbers.get(1).copied().unwrap_or(5);
    let world = World::beginning("2026-09-30T22:00:00Z").await.with_nodes().await;
    let waiting = world.elsewhere().await;
    let day = SignedDuration::from_hours(24);
    let mut month = Month::join(world.served.control(), CLUSTER, day).await;
    month.begin(minutes).await;
    let began = Instant::now();
    for number in 1..=days {
        let start = Instant::now();
        let until = month.began() + day * i32::try_from(number).unwrap();
        month.play(until).await;
        say(&format!(
            "day {number:2}: {:6.2} s, {} MiB resident, snapshot {} KiB, log {} KiB",
            start.elapsed().as_secs_f64(),
            resident(),
            kibibytes(world.folder.path(), "world.snapshot"),
            kibibytes(world.folder.path(), "world.log"),
        ));
    }
    say(&format!("{days} days in {:.1} s", began.elapsed().as_secs_f64()));
    let control = world.served.control();
    for (name, format) in BillFormat::ALL {
        let start = Instant::now();
        let file = control.bill("2026-10".parse().unwrap(), format, false).await.unwrap();
        let lines = file.split(|byte| *byte == b'\n').count().saturating_sub(1);
        say(&format!(
            "bill as {name}: {:.2} s, {lines} lines, {} KiB, {} MiB resident",
            start.elapsed().as_secs_f64(),
            file.len() / 1024,
            resident(),
        ));
        if format == BillFormat::Summary {
            say(&String::from_utf8_lossy(&file));
        }
    }
    drop(month);
    waiting.back().await.unwrap();
}
