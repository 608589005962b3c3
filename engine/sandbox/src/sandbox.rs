//! The sandbox as a whole: a world in a state folder, opened, served, reset, looked at.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::addresses::{AddressError, Addresses};
use crate::aws::{credentials, eks};
use crate::billing::{self, Billing};
use crate::control::ControlClient;
use crate::faults::{Fault, Faults};
use crate::lock::{Holder, Lock, LockError};
use crate::notice::{Listener, Notice, Notices};
use crate::requests::{self, LogError, Query, Request, RequestLog};
use crate::scenario::{self, Identity, Scenario, ScenarioError};
use crate::server::tls::{Authority, TlsError};
use crate::store::{self, Store};
use crate::world::{ClientId, Clockwork, Context, World};
use crate::{BillFormat, BillWindow, aws, kubernetes};

/// The folder of a world inside a state folder.
const FOLDER: &str = "sandbox";
/// World time begins that long before real time.
const HEAD_START: SignedDuration = SignedDuration::from_hours(24);

/// Real time, given by the caller: nothing here reads a clock.
pub trait RealClock: Send + Sync {
    /// Real time now.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync> RealClock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// How to open a world.
pub struct OpenOptions {
    /// The state folder; the world lives in its `sandbox` folder.
    pub state_dir: PathBuf,
    /// A shipped scenario or a file; `default` for a new world when absent. An existing world
    /// keeps its own and refuses another.
    pub scenario: Option<String>,
    /// What ids and durations of a new world derive from.
    pub seed: String,
    /// Real time.
    pub real_clock: Arc<dyn RealClock>,
    /// World seconds per real second while no client of the clock is registered.
    pub speed: u32,
    /// What goes wrong from the start.
    pub faults: Vec<Fault>,
    /// Who hears what a person should know.
    pub listener: Listener,
}

/// A world could not be opened; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process serves it; talk to that one ([`Holder::control`]).
    #[error("the sandbox's world in `{folder}` is held by process {}", held_by(holder.as_ref()))]
    Held {
        /// The world's folder.
        folder: PathBuf,
        /// Who holds it, unless it is only just starting.
        holder: Option<Holder>,
    },
    /// The folder or a file in it.
    #[error("failed to {action} `{path}`")]
    File {
        /// What was tried.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The world's files cannot be read by this program.
    #[error(
        "the sandbox's world in `{folder}` cannot be opened; `runbook sandbox reset` forgets it"
    )]
    World {
        /// The world's folder.
        folder: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The scenario.
    #[error("the scenario cannot be used")]
    Scenario(#[source] ScenarioError),
    /// The world was laid out from another scenario.
    #[error(
        "the world in `{folder}` was laid out from scenario `{found}`, not `{asked}`; `runbook sandbox reset` forgets it"
    )]
    OtherScenario {
        /// The world's folder.
        folder: PathBuf,
        /// Its scenario.
        found: String,
        /// What was asked for.
        asked: String,
    },
    /// The script of faults.
    #[error("the faults cannot be used")]
    Faults(#[source] crate::faults::ScriptError),
    /// The system has no randomness for the control token.
    #[error("failed to draw a control token")]
    Randomness,
}

fn held_by(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "(starting)".to_owned(), |holder| holder.pid.to_string())
}

/// A world could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A port.
    #[error("failed to listen")]
    Address(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The lock file.
    #[error("failed to say in the lock file where the world is served")]
    Lock(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is served already.
    #[error("the world is served already")]
    Twice,
}

/// There is no such cluster, or it has no address.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// No cluster of that name is active.
    #[error("no active cluster `{0}` in the sandbox")]
    NoCluster(String),
    /// Its port cannot be had.
    #[error("failed to listen for cluster `{cluster}`")]
    Address {
        /// The cluster.
        cluster: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A world, held by this process. See [`Sandbox::serve`].
pub struct Sandbox {
    pub(crate) world: Arc<World>,
    pub(crate) clockwork: Clockwork,
    pub(crate) faults: Faults,
    pub(crate) authority: Authority,
    folder: PathBuf,
    identity: Identity,
    log: RequestLog,
    lock: Lock,
    real_clock: Arc<dyn RealClock>,
    token: String,
    stop: watch::Sender<bool>,
    served: OnceLock<()>,
    /// The first time is worth a word, the others are not.
    passed_real_time: Mutex<bool>,
}

impl Sandbox {
    /// Opens the world of a state folder, or makes one.
    pub fn open(options: OpenOptions) -> Result<Arc<Self>, OpenError> {
        crate::faults::check(&options.faults).map_err(OpenError::Faults)?;
        let scenario = options.scenario.as_deref().map(Scenario::load).transpose();
        let scenario = scenario.map_err(OpenError::Scenario)?;
        let folder = options.state_dir.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|source| OpenError::File {
            action: "create",
            path: folder.clone(),
            source,
        })?;
        let lock = Lock::take(&folder).map_err(|error| lock_error(&folder, error))?;
        let world_error = |error: Box<dyn std::error::Error + Send + Sync>| OpenError::World {
            folder: folder.clone(),
            source: error,
        };
        let real_now = options.real_clock.now();
        let authority = Authority::open(&folder, real_now)
            .map_err(|error: TlsError| world_error(error.into()))?;
        let log = RequestLog::open(&folder).map_err(|error| world_error(error.into()))?;
        let notices = Notices::new(options.listener);
        let addresses = Addresses::open(&folder, notices.clone())
            .map_err(|error: AddressError| world_error(error.into()))?;
        let (world, identity) = Opening {
            folder: &folder,
            asked: options.scenario.as_deref(),
            scenario,
            seed: options.seed,
            addresses: Arc::new(addresses),
            authority: STANDARD.encode(&authority.pem),
            notices,
            real_now,
        }
        .world()?;
        let world = Arc::new(world);
        let faults = Faults::default();
        faults.load(options.faults);
        Ok(Arc::new(Self {
            clockwork: Clockwork::new(world.clone(), options.speed),
            world,
            faults,
            authority,
            identity,
            log,
            lock,
            real_clock: options.real_clock,
            token: draw_token()?,
            folder,
            stop: watch::Sender::new(false),
            served: OnceLock::new(),
            passed_real_time: Mutex::new(false),
        }))
    }

    /// Forgets the world of a state folder; whether there was one. Refused while it is held.
    pub fn reset(state_dir: &Path) -> Result<bool, OpenError> {
        let folder = state_dir.join(FOLDER);
        if !folder.is_dir() {
            return Ok(false);
        }
        let lock = Lock::take(&folder).map_err(|error| lock_error(&folder, error))?;
        std::fs::remove_dir_all(&folder).map_err(|source| OpenError::File {
            action: "remove",
            path: folder.clone(),
            source,
        })?;
        drop(lock);
        Ok(true)
    }

    /// Who serves the world of a state folder; none when nobody does.
    pub fn holder(state_dir: &Path) -> Result<Option<Holder>, OpenError> {
        let folder = state_dir.join(FOLDER);
        if !folder.is_dir() {
            return Ok(None);
        }
        match Lock::take(&folder).map_err(|error| lock_error(&folder, error)) {
            Ok(_) => Ok(None),
            Err(OpenError::Held { holder, .. }) => Ok(holder),
            Err(error) => Err(error),
        }
    }

    /// The request log of a state folder, also while another process holds the world.
    pub fn log(state_dir: &Path, query: &Query) -> Result<Vec<Request>, LogError> {
        requests::read(&state_dir.join(FOLDER), query)
    }

    pub(crate) fn requests(&self, query: &Query) -> Result<Vec<Request>, LogError> {
        requests::read(&self.folder, query)
    }

    pub(crate) fn real_now(&self) -> Timestamp {
        self.real_clock.now()
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Tells in the lock file where the world is served; once.
    pub(crate) fn announce(&self, control: &str) -> Result<(), ServeError> {
        self.served.set(()).map_err(|()| ServeError::Twice)?;
        let holder = Holder {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            control: Some(control.to_owned()),
            token: self.token.clone(),
        };
        self.lock.tell(&holder).map_err(|error| ServeError::Lock(error.into()))
    }

    /// A client of the clock is gone; a log that cannot be written ends the serving.
    pub(crate) fn deregister(&self, id: ClientId) {
        if let Err(error) = self.clockwork.deregister(id) {
            self.fail(&error);
        }
    }

    /// The world's log cannot be written: stop rather than forget.
    pub(crate) fn fail(&self, error: &crate::world::LogError) {
        let source = std::error::Error::source(error).map(ToString::to_string);
        let reason = format!("{error}: {}", source.unwrap_or_default());
        self.world.context.notices.tell(Notice::Stopped { reason });
        self.stop();
    }

    /// Ends the serving.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Counts a request as being served until the guard is dropped: time stands. To be called once
    /// its body is read, for a client that sends slowly is none that is served.
    pub(crate) async fn begin_request(self: &Arc<Self>) -> Serving {
        self.clockwork.begin_request().await;
        let serving = Serving(self.clone());
        if let Err(error) = self.clockwork.follow_real_time(self.real_now()) {
            self.fail(&error);
        }
        serving
    }

    /// Appends to the request log.
    pub(crate) fn record(&self, request: Request) {
        if let Err(error) = self.log.append(request) {
            self.world.context.notices.tell(Notice::RequestLog { reason: error.to_string() });
        }
    }

    /// Follows real time, and says so once when world time is ahead of it.
    pub(crate) fn tick(&self) -> Result<(), crate::world::LogError> {
        let real = self.real_now();
        self.clockwork.follow_real_time(real)?;
        let world = self.world.now();
        let mut said = self.passed_real_time.lock().unwrap_or_else(PoisonError::into_inner);
        if world > real && !*said {
            *said = true;
            self.world.context.notices.tell(Notice::PastRealTime { world, real });
        }
        Ok(())
    }

    /// What a client needs to know, as JSON.
    pub(crate) fn describe(&self) -> Value {
        let key =
            self.world.store.read(|state| credentials::get(state, &self.identity.access_key_id));
        let clusters = self.active_clusters();
        json!({
            "account": self.identity.account,
            "region": self.identity.region,
            "scenario": self.identity.scenario,
            "aws_endpoint": self.world.context.addresses.aws(),
            "access_key_id": self.identity.access_key_id,
            "secret_access_key": key.map(|key| key.secret),
            "clusters": clusters,
            "now": self.world.now(),
        })
    }

    /// The bill of a window as a file; why there is none.
    pub(crate) fn bill(
        &self,
        window: BillWindow,
        format: BillFormat,
        is_packed: bool,
    ) -> Result<Vec<u8>, String> {
        let write = |transaction: &mut store::Transaction<'_>| {
            billing::write(&self.world.context, transaction, window, format, is_packed)
        };
        self.world.rehearse(write).map_err(|error| error.to_string())
    }

    /// How the account is billed.
    pub(crate) fn billing(&self) -> Billing {
        let read = |transaction: &mut store::Transaction<'_>| {
            Ok::<_, std::convert::Infallible>(billing::settings(transaction))
        };
        self.world.rehearse(read).unwrap_or_else(|never| match never {})
    }

    /// Bills the account by these settings from now on, the past included.
    pub(crate) fn change_billing(&self, settings: &Billing) -> Result<(), crate::world::LogError> {
        let changed = self.world.transact(|transaction| {
            billing::change(transaction, settings);
            Ok::<_, std::convert::Infallible>(())
        })?;
        changed.unwrap_or_else(|never| match never {});
        Ok(())
    }

    /// The names of the clusters that can be talked to.
    pub fn active_clusters(&self) -> Vec<String> {
        self.world.store.read(|state| {
            let active = state.list(eks::CLUSTERS).filter(|(_, cluster)| {
                matches!(cluster.value["status"].as_str(), Some("ACTIVE" | "UPDATING"))
            });
            active.map(|(name, _)| name.to_string()).collect()
        })
    }

    /// A kubeconfig for a cluster. The token comes from this program's own token command.
    pub fn kubeconfig(&self, cluster: &str) -> Result<String, KubeconfigError> {
        if !self.active_clusters().iter().any(|name| name == cluster) {
            return Err(KubeconfigError::NoCluster(cluster.to_owned()));
        }
        let server = self.world.context.addresses.cluster(cluster).map_err(|error| {
            KubeconfigError::Address { cluster: cluster.to_owned(), source: error.into() }
        })?;
        let Identity { region, account, .. } = &self.identity;
        let name = format!("arn:aws:eks:{region}:{account}:cluster/{cluster}");
        let config = crate::environment::Kubeconfig {
            name: &name,
            server: &server,
            authority: &self.authority.pem,
            cluster,
            region,
        };
        Ok(config.text())
    }

    /// Variables that point clients of AWS at a served world.
    pub fn environment(&self) -> Vec<(String, String)> {
        crate::environment::of(&self.describe())
    }

    pub(crate) fn control(self: &Arc<Self>) -> ControlClient {
        ControlClient::local(self.clone())
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// A request is being served; see [`Sandbox::begin_request`].
pub(crate) struct Serving(Arc<Sandbox>);

impl Drop for Serving {
    fn drop(&mut self) {
        if let Err(error) = self.0.clockwork.end_request() {
            self.0.fail(&error);
        }
    }
}

fn lock_error(folder: &Path, error: LockError) -> OpenError {
    match error {
        LockError::Held(holder) => OpenError::Held { folder: folder.to_owned(), holder },
        LockError::File { action, path, source } => OpenError::File { action, path, source },
    }
}

fn draw_token() -> Result<String, OpenError> {
    let mut bytes = [0; 24];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| OpenError::Randomness)?;
    Ok(hex::encode(bytes))
}

/// Everything that a world is opened with.
struct Opening<'a> {
    folder: &'a Path,
    asked: Option<&'a str>,
    scenario: Option<Scenario>,
    seed: String,
    addresses: Arc<Addresses>,
    authority: String,
    notices: Notices,
    real_now: Timestamp,
}

impl Opening<'_> {
    /// Opens the store, and lays out the scenario when it is new.
    fn world(self) -> Result<(World, Identity), OpenError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| OpenError::World {
            folder: self.folder.to_owned(),
            source: error,
        };
        let begins = self.scenario.as_ref().and_then(|scenario| scenario.begins);
        let begins = begins
            .unwrap_or_else(|| self.real_now.saturating_sub(HEAD_START).unwrap_or(Timestamp::MIN));
        let store = Store::open(self.folder, begins)
            .map_err(|error: store::OpenError| failed(error.into()))?;
        let known = store.read(scenario::identity);
        if let (Some(known), Some(asked)) = (&known, self.asked)
            && known.scenario != asked
        {
            return Err(OpenError::OtherScenario {
                folder: self.folder.to_owned(),
                found: known.scenario.clone(),
                asked: asked.to_owned(),
            });
        }
        let (account, region, seed) = match (&known, &self.scenario) {
            (Some(known), _) => (known.account.clone(), known.region.clone(), known.seed.clone()),
            (None, Some(new)) => (new.account.clone(), new.region.clone(), self.seed.clone()),
            (None, None) => {
                let default = Scenario::load("default").map_err(OpenError::Scenario)?;
                return Self { scenario: Some(default), ..self }.world();
            }
        };
        let Self { addresses, authority, notices, .. } = self;
        let context = Context { account, region, seed, addresses, authority, notices };
        let reactors: Vec<Box<dyn crate::world::Reactor>> = vec![Box::new(kubernetes::Controllers)];
        let world = World::new(store, context, reactors, due);
        let identity = match (known, self.scenario) {
            (Some(known), _) => known,
            (None, scenario) => {
                let name = self.asked.unwrap_or("default");
                let scenario = scenario.map_or_else(|| Scenario::load(name), Ok);
                let scenario = scenario.map_err(OpenError::Scenario)?;
                world
                    .transact(|transaction| -> Result<Identity, std::convert::Infallible> {
                        Ok(scenario::lay_out(&world.context, transaction, name, &scenario))
                    })
                    .map_err(|error| failed(error.into()))?
                    .unwrap_or_else(|never| match never {})
            }
        };
        Ok((world, identity))
    }
}

/// A timer is due: each kind begins with its owner's name.
fn due(context: &Context, transaction: &mut store::Transaction<'_>, timer: &crate::world::Timer) {
    if timer.kind.starts_with("eks.") {
        aws::eks::due(context, transaction, timer);
    } else {
        kubernetes::due(context, transaction, timer);
    }
}
