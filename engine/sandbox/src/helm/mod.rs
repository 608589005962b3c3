//! The sandbox's helm: what the engine executes in order to install a chart into a simulated
//! cluster.
//!
//! There is one way to install a release, executing a helm command line, and on the sandbox it is
//! this one, behind a hidden subcommand of the program. It understands the command lines of the
//! engine's client and no others, reads the same kubeconfig, applies the objects of stand-in charts
//! through the Kubernetes API, waits for them, and keeps releases in Helm's own format,
//! so that a real helm can list and remove what it installed. It has no template engine: charts
//! other than the stand-ins are refused, with a list of those that there are.
//!
//! # Waiting
//!
//! Helm waits in world time. Whoever runs it tells it by its environment how:
//!
//! | variable | |
//! |---|---|
//! | `RUNBOOK_SANDBOX_CONTROL` | the address of the world's control endpoint, `127.0.0.1:4100` |
//! | `RUNBOOK_SANDBOX_TOKEN` | its token |
//! | `RUNBOOK_SANDBOX_CLIENT` | the number of a client of the clock, registered for this process by the one that runs it; absent, helm registers itself |
//!
//! Without the third, nobody holds the clock between the parent's saying that it waits for a child
//! and the child's registering. [`environment`] makes the three.

mod arguments;
mod charts;
mod clock;
mod cluster;
mod failure;
mod kubeconfig;
mod objects;
mod release;
mod uninstall;
mod upgrade;
mod values;
mod wait;

use std::io::Write;

use arguments::{Access, Command};
use clock::WorldClock;
use cluster::Cluster;
use failure::Failure;
use kubeconfig::Kubeconfig;

use crate::control::Registration;

/// Names the control endpoint's address.
pub const CONTROL: &str = "RUNBOOK_SANDBOX_CONTROL";
/// Names the control endpoint's token.
pub const TOKEN: &str = "RUNBOOK_SANDBOX_TOKEN";
/// Names the client of the clock that the process acts as.
pub const CLIENT: &str = "RUNBOOK_SANDBOX_CLIENT";

/// The Helm whose ways these are.
const VERSION: &str = "4.3.1-sandbox";
/// Who the fields of applied objects belong to.
const MANAGER: &str = "helm";

/// The environment of a helm that takes part in the clock of a served world: the address and token
/// of its control endpoint, and the client that was registered for it.
///
/// The registration must be kept until the process has ended, and must not be used meanwhile.
pub fn environment(
    control: &str,
    token: &str,
    registered: Option<&Registration>,
) -> Vec<(String, String)> {
    let mut variables =
        vec![(CONTROL.to_owned(), control.to_owned()), (TOKEN.to_owned(), token.to_owned())];
    if let Some(registered) = registered {
        variables.push((CLIENT.to_owned(), registered.id().to_string()));
    }
    variables
}

/// The charts that there are stand-ins for, with their versions.
pub(crate) fn chart_names() -> impl Iterator<Item = String> {
    charts::names()
}

/// Runs one helm command line, without the program's name; its exit code.
///
/// `environment` gives the variables of the process's environment.
pub async fn main(
    arguments: Vec<String>,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> i32 {
    let outcome = run(&arguments, environment).await;
    let written = match &outcome {
        Ok(text) => out.write_all(text.as_bytes()).and_then(|()| out.flush()),
        Err(failure) => writeln!(err, "Error: {failure}").and_then(|()| err.flush()),
    };
    // Nobody is left to tell that nobody listens; the code says that not all went well.
    i32::from(outcome.is_err() || written.is_err())
}

async fn run(
    arguments: &[String],
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<String, Failure> {
    match arguments::parse(arguments).map_err(Failure::Told)? {
        Command::Version => Ok(format!(
            "version.BuildInfo{{Version:\"v{VERSION}\", GitCommit:\"\", GitTreeState:\"\", GoVersion:\"\"}}\n"
        )),
        Command::Upgrade(asked) => {
            let clock = WorldClock::join(environment).await?;
            let mut cluster = reach(&asked.access, environment)?;
            let done = upgrade::run(&asked, &mut cluster, &clock).await?;
            Ok(if asked.json {
                format!("{}\n", done.release.document())
            } else {
                upgrade::summary(&done)
            })
        }
        Command::Uninstall(asked) => {
            let clock = WorldClock::join(environment).await?;
            let mut cluster = reach(&asked.access, environment)?;
            uninstall::run(&asked, &mut cluster, &clock).await?;
            Ok(format!("release \"{}\" uninstalled\n", asked.release))
        }
    }
}

fn reach(
    access: &Access,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<Cluster, Failure> {
    Cluster::new(Kubeconfig::read(access, environment)?)
}
