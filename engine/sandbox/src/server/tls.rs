//! The certificate authority of a world, made at its first start and kept.
//!
//! `DescribeCluster` answers the authority's certificate, and clients hold on to it (kubeconfig
//! files), so it lives as long as the state folder. The server's own certificate is made anew by each
//! process that serves a cluster: nobody keeps it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
/// A world is expected to be reset before that.
const AUTHORITY_DAYS: i64 = 3650;
const SERVER_DAYS: i64 = 365;

/// The authority could not be made, kept or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file of it.
    #[error("failed to {action} `{path}`")]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    /// A certificate or key.
    #[error("failed to {action}")]
    Certificate { action: &'static str, source: rcgen::Error },
    /// A validity that no calendar has.
    #[error("failed to date a certificate")]
    Date(#[source] jiff::Error),
    /// The TLS library refused it.
    #[error("failed to configure TLS with the certificate of `{path}`")]
    Config { path: PathBuf, source: rustls::Error },
}

/// What TLS servers need.
pub(crate) struct Authority {
    /// The authority's certificate, PEM.
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// Where the certificate is kept, and from when those that it signs are valid.
    path: PathBuf,
    real_now: Timestamp,
    config: OnceLock<Arc<ServerConfig>>,
}

impl Authority {
    /// Reads the authority of a folder, or makes it.
    pub(crate) fn open(folder: &Path, real_now: Timestamp) -> Result<Self, TlsError> {
        let (pem, signing) = match read(folder)? {
            Some((pem, key)) => {
                (pem, certificate("read the authority's key", || KeyPair::from_pem(&key))?)
            }
            None => make(folder, real_now)?,
        };
        // Only name and key go into what it signs, and both are those of the kept certificate.
        let issuer = Issuer::new(authority_params(real_now)?, signing);
        let path = folder.join(CERTIFICATE);
        Ok(Self { pem, issuer, path, real_now, config: OnceLock::new() })
    }

    /// The configuration of the servers. Whoever serves no cluster needs none.
    pub(crate) fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let made = self.make_config()?;
        Ok(self.config.get_or_init(|| made).clone())
    }

    fn make_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let server_key = certificate("make a key", KeyPair::generate)?;
        let mut params = certificate("name the server", || {
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
        })?;
        params.distinguished_name.push(DnType::CommonName, "runbook sandbox");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        date(&mut params, self.real_now, SERVER_DAYS)?;
        let signed = || params.signed_by(&server_key, &self.issuer);
        let server = certificate("sign the server", signed)?;
        let chain: Vec<CertificateDer<'static>> = vec![server.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|source| TlsError::Config { path: self.path.clone(), source })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certificate<T>(
    action: &'static str,
    body: impl FnOnce() -> Result<T, rcgen::Error>,
) -> Result<T, TlsError> {
    body().map_err(|source| TlsError::Certificate { action, source })
}

fn read(folder: &Path) -> Result<Option<(String, String)>, TlsError> {
    let mut texts = Vec::new();
    for name in [CERTIFICATE, KEY] {
        let path = folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => texts.push(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TlsError::File { action: "read", path, source }),
        }
    }
    let mut texts = texts.into_iter();
    Ok(texts.next().zip(texts.next()))
}

fn make(folder: &Path, real_now: Timestamp) -> Result<(String, KeyPair), TlsError> {
    let key = certificate("make a key", KeyPair::generate)?;
    let params = authority_params(real_now)?;
    let authority = certificate("sign the authority", || params.self_signed(&key))?;
    let pem = authority.pem();
    // The key first: a certificate without a key is not taken for an authority, but made anew.
    write(&folder.join(KEY), &key.serialize_pem(), 0o600)?;
    write(&folder.join(CERTIFICATE), &pem, 0o644)?;
    Ok((pem, key))
}

fn authority_params(real_now: Timestamp) -> Result<CertificateParams, TlsError> {
    let mut params = certificate("describe the authority", || CertificateParams::new(Vec::new()))?;
    params.distinguished_name.push(DnType::CommonName, "runbook sandbox authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    date(&mut params, real_now, AUTHORITY_DAYS)?;
    Ok(params)
}

fn date(params: &mut CertificateParams, from: Timestamp, days: i64) -> Result<(), TlsError> {
    let day = |at: Timestamp| {
        let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        rcgen::date_time_ymd(i32::from(date.year()), month, day)
    };
    let far =
        |days: i64| from.checked_add(SignedDuration::from_hours(24 * days)).map_err(TlsError::Date);
    params.not_before = day(far(-1)?);
    params.not_after = day(far(days)?);
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    use std::io::Write as _;
    let failed = |source| TlsError::File { action: "write", path: path.to_owned(), source };
    let mut options = std::fs::OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}
