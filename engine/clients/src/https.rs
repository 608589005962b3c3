//! The HTTP client for what is neither AWS nor Kubernetes, and the addresses that it may be given.

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use url::Url;

/// Sends bodies of that kind.
pub(crate) type Client<B> = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, B>;

/// One that trusts the machine's own certificate authorities; the error says why they cannot be read.
pub(crate) fn client<B>() -> Result<Client<B>, String>
where
    B: Body<Data = Bytes> + Send,
{
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|error| format!("this machine's certificate authorities cannot be read: {error}"))?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build(connector))
}

/// HTTPS, or plain HTTP to this machine itself; the error says what is wrong and never the address.
pub(crate) fn usable(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_local => Ok(url),
        "http" => Err("it is plain HTTP, which anyone on the way can change".to_owned()),
        other => Err(format!("`{other}` is not https")),
    }
}

/// Up to so many bytes of a body as text; what cannot be read is left out.
pub(crate) async fn beginning<B>(body: B, most: usize) -> String
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut body, mut bytes) = (body, Vec::new());
    while bytes.len() < most {
        let Some(Ok(frame)) = body.frame().await else { break };
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    bytes.truncate(most);
    String::from_utf8_lossy(&bytes).into_owned()
}
