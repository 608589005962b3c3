//! A client of the Kubernetes API, as small as helm needs it.
//!
//! One connection at a time, HTTP/1.1 over TLS; where a kind lives is asked of the server, so that
//! custom resources are found as soon as their definition is established.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::failure::{Failure, Refusal};
use super::kubeconfig::Kubeconfig;
use super::objects::Identity;
use super::{MANAGER, VERSION};

const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const JSON: &str = "application/json";
const APPLY: &str = "application/apply-patch+yaml";

/// Where the objects of a kind are.
#[derive(Debug, Clone)]
struct Place {
    plural: String,
    namespaced: bool,
}

/// A cluster.
pub(super) struct Cluster {
    kubeconfig: Kubeconfig,
    host: String,
    port: u16,
    tls: TlsConnector,
    name: ServerName<'static>,
    token: Option<String>,
    connection: Option<SendRequest<Full<Bytes>>>,
    places: BTreeMap<(String, String), Place>,
}

impl Cluster {
    pub(super) fn new(kubeconfig: Kubeconfig) -> Result<Self, Failure> {
        let server =
            Url::parse(&kubeconfig.server).ok().filter(|url| url.scheme() == "https").ok_or_else(
                || Failure::Unreachable(format!("`{}` is no https URL", kubeconfig.server)),
            )?;
        let host = server.host_str().unwrap_or_default().to_owned();
        let name = ServerName::try_from(host.clone())
            .map_err(|error| Failure::Unreachable(format!("`{host}`: {error}")))?;
        let port = server.port_or_known_default().unwrap_or(443);
        let tls = TlsConnector::from(Arc::new(trust(&kubeconfig.authority)?));
        Ok(Self {
            kubeconfig,
            host,
            port,
            tls,
            name,
            token: None,
            connection: None,
            places: BTreeMap::new(),
        })
    }

    /// The namespace of the kubeconfig's context.
    pub(super) fn namespace(&self) -> &str {
        &self.kubeconfig.namespace
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, JSON, None).await
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, &managed(path), JSON, Some(body)).await
    }

    pub(super) async fn put(&mut self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::PUT, &managed(path), JSON, Some(body)).await
    }

    pub(super) async fn delete(&mut self, path: &str) -> Result<Value, Failure> {
        let options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
        self.ask(Method::DELETE, path, JSON, Some(&options)).await
    }

    /// An object as it is; none when it is not there.
    pub(super) async fn find(&mut self, identity: &Identity) -> Result<Option<Value>, Failure> {
        let path = self.path(identity).await?;
        match self.get(&path).await {
            Ok(object) => Ok(Some(object)),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Server-side apply, without taking fields that others own.
    pub(super) async fn apply(
        &mut self,
        identity: &Identity,
        object: &Value,
    ) -> Result<Value, Failure> {
        let path = self.path(identity).await?;
        let path = format!("{}&force=false&fieldValidation=Strict", managed(&path));
        self.ask(Method::PATCH, &path, APPLY, Some(object)).await
    }

    /// Removes an object; whether it was there.
    pub(super) async fn remove(&mut self, identity: &Identity) -> Result<bool, Failure> {
        let path = self.path(identity).await?;
        match self.delete(&path).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_not_found() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Where an object is.
    async fn path(&mut self, identity: &Identity) -> Result<String, Failure> {
        let place = self.place(identity).await?;
        let prefix = prefix(&identity.api_version);
        let name = encoded(&identity.name);
        Ok(if place.namespaced {
            let namespace = encoded(&identity.namespace);
            format!("{prefix}/namespaces/{namespace}/{}/{name}", place.plural)
        } else {
            format!("{prefix}/{}/{name}", place.plural)
        })
    }

    async fn place(&mut self, identity: &Identity) -> Result<Place, Failure> {
        let key = (identity.api_version.clone(), identity.kind.clone());
        if let Some(place) = self.places.get(&key) {
            return Ok(place.clone());
        }
        let unknown = || {
            Failure::told(format!(
                "resource mapping not found for name: \"{}\" namespace: \"{}\" from \"\": no matches for kind \"{}\" in version \"{}\"\nensure CRDs are installed first",
                identity.name, identity.namespace, identity.kind, identity.api_version
            ))
        };
        let known = match self.get(&prefix(&identity.api_version)).await {
            Ok(known) => known,
            Err(failure) if failure.is_not_found() => return Err(unknown()),
            Err(failure) => return Err(failure),
        };
        let resource = known["resources"].as_array().into_iter().flatten().find(|resource| {
            let is_whole = !resource["name"].as_str().unwrap_or_default().contains('/');
            resource["kind"] == identity.kind && is_whole
        });
        let resource = resource.ok_or_else(unknown)?;
        let place = Place {
            plural: resource["name"].as_str().unwrap_or_default().to_owned(),
            namespaced: resource["namespaced"] == true,
        };
        self.places.insert(key, place.clone());
        Ok(place)
    }

    /// Whether objects of that kind live in namespaces.
    pub(super) async fn is_namespaced(&mut self, identity: &Identity) -> Result<bool, Failure> {
        Ok(self.place(identity).await?.namespaced)
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let body = Bytes::from(body.map(Value::to_string).unwrap_or_default());
        let mut fresh = self.token.is_none();
        loop {
            let token = match &self.token {
                Some(token) => token.clone(),
                None => self.token.insert(self.kubeconfig.token().await?).clone(),
            };
            let request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header("host", format!("{}:{}", self.host, self.port))
                .header("authorization", format!("Bearer {token}"))
                .header("accept", JSON)
                .header("content-type", content_type)
                .header("user-agent", format!("Helm/{VERSION}"))
                .body(Full::new(body.clone()))
                .map_err(|error| Failure::unreachable(&error))?;
            let response = self.send(request).await?;
            let status = response.status();
            let text = response.into_body().collect().await;
            let text = text.map_err(|error| Failure::unreachable(&error))?.to_bytes();
            if status == StatusCode::UNAUTHORIZED && !fresh {
                // The token may have become too old; one that was just made is simply wrong.
                self.token = None;
                fresh = true;
                continue;
            }
            return answer(status, &text);
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        if self.connection.as_ref().is_none_or(SendRequest::is_closed) {
            self.connection = None;
        }
        let mut sender = match self.connection.take() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        if sender.ready().await.is_err() {
            // The server closed it while it was not used; nothing was sent on it.
            sender = self.connect().await?;
        }
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| Failure::unreachable(&error))?;
        self.connection = Some(sender);
        Ok(response)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| Failure::unreachable(&error))?;
        let stream = self
            .tls
            .connect(self.name.clone(), stream)
            .await
            .map_err(|error| Failure::unreachable(&error))?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::unreachable(&error))?;
        // Errors of the connection reach whoever waits for an answer on it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

fn trust(authority: &[u8]) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        let certificate = certificate.map_err(|error| {
            Failure::Unreachable(format!("the certificate authority cannot be read: {error}"))
        })?;
        roots.add(certificate).map_err(|error| Failure::unreachable(&error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::unreachable(&error))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn answer(status: StatusCode, text: &[u8]) -> Result<Value, Failure> {
    let body: Value = serde_json::from_slice(text).unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    let said = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    let mut message = said("message");
    if message.is_empty() {
        message = format!("the server answered {status}");
    }
    Err(Failure::Refused(Refusal { status: status.as_u16(), reason: said("reason"), message }))
}

fn managed(path: &str) -> String {
    format!("{path}?fieldManager={MANAGER}")
}

fn prefix(api_version: &str) -> String {
    if api_version.contains('/') {
        format!("/apis/{api_version}")
    } else {
        format!("/api/{api_version}")
    }
}

/// A part of a path.
pub(super) fn encoded(part: &str) -> String {
    utf8_percent_encode(part, &PLAIN).to_string()
}
