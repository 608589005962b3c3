//! What stands behind the connections: the sandbox, or AWS. Only this folder knows the difference.
//!
//! The sandbox is the embedded default: this process serves the world of the state folder, unless
//! another process does already; then it talks to that one.

pub(crate) mod bound;
pub(crate) mod clock;
mod connector;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use runbook_clients::aws::StaticCredentials;
use runbook_core::clock::Clock;
use runbook_core::connection::Connector;
use runbook_core::plan::Plan;
use runbook_sandbox::{ControlClient, Holder, OpenError, OpenOptions, Sandbox, Served};

use clock::{ClientTime, FollowedTime, RealTime, SandboxTime};
use connector::{Behind, TargetConnector};

use crate::environment::Environment;
use crate::printer::Printer;
use crate::state::StateFolder;
use crate::trouble::Trouble;
use crate::view::summary::Place as RunPlace;

/// Where a command works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum On {
    /// A simulated AWS account on this machine; nothing real is touched.
    Sandbox,
    /// The AWS account of the environment's credentials.
    Aws,
}

impl On {
    /// As plans and events name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Aws => "aws",
        }
    }
}

/// How a sandbox's world is opened.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct SandboxOptions {
    /// What a new world begins with: a shipped scenario (default, two-vpcs, no-private-subnet,
    /// no-dns-attributes) or a YAML file
    #[arg(long, value_name = "NAME|FILE", help_heading = "Sandbox")]
    pub(crate) scenario: Option<String>,
    /// What goes wrong, as a YAML file of faults
    #[arg(long, value_name = "FILE", help_heading = "Sandbox")]
    pub(crate) faults: Option<PathBuf>,
}

/// How a command stands to the sandbox's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It takes part: time stands while it works, and jumps while it waits.
    Jumping,
    /// It follows, 1:1 while nobody else takes part.
    Following,
}

/// An open target.
pub(crate) struct Target {
    /// Which.
    pub(crate) on: On,
    /// World time.
    pub(crate) clock: Arc<dyn Clock>,
    /// The sandbox's world, for plans: what they are bound to.
    pub(crate) world: Option<String>,
    /// The first line of output.
    pub(crate) banner: String,
    behind: Behind,
    /// The world's clock; ends a run when the sandbox is gone.
    pub(crate) sandbox_time: Option<SandboxTime>,
    /// The same of a command that follows the clock.
    followed_time: Option<FollowedTime>,
    /// The world that this process serves.
    served: Option<Served>,
}

impl Target {
    /// Opens a target.
    pub(crate) async fn open(
        on: On,
        options: &SandboxOptions,
        state: &StateFolder,
        environment: &Environment,
        printer: &Arc<Printer>,
    ) -> Result<Self, Trouble> {
        Self::open_at(Pace::Jumping, on, options, state, environment, printer).await
    }

    /// Opens a target for a command that may only follow the sandbox's clock.
    pub(crate) async fn open_at(
        pace: Pace,
        on: On,
        options: &SandboxOptions,
        state: &StateFolder,
        environment: &Environment,
        printer: &Arc<Printer>,
    ) -> Result<Self, Trouble> {
        match on {
            On::Aws => Self::aws(options, state, environment),
            On::Sandbox => Self::sandbox(pace, options, state, environment, printer).await,
        }
    }

    /// Ready, with the reason, when the sandbox is gone; never on AWS.
    pub(crate) async fn lost(&self) -> String {
        match (&self.sandbox_time, &self.followed_time) {
            (Some(time), _) => time.lost().await,
            (None, Some(time)) => time.lost().await,
            (None, None) => std::future::pending().await,
        }
    }

    fn aws(
        options: &SandboxOptions,
        state: &StateFolder,
        environment: &Environment,
    ) -> Result<Self, Trouble> {
        if options.scenario.is_some() || options.faults.is_some() {
            return Err(Trouble::usage("`--scenario` and `--faults` are the sandbox's")
                .hint("leave them out, or `--on sandbox`"));
        }
        let endpoint = environment.get("AWS_ENDPOINT_URL").map(str::to_owned);
        let at = endpoint.as_ref().map_or_else(String::new, |url| format!(" at {url}"));
        Ok(Self {
            on: On::Aws,
            clock: Arc::new(RealTime),
            world: None,
            banner: format!(
                "aws: the account of your credentials{at} (--on sandbox for a simulated one) · state in {}",
                state.shown
            ),
            behind: Behind {
                endpoint,
                credentials: None,
                region: None,
                helm: vec![environment.get("RUNBOOK_HELM").unwrap_or("helm").to_owned()],
                program: program(),
            },
            sandbox_time: None,
            followed_time: None,
            served: None,
        })
    }

    async fn sandbox(
        pace: Pace,
        options: &SandboxOptions,
        state: &StateFolder,
        environment: &Environment,
        printer: &Arc<Printer>,
    ) -> Result<Self, Trouble> {
        let (place, served) = match open_world(options, state, environment, printer, 1).await? {
            World::Ours(served) => (
                Place {
                    control: served.control(),
                    address: served.control_address().to_owned(),
                    token: served.control_token().to_owned(),
                    holder: None,
                },
                Some(served),
            ),
            World::Theirs(holder) => (Place::of(holder)?, None),
        };
        let world = place.control.world().await.map_err(|error| Trouble::of(&error))?;
        let text = |name: &str| world[name].as_str().unwrap_or_default().to_owned();
        let failed = |error| Trouble::of(&error);
        let (clock, sandbox_time, followed_time): (Arc<dyn Clock>, _, _) = match pace {
            Pace::Jumping => {
                let joined = SandboxTime::join(place.control, place.address, place.token);
                let time = joined.await.map_err(failed)?;
                (Arc::new(time.clone()), Some(time), None)
            }
            Pace::Following => {
                let time = FollowedTime::follow(place.control, place.address, place.token);
                let time = time.await.map_err(failed)?;
                (Arc::new(time.clone()), None, Some(time))
            }
        };
        let by = place.holder.map_or_else(String::new, |pid| format!(", served by process {pid}"));
        let program = program();
        Ok(Self {
            on: On::Sandbox,
            clock,
            world: Some(format!("{} {} {}", text("account"), text("region"), text("scenario"))),
            banner: format!(
                "on the sandbox: a simulated AWS account {}{by}, nothing real is touched (--on aws for yours) · state in {}",
                text("account"),
                state.shown
            ),
            behind: Behind {
                endpoint: Some(text("aws_endpoint")),
                credentials: Some(StaticCredentials {
                    access_key_id: text("access_key_id"),
                    secret_access_key: text("secret_access_key"),
                    session_token: None,
                }),
                region: Some(text("region")),
                helm: vec![program.display().to_string(), "sandbox-helm".to_owned()],
                program,
            },
            sandbox_time,
            followed_time,
            served,
        })
    }

    /// Opens connections; requests carry the run's name.
    pub(crate) fn connector(&self, run: Option<&str>) -> Arc<dyn Connector> {
        Arc::new(TargetConnector {
            behind: self.behind.clone(),
            clock: Arc::new(ClientTime(self.clock.clone())),
            run: run.map(str::to_owned),
        })
    }

    /// Where a plan's run ran, for the last line.
    pub(crate) fn place(&self, plan: &Plan, began: Timestamp) -> RunPlace {
        let target = match self.on {
            On::Sandbox => "the sandbox".to_owned(),
            On::Aws => plan.target.connections.join(", "),
        };
        RunPlace {
            owner: plan.owner.clone(),
            target,
            simulated: self.on == On::Sandbox,
            waited: clock::real_now().duration_since(began).try_into().unwrap_or_default(),
        }
    }

    /// Ends the serving of a world; what was acknowledged is stored already.
    pub(crate) async fn close(self) {
        let Self { served, sandbox_time, followed_time, clock, .. } = self;
        drop((sandbox_time, followed_time, clock));
        if let Some(served) = served {
            served.shutdown().await;
        }
    }
}

/// A world that is served.
struct Place {
    control: ControlClient,
    address: String,
    token: String,
    holder: Option<u32>,
}

impl Place {
    fn of(holder: Holder) -> Result<Self, Trouble> {
        let address = holder.control.ok_or_else(|| {
            Trouble::failed(format!("process {} is just opening the sandbox's world", holder.pid))
                .hint("try again in a moment")
        })?;
        Ok(Self {
            control: ControlClient::new(&address, &holder.token),
            address,
            token: holder.token,
            holder: Some(holder.pid),
        })
    }
}

/// Who serves the world.
pub(crate) enum World {
    /// This process.
    Ours(Served),
    /// Another one.
    Theirs(Holder),
}

/// Opens and serves the world of a state folder, or says who does.
pub(crate) async fn open_world(
    options: &SandboxOptions,
    state: &StateFolder,
    environment: &Environment,
    printer: &Arc<Printer>,
    speed: u32,
) -> Result<World, Trouble> {
    state.create()?;
    let faults = match &options.faults {
        None => Vec::new(),
        Some(path) => {
            let path = environment.working_directory.join(path);
            let text = std::fs::read_to_string(&path).map_err(|error| {
                Trouble::usage(format!("failed to read `{}`: {error}", path.display()))
            })?;
            runbook_sandbox::parse_faults(&text)
                .map_err(|error| Trouble::of(&error).exit(crate::exit::Exit::Usage))?
        }
    };
    let printer = printer.clone();
    let opened = Sandbox::open(OpenOptions {
        state_dir: state.path.clone(),
        scenario: options.scenario.clone(),
        seed: "runbook".to_owned(),
        real_clock: Arc::new(clock::real_now),
        speed,
        faults,
        listener: Arc::new(move |notice| printer.note(&format!("sandbox: {notice}"))),
    });
    let sandbox = match opened {
        Ok(sandbox) => sandbox,
        Err(OpenError::Held { holder: Some(holder), .. }) => {
            if options.faults.is_some() || options.scenario.is_some() {
                return Err(Trouble::failed(format!(
                    "the sandbox's world is served by process {}; `--scenario` and `--faults` are given to whoever serves it",
                    holder.pid
                )));
            }
            return Ok(World::Theirs(holder));
        }
        Err(error) => return Err(Trouble::of(&error)),
    };
    let served = sandbox.serve().await.map_err(|error| Trouble::of(&error))?;
    Ok(World::Ours(served))
}

/// This program, to be started again as a credential plugin or as the sandbox's helm.
pub(crate) fn program() -> PathBuf {
    // When the system cannot tell, the name on the PATH is the best there is.
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("runbook"))
}
