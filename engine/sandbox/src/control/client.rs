//! A client of the control endpoint, and the same without HTTP for a world in this process.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{Marked, Now};
use crate::faults::Fault;
use crate::requests::{Query, Request as Logged};
use crate::world::ClientId;
use crate::{BillFormat, BillWindow, Sandbox};

/// The control endpoint could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens there, or the connection broke.
    #[error("failed to reach the sandbox at `{address}`")]
    Connection {
        /// Its address.
        address: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answered with a refusal.
    #[error("the sandbox at `{address}` refused: {why}")]
    Refused {
        /// Its address.
        address: String,
        /// Its words.
        why: String,
    },
    /// It answered something else than agreed.
    #[error("the sandbox at `{address}` answered in an unknown form")]
    Form {
        /// Its address.
        address: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The world's log cannot be written.
    #[error("the sandbox's world cannot go on")]
    World(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Talks to a world that is served, in this process or in another.
#[derive(Clone)]
pub struct ControlClient(Way);

#[derive(Clone)]
enum Way {
    Local(Arc<Sandbox>),
    Remote(Arc<Remote>),
}

struct Remote {
    address: String,
    token: String,
}

impl ControlClient {
    /// Of a world in another process, by the address and token of its lock file.
    pub fn new(address: impl Into<String>, token: impl Into<String>) -> Self {
        Self(Way::Remote(Arc::new(Remote { address: address.into(), token: token.into() })))
    }

    /// Of a world in this process: no HTTP.
    pub(crate) fn local(sandbox: Arc<Sandbox>) -> Self {
        Self(Way::Local(sandbox))
    }

    /// Registers a client of the clock. From now on, world time moves only while it and every
    /// other one wait. Dropping the registration deregisters it.
    pub async fn register(&self, name: &str) -> Result<Registration, ControlError> {
        match &self.0 {
            Way::Local(sandbox) => {
                let id = sandbox.clockwork.register();
                let at = Mutex::new(sandbox.world.now());
                Ok(Registration { way: self.0.clone(), id, at, session: None, is_own: true })
            }
            Way::Remote(remote) => remote.register(name).await,
        }
    }

    /// Acts as a client that another process has registered for this one, and keeps registered
    /// until this one has ended; see [`Registration::id`].
    pub async fn adopt(&self, id: u64) -> Result<Registration, ControlError> {
        let at = Mutex::new(self.now().await?);
        let id = ClientId(id);
        let registration =
            Registration { way: self.0.clone(), id, at, session: None, is_own: false };
        registration.busy().await?;
        Ok(registration)
    }

    /// World time.
    pub async fn now(&self) -> Result<Timestamp, ControlError> {
        match &self.0 {
            Way::Local(sandbox) => Ok(sandbox.world.now()),
            Way::Remote(remote) => {
                remote.ask::<Now>(Method::GET, "/now", None).await.map(|answer| answer.now)
            }
        }
    }

    /// Marks this moment, and says its revision: each watch of a cluster that allows bookmarks gets one
    /// of that revision or a later one once it has been told everything that happened up to now.
    pub async fn mark(&self) -> Result<u64, ControlError> {
        match &self.0 {
            Way::Local(sandbox) => Ok(sandbox.world.store.mark()),
            Way::Remote(remote) => {
                let marked: Marked = remote.ask(Method::POST, "/mark", Some(json!({}))).await?;
                Ok(marked.revision)
            }
        }
    }

    /// Endpoints, region, account, credentials and clusters, as JSON.
    pub async fn world(&self) -> Result<Value, ControlError> {
        match &self.0 {
            Way::Local(sandbox) => Ok(sandbox.describe()),
            Way::Remote(remote) => remote.ask(Method::GET, "/world", None).await,
        }
    }

    /// A kubeconfig for a cluster, as YAML.
    pub async fn kubeconfig(&self, cluster: &str) -> Result<String, ControlError> {
        match &self.0 {
            Way::Local(sandbox) => {
                sandbox.kubeconfig(cluster).map_err(|error| ControlError::World(error.into()))
            }
            Way::Remote(remote) => {
                let path = format!("/clusters/{cluster}/kubeconfig");
                let text = remote.exchange(Method::GET, &path, None).await?;
                Ok(String::from_utf8_lossy(&text).into_owned())
            }
        }
    }

    /// Requests that were answered.
    pub async fn requests(&self, query: &Query) -> Result<Vec<Logged>, ControlError> {
        match &self.0 {
            Way::Local(sandbox) => {
                sandbox.requests(query).map_err(|error| ControlError::World(error.into()))
            }
            Way::Remote(remote) => {
                let mut text = url::form_urlencoded::Serializer::new(String::new());
                text.append_pair("writes", &query.writes.to_string());
                text.append_pair("after", &query.after.to_string());
                if let Some(run) = &query.run {
                    text.append_pair("run", run);
                }
                remote.ask(Method::GET, &format!("/requests?{}", text.finish()), None).await
            }
        }
    }

    /// The bill of a window as a file, packed by gzip when asked.
    pub async fn bill(
        &self,
        window: BillWindow,
        format: BillFormat,
        is_packed: bool,
    ) -> Result<Vec<u8>, ControlError> {
        match &self.0 {
            Way::Local(sandbox) => sandbox.bill(window, format, is_packed).map_err(|error| {
                ControlError::Refused { address: "this process".to_owned(), why: error }
            }),
            Way::Remote(remote) => {
                let mut text = url::form_urlencoded::Serializer::new(String::new());
                text.append_pair("window", &window.to_string());
                text.append_pair("format", format.name());
                text.append_pair("packed", &is_packed.to_string());
                let path = format!("/bill?{}", text.finish());
                Ok(remote.exchange(Method::GET, &path, None).await?.to_vec())
            }
        }
    }

    /// Bills the account by these settings (YAML or JSON, as a scenario's `billing:`), the past
    /// included.
    pub async fn change_billing(&self, settings: &str) -> Result<(), ControlError> {
        match &self.0 {
            Way::Local(sandbox) => {
                let settings = crate::billing::Billing::parse(settings);
                let settings = settings.map_err(|error| ControlError::World(error.into()))?;
                let changed = sandbox.change_billing(&settings);
                changed.map_err(|error| ControlError::World(error.into()))
            }
            Way::Remote(remote) => {
                let body = Bytes::from(settings.to_owned());
                let answered = remote.send(Method::PUT, "/billing", body).await?;
                answered.collect().await.map_err(|error| remote.broken(error)).map(drop)
            }
        }
    }

    /// Replaces the script of faults.
    pub async fn load_faults(&self, script: Vec<Fault>) -> Result<(), ControlError> {
        match &self.0 {
            Way::Local(sandbox) => {
                crate::faults::check(&script).map_err(|error| ControlError::World(error.into()))?;
                sandbox.faults.load(script);
                Ok(())
            }
            Way::Remote(remote) => {
                remote.ask::<Value>(Method::PUT, "/faults", Some(json!(script))).await.map(drop)
            }
        }
    }

    /// Ends the serving.
    pub async fn stop(&self) -> Result<(), ControlError> {
        match &self.0 {
            Way::Local(sandbox) => {
                sandbox.stop();
                Ok(())
            }
            Way::Remote(remote) => {
                remote.ask::<Value>(Method::POST, "/stop", Some(json!({}))).await.map(drop)
            }
        }
    }
}

/// A registered client of the clock; see [`ControlClient::register`].
pub struct Registration {
    way: Way,
    id: ClientId,
    /// World time when it was last heard of. While this client is busy, time stands.
    at: Mutex<Timestamp>,
    /// Keeps the connection that carries a remote registration.
    session: Option<JoinHandle<()>>,
    /// Whether it ends with this value; an adopted one does not.
    is_own: bool,
}

impl Registration {
    /// Its number, for a child process that acts as this client ([`ControlClient::adopt`]). Until
    /// the child has ended, this registration must be kept, and not be used.
    pub fn id(&self) -> u64 {
        self.id.0
    }

    /// World time: exact while this client is busy, since time stands then.
    pub fn now(&self) -> Timestamp {
        match &self.way {
            Way::Local(sandbox) => sandbox.world.now(),
            Way::Remote(_) => *self.at.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Waits until world time has reached that; returns world time, and is busy again. One wait
    /// at a time. When the future is dropped before it is ready, the client is busy again too: at
    /// once in this process, else as soon as the sandbox sees the connection close;
    /// [`Self::busy`] makes sure of it.
    pub async fn idle_until(&self, until: Timestamp) -> Result<Timestamp, ControlError> {
        match &self.way {
            Way::Local(sandbox) => {
                let outcome = sandbox.clockwork.idle_until(self.id, until).await;
                outcome.map_err(|error| ControlError::World(error.into()))
            }
            Way::Remote(remote) => self.tell(remote, "idle", json!({"until": until})).await,
        }
    }

    /// Says that the client works, and hears what time it is.
    pub async fn busy(&self) -> Result<Timestamp, ControlError> {
        match &self.way {
            Way::Local(sandbox) => {
                sandbox.clockwork.busy(self.id);
                Ok(sandbox.world.now())
            }
            Way::Remote(remote) => self.tell(remote, "busy", json!({})).await,
        }
    }

    /// Waits for a child process that registers itself: time may move without this client until
    /// the returned guard is told [`Elsewhere::back`] or dropped.
    pub async fn elsewhere(&self) -> Result<Elsewhere<'_>, ControlError> {
        match &self.way {
            Way::Local(sandbox) => {
                let outcome = sandbox.clockwork.elsewhere(self.id);
                outcome.map_err(|error| ControlError::World(error.into()))?;
            }
            Way::Remote(remote) => {
                self.tell(remote, "elsewhere", json!({})).await?;
            }
        }
        Ok(Elsewhere { registration: self, is_back: false })
    }

    async fn tell(
        &self,
        remote: &Remote,
        what: &str,
        body: Value,
    ) -> Result<Timestamp, ControlError> {
        let path = format!("/clients/{}/{what}", self.id.0);
        let now = remote.ask::<Now>(Method::POST, &path, Some(body)).await?.now;
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(now)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Way::Local(sandbox) = &self.way
            && self.is_own
        {
            sandbox.deregister(self.id);
        }
        if let Some(session) = &self.session {
            session.abort();
        }
    }
}

/// A client is waiting for a child; see [`Registration::elsewhere`].
pub struct Elsewhere<'a> {
    registration: &'a Registration,
    is_back: bool,
}

impl Elsewhere<'_> {
    /// The child has ended: the client is busy, and hears what time it is.
    pub async fn back(mut self) -> Result<Timestamp, ControlError> {
        self.is_back = true;
        self.registration.busy().await
    }
}

impl Drop for Elsewhere<'_> {
    fn drop(&mut self) {
        if self.is_back {
            return;
        }
        match &self.registration.way {
            Way::Local(sandbox) => sandbox.clockwork.busy(self.registration.id),
            Way::Remote(remote) => {
                let (remote, id) = (remote.clone(), self.registration.id.0);
                // Dropped means that nobody can hear of a failure any more; a sandbox that is
                // gone has no clock to hold either.
                tokio::spawn(async move {
                    let path = format!("/clients/{id}/busy");
                    drop(remote.ask::<Value>(Method::POST, &path, Some(json!({}))).await);
                });
            }
        }
    }
}

#[derive(Deserialize)]
struct Hello {
    client: u64,
    now: Timestamp,
}

impl Remote {
    fn broken(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ControlError {
        ControlError::Connection { address: self.address.clone(), source: source.into() }
    }

    async fn register(self: &Arc<Self>, name: &str) -> Result<Registration, ControlError> {
        let hello = Bytes::from(json!({"name": name}).to_string());
        let mut body = self.send(Method::POST, "/clients", hello).await?;
        let first = match body.frame().await {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => return Err(self.broken(error)),
            None => return Err(self.broken("the connection closed before the registration")),
        };
        let hello: Hello = self.read(&first)?;
        // Holding the body holds the connection, and with it the registration.
        let session =
            tokio::spawn(
                async move { while body.frame().await.is_some_and(|frame| frame.is_ok()) {} },
            );
        Ok(Registration {
            way: Way::Remote(self.clone()),
            id: ClientId(hello.client),
            at: Mutex::new(hello.now),
            session: Some(session),
            is_own: true,
        })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, ControlError> {
        self.read(&self.exchange(method, path, body).await?)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Bytes, ControlError> {
        let body = Bytes::from(body.map_or_else(String::new, |body| body.to_string()));
        let answered = self.send(method, path, body).await?;
        Ok(answered.collect().await.map_err(|error| self.broken(error))?.to_bytes())
    }

    fn read<T: DeserializeOwned>(&self, text: &[u8]) -> Result<T, ControlError> {
        serde_json::from_slice(text)
            .map_err(|source| ControlError::Form { address: self.address.clone(), source })
    }

    /// One request on a connection of its own, which closes when the answer's body is dropped.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Incoming, ControlError> {
        let stream = TcpStream::connect(&self.address).await.map_err(|error| self.broken(error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(error))?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.address)
            .header("authorization", format!("Bearer {}", self.token))
            .body(Full::new(body))
            .map_err(|error| self.broken(error))?;
        // A caller that gives up drops this future, and the connection must close with it.
        let guard = AbortOnDrop(Some(connection));
        let response = sender.send_request(request).await.map_err(|error| self.broken(error))?;
        let status = response.status();
        let body = response.into_body();
        if status == StatusCode::OK {
            guard.keep();
            return Ok(body);
        }
        let text = body.collect().await.map_err(|error| self.broken(error))?.to_bytes();
        let why = serde_json::from_slice::<Value>(&text).unwrap_or_default();
        let why = why["error"].as_str().unwrap_or("no reason given").to_owned();
        Err(ControlError::Refused { address: self.address.clone(), why })
    }
}

/// Ends a connection's task with the future that waits for its answer.
struct AbortOnDrop<T>(Option<JoinHandle<T>>);

impl<T> AbortOnDrop<T> {
    /// The answer has come: the connection lives as long as its body.
    fn keep(mut self) {
        self.0.take();
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.abort();
        }
    }
}
