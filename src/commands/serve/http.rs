//! `/healthz`, `/readyz` and `/metrics` on loopback.
//!
//! Nobody is asked who they are, so only this machine is answered: another address is refused unless
//! `--listen-anywhere` says that something in front of it decides who may ask. On loopback a request
//! for another host's name is refused as well: a web page of somebody else must not read it through a
//! name that it points here.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::metrics::{Health, Metrics};
use crate::target::clock::real_now;
use crate::trouble::Trouble;

/// Serves until it is dropped.
pub(crate) struct Listening {
    /// Where.
    pub(crate) address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Listens on an address.
pub(crate) async fn listen(
    address: SocketAddr,
    anywhere: bool,
    metrics: Arc<Metrics>,
) -> Result<Listening, Trouble> {
    if !address.ip().is_loopback() && !anywhere {
        return Err(Trouble::usage(format!(
            "`{address}` is not on loopback, and nobody is asked who they are"
        ))
        .hint("--listen 127.0.0.1:PORT, or --listen-anywhere where something else decides who may ask"));
    }
    let failed = |error: std::io::Error| {
        Trouble::failed(format!("failed to listen on `{address}`: {error}"))
            .hint("--listen names another port; port 0 lets the system choose")
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let serving = tokio::spawn(accept(listener, address.ip().is_loopback(), metrics));
    Ok(Listening { address, serving })
}

async fn accept(listener: TcpListener, is_loopback: bool, metrics: Arc<Metrics>) {
    loop {
        // A connection that could not be taken is its client's to try again.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let metrics = metrics.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, is_loopback, &metrics);
                async move { Ok::<_, Infallible>(answer) }
            });
            let serving = hyper::server::conn::http1::Builder::new()
                .timer(hyper_util::rt::TokioTimer::new())
                .header_read_timeout(std::time::Duration::from_secs(10))
                .serve_connection(TokioIo::new(stream), service);
            // A client that goes away has what it wanted.
            drop(serving.await);
        });
    }
}

fn answer(
    request: &Request<Incoming>,
    is_loopback: bool,
    metrics: &Metrics,
) -> Response<Full<Bytes>> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_loopback && !is_this_machine(host) {
        return plain(StatusCode::MISDIRECTED_REQUEST, "this is not the host that was asked for\n");
    }
    if request.method() != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    let now = real_now();
    match request.uri().path() {
        "/healthz" => health(metrics.health(now)),
        "/readyz" => health(metrics.readiness(now)),
        "/metrics" => {
            let mut response = plain(StatusCode::OK, metrics.text());
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            response
                .headers_mut()
                .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
            response
        }
        _ => plain(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n"),
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let name = name.map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn health(health: Health) -> Response<Full<Bytes>> {
    match health {
        Health::Well => plain(StatusCode::OK, "ok\n"),
        Health::Ill(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn only_names_of_this_machine() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:9", "127.1.2.3", "[::1]:80", "[::1]"]
        {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["", "example.com", "example.com:80", "127.0.0.1.example.com", "10.0.0.1:80"] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
