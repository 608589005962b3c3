//! Serving a world: the AWS port, the control port, a TLS port per cluster, and the clock's tick.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::addresses::{AddressError, Listening};
use crate::control::{self, ControlClient};
use crate::notice::Notice;
use crate::sandbox::{KubeconfigError, Sandbox, ServeError};
use crate::server::{Door, Handler};
use crate::{aws, kubernetes};

/// How often time follows real time when no client of the clock is registered.
const TICK: Duration = Duration::from_millis(500);

/// A world that is being served. Dropping it stops serving at once; [`Served::shutdown`] lets
/// answers be finished first.
pub struct Served {
    sandbox: Arc<Sandbox>,
    control: String,
    tasks: JoinSet<()>,
}

impl Sandbox {
    /// Serves the world until [`Served::shutdown`], or until a client asks to stop.
    pub async fn serve(self: &Arc<Self>) -> Result<Served, ServeError> {
        let addresses = self.world.context.addresses.clone();
        let door = |error: AddressError| ServeError::Address(error.into());
        let (aws_listener, control_listener) =
            (addresses.listen_aws().map_err(door)?, addresses.listen_control().map_err(door)?);
        let io = |error: std::io::Error| ServeError::Address(error.into());
        let control = control_listener.local_addr().map_err(io)?.to_string();
        let mut opened = addresses.serve_clusters();
        self.announce(&control)?;

        let mut tasks = JoinSet::new();
        let aws_door = Door {
            listener: TcpListener::from_std(aws_listener).map_err(io)?,
            tls: None,
            handler: aws_handler(self),
        };
        let control_door = Door {
            listener: TcpListener::from_std(control_listener).map_err(io)?,
            tls: None,
            handler: control_handler(self),
        };
        tasks.spawn(keep_open(self.clone(), "AWS".to_owned(), aws_door, self.stopping()));
        let name = "the control endpoint".to_owned();
        tasks.spawn(keep_open(self.clone(), name, control_door, self.stopping()));
        tasks.spawn(tick(self.clone(), self.stopping()));
        let (sandbox, mut stop) = (self.clone(), self.stopping());
        tasks.spawn(async move {
            let mut doors = JoinSet::new();
            loop {
                let listening = tokio::select! {
                    listening = opened.recv() => listening,
                    _ = stop.wait_for(|stop| *stop) => None,
                };
                let Some(listening) = listening else { break };
                let what = format!("cluster `{}`", listening.cluster);
                match cluster_door(&sandbox, listening) {
                    Ok(door) => {
                        doors.spawn(keep_open(sandbox.clone(), what, door, sandbox.stopping()));
                    }
                    Err(error) => failed(&sandbox, &what, error.as_ref()),
                }
            }
            while doors.join_next().await.is_some() {}
        });
        // Clusters that are there already are listened for at once: a kubeconfig of an earlier
        // run works again.
        for cluster in self.active_clusters() {
            addresses.cluster(&cluster).map_err(door)?;
        }
        Ok(Served { sandbox: self.clone(), control, tasks })
    }
}

fn failed(sandbox: &Sandbox, what: &str, error: &(dyn Error + Send + Sync)) {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    let reason = causes.fold(format!("{what}: {error}"), |text, cause| format!("{text}: {cause}"));
    sandbox.world.context.notices.tell(Notice::Stopped { reason });
    sandbox.stop();
}

async fn keep_open(sandbox: Arc<Sandbox>, what: String, door: Door, stop: watch::Receiver<bool>) {
    if let Err(error) = door.serve(stop).await {
        failed(&sandbox, &what, &error);
    }
}

fn aws_handler(sandbox: &Arc<Sandbox>) -> Handler {
    let sandbox = sandbox.clone();
    Arc::new(move |request| {
        let sandbox = sandbox.clone();
        async move { aws::front::serve(&sandbox, request).await }.boxed()
    })
}

fn control_handler(sandbox: &Arc<Sandbox>) -> Handler {
    let sandbox = sandbox.clone();
    Arc::new(move |request| control::serve(sandbox.clone(), request).boxed())
}

fn cluster_door(
    sandbox: &Arc<Sandbox>,
    listening: Listening,
) -> Result<Door, Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::from_std(listening.listener)?;
    let tls = Some(TlsAcceptor::from(sandbox.authority.config()?));
    Ok(Door { listener, tls, handler: cluster_handler(sandbox, listening.cluster) })
}

fn cluster_handler(sandbox: &Arc<Sandbox>, cluster: String) -> Handler {
    let sandbox = sandbox.clone();
    Arc::new(move |request| {
        let (sandbox, cluster) = (sandbox.clone(), cluster.clone());
        kubernetes::serve(sandbox, cluster, request).boxed()
    })
}

async fn tick(sandbox: Arc<Sandbox>, mut stop: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = sandbox.tick() {
            sandbox.fail(&error);
        }
    }
}

impl Served {
    /// The URL of the AWS services.
    pub fn aws_endpoint(&self) -> String {
        self.sandbox.world.context.addresses.aws()
    }

    /// The address of the control endpoint, for other processes; see [`Served::control_token`].
    pub fn control_address(&self) -> &str {
        &self.control
    }

    /// The token of the control endpoint.
    pub fn control_token(&self) -> &str {
        self.sandbox.token()
    }

    /// The control client of this process.
    pub fn control(&self) -> ControlClient {
        self.sandbox.control()
    }

    /// The world's region.
    pub fn region(&self) -> &str {
        &self.sandbox.identity().region
    }

    /// The world's account.
    pub fn account(&self) -> &str {
        &self.sandbox.identity().account
    }

    /// Access key id and secret of the scenario's user.
    pub fn credentials(&self) -> (String, String) {
        let world = self.sandbox.describe();
        let text = |name: &str| world[name].as_str().unwrap_or_default().to_owned();
        (text("access_key_id"), text("secret_access_key"))
    }

    /// Variables that point clients of AWS at this world.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.sandbox.environment()
    }

    /// A kubeconfig for a cluster.
    pub fn kubeconfig(&self, cluster: &str) -> Result<String, KubeconfigError> {
        self.sandbox.kubeconfig(cluster)
    }

    /// Ready when somebody asked for the end, or the world cannot go on.
    pub async fn stopped(&self) {
        // The sender lives in the sandbox, which we hold.
        drop(self.sandbox.stopping().wait_for(|stop| *stop).await);
    }

    /// Stops serving; answers that are under way are finished, within a moment.
    pub async fn shutdown(mut self) {
        self.sandbox.stop();
        while self.tasks.join_next().await.is_some() {}
        self.sandbox.world.context.addresses.stop();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.sandbox.stop();
        self.sandbox.world.context.addresses.stop();
    }
}
