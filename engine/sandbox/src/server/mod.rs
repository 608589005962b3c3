//! HTTP on loopback: the accept loop that all front ends share.
//!
//! A [`Door`] listens on one port, with TLS or without, and hands each request to its handler.
//! Connections are bounded; stopping is graceful for a moment and then final, since an open watch
//! never ends by itself. A handler that answers [`Dropped`] closes the connection instead: that is
//! how a reset or a lost reply looks to a client.

pub(crate) mod body;
pub(crate) mod tls;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use body::Body;

/// Connections of one door at the same time.
const MOST_CONNECTIONS: usize = 1024;
/// How long a stopping door lets answers be finished.
const GRACE: Duration = Duration::from_millis(500);
/// How long a client may take to send its headers, or to shake hands.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a client may take to send its body.
const BODY_PATIENCE: Duration = Duration::from_mins(1);
/// How much of a body that is too long is read, so that its sender hears of it.
const MOST_DRAINED: usize = 64 << 20;

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed instead of an answer")]
pub(crate) struct Dropped;

/// Answers requests.
pub(crate) type Handler = Arc<
    dyn Fn(Request<Incoming>) -> BoxFuture<'static, Result<Response<Body>, Dropped>> + Send + Sync,
>;

/// One listening port.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) handler: Handler,
}

impl Door {
    /// Serves until told to stop. Returns early only when the listener itself fails.
    pub(crate) async fn serve(self, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
        let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        let outcome = loop {
            // The semaphore is never closed: no permit means that we are shutting down anyway.
            let Ok(slot) = slots.clone().acquire_owned().await else { break Ok(()) };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break Ok(()),
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let (tls, handler, stop) =
                        (self.tls.clone(), self.handler.clone(), stop.clone());
                    connections.spawn(async move {
                        connection(stream, tls, handler, stop).await;
                        drop(slot);
                    });
                }
                // A connection that went away before it was accepted is no failure of ours.
                Err(error) if is_of_one_connection(&error) => {}
                // The process has no descriptor left: one comes back when a connection ends.
                Err(error) if is_of_resources(&error) => {
                    if connections.join_next().await.is_none() {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                Err(error) => break Err(error),
            }
        };
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finished).await.is_err() {
            connections.shutdown().await;
        }
        outcome
    }
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn is_of_resources(error: &std::io::Error) -> bool {
    // EMFILE, ENFILE, ENOBUFS and ENOMEM have no kind of their own.
    error.kind() == std::io::ErrorKind::OutOfMemory
        || matches!(error.raw_os_error(), Some(23 | 24 | 55 | 105))
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    handler: Handler,
    stop: watch::Receiver<bool>,
) {
    // Only latency is lost when this is refused.
    drop(stream.set_nodelay(true));
    match tls {
        None => exchange(stream, handler, stop).await,
        Some(tls) => {
            // A client that does not finish the handshake, or does not trust us, is gone.
            if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
                exchange(stream, handler, stop).await;
            }
        }
    }
}

async fn exchange<S>(stream: S, handler: Handler, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    let service = service_fn(move |request| handler(request));
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    // Errors of a connection (a client that went away, a reply dropped on purpose) end it, and
    // that is all there is to do about them.
    let is_over = tokio::select! {
        outcome = serving.as_mut() => {
            drop(outcome);
            true
        }
        _ = stop.wait_for(|stop| *stop) => false,
    };
    if !is_over {
        serving.as_mut().graceful_shutdown();
        drop(serving.await);
    }
}

/// A body could not be read whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// Longer than allowed.
    #[error("the body is longer than {limit} bytes")]
    TooLong { limit: usize },
    /// The client went away while it sent, or sends too slowly.
    #[error("the body broke off")]
    BrokenOff,
}

/// Reads a body whole, within a limit. What is too long is read on for a while and thrown away: a
/// client that is still sending would otherwise see a broken connection and not the answer.
pub(crate) async fn read_body(body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    read_within(body, limit, BODY_PATIENCE).await
}

async fn read_within(
    mut body: Incoming,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, BodyError> {
    let reading = async {
        let (mut whole, mut length) = (Vec::new(), 0_usize);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BodyError::BrokenOff)?;
            let Some(data) = frame.data_ref() else { continue };
            length = length.saturating_add(data.len());
            if length <= limit {
                whole.extend_from_slice(data);
            } else {
                whole = Vec::new();
            }
            if length > MOST_DRAINED.max(limit) {
                break;
            }
        }
        if length > limit { Err(BodyError::TooLong { limit }) } else { Ok(Bytes::from(whole)) }
    };
    tokio::time::timeout(patience, reading).await.unwrap_or(Err(BodyError::BrokenOff))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What a client is answered that sends so much of a body of ten bytes, and then nothing.
    async fn answered(sent: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler: Handler = Arc::new(|request: Request<Incoming>| {
            Box::pin(async move {
                let read = read_within(request.into_body(), 8, Duration::from_millis(50)).await;
                let text = read.map_or_else(|why| why.to_string(), |read| format!("{read:?}"));
                Ok(Response::new(body::whole(text)))
            })
        });
        let (stop, stopped) = watch::channel(false);
        let door = tokio::spawn(Door { listener, tls: None, handler }.serve(stopped));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\nconnection: close\r\n\r\n";
        stream.write_all(format!("{head}{sent}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        stop.send_replace(true);
        door.await.unwrap().unwrap();
        answer.rsplit("\r\n").next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        assert_eq!(answered("12345").await, "the body broke off");
        assert_eq!(answered("1234567890").await, "the body is longer than 8 bytes");
    }
}
