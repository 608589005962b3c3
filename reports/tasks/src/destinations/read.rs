//! Destinations as a runbook writes them: a list of maps, each with its `kind`.
//!
//! Values may be secret. Only where a secret belongs (a webhook's address, a user, a password) it is
//! taken; elsewhere it would be stored and shown, so it is refused. All problems are told at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::Mailbox;
use runbook_clients::post::Poster;
use runbook_core::value::{Secret, Value, duration};

use super::smtp::{Mail, Security};
use super::template::{Template, USUAL};
use super::webhook::{Format, Webhook};
use super::{Destination, Place, folder, s3};

/// The kinds with their fields; `name` belongs to all of them.
const KINDS: [(&str, &[&str]); 4] = [
    ("folder", &["path"]),
    ("s3", &["bucket", "key"]),
    ("webhook", &["url", "format", "timeout"]),
    ("smtp", &["host", "port", "tls", "authorities", "from", "to", "user", "password", "timeout"]),
];
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Reads destinations. A webhook without an address is left out: nobody wants it.
pub fn destinations(list: &[Value], folder: &Path) -> Result<Vec<Destination>, Vec<String>> {
    let (mut found, mut problems) = (Vec::<Destination>::new(), Vec::new());
    for (value, number) in list.iter().zip(1..) {
        let read = Fields::of(value).and_then(|fields| fields.destination(folder));
        match read {
            Ok(None) => {}
            Ok(Some(one)) if found.iter().any(|other| other.identity == one.identity) => {
                problems.push(format!(
                    "destination {number} is `{}` like one before; give it a `name` of its own",
                    one.identity
                ));
            }
            Ok(Some(one)) => found.push(one),
            Err(problem) => problems.push(format!("destination {number} {problem}")),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

struct Fields<'a> {
    kind: &'static str,
    entries: &'a BTreeMap<String, Value>,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value) -> Result<Self, String> {
        let kinds = || KINDS.map(|(kind, _)| kind).join(", ");
        let entries = value
            .as_map()
            .ok_or_else(|| format!("is {}, not a map with a `kind`", value.kind()))?;
        let kind = entries.get("kind").and_then(Value::as_str).unwrap_or_default();
        let Some(&(kind, fields)) = KINDS.iter().find(|(name, _)| *name == kind) else {
            return Err(format!("has the kind `{kind}`; there are {}", kinds()));
        };
        let unknown = entries.keys().find(|name| {
            !["kind", "name"].contains(&name.as_str()) && !fields.contains(&name.as_str())
        });
        if let Some(unknown) = unknown {
            return Err(format!(
                "has the unknown field `{unknown}`; `{kind}` has name, {}",
                fields.join(", ")
            ));
        }
        Ok(Self { kind, entries })
    }

    fn optional(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.entries.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) if value.has_secret() => {
                Err(format!("has a secret `{name}`, which would be stored and shown"))
            }
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(&**text)),
            Some(other) => Err(format!("has {} as `{name}`, not text", other.kind())),
        }
    }

    fn needed(&self, name: &str) -> Result<&'a str, String> {
        self.optional(name)?.ok_or_else(|| format!("needs `{name}`"))
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, String> {
        match self.entries.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_str() {
                Some("") => Ok(None),
                Some(_) => Ok(Some(Secret::new(value.clone()))),
                None => Err(format!("has no text as `{name}`")),
            },
        }
    }

    fn timeout(&self) -> Result<Duration, String> {
        let Some(text) = self.optional("timeout")? else { return Ok(TIMEOUT) };
        duration(text)
            .filter(|it| !it.is_zero())
            .ok_or_else(|| format!("has the timeout `{text}`, which is no duration such as 30s"))
    }

    /// What it is known by: its name, else what tells it from others.
    fn identity(&self, otherwise: &str) -> Result<String, String> {
        let name = self.optional("name")?.unwrap_or(otherwise);
        if name.chars().any(char::is_control) || name.chars().count() > 300 {
            return Err("has a name that is no line of at most 300 characters".to_owned());
        }
        Ok(format!("{} {name}", self.kind))
    }

    fn destination(&self, folder: &Path) -> Result<Option<Destination>, String> {
        match self.kind {
            "folder" => self.folder().map(Some),
            "s3" => self.s3().map(Some),
            "webhook" => self.webhook(),
            _ => self.smtp(folder).map(Some),
        }
    }

    fn folder(&self) -> Result<Destination, String> {
        let given = self.needed("path")?;
        let text = if given.contains('{') { given.to_owned() } else { format!("{given}/{USUAL}") };
        let path = Template::parse(&text).map_err(|problem| format!("has a `path`: {problem}"))?;
        let identity = self.identity(path.text())?;
        Ok(Destination { identity, place: Place::Folder(folder::Folder { path }) })
    }

    fn s3(&self) -> Result<Destination, String> {
        let bucket = self.needed("bucket")?;
        let is_name = (3..=63).contains(&bucket.len())
            && bucket.bytes().all(|one| {
                one.is_ascii_lowercase() || one.is_ascii_digit() || b".-".contains(&one)
            });
        if !is_name {
            return Err(format!("has the bucket `{bucket}`, which is no bucket's name"));
        }
        let given = self.optional("key")?.unwrap_or(USUAL).trim_start_matches('/');
        let key = Template::parse(given).map_err(|problem| format!("has a `key`: {problem}"))?;
        let identity = self.identity(&format!("{bucket}/{}", key.text()))?;
        Ok(Destination {
            identity,
            place: Place::S3(s3::Bucket { bucket: bucket.to_owned(), key }),
        })
    }

    fn webhook(&self) -> Result<Option<Destination>, String> {
        let format = match self.optional("format")?.unwrap_or("slack") {
            "slack" => Format::Slack,
            "json" => Format::Json,
            other => return Err(format!("has the format `{other}`; there are slack, json")),
        };
        let name = self.optional("name")?.unwrap_or("webhook").to_owned();
        let (identity, timeout) = (self.identity(&name)?, self.timeout()?);
        let Some(url) = self.secret("url")? else { return Ok(None) };
        Poster::check(url.expose().as_str().unwrap_or_default())
            .map_err(|problem| format!("has a `url` that cannot be used: {problem}"))?;
        let place = Place::Webhook(Webhook { name, url, format, timeout });
        Ok(Some(Destination { identity, place }))
    }

    fn smtp(&self, folder: &Path) -> Result<Destination, String> {
        let host = self.needed("host")?.to_owned();
        let security = match self.optional("tls")?.unwrap_or("starttls") {
            "starttls" => Security::StartTls,
            "tls" => Security::Tls,
            "none" if is_loopback(&host) => Security::None,
            "none" => {
                return Err(format!(
                    "has `tls: none` to `{host}`: without TLS mail goes to this machine itself only"
                ));
            }
            other => return Err(format!("has `tls: {other}`; there are starttls, tls, none")),
        };
        let port = match self.entries.get("port") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let port = value.as_i64().and_then(|port| u16::try_from(port).ok());
                Some(port.filter(|port| *port > 0).ok_or("has no port number as `port`")?)
            }
        };
        let to = self.recipients()?;
        let credentials = match (self.secret("user")?, self.secret("password")?) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            _ => return Err("has one of `user` and `password`; both, or none".to_owned()),
        };
        let people: Vec<String> = to.iter().map(|one| one.email.to_string()).collect();
        let mail = Mail {
            host,
            port,
            security,
            authorities: self.optional("authorities")?.map(|path| folder.join(PathBuf::from(path))),
            from: mailbox("from", self.needed("from")?)?,
            to,
            credentials,
            timeout: self.timeout()?,
        };
        let identity = self.identity(&people.join(","))?;
        Ok(Destination { identity, place: Place::Smtp(Box::new(mail)) })
    }

    fn recipients(&self) -> Result<Vec<Mailbox>, String> {
        let list = self.entries.get("to").filter(|to| !to.has_secret());
        let list = list.and_then(Value::as_list).filter(|list| !list.is_empty());
        let list = list.ok_or("needs `to`, a list of addresses")?;
        list.iter().map(|one| mailbox("to", one.as_str().unwrap_or_default())).collect()
    }
}

fn mailbox(field: &str, text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|_| format!("has `{text}` in `{field}`, which is no mail address"))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> Value {
        Value::map(entries.iter().map(|(name, value)| (*name, Value::from(*value))))
    }

    fn identities(list: &[Value]) -> Result<Vec<String>, Vec<String>> {
        let found = destinations(list, Path::new("/work"))?;
        Ok(found.into_iter().map(|one| one.identity).collect())
    }

    #[test]
    fn each_is_known_by_what_tells_it_from_others_and_never_by_a_secret() {
        let url = Value::Secret(Secret::new(Value::from("https://hooks.example.com/T0/secret")));
        let hook = Value::map([("kind", Value::from("webhook")), ("url", url)]);
        let mail = Value::map([
            ("kind", Value::from("smtp")),
            ("host", Value::from("127.0.0.1")),
            ("tls", Value::from("none")),
            ("port", Value::from(2525)),
            ("from", Value::from("runbook <runbook@example.com>")),
            ("to", Value::list([Value::from("a@example.com"), Value::from("b@example.com")])),
        ]);
        let list = [
            map(&[("kind", "folder"), ("path", "out")]),
            map(&[("kind", "s3"), ("bucket", "reports"), ("key", "{window}/{file}")]),
            hook,
            map(&[("kind", "webhook"), ("name", "chat"), ("url", "")]),
            mail,
        ];
        assert_eq!(
            identities(&list).unwrap(),
            [
                "folder out/{report}/{window}/r{revision}/{file}",
                "s3 reports/{window}/{file}",
                "webhook webhook",
                "smtp a@example.com,b@example.com",
            ]
        );
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let secret = Value::Secret(Secret::new(Value::from("s")));
        let list = [
            Value::from("folder"),
            map(&[("kind", "folders")]),
            map(&[("kind", "folder"), ("path", "a/{team}")]),
            Value::map([("kind", Value::from("folder")), ("path", secret)]),
            map(&[("kind", "s3"), ("bucket", "No")]),
            map(&[("kind", "webhook"), ("url", "http://example.com/T0/hidden")]),
            map(&[("kind", "webhook"), ("url", "https://a"), ("formt", "json")]),
            map(&[("kind", "smtp"), ("host", "mail.example.com"), ("tls", "none")]),
        ];
        let problems = identities(&list).unwrap_err();
        assert_eq!(
            problems,
            [
                "destination 1 is text, not a map with a `kind`",
                "destination 2 has the kind `folders`; there are folder, s3, webhook, smtp",
                "destination 3 has a `path`: `a/{team}` is no path: between braces may stand {report}, {window}, {revision} or {file}",
                "destination 4 has a secret `path`, which would be stored and shown",
                "destination 5 has the bucket `No`, which is no bucket's name",
                "destination 6 has a `url` that cannot be used: it is plain HTTP, which anyone on the way can change",
                "destination 7 has the unknown field `formt`; `webhook` has name, url, format, timeout",
                "destination 8 has `tls: none` to `mail.example.com`: without TLS mail goes to this machine itself only",
            ]
        );
    }

    #[test]
    fn two_that_nothing_tells_apart_are_refused() {
        let hook = || map(&[("kind", "webhook"), ("url", "https://hooks.example.com/T0")]);
        assert_eq!(
            identities(&[hook(), hook()]).unwrap_err(),
            ["destination 2 is `webhook webhook` like one before; give it a `name` of its own"]
        );
    }
}
