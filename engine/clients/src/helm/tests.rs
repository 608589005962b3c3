//! Reading releases.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::release::{Status, decode};

fn release() -> Value {
    json!({
        "name": "karpenter", "namespace": "karpenter", "version": 3,
        "info": {"first_deployed": "2026-11-24T09:00:00Z",
            "last_deployed": "2026-11-24T10:00:00.5+09:00", "deleted": "",
            "description": "Upgrade complete", "status": "deployed"},
        "chart": {"metadata": {"name": "karpenter", "version": "1.14.1", "appVersion": "1.14.1",
            "apiVersion": "v2"}, "templates": []},
        "config": {"settings": {"clusterName": "myeks"}, "replicas": 2},
        "manifest": "---\n",
    })
}

/// As Helm stores it, and as the API server then hands it out.
fn secret(json: &[u8], packed: bool) -> Value {
    let bytes = if packed {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(json).unwrap();
        encoder.finish().unwrap()
    } else {
        json.to_vec()
    };
    json!({"data": {"release": STANDARD.encode(STANDARD.encode(bytes))}})
}

#[test]
fn a_release_is_read_from_its_secret() {
    for packed in [true, false] {
        let release = decode(&secret(release().to_string().as_bytes(), packed)).unwrap();
        assert_eq!((release.name.as_str(), release.revision), ("karpenter", 3));
        assert_eq!((release.status, release.status.is_pending()), (Status::Deployed, false));
        assert_eq!(
            (release.chart.as_str(), release.chart_version.as_str()),
            ("karpenter", "1.14.1")
        );
        assert_eq!(
            release.values.to_string(),
            r#"{"replicas":2,"settings":{"clusterName":"myeks"}}"#
        );
        assert_eq!(release.deployed_at, Some("2026-11-24T01:00:00.5Z".parse().unwrap()));
    }
}

#[test]
fn a_release_without_values_has_none_and_an_unknown_status_is_unknown() {
    let mut stored = release();
    stored["config"] = Value::Null;
    stored["info"] = json!({"status": "brooding", "last_deployed": ""});
    let release = decode(&secret(stored.to_string().as_bytes(), true)).unwrap();
    assert_eq!((release.values, release.status), (json!({}), Status::Unknown));
    assert_eq!(release.deployed_at, None);
    assert!(Status::PendingInstall.is_pending());
}

#[test]
fn what_is_no_release_is_told() {
    let cases = [
        (json!({}), "it has no `data.release`"),
        (json!({"data": {"release": "!"}}), "no base64: "),
        (json!({"data": {"release": STANDARD.encode("!")}}), "no base64 within the base64: "),
        (secret(b"{}", true), "no release: "),
        (secret(b"\x1f\x8b\x08broken", false), "no gzip: "),
    ];
    for (secret, expected) in cases {
        let problem = decode(&secret).unwrap_err();
        assert!(problem.starts_with(expected), "{problem}");
    }
}
