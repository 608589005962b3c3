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

use runbook_core::execute::Cancel;
use runbook_core::journal::{Batch, Journal, Store};
use support::{Asking, Instead, Workshop};

/// The allocator of the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

/// Tasks as runbooks have them: a name, a setting from the inputs, and an output of an earlier task
/// (one in ten is read by ten), so that the graph has edges.
fn runbook(tasks: usize) -> String {
    let mut text = String::from(
        "apiVersion: runbook/v1\nname: bench\ninputs:\n  size: {type: integer, default: 3}\ntasks:\n",
    );
    for index in 0..tasks {
        let _ = write!(
            text,
            "  - id: t{index}\n    uses: fake.thing\n    with:\n      name: thing-{index}\n      size: ${{{{ inputs.size }}}}\n      takes: 1s\n"
        );
        if index > 0 {
            let _ = writeln!(text, "      uses: [\"${{{{ tasks.t{}.outputs.id }}}}\"]", index / 10);
        }
    }
    text
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut out = std::io::stdout();
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    for tasks in [1_000, 10_000].into_iter().filter(|_| wanted("plan")) {
        let workshop = Workshop::new(&runbook(tasks));
        // The kernel counts in steps of some milliseconds: many plans, and their mean.
        let plans = 100_000 / tasks;
        let before = cpu();
        for _ in 0..plans {
            runtime.block_on(async {
                workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}"))
            });
        }
        let each = (cpu() - before) / u64::try_from(plans).unwrap();
        writeln!(out, "plan of {tasks} tasks from YAML: {each} µs of CPU, mean of {plans}")
            .unwrap();
    }
    if !wanted("apply") {
        return;
    }
    let workshop = Workshop::new(&runbook(10_000)).parallelism(64);
    let plan = runtime
        .block_on(async { workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")) })
        .plan;
    let commits = Arc::new(AtomicU64::new(0));
    let journal = Journal::open(workshop.state.path()).unwrap();
    let counted = commits.clone();
    let rule = move |_: &Batch| -> Instead {
        counted.fetch_add(1, Ordering::Relaxed);
        None
    };
    let journal: Arc<dyn Store> = Arc::new(Asking { journal, rule });
    // Reading and compiling the runbook is measured as a part of planning.
    let graph = Arc::new(workshop.compile().unwrap_or_else(|_| panic!("it was planned")));
    let before = cpu();
    runtime.block_on(async {
        workshop
            .run_graph(graph, journal.clone(), plan, "r1", Cancel::default(), None)
            .await
            .unwrap()
    });
    let spent = cpu() - before;
    writeln!(
        out,
        "apply of 10000 tasks, 64 in flight: {} µs of CPU each, {} commits",
        spent / 10_000,
        commits.load(Ordering::Relaxed)
    )
    .unwrap();
}
