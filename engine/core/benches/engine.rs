//! What the engine itself costs: planning from YAML without observation, and applying tasks whose
//! writes cost nothing. Prints figures; asserts nothing, since machines differ.
//!
//! `cargo bench -p runbook-core`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use runbook_core::event::Event;
use runbook_core::execute::Cancel;
use runbook_core::journal::{Batch, Error, Journal, RunSummary, Store};
use support::Workshop;

/// Counts commits.
struct Counting {
    inner: Journal,
    appends: AtomicU64,
}

impl Store for Counting {
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<(), Error>> {
        self.appends.fetch_add(1, Ordering::Relaxed);
        self.inner.append(batch)
    }

    fn read(&self, run: &str) -> Result<Vec<Event>, Error> {
        self.inner.read(run)
    }

    fn blob(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        self.inner.blob(digest)
    }

    fn runs(&self) -> Result<Vec<RunSummary>, Error> {
        self.inner.runs()
    }
}

/// CPU time of this process so far, in microseconds.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    // utime and stime are the 14th and 15th field; a tick is 10 ms.
    (ticks(11) + ticks(12)) * 10_000
}

fn runbook(tasks: usize) -> String {
    let mut text = String::from(
        "apiVersion: runbook/v1\nname: bench\ninputs:\n  size: {type: integer, default: 3}\ntasks:\n",
    );
    for index in 0..tasks {
        let _ = write!(
            text,
            "  - id: t{index}\n    uses: fake.thing\n    with:\n      name: thing-{index}\n      size: ${{{{ inputs.size + {index} }}}}\n      takes: ${{{{ '1s' }}}}\n      uses: [\"${{{{ inputs.size }}}}-{index}\", \"${{{{ inputs.size * 2 }}}}\"]\n"
        );
    }
    text
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut out = std::io::stdout();
    for tasks in [1_000, 10_000] {
        let workshop = Workshop::new(&runbook(tasks));
        let mut best = u64::MAX;
        for _ in 0..7 {
            let before = cpu_exact();
            runtime.block_on(async {
                workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}"))
            });
            best = best.min(cpu_exact() - before);
        }
        writeln!(out, "plan of {tasks} tasks from YAML: {best} µs of CPU, best of 7").unwrap();
    }
    let workshop = Workshop::new(&runbook(10_000)).parallelism(64);
    let plan = runtime
        .block_on(async { workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")) })
        .plan;
    let journal = Arc::new(Counting {
        inner: Journal::open(workshop.state.path()).unwrap(),
        appends: AtomicU64::new(0),
    });
    let before = cpu();
    runtime.block_on(async {
        workshop.run_with(journal.clone(), plan, "r1", Cancel::default(), None).await.unwrap()
    });
    let spent = cpu() - before;
    writeln!(
        out,
        "apply of 10000 tasks, 64 in flight: {} µs of CPU each, {} commits",
        spent / 10_000,
        journal.appends.load(Ordering::Relaxed)
    )
    .unwrap();
}

/// Nanosecond CPU time from the scheduler, in microseconds.
fn cpu_exact() -> u64 {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        total +=
            text.split_whitespace().next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    }
    total / 1000
}
