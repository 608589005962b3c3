//! `runbook collect`: looks at a cluster, kept as samples over time, or one of them as an inventory.

mod connect;
mod import;
mod series;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use runbook_showback::collect::{Inventory, collect};
use runbook_showback::observed::Period;
use runbook_showback::samples::KEPT_DAYS;

use super::Session;
use crate::exit::Exit;
use crate::state::write_whole;
use crate::style::Meaning;
use crate::target::Target;
use crate::trouble::Trouble;
use crate::view::words;

pub(crate) use connect::ClusterArguments;
pub(crate) use series::beside;

/// `runbook collect`
#[derive(Debug, clap::Args)]
pub(crate) struct CollectArguments {
    /// Look once, and end
    #[arg(long)]
    once: bool,
    /// Where the inventory of the one look goes, in place of the store; `-` is stdout
    #[arg(long, value_name = "FILE", requires = "once")]
    out: Option<PathBuf>,
    /// How long after a look the next one is due
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = every)]
    every: Duration,
    /// Watch the cluster in place of looking again and again: changes with their moments
    #[arg(long, conflicts_with = "once")]
    watch: bool,
    /// The cluster's time at which to end, `2026-11-26T12:00:00Z`; on the sandbox time then jumps
    #[arg(long, value_name = "TIME", conflicts_with = "once")]
    until: Option<Timestamp>,
    /// Where samples are kept [default: `samples` in the state folder]
    #[arg(long, value_name = "DIR")]
    samples: Option<PathBuf>,
    /// How many days with samples are kept
    #[arg(long, value_name = "DAYS", default_value_t = KEPT_DAYS, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// An annotation of pods that is kept; no other is. Again for a further one
    #[arg(long = "annotation", value_name = "KEY")]
    annotations: Vec<String>,
    /// Import whole days from a Prometheus that scrapes kube-state-metrics, in place of looking
    #[arg(long, value_name = "URL", requires = "window", conflicts_with_all = ["once", "watch", "until", "kubeconfig"])]
    prometheus: Option<String>,
    /// Of which days: `previous_day`, `2026-10`, `2026-10-01..2026-10-07`
    #[arg(long, value_name = "PERIOD", requires = "prometheus")]
    window: Option<Period>,
    /// A file with the token that the Prometheus wants
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    token_file: Option<PathBuf>,
    /// The region [default: that of the environment]
    #[arg(long)]
    region: Option<String>,
    #[command(flatten)]
    cluster: ClusterArguments,
}

impl CollectArguments {
    /// Those of a server that collects beside what it does: poll or watch, until it is dropped.
    pub(crate) fn beside(cluster: ClusterArguments, watch: bool, every: Duration) -> Self {
        Self {
            once: false,
            out: None,
            every,
            watch,
            until: None,
            samples: None,
            keep: KEPT_DAYS,
            annotations: Vec::new(),
            prometheus: None,
            window: None,
            token_file: None,
            region: None,
            cluster,
        }
    }
}

/// A time between looks: a second at least, a day at most.
pub(crate) fn every(text: &str) -> Result<Duration, String> {
    let every = runbook_core::value::duration(text)
        .ok_or_else(|| format!("`{text}` is no duration such as 5m or 1h30m"))?;
    if every < Duration::from_secs(1) || every > Duration::from_hours(24) {
        return Err("it is between 1s and 1d".to_owned());
    }
    Ok(every)
}

/// Looks at a cluster.
pub(super) async fn run(session: &Session, arguments: &CollectArguments) -> Result<Exit, Trouble> {
    if let (Some(url), Some(window)) = (&arguments.prometheus, arguments.window) {
        return import::run(session, arguments, url, window).await;
    }
    match &arguments.out {
        Some(out) => written(session, arguments, out).await,
        None => series::run(session, arguments).await,
    }
}

/// Looks once and writes the inventory.
async fn written(
    session: &Session,
    arguments: &CollectArguments,
    out: &PathBuf,
) -> Result<Exit, Trouble> {
    let inventory = inventory(session, &arguments.cluster, arguments.region.as_deref()).await?;
    let text = inventory.text().map_err(|error| Trouble::of(&error))?;
    if out.as_os_str() == "-" {
        session.printer.raw(text.as_bytes());
        return Ok(Exit::Done);
    }
    write_whole(&session.environment.working_directory.join(out), text.as_bytes())?;
    let count = |kind: &str| inventory.items.iter().filter(|item| item["kind"] == kind).count();
    session.printer.out(&format!(
        "{} {}: {} nodes, {} pods, {} objects in {}",
        session.printer.out.paint(Meaning::Good, "✓"),
        inventory.origin.cluster,
        count("Node"),
        count("Pod"),
        inventory.items.len(),
        out.display()
    ));
    Ok(Exit::Done)
}

/// Looks at a cluster once; where that was and what was not seen is said on stderr.
pub(super) async fn inventory(
    session: &Session,
    arguments: &ClusterArguments,
    region: Option<&str>,
) -> Result<Inventory, Trouble> {
    let (options, printer) = (&arguments.target.sandbox, &session.printer);
    let target =
        Target::open(arguments.on(), options, &session.state, &session.environment, printer)
            .await?;
    printer.note(&words::prose(&arguments.banner(&target), &printer.err));
    let looked = look(&target, arguments, region).await;
    target.close().await;
    let inventory = looked?;
    for missing in &inventory.missing {
        printer.note(&format!("not seen: {missing}"));
    }
    Ok(inventory)
}

async fn look(
    target: &Target,
    arguments: &ClusterArguments,
    region: Option<&str>,
) -> Result<Inventory, Trouble> {
    let reached = connect::reach(target, arguments, region).await?;
    collect(&reached.kubernetes, reached.origin).await.map_err(|error| Trouble::of(&error))
}
