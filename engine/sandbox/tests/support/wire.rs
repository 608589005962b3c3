//! Requests as they stand on the wire: signed for AWS, by token for a cluster.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Who signs, and where.
pub(crate) struct Signer {
    pub(crate) key: String,
    pub(crate) secret: String,
    /// Of temporary credentials.
    pub(crate) token: Option<String>,
    pub(crate) region: String,
}

/// A request to a service of AWS.
pub(crate) struct Call<'a> {
    pub(crate) service: &'a str,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) content_type: &'a str,
    /// What the JSON protocols name the operation by.
    pub(crate) target: Option<&'a str>,
    pub(crate) body: String,
}

impl Signer {
    fn scope(&self, service: &str, day: &str) -> String {
        format!("{day}/{}/{service}/aws4_request", self.region)
    }

    fn sign(&self, service: &str, time: &str, canonical: &str) -> String {
        let day = &time[..8];
        let text = format!(
            "AWS4-HMAC-SHA256\n{time}\n{}\n{}",
            self.scope(service, day),
            digest(canonical.as_bytes())
        );
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [day, &self.region, service, "aws4_request"] {
            key = keyed(&key, part);
        }
        hex::encode(keyed(&key, &text))
    }

    /// A request to a service of AWS; status and body.
    pub(super) async fn ask(
        &self,
        endpoint: &str,
        service: &str,
        method: Method,
        path: &str,
        body: String,
        now: Timestamp,
    ) -> (u16, String) {
        let content_type =
            if service == "eks" { "application/json" } else { "application/x-www-form-urlencoded" };
        let call = Call { service, method, path, content_type, target: None, body };
        let (status, _, body) = self.call(endpoint, call, now).await;
        (status, body)
    }

    /// The same of any protocol; status, headers and body.
    pub(crate) async fn call(
        &self,
        endpoint: &str,
        call: Call<'_>,
        now: Timestamp,
    ) -> (u16, HeaderMap, String) {
        let Call { service, method, path, content_type, target, body } = call;
        let host = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let time = stamp(now);
        let hash = digest(body.as_bytes());
        let mut signed = vec![
            ("host", host.as_str()),
            ("x-amz-content-sha256", hash.as_str()),
            ("x-amz-date", time.as_str()),
        ];
        signed.extend(self.token.as_deref().map(|token| ("x-amz-security-token", token)));
        signed.extend(target.map(|target| ("x-amz-target", target)));
        let lines: String =
            signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let canonical = format!("{method}\n{path}\n\n{lines}\n{names}\n{hash}");
        let signature = self.sign(service, &time, &canonical);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={names}, Signature={signature}",
            self.key,
            self.scope(service, &time[..8])
        );
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .header("authorization", authorization);
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        answered(TcpStream::connect(&host).await.unwrap(), request).await
    }

    /// A token for a cluster.
    pub(super) fn token(&self, cluster: &str, now: Timestamp) -> String {
        let (time, host) = (stamp(now), format!("sts.{}.amazonaws.com", self.region));
        let credential = format!("{}/{}", self.key, self.scope("sts", &time[..8]));
        let names = "host;x-k8s-aws-id";
        let query: Vec<String> = [
            ("Action", "GetCallerIdentity"),
            ("Version", "2011-06-15"),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &time),
            ("X-Amz-Expires", "60"),
            ("X-Amz-SignedHeaders", names),
        ]
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
        let query = query.join("&");
        let canonical = format!(
            "GET\n/\n{query}\nhost:{host}\nx-k8s-aws-id:{cluster}\n\n{names}\n{}",
            digest(b"")
        );
        let signature = self.sign("sts", &time, &canonical);
        let url = format!("https://{host}/?{query}&X-Amz-Signature={signature}");
        format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url))
    }
}

/// A connection to a cluster's API.
pub(crate) async fn connect(kubeconfig: &Value) -> (String, TlsStream<TcpStream>) {
    let cluster = &kubeconfig["clusters"][0]["cluster"];
    let host = cluster["server"].as_str().unwrap().trim_start_matches("https://").to_owned();
    let authority = cluster["certificate-authority-data"].as_str().unwrap();
    let authority = STANDARD.decode(authority).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.rsplit_once(':').unwrap().0.to_owned()).unwrap();
    let stream = TcpStream::connect(&host).await.unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    (host, stream)
}

/// A request to a cluster; status and body.
pub(super) async fn ask_cluster(
    kubeconfig: &Value,
    token: &str,
    method: Method,
    path: &str,
    content_type: &str,
    body: Vec<u8>,
) -> (u16, String) {
    let (host, stream) = connect(kubeconfig).await;
    let accept = if path.ends_with("?table") {
        "application/json;as=Table;v=v1;g=meta.k8s.io"
    } else {
        "application/json"
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", &host)
        .header("accept", accept)
        .header("content-type", content_type)
        .header("authorization", format!("Bearer {token}"))
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    exchange(stream, request).await
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> (u16, String)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (status, _, body) = answered(stream, request).await;
    (status, body)
}

async fn answered<S>(stream: S, request: Request<Full<Bytes>>) -> (u16, HeaderMap, String)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), head.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// A part of a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &PLAIN).to_string()
}

fn stamp(now: Timestamp) -> String {
    now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
