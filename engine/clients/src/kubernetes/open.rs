//! Opening a connection to a cluster.
//!
//! By an EKS cluster's name: `DescribeCluster` says where it is and what its certificate authority
//! is, our own tokens say who we are. By a kubeconfig: whatever it says, credential plugins too.
//! Either way `/version` is asked before the connection is handed out. A cluster that came up a
//! moment ago may not be found by its name yet, and gets two minutes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig as KubeconfigFile};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use super::discovery::Known;
use super::request;
use super::token::Tokens;
use super::transport::Transport;
use crate::aws;
use crate::clock::{Clock, after};
use crate::error::{Class, Error};
use crate::request::{Access, Observer};
use crate::retry::{Caller, Policy};

/// How long the API server may take to take the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// A cluster of that age or less may not be found by its name yet.
const IS_NEW: Duration = Duration::from_mins(30);
/// How long it then gets.
const NEW_CLUSTER_PATIENCE: Duration = Duration::from_mins(2);

/// A cluster behind an AWS connection.
#[derive(Debug, Clone, Default)]
pub struct Eks {
    /// Its name.
    pub cluster: String,
    /// Where its API server is, instead of what `DescribeCluster` says.
    pub endpoint: Option<String>,
    /// Its certificate authority (base64 of PEM), instead of what `DescribeCluster` says.
    pub certificate_authority: Option<String>,
}

/// A cluster behind a kubeconfig.
#[derive(Debug, Clone, Default)]
pub struct Kubeconfig {
    /// The file; kubectl's own rules (`KUBECONFIG`, `~/.kube/config`) when `None`.
    pub path: Option<PathBuf>,
    /// The context; the current one when `None`.
    pub context: Option<String>,
    /// The run, sent along with every request.
    pub run_id: Option<String>,
}

/// Why a connection could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// There is no such cluster.
    #[error("there is no EKS cluster `{cluster}` in account {account}, region {region}")]
    NoCluster {
        /// The name.
        cluster: String,
        /// Where it was looked for.
        account: String,
        /// Where it was looked for.
        region: String,
    },
    /// It cannot be spoken to yet.
    #[error("the EKS cluster `{cluster}` has no API server yet: it is {status}")]
    NotUp {
        /// The name.
        cluster: String,
        /// Its status.
        status: String,
    },
    /// EKS did not say where it is, or it did not answer.
    #[error("the cluster `{cluster}` cannot be reached: {error}")]
    Unreachable {
        /// The name.
        cluster: String,
        /// What the request said.
        error: Error,
    },
    /// The endpoint or the certificate authority cannot be used.
    #[error("the {what} of the cluster `{cluster}` cannot be used: {problem}")]
    Unusable {
        /// The name.
        cluster: String,
        /// `endpoint` or `certificate authority`.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig{} cannot be used: {problem}", display_path(.path.as_ref()))]
    Kubeconfig {
        /// The file.
        path: Option<PathBuf>,
        /// What is wrong.
        problem: String,
    },
}

impl OpenError {
    /// The failed request behind it, if there was one.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Unreachable { error, .. } => Some(error),
            _ => None,
        }
    }
}

fn display_path(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| format!(" `{}`", path.display()))
}

/// Where a cluster is: what a child process such as helm needs to find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// An EKS cluster.
    Eks {
        /// Its name.
        cluster: String,
        /// Where its API server is.
        endpoint: String,
        /// Its certificate authority: base64 of PEM.
        certificate_authority: String,
    },
    /// A context of a kubeconfig.
    Kubeconfig {
        /// The file, when one was named.
        path: Option<PathBuf>,
        /// The context, when one was named.
        context: Option<String>,
        /// The API server that it leads to.
        endpoint: String,
    },
}

/// A cluster. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    transport: Transport,
    known: Arc<Known>,
    server: Arc<Server>,
    version: Arc<str>,
}

impl Connection {
    /// Opens a connection to an EKS cluster.
    pub async fn eks(
        aws: &aws::Connection,
        settings: Eks,
        access: Access,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, OpenError> {
        let cluster = settings.cluster.clone();
        let found = aws
            .observed_by(Arc::clone(&observer))
            .eks()
            .cluster(&cluster)
            .await
            .map_err(|error| OpenError::Unreachable { cluster: cluster.clone(), error })?
            .ok_or_else(|| OpenError::NoCluster {
                cluster: cluster.clone(),
                account: aws.account().to_owned(),
                region: aws.region().to_owned(),
            })?;
        let (Some(endpoint), Some(authority)) = (
            settings.endpoint.or_else(|| found.endpoint.clone()),
            settings.certificate_authority.or_else(|| found.certificate_authority.clone()),
        ) else {
            return Err(OpenError::NotUp { cluster, status: found.status });
        };
        let client = eks_client(&cluster, &endpoint, &authority)?;
        let tokens = Tokens::new(aws.clone(), cluster.clone(), Arc::clone(&clock));
        let is_new = found.created_at.is_some_and(|at| after(at, IS_NEW) > clock.now());
        let transport = Transport {
            client,
            tokens: Some(Arc::new(tokens)),
            access,
            run_id: aws.run_id().map(Into::into),
            caller: Caller { clock, observer, ..aws.caller().clone() },
        };
        let server =
            Server::Eks { cluster: cluster.clone(), endpoint, certificate_authority: authority };
        let patience = if is_new { NEW_CLUSTER_PATIENCE } else { Duration::ZERO };
        Self::reached(transport, server, patience)
            .await
            .map_err(|error| OpenError::Unreachable { cluster, error })
    }

    /// Opens a connection that a kubeconfig describes.
    pub async fn kubeconfig(
        settings: Kubeconfig,
        access: Access,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, OpenError> {
        let unusable =
            |problem: String| OpenError::Kubeconfig { path: settings.path.clone(), problem };
        let options = KubeConfigOptions { context: settings.context.clone(), ..Default::default() };
        let read = match &settings.path {
            Some(path) => KubeconfigFile::read_from(path),
            None => KubeconfigFile::read(),
        };
        let file = read.map_err(|error| unusable(crate::error::root_cause(&error)))?;
        let mut config = kube::Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(|error| unusable(crate::error::root_cause(&error)))?;
        quieten(&mut config);
        let endpoint = config.cluster_url.to_string();
        let client = kube::Client::try_from(config)
            .map_err(|error| unusable(crate::error::root_cause(&error)))?;
        let run_id: Option<Arc<str>> = settings.run_id.as_deref().map(Into::into);
        let seed = run_id.clone().unwrap_or_else(|| "".into());
        let transport = Transport {
            client,
            tokens: None,
            access,
            run_id,
            caller: Caller { clock, observer, policy: Policy::default(), seed },
        };
        let server = Server::Kubeconfig {
            path: settings.path.clone(),
            context: settings.context.clone(),
            endpoint: endpoint.clone(),
        };
        Self::reached(transport, server, Duration::ZERO)
            .await
            .map_err(|error| OpenError::Unreachable { cluster: endpoint, error })
    }

    /// Hands out the connection once the API server has answered.
    async fn reached(
        transport: Transport,
        server: Server,
        patience: Duration,
    ) -> Result<Self, Error> {
        let clock = Arc::clone(&transport.caller.clock);
        let until = after(clock.now(), patience);
        let version = loop {
            match transport.read(&request::get_path("/version")).await {
                Ok(version) => break version,
                Err(error) if error.class() == Class::Unavailable && clock.now() < until => {
                    clock.sleep(Duration::from_secs(5)).await;
                }
                Err(error) => return Err(error),
            }
        };
        let version = version.get("gitVersion").and_then(Value::as_str).unwrap_or_default();
        Ok(Self {
            transport,
            known: Arc::default(),
            server: Arc::new(server),
            version: version.into(),
        })
    }

    /// The same connection, reporting its tries to another observer.
    #[must_use]
    pub fn observed_by(&self, observer: Arc<dyn Observer>) -> Self {
        let mut connection = self.clone();
        connection.transport.caller.observer = observer;
        connection
    }

    /// The same connection under another retry policy.
    #[must_use]
    pub fn with_policy(&self, policy: Policy) -> Self {
        let mut connection = self.clone();
        connection.transport.caller.policy = policy;
        connection
    }

    /// Where it leads.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The API server's version, for example `v1.34.1-eks-3cfe0ce`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it may be used for.
    pub fn access(&self) -> Access {
        self.transport.access
    }

    /// World time.
    pub fn now(&self) -> Timestamp {
        self.transport.caller.clock.now()
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.transport.caller.clock
    }
}

fn eks_client(cluster: &str, endpoint: &str, authority: &str) -> Result<kube::Client, OpenError> {
    let unusable = |what: &'static str, problem: String| OpenError::Unusable {
        cluster: cluster.to_owned(),
        what,
        problem,
    };
    let url = endpoint.parse().map_err(|error: http::uri::InvalidUri| {
        unusable("endpoint", format!("`{endpoint}` is no URL: {error}"))
    })?;
    let certificates =
        certificates(authority).map_err(|problem| unusable("certificate authority", problem))?;
    let mut config = kube::Config::new(url);
    config.root_cert = Some(certificates);
    quieten(&mut config);
    kube::Client::try_from(config)
        .map_err(|error| unusable("certificate authority", crate::error::root_cause(&error)))
}

/// Timeouts on, retries off.
fn quieten(config: &mut kube::Config) {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(ANSWER_TIMEOUT);
    config.write_timeout = Some(ANSWER_TIMEOUT);
    config.reset_reader_on_write = true;
    config.default_retry = false;
}

fn certificates(authority: &str) -> Result<Vec<Vec<u8>>, String> {
    let pem = STANDARD.decode(authority.trim()).map_err(|error| format!("no base64: {error}"))?;
    let certificates: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&pem)
        .map(|certificate| certificate.map(|it| it.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("no PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    Ok(certificates)
}
