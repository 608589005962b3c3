//! `runbook serve`: runs what is scheduled, with nobody there.
//!
//! ```text
//! files ─► sources ─► decide(ledger, now) ─► rows in the journal's database ─► runs ─► rows
//! ```
//!
//! The server keeps nothing that counts in memory: what is planned, at work and done are rows, and
//! whoever starts next reads them. It may be killed at any point: a slot that was planned starts, a plan
//! that was being made is made again (it writes nothing), a run that was under way is resumed under its
//! own name, and slots that came meanwhile go by `catch_up`. Several servers may share a state folder.
//!
//! On the sandbox time passes one to one, unless `--until` says where it ends: then the server takes
//! part in the world's clock, time jumps from slot to slot, and it ends there.

mod events;
mod figures;
mod http;
mod metrics;
mod presence;
mod recover;
mod server;
pub(crate) mod work;

pub(crate) use presence::Presence;

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use runbook_showback::allocate::Rules;
use runbook_showback::collect::Told;

use self::server::{Server, Stopped};
use self::work::Manner;
use super::Session;
use super::capacity::files;
use super::collect::{ClusterArguments, CollectArguments};
use super::schedule::Paths;
use crate::arguments::ApplyOptions;
use crate::exit::{Exit, Signal};
use crate::target::{Pace, Target};
use crate::trouble::Trouble;

/// `runbook serve`
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) paths: Paths,
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    #[command(flatten)]
    pub(crate) apply: ApplyOptions,
    /// Apply on AWS without asking, where a schedule's mode is `apply`; else such a plan is stored
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// Answer /healthz, /readyz, /metrics and OpenCost's /allocation on this address of this machine
    #[arg(long, value_name = "127.0.0.1:PORT")]
    listen: Option<SocketAddr>,
    /// Allow an address that other machines can reach; nobody is asked who they are
    #[arg(long, requires = "listen")]
    listen_anywhere: bool,
    /// Owners, for aggregate=team of /allocation: a YAML file as report showback has it
    #[arg(long, value_name = "FILE", requires = "listen")]
    rules: Option<String>,
    /// Collect samples beside: look again and again, or watch
    #[arg(long, value_enum, default_value = "off", value_name = "HOW")]
    collect: Collecting,
    /// How long after a look the next one is due
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = super::collect::every)]
    collect_every: std::time::Duration,
    /// End at this world time, RFC 3339; on the sandbox time jumps from slot to slot
    #[arg(long, value_name = "WORLD_TIME")]
    pub(crate) until: Option<Timestamp>,
}

/// How a server collects samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Collecting {
    /// It does not
    Off,
    /// It looks again and again
    Poll,
    /// It watches
    Watch,
}

/// Serves until it is told to stop, or until `--until`.
pub(super) async fn serve(session: &Session, arguments: &ServeArguments) -> Result<Exit, Trouble> {
    session.state.create()?;
    // Signals count from here on: who asks early is heard, too.
    let (asked, signals) = tokio::sync::mpsc::unbounded_channel();
    let listening_for_signals = tokio::spawn(async move {
        while let Some(signal) = super::carry_out::next_signal().await {
            if asked.send(signal).is_err() {
                return;
            }
        }
    });
    let pace = if arguments.until.is_some() { Pace::Jumping } else { Pace::Following };
    let target = Target::open_at(
        pace,
        arguments.cluster.target.on,
        &arguments.cluster.target.sandbox,
        &session.state,
        &session.environment,
        &session.printer,
    )
    .await?;
    let stopped = on_target(session, arguments, &target, signals).await;
    listening_for_signals.abort();
    target.close().await;
    Ok(match stopped? {
        Stopped::Until => Exit::Done,
        Stopped::Asked(signal) => Exit::Cancelled(signal),
    })
}

async fn on_target(
    session: &Session,
    arguments: &ServeArguments,
    target: &Target,
    signals: tokio::sync::mpsc::UnboundedReceiver<Signal>,
) -> Result<Stopped, Trouble> {
    let metrics = Arc::new(metrics::Metrics::default());
    let manner = Manner { options: arguments.apply.clone(), yes: arguments.yes };
    let server = Server::new(session, arguments, target, &manner, metrics.clone())?;
    server.greet();
    let listening = match arguments.listen {
        None => None,
        Some(address) => {
            let figures = Arc::new(figures(session, arguments, target)?);
            let answers = http::Answers { metrics, figures };
            Some(http::listen(address, arguments.listen_anywhere, answers).await?)
        }
    };
    if let Some(listening) = &listening {
        session.printer.note(&format!("listening on http://{}", listening.address));
    }
    let metrics = server.metrics();
    let mut told = |told: Told<'_>| collected(session, &metrics, &told);
    let watch = arguments.collect == Collecting::Watch;
    let how = CollectArguments::beside(arguments.cluster.clone(), watch, arguments.collect_every);
    let collecting = async {
        if arguments.collect == Collecting::Off {
            std::future::pending::<()>().await;
        }
        super::collect::beside(session, target, &how, &mut told).await;
    };
    tokio::select! {
        stopped = server.serve(signals) => stopped,
        () = collecting => Err(Trouble::failed("the collecting of samples ended by itself")),
    }
}

/// What `/allocation` and the gauges of `/metrics` are made of.
fn figures(
    session: &Session,
    arguments: &ServeArguments,
    target: &Target,
) -> Result<figures::Figures, Trouble> {
    let rules = match &arguments.rules {
        None => Rules::default(),
        Some(name) => {
            let file = files::read(name, &session.environment).map_err(Trouble::usage)?;
            Rules::read(&file.name, &file.text).map_err(|all| Trouble::usage(all.join("; ")))?
        }
    };
    let has_endpoint = session.environment.get("AWS_ENDPOINT_URL").is_some();
    Ok(figures::Figures::new(
        target.on,
        session.state.samples(target.on),
        session.price_lists(target.on),
        has_endpoint,
        rules,
        target.clock.clone(),
    ))
}

/// A look was taken, or could not be.
fn collected(session: &Session, metrics: &metrics::Metrics, told: &Told<'_>) {
    match told {
        Told::Looked(look, _) => metrics.collected(Some(look.at)),
        Told::Failed(at, why) | Told::NotWritten(at, why) => {
            metrics.collected(None);
            session.printer.note(&format!("{at:.0} the cluster could not be looked at: {why}"));
        }
    }
}
