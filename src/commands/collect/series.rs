//! Samples over time: looks at an interval, or a watch, until somebody asks to stop.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runbook_showback::collect::{self, Annotations, Looker, Origin, Series, Step, Told};
use runbook_showback::observed::{ClusterId, Source};
use runbook_showback::samples::{Appended, Look, Store, StoreError, Writer};

use super::connect::reach;
use super::{CollectArguments, Session};
use crate::commands::sandbox::stop_signal;
use crate::exit::{Exit, Signal};
use crate::style::Meaning;
use crate::target::clock::ClientTime;
use crate::target::{On, Pace, Target};
use crate::trouble::Trouble;
use crate::view::words;

/// How many steps the sandbox's clock makes at least between two looks, while changes are watched: with
/// five minutes, a step each ten seconds.
const STEPS: u32 = 30;

/// Collects samples.
pub(super) async fn run(session: &Session, arguments: &CollectArguments) -> Result<Exit, Trouble> {
    let jumps = arguments.once || arguments.until.is_some();
    let target = Target::open_at(
        if jumps { Pace::Jumping } else { Pace::Following },
        arguments.cluster.on(),
        &arguments.cluster.target.sandbox,
        &session.state,
        &session.environment,
        &session.printer,
    )
    .await?;
    session.printer.note(&words::prose(&arguments.cluster.banner(&target), &session.printer.err));
    let exit = on_target(session, arguments, &target).await;
    target.close().await;
    exit
}

async fn on_target(
    session: &Session,
    arguments: &CollectArguments,
    target: &Target,
) -> Result<Exit, Trouble> {
    let reached = reach(target, &arguments.cluster, arguments.region.as_deref()).await?;
    let id = identity(&reached.origin)?;
    let store = store(session, arguments, arguments.cluster.on())?;
    let mut writer = store.writer(&id, arguments.keep).map_err(|error| unusable(&error))?;
    let now = target.clock.now();
    if let Some(until) = arguments.until.filter(|until| *until <= now) {
        return Err(Trouble::usage(format!("{until} is over: the cluster's time is {now:.0}")));
    }
    let annotations = Annotations::named(arguments.annotations.iter().cloned());
    let looker = Looker::new(reached.kubernetes, id.clone(), reached.aws, annotations);
    let mut said = Said { session, name: id.name.clone(), looks: 0, failed: 0 };
    // As long as this works, the sandbox's time stands.
    let hold = target.clock.hold();
    let ended = if arguments.once {
        once(looker, &mut writer, arguments.every, &mut said).await
    } else {
        series(looker, &mut writer, arguments, target, &mut said).await
    };
    drop(hold);
    let ended = ended?;
    if !arguments.once {
        said.summary(target.on);
    }
    Ok(ended)
}

async fn once(
    mut looker: Looker,
    writer: &mut Writer,
    every: Duration,
    said: &mut Said<'_>,
) -> Result<Exit, Trouble> {
    let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
    let look = looker.look(Source::Poll, every).await.map_err(|error| Trouble::of(&error))?;
    let appended = writer.append(&look).map_err(|error| unusable(&error))?;
    said.looked(&look, &appended);
    Ok(Exit::Done)
}

async fn series(
    mut looker: Looker,
    writer: &mut Writer,
    arguments: &CollectArguments,
    target: &Target,
    said: &mut Said<'_>,
) -> Result<Exit, Trouble> {
    let step = step(arguments, target);
    let series = Series { every: arguments.every, until: arguments.until, step };
    let clock = ClientTime(Arc::clone(&target.clock));
    let mut told = |told: Told<'_>| said.told(told);
    let looking = async {
        if arguments.watch {
            collect::watch(looker, writer, &series, &clock, &mut told).await;
        } else {
            collect::poll(&mut looker, writer, &series, &clock, &mut told).await;
        }
    };
    tokio::select! {
        () = looking => Ok(Exit::Done),
        signal = stop_signal() => Ok(Exit::Cancelled(signal.unwrap_or(Signal::Interrupt))),
        reason = target.lost() => Err(Trouble::failed(format!("the sandbox is gone: {reason}"))
            .hint("what was looked at is in the store; collect again to go on")),
    }
}

/// How a watch goes with the sandbox's clock, where this process takes part in it.
fn step<'t>(arguments: &CollectArguments, target: &'t Target) -> Option<Step<'t>> {
    let longest = (arguments.every / STEPS).max(Duration::from_secs(1));
    target.sandbox_time.as_ref().map(|mark| Step { longest, mark })
}

/// Collects beside a server, for as long as that serves. A cluster that cannot be reached, or is yet to be
/// made, is tried again at the interval; what is wrong is told once.
pub(crate) async fn beside(
    session: &Session,
    target: &Target,
    arguments: &CollectArguments,
    told: &mut (dyn FnMut(Told<'_>) + Send),
) {
    // As long as this works, the sandbox's time stands.
    let _hold = target.clock.hold();
    let mut known = String::new();
    loop {
        if let Err(trouble) = one_series(target, session, arguments, told).await
            && trouble.message != known
        {
            let words = trouble.render(&session.printer.err);
            session.printer.note(&format!("no samples are collected now\n{words}"));
            known = trouble.message;
        }
        runbook_core::clock::sleep(target.clock.as_ref(), arguments.every).await;
    }
}

async fn one_series(
    target: &Target,
    session: &Session,
    arguments: &CollectArguments,
    told: &mut (dyn FnMut(Told<'_>) + Send),
) -> Result<(), Trouble> {
    let reached = reach(target, &arguments.cluster, None).await?;
    let id = identity(&reached.origin)?;
    let mut writer = store(session, arguments, arguments.cluster.on())?
        .writer(&id, arguments.keep)
        .map_err(|error| unusable(&error))?;
    let mut looker = Looker::new(reached.kubernetes, id, reached.aws, Annotations::default());
    let step = step(arguments, target);
    let series = Series { every: arguments.every, until: None, step };
    let clock = ClientTime(Arc::clone(&target.clock));
    if arguments.watch {
        collect::watch(looker, &mut writer, &series, &clock, told).await;
    } else {
        collect::poll(&mut looker, &mut writer, &series, &clock, told).await;
    }
    Ok(())
}

/// The store of samples: where it was asked for, else in the state folder.
pub(super) fn store(
    session: &Session,
    arguments: &CollectArguments,
    on: On,
) -> Result<Store, Trouble> {
    let folder = if let Some(folder) = &arguments.samples {
        session.environment.working_directory.join(folder)
    } else {
        session.state.create()?;
        session.state.samples(on)
    };
    Store::open(folder).map_err(|error| unusable(&error))
}

/// A store that cannot be used, and the way out where there is one.
pub(super) fn unusable(error: &StoreError) -> Trouble {
    let trouble = Trouble::of(error);
    match error {
        StoreError::InUse { .. } => trouble.hint(
            "one process collects the samples of a cluster; `--samples DIR` names another store",
        ),
        _ => trouble,
    }
}

fn identity(origin: &Origin) -> Result<ClusterId, Trouble> {
    let region = origin.region.clone().ok_or_else(|| {
        Trouble::usage("in which region is the cluster? Its prices hang on it")
            .hint("--region ap-northeast-2")
    })?;
    Ok(ClusterId { account: origin.account.clone(), region, name: origin.cluster.clone() })
}

/// What was said so far.
struct Said<'s> {
    session: &'s Session,
    name: String,
    looks: u64,
    failed: u64,
}

impl Said<'_> {
    fn told(&mut self, told: Told<'_>) {
        match told {
            Told::Looked(look, appended) => self.looked(look, appended),
            Told::Failed(at, why) => self.problem(at, &why),
            Told::NotWritten(at, why) => self.problem(at, &format!("not written: {why}")),
        }
    }

    fn problem(&mut self, at: Timestamp, why: &str) {
        self.failed += 1;
        let printer = &self.session.printer;
        printer.note(&format!("{} {at:.0} {why}", printer.err.paint(Meaning::Bad, "✗")));
    }

    fn looked(&mut self, look: &Look, appended: &Appended) {
        self.looks += 1;
        let printer = &self.session.printer;
        let changes = appended.changed_pods + appended.gone_pods + appended.changed_nodes;
        printer.out(&format!(
            "{} {:.0} {}: {}, {}, {changes} changed",
            printer.out.paint(Meaning::Good, "✓"),
            look.at,
            self.name,
            words::count(look.nodes.len(), "node"),
            words::count(look.pods.len(), "pod"),
        ));
        if self.looks == 1 {
            look.missing.iter().for_each(|missing| printer.note(&format!("not seen: {missing}")));
        }
        if let Some(why) = &appended.untidied {
            printer.note(&format!("earlier days were left as they are: {why}"));
        }
    }

    fn summary(&self, on: On) {
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let place = if on == On::Sandbox { " · on the sandbox" } else { "" };
        let looks = words::count_of(self.looks, "look");
        self.session.printer.out(&format!("{}: {looks}{failed}{place}", self.name));
    }
}
