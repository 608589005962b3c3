//! Downloads from a scripted peer: digests, limits, redirects and failures.

use super::*;
use crate::SilentObserver;
use crate::scripted::{Answer, Peer, StillClock};

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn request(url: &str) -> Request {
    Request { url: url.to_owned(), sha256: Some(HELLO.to_owned()), max_bytes: 10, max_redirects: 2 }
}

fn text(body: &str) -> Answer {
    Answer::Say(200, "text/plain", body.to_owned(), Vec::new())
}

fn moved(to: &'static str) -> Answer {
    Answer::Say(302, "text/plain", String::new(), vec![("location", to)])
}

async fn fetch(peer: &Peer, path: &str) -> Result<Downloaded, Error> {
    let downloader = Downloader::new(StillClock::new(), Arc::new(SilentObserver)).unwrap();
    downloader.fetch(&request(&format!("{}{path}", peer.url))).await
}

#[tokio::test]
async fn a_file_is_got_through_redirects_resets_and_errors() {
    let peer = Peer::start([
        moved("/b"),
        Answer::LoseTheReply,
        Answer::Say(503, "text/plain", String::new(), Vec::new()),
        text("hello"),
    ])
    .await;
    let got = fetch(&peer, "/a").await.unwrap();
    assert_eq!((got.bytes.as_slice(), got.sha256.as_str()), (b"hello".as_slice(), HELLO));
    assert_eq!(got.url, format!("{}/b", peer.url));
    assert_eq!(peer.asked().len(), 4);
}

#[tokio::test]
async fn another_file_than_expected_is_refused() {
    let peer = Peer::start([text("hallo")]).await;
    let error = fetch(&peer, "/a").await.unwrap_err();
    assert!(matches!(&error, Error::Checksum { expected, .. } if expected == HELLO), "{error}");
}

#[tokio::test]
async fn what_is_too_large_or_leads_nowhere_is_refused() {
    let peer = Peer::start([text("hello hello hello")]).await;
    let error = fetch(&peer, "/a").await.unwrap_err();
    assert!(error.to_string().ends_with("the file is larger than the allowed 10 bytes"), "{error}");
    assert_eq!(peer.asked().len(), 1);

    let peer = Peer::start([moved("/b"), moved("/c"), moved("/d")]).await;
    let error = fetch(&peer, "/a").await.unwrap_err();
    assert!(error.to_string().ends_with("it leads through more than 2 redirects"), "{error}");

    let peer = Peer::start([Answer::Say(404, "text/plain", String::new(), Vec::new())]).await;
    let error = fetch(&peer, "/a").await.unwrap_err();
    let Error::Request(error) = error else { panic!("{error}") };
    assert!(error.is_not_found());
}

#[test]
fn only_https_is_fetched() {
    for (url, problem) in [
        ("http://example.com/a", "it is plain HTTP, which anyone on the way can change"),
        ("file:///etc/passwd", "`file` is not https"),
        ("nonsense", "relative URL without a base"),
    ] {
        let error = usable(url).unwrap_err();
        assert_eq!(error.to_string(), format!("`{url}` cannot be fetched: {problem}"));
    }
    let from = Url::parse("https://example.com/a").unwrap();
    let error = next(&from, "http://127.0.0.1/b").unwrap_err();
    assert!(error.to_string().contains("leads from HTTPS to plain HTTP"), "{error}");
    assert_eq!(next(&from, "../b?c").unwrap().as_str(), "https://example.com/b?c");
}
