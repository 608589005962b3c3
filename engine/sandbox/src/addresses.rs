//! Where things are served: ports are chosen once, kept in `ports.json`, and changed with a word
//! when another program has taken them.
//!
//! Nothing that the world stores depends on a port: a cluster's endpoint or a queue's URL is
//! computed when it is asked for. A cluster gets its listener the moment its address is first
//! asked for, so that an answer never names a port on which nobody listens yet.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::notice::{Notice, Notices};

const FILE: &str = "ports.json";

/// A port could not be had or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    /// No port at all.
    #[error("failed to listen on loopback for {what}")]
    Listen { what: String, source: std::io::Error },
    /// The file of the kept ports.
    #[error("failed to {action} `{path}`")]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    /// The file is not ours.
    #[error("`{path}` is damaged")]
    Damaged { path: PathBuf, source: serde_json::Error },
}

/// A listener with what is served on it.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) cluster: String,
    pub(crate) listener: TcpListener,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    aws: Option<u16>,
    #[serde(default)]
    control: Option<u16>,
    #[serde(default)]
    clusters: BTreeMap<String, u16>,
}

#[derive(Debug, Default)]
struct Ports {
    kept: Kept,
    /// Clusters that are listened for now.
    open: BTreeMap<String, u16>,
    /// Who serves new listeners; none while nobody serves the world.
    server: Option<UnboundedSender<Listening>>,
}

/// The addresses of a world.
#[derive(Debug)]
pub(crate) struct Addresses {
    path: PathBuf,
    notices: Notices,
    ports: Mutex<Ports>,
}

impl Addresses {
    /// Reads the kept ports of a folder.
    pub(crate) fn open(folder: &Path, notices: Notices) -> Result<Self, AddressError> {
        let path = folder.join(FILE);
        let kept = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|source| AddressError::Damaged { path: path.clone(), source })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(source) => return Err(AddressError::File { action: "read", path, source }),
        };
        let ports = Ports { kept, ..Ports::default() };
        Ok(Self { path, notices, ports: Mutex::new(ports) })
    }

    fn ports(&self) -> std::sync::MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Listens for the AWS services.
    pub(crate) fn listen_aws(&self) -> Result<TcpListener, AddressError> {
        let mut ports = self.ports();
        let listener = self.listen("AWS", ports.kept.aws)?;
        ports.kept.aws = Some(port_of(&listener, "AWS")?);
        self.keep(&ports.kept)?;
        Ok(listener)
    }

    /// Listens for the control endpoint.
    pub(crate) fn listen_control(&self) -> Result<TcpListener, AddressError> {
        let mut ports = self.ports();
        let listener = self.listen("the control endpoint", ports.kept.control)?;
        ports.kept.control = Some(port_of(&listener, "the control endpoint")?);
        self.keep(&ports.kept)?;
        Ok(listener)
    }

    /// From now on clusters are listened for; what listens arrives on the channel.
    pub(crate) fn serve_clusters(&self) -> UnboundedReceiver<Listening> {
        let (sender, receiver) = unbounded_channel();
        let mut ports = self.ports();
        ports.server = Some(sender);
        ports.open.clear();
        receiver
    }

    /// Nobody serves any more.
    pub(crate) fn stop(&self) {
        let mut ports = self.ports();
        ports.server = None;
        ports.open.clear();
    }

    /// The base URL of the AWS services; of the last time when nobody serves now.
    pub(crate) fn aws(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports().kept.aws.unwrap_or_default())
    }

    /// The base URL of a cluster's API. Listens first, when the world is served.
    pub(crate) fn cluster(&self, name: &str) -> Result<String, AddressError> {
        let mut ports = self.ports();
        if let Some(port) = ports.open.get(name) {
            return Ok(format!("https://127.0.0.1:{port}"));
        }
        let Some(server) = ports.server.clone() else {
            let port = ports.kept.clusters.get(name).copied().unwrap_or_default();
            return Ok(format!("https://127.0.0.1:{port}"));
        };
        let what = format!("cluster `{name}`");
        let listener = self.listen(&what, ports.kept.clusters.get(name).copied())?;
        let port = port_of(&listener, &what)?;
        ports.kept.clusters.insert(name.to_owned(), port);
        ports.open.insert(name.to_owned(), port);
        self.keep(&ports.kept)?;
        // Fails only when the server is gone, and then its listeners are too.
        drop(server.send(Listening { cluster: name.to_owned(), listener }));
        Ok(format!("https://127.0.0.1:{port}"))
    }

    fn listen(&self, what: &str, kept: Option<u16>) -> Result<TcpListener, AddressError> {
        let failed = |source| AddressError::Listen { what: what.to_owned(), source };
        if let Some(port) = kept
            && let Ok(listener) = bind(port)
        {
            return Ok(listener);
        }
        let listener = bind(0).map_err(failed)?;
        if let Some(from) = kept {
            let to = port_of(&listener, what)?;
            self.notices.tell(Notice::PortChanged { what: what.to_owned(), from, to });
        }
        Ok(listener)
    }

    fn keep(&self, kept: &Kept) -> Result<(), AddressError> {
        let beside = self.path.with_extension("json.new");
        let failed =
            |source| AddressError::File { action: "write", path: self.path.clone(), source };
        let text = serde_json::to_vec_pretty(kept)
            .map_err(|source| AddressError::Damaged { path: self.path.clone(), source })?;
        std::fs::write(&beside, text).map_err(failed)?;
        std::fs::rename(&beside, &self.path).map_err(failed)
    }
}

fn bind(port: u16) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn port_of(listener: &TcpListener, what: &str) -> Result<u16, AddressError> {
    listener
        .local_addr()
        .map(|address| address.port())
        .map_err(|source| AddressError::Listen { what: what.to_owned(), source })
}
