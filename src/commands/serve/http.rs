//! `/healthz`, `/readyz`, `/metrics` and OpenCost's `/allocation` on loopback.
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
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::figures::{Figures, NoAnswer};
use super::metrics::{Health, Metrics};
use crate::target::clock::real_now;
use crate::trouble::Trouble;

const JSON: &str = "application/json";

/// What is answered from.
pub(crate) struct Answers {
    /// What the server counts.
    pub(crate) metrics: Arc<Metrics>,
    /// What was seen, and its money.
    pub(crate) figures: Arc<Figures>,
}

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
    answers: Answers,
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
    let serving = tokio::spawn(accept(listener, address.ip().is_loopback(), Arc::new(answers)));
    Ok(Listening { address, serving })
}

async fn accept(listener: TcpListener, is_loopback: bool, answers: Arc<Answers>) {
    loop {
        // A connection that could not be taken is its client's to try again.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let answers = answers.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answers = answers.clone();
                async move { Ok::<_, Infallible>(answer(&request, is_loopback, &answers).await) }
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

async fn answer(
    request: &Request<Incoming>,
    is_loopback: bool,
    answers: &Answers,
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
        "/healthz" => health(answers.metrics.health(now)),
        "/readyz" => health(answers.metrics.readiness(now)),
        "/metrics" => {
            let seen = answers.figures.clone().seen(now).await;
            let text = answers.metrics.text(seen.as_ref(), answers.figures.clock.now());
            of_kind(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
        }
        "/allocation" | "/allocation/compute" => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            allocation(answers.figures.clone().allocation(query).await)
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "there are /healthz, /readyz, /metrics, /allocation and /allocation/compute\n",
        ),
    }
}

/// In OpenCost's envelope.
fn allocation(answer: Result<String, NoAnswer>) -> Response<Full<Bytes>> {
    let (status, why) = match answer {
        Ok(text) => return of_kind(StatusCode::OK, JSON, text),
        Err(NoAnswer::Asked(why)) => (StatusCode::BAD_REQUEST, why),
        Err(NoAnswer::Nothing(why)) => (StatusCode::NOT_FOUND, why),
        Err(NoAnswer::Failed(why)) => (StatusCode::INTERNAL_SERVER_ERROR, why),
        Err(NoAnswer::Busy) => {
            (StatusCode::SERVICE_UNAVAILABLE, "others are asking; ask again in a moment".to_owned())
        }
    };
    let message = format!("Error: {why}");
    let text = serde_json::json!({"code": status.as_u16(), "data": null, "message": message});
    of_kind(status, JSON, text.to_string())
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
    of_kind(status, "text/plain; charset=utf-8", text)
}

fn of_kind(
    status: StatusCode,
    kind: &'static str,
    text: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
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
