//! A client of a served sandbox that is not ours: signed requests over a bare socket, with which a
//! test does by hand what a person might do in the console.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::Served;

/// A request: to which service, and what.
pub(crate) struct Request<'a> {
    pub(crate) service: &'a str,
    pub(crate) path: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a str,
}

/// A call of a service with form parameters, as EC2 and IAM take them.
pub(crate) fn query(served: &Served, service: &str, body: &str) -> String {
    let content_type = "application/x-www-form-urlencoded";
    send(served, &Request { service, path: "/", content_type, body })
}

/// A call of EKS.
pub(crate) fn eks(served: &Served, path: &str, body: &str) -> String {
    send(served, &Request { service: "eks", path, content_type: "application/json", body })
}

/// Posts the request; its answer's body, which must be a success.
fn send(served: &Served, request: &Request<'_>) -> String {
    let host = variable(served, "AWS_ENDPOINT_URL").strip_prefix("http://").unwrap();
    let time = now();
    let mut text = String::new();
    for (name, value) in [
        ("Host", host),
        ("X-Amz-Date", &time),
        ("Content-Type", request.content_type),
        ("Content-Length", &request.body.len().to_string()),
        ("Authorization", &authorization(served, request, host, &time)),
        ("Connection", "close"),
    ] {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    let mut socket = TcpStream::connect(host).unwrap();
    write!(socket, "POST {} HTTP/1.1\r\n{text}\r\n{}", request.path, request.body).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{}: {answer}", request.body);
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn variable<'a>(served: &'a Served, name: &str) -> &'a str {
    &served.environment.iter().find(|(of, _)| of == name).unwrap().1
}

#[expect(clippy::disallowed_methods, reason = "a signature is of the real time, as any client's")]
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The value of the header, by AWS's Signature Version 4.
fn authorization(served: &Served, request: &Request<'_>, host: &str, time: &str) -> String {
    let date = &time[..8];
    let region = variable(served, "AWS_REGION");
    let scope = format!("{date}/{region}/{}/aws4_request", request.service);
    let canonical = format!(
        "POST\n{}\n\nhost:{host}\nx-amz-date:{time}\n\nhost;x-amz-date\n{}",
        request.path,
        hex::encode(Sha256::digest(request.body))
    );
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex::encode(Sha256::digest(canonical.as_bytes()))
    );
    let mut key = format!("AWS4{}", variable(served, "AWS_SECRET_ACCESS_KEY")).into_bytes();
    for part in [date, region, request.service, "aws4_request", &to_sign] {
        key = keyed(&key, part);
    }
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-date, Signature={}",
        variable(served, "AWS_ACCESS_KEY_ID"),
        hex::encode(key)
    )
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
