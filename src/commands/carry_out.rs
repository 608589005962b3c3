//! Applying a plan: the lease, the journal, progress, signals, and what is said at the end.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use runbook_core::clock::Clock;
use runbook_core::connection::Access;
use runbook_core::event::{Event, Outcome};
use runbook_core::execute::resume::Resumed;
use runbook_core::execute::{Cancel, RunInput, RunReport, run};
use runbook_core::graph::Graph;
use runbook_core::journal::{Journal, Store};
use runbook_core::lease::Leases as _;
use runbook_core::plan::{Plan, SecretKey};

use runbook_modules::ClusterLeases;

use super::Session;
use super::planned::{knowledge, looker};
use crate::arguments::{ApplyOptions, EventFormat};
use crate::exit::{Exit, Signal};
use crate::target::{On, Target};
use crate::trouble::Trouble;
use crate::view;
use crate::view::progress::{Mode, Progress};

/// How long giving back a lease may take, in real time.
const GIVE_BACK: Duration = Duration::from_secs(10);
/// How often waiting is shown anew, in real time.
const REDRAW: Duration = Duration::from_millis(200);

/// A plan that is to be applied.
pub(crate) struct Work<'a> {
    /// Where.
    pub(crate) target: &'a Target,
    /// What the plan was made from.
    pub(crate) graph: Arc<Graph>,
    /// The plan.
    pub(crate) plan: Arc<Plan>,
    /// The run's name.
    pub(crate) run: String,
    /// What earlier processes recorded of it.
    pub(crate) resumed: Option<Resumed>,
    /// Hashes secrets.
    pub(crate) secret_key: SecretKey,
    /// How.
    pub(crate) options: &'a ApplyOptions,
    /// When the command began, real time.
    pub(crate) began: Timestamp,
}

/// Opens the journal of the state folder.
pub(crate) fn journal(session: &Session) -> Result<Arc<dyn Store>, Trouble> {
    session.state.create()?;
    let journal = Journal::open(&session.state.path).map_err(|error| Trouble::of(&error))?;
    Ok(Arc::new(journal))
}

/// Applies a plan and says what came of it.
pub(crate) async fn carry_out(session: &Session, work: Work<'_>) -> Result<Exit, Trouble> {
    let lease = session.state.lease(&work.run)?;
    let cancel = Cancel::default();
    let asked = Arc::new(OnceLock::new());
    let progress = Arc::new(progress(session, &work));
    let signals = tokio::spawn(signals(
        session.printer.clone(),
        progress.clone(),
        cancel.clone(),
        asked.clone(),
    ));
    let ticking = tokio::spawn(tick(progress.clone(), work.target.clock.clone()));
    let observer = progress.clone();
    let seen = Arc::new(move |event: &Event| observer.on_event(event));
    let outcome = carried_out(session, &work, cancel, seen).await;
    ticking.abort();
    progress.finish();
    signals.abort();
    drop(lease);
    let report = outcome?;
    let signal = asked.get().copied().unwrap_or(Signal::Interrupt);
    let exit = told(session, &work, &report, signal);
    // The program ends: the memory of a plan of thousands is not given back piece by piece.
    std::mem::forget((work, report));
    Ok(exit)
}

/// Applies a plan under a lease that the caller holds; who cancels and who watches is the caller's
/// business, too.
pub(crate) async fn carried_out(
    session: &Session,
    work: &Work<'_>,
    cancel: Cancel,
    observer: Arc<dyn Fn(&Event) + Send + Sync>,
) -> Result<RunReport, Trouble> {
    let journal = journal(session)?;
    let leases = Arc::new(ClusterLeases::new(&work.run));
    let input = RunInput {
        looker: looker(
            session,
            work.target,
            &work.graph,
            Access::Write,
            Some(&work.run),
            &work.plan.target.connections,
        ),
        knowledge: knowledge(session),
        plan: work.plan.clone(),
        journal,
        observer,
        leases: leases.clone(),
        cancel,
        run: work.run.clone(),
        secret_key: work.secret_key.clone(),
        parallelism: usize::from(work.options.parallelism),
        fail_fast: work.options.fail_fast,
        resumed: work.resumed.clone(),
    };
    let outcome = tokio::select! {
        outcome = run(input) => outcome.map_err(|error| {
            Trouble::of(&error).hint(format!(
                "nothing was written after that; when it is mended: runbook resume {}",
                work.run
            ))
        }),
        reason = work.target.lost() => Err(Trouble::failed(format!(
            "the sandbox is gone: {reason}"
        )).hint(format!("runbook resume {}", work.run))),
    };
    // A cluster that cannot be reached any more must not keep what there is to say.
    if outcome.is_ok() && tokio::time::timeout(GIVE_BACK, leases.give_back()).await.is_err() {
        session.printer.note("the cluster's lease could not be given back; it runs out by itself");
    }
    outcome
}

/// Waiting shows, too: nothing happens then, and time goes on.
async fn tick(progress: Arc<Progress>, clock: Arc<dyn Clock>) {
    let mut interval = tokio::time::interval(REDRAW);
    loop {
        interval.tick().await;
        progress.tick(clock.now());
    }
}

fn progress(session: &Session, work: &Work<'_>) -> Progress {
    let mode = match work.options.output {
        EventFormat::Json => Mode::Json,
        EventFormat::Text if work.options.quiet => Mode::Quiet,
        EventFormat::Text if session.environment.stderr_is_terminal => Mode::Terminal,
        EventFormat::Text => Mode::Lines,
    };
    let printer = session.printer.clone();
    let sink: Arc<dyn Fn(&str) + Send + Sync> = match mode {
        Mode::Json => Arc::new(move |line| printer.out(line)),
        Mode::Terminal | Mode::Lines | Mode::Quiet => Arc::new(move |line| printer.note(line)),
    };
    Progress::new(&work.plan, mode, session.printer.err, sink)
}

/// Ctrl-C once: nothing new starts, writes get their answer. Twice: out.
async fn signals(
    printer: Arc<crate::printer::Printer>,
    progress: Arc<Progress>,
    cancel: Cancel,
    asked: Arc<OnceLock<Signal>>,
) {
    loop {
        let Some(signal) = next_signal().await else { return };
        if asked.set(signal).is_err() {
            leave_now(signal);
        }
        progress.aside(|| {
            printer.note(&format!(
            "{}: nothing new starts, writes under way get their answer; once more to leave at once",
            signal.name()
            ));
        });
        cancel.request(signal.name());
    }
}

/// The next signal that asks to stop.
pub(crate) async fn next_signal() -> Option<Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).ok()?, signal(SignalKind::terminate()).ok()?);
    tokio::select! {
        _ = interrupt.recv() => Some(Signal::Interrupt),
        _ = terminate.recv() => Some(Signal::Terminate),
    }
}

/// Ends the program.
#[expect(clippy::exit, reason = "the person asked twice to leave at once; the journal is durable")]
pub(crate) fn leave_now(signal: Signal) -> ! {
    std::process::exit(i32::from(Exit::Cancelled(signal).code()))
}

/// Whether there is a cluster to look at now.
fn has_cluster(work: &Work<'_>) -> bool {
    work.plan.tasks.iter().any(|task| task.module == "eks.cluster")
}

/// What is said at the end; how the program ends.
fn told(session: &Session, work: &Work<'_>, report: &RunReport, signal: Signal) -> Exit {
    let text = work.options.output == EventFormat::Text;
    let style = &session.printer.out;
    if text && !report.outputs.is_empty() && report.outcome == Outcome::Succeeded {
        session.printer.out("");
        session.printer.out(&view::value::outputs(&report.outputs, style));
        session.printer.out("");
    }
    if text {
        let place = work.target.place(&work.plan, work.began);
        session.printer.out(&view::summary::run(report, &place, style));
    }
    let may_go_on = text && !work.options.quiet && report.outcome == Outcome::Succeeded;
    if may_go_on && work.target.on == On::Sandbox && has_cluster(work) {
        let next = "next: runbook report compare · in another terminal: runbook sandbox up, then eval \"$(runbook sandbox env)\"; kubectl get nodes";
        session.printer.note(&view::words::prose(next, &session.printer.err));
    }
    match report.outcome {
        Outcome::Succeeded => Exit::Done,
        Outcome::Failed => Exit::Failed,
        Outcome::Uncovered => Exit::Stale,
        Outcome::Paused => Exit::Paused,
        Outcome::Cancelled => Exit::Cancelled(signal),
    }
}
