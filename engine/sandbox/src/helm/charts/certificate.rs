//! The certificate by which the API server knows a chart's webhooks: signed by an authority of its
//! own, whose certificate goes into the webhooks' configuration.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};

use super::super::failure::{Failure, chain};

const DAYS: i64 = 3650;

/// The data of a TLS Secret for some names, with its authority's certificate.
pub(super) fn make(authority: &str, names: &[String], now: Timestamp) -> Result<Value, Failure> {
    generate(authority, names, now)
        .map_err(|error| Failure::told(format!("failed to make a certificate: {}", chain(&error))))
}

fn generate(authority: &str, names: &[String], now: Timestamp) -> Result<Value, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, authority);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    date(&mut params, now);
    let key = KeyPair::generate()?;
    let signed = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(names)?;
    if let Some(name) = names.first() {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    date(&mut params, now);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(json!({
        "ca.crt": STANDARD.encode(signed.pem()),
        "tls.crt": STANDARD.encode(certificate.pem()),
        "tls.key": STANDARD.encode(key.serialize_pem()),
    }))
}

fn date(params: &mut CertificateParams, now: Timestamp) {
    let day = |days: i64| {
        let at = now.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(now);
        let date = at.to_zoned(TimeZone::UTC).date();
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        rcgen::date_time_ymd(i32::from(date.year()), month, day)
    };
    params.not_before = day(-1);
    params.not_after = day(DAYS);
}
