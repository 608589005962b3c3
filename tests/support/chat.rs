//! A chat that takes what is posted to it, after it has said a few times that it cannot.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// What was posted: the key of the delivery, whether it was taken, the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) key: String,
    pub(crate) is_taken: bool,
    pub(crate) body: String,
}

/// A chat that takes everything.
pub(crate) fn chat() -> (String, Receiver<Post>) {
    failing(0)
}

/// A chat that answers 503 so many times before it takes anything.
pub(crate) fn failing(times: usize) -> (String, Receiver<Post>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/services/T0/secret-part", listener.local_addr().unwrap());
    let (sender, posted) = channel();
    std::thread::spawn(move || {
        for (stream, number) in listener.incoming().zip(0..) {
            // Who is killed while posting has posted nothing.
            let Some(post) = take(stream.unwrap(), number >= times) else { continue };
            if sender.send(post).is_err() {
                return;
            }
        }
    });
    (url, posted)
}

fn take(stream: TcpStream, is_taken: bool) -> Option<Post> {
    let mut reader = BufReader::new(stream);
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("idempotency-key: ") {
            value.clone_into(&mut key);
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let status = if is_taken { "200 OK" } else { "503 Service Unavailable" };
    let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    // Whether the answer arrives is the other side's to find out.
    let _ = reader.get_mut().write_all(answer.as_bytes());
    Some(Post { key, is_taken, body: String::from_utf8(body).unwrap() })
}
