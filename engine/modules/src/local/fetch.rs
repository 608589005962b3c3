//! `http.fetch`: one file by HTTPS, held against its SHA-256.
//!
//! What was fetched lies in the scratch folder under its hash. So the same file is fetched once,
//! an interrupted run finds it again, and a file that was tampered with is fetched anew. The text
//! is an output; whoever reads it waits for the fetch.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use runbook_clients::download::{Downloader, Error, Request};
use runbook_core::change::{Action, Change, FieldChange};
use runbook_core::clock::Clock;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observation, Observed, Schema, Values,
    Verdict,
};
use runbook_core::owner::Ownership;
use runbook_core::value::{Type, Value, bytes};
use sha2::{Digest as _, Sha256};

use super::task_key;
use crate::arguments::{optional_text, text, values};
use crate::connections::observer;
use crate::failures::failure;
use crate::schema::{defaulted, identity, output, required};

/// How many redirects are followed.
const REDIRECTS: u32 = 5;

/// See the module documentation.
pub(super) struct Fetch {
    schema: Schema,
}

impl Fetch {
    pub(super) fn new() -> Self {
        let nullable = Type::Nullable(Box::new(Type::String));
        let schema = Schema {
            name: "http.fetch",
            summary: "Fetches a file by HTTPS and holds it against its SHA-256.",
            nature: Nature::Observable,
            follows: false,
            connection: None,
            arguments: vec![
                identity("url", "Where the file is: https, or plain http on this machine itself."),
                required("sha256", Type::String, "What the file must hash to: 64 hex digits."),
                defaulted("max_bytes", Type::Bytes, "1Mi", "How large the file may be."),
            ],
            outputs: vec![
                output("text", nullable, "The file's text; null when it is not UTF-8."),
                output("path", Type::String, "Where the file lies on this machine."),
                output("sha256", Type::String, "Its SHA-256, in lower case."),
            ],
            may: &[Action::Create, Action::None],
            iam_actions: &[],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { schema }
    }
}

fn wanted_hash(arguments: &Values) -> Option<String> {
    optional_text(arguments, "sha256").filter(|text| is_hash(text)).map(str::to_ascii_lowercase)
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn place(context: &Context, hash: &str) -> PathBuf {
    context.scratch.join("fetched").join(hash)
}

fn file_failure(action: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Class::Unavailable, format!("failed to {action} `{}`: {error}", path.display()))
}

/// The file in the scratch folder, when it is there and whole.
async fn kept(path: &Path, hash: &str) -> Result<Option<Vec<u8>>, Failure> {
    match tokio::fs::read(path).await {
        Ok(content) => Ok((hex::encode(Sha256::digest(&content)) == hash).then_some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_failure("read", path, &error)),
    }
}

/// Beside its place first, so that it is there whole or not at all.
async fn keep(context: &Context, path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(|error| file_failure("create", folder, &error))?;
    // Two tasks may fetch the same file at once.
    let mut task = hex::encode(Sha256::digest(task_key(context)));
    task.truncate(16);
    let beside = path.with_extension(task);
    tokio::fs::write(&beside, content)
        .await
        .map_err(|error| file_failure("write", &beside, &error))?;
    tokio::fs::rename(&beside, path).await.map_err(|error| file_failure("move to", path, &error))
}

fn outputs(path: &Path, hash: &str, content: Vec<u8>) -> Values {
    let text = String::from_utf8(content).map_or(Value::Null, Value::from);
    values([("text", text), ("path", path.display().to_string().into()), ("sha256", hash.into())])
}

fn fetch_failure(error: &Error) -> Failure {
    match error {
        Error::Request(error) => failure(error),
        Error::Address { .. } => Failure::new(Class::Invalid, error.to_string()),
        Error::Checksum { .. } => Failure::new(Class::Invalid, error.to_string()).hint(
            "the file there has changed, or another one was meant: read it, then correct `sha256`",
        ),
    }
}

#[async_trait]
impl Module for Fetch {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let told = |name: &str, problem: String| (name.to_owned(), problem);
        if let Some(url) = optional_text(arguments, "url")
            && !url.starts_with("https://")
            && !url.starts_with("http://")
        {
            problems.push(told("url", format!("`{url}` is no https address")));
        }
        if let Some(hash) = arguments.get("sha256").and_then(Value::as_str)
            && !is_hash(hash)
        {
            problems.push(told("sha256", format!("`{hash}` is no SHA-256: 64 hex digits")));
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let shown = |name: &str| arguments.get(name).map(ToString::to_string).unwrap_or_default();
        let hash: String = shown("sha256").chars().take(12).collect();
        let detail = if hash.is_empty() { String::new() } else { format!("sha256 {hash}…") };
        Description { subject: shown("url"), detail }
    }

    fn desired(&self, arguments: &Values) -> Values {
        let hash = wanted_hash(arguments).map(Value::from);
        let hash = hash.or_else(|| arguments.get("sha256").cloned());
        hash.map(|hash| values([("sha256", hash)])).unwrap_or_default()
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let Some(hash) = wanted_hash(arguments) else { return Ok(Observed::Absent) };
        let path = place(context, &hash);
        let Some(content) = kept(&path, &hash).await? else { return Ok(Observed::Absent) };
        Ok(Observed::Present(Observation {
            projection: values([("sha256", hash.as_str().into())]),
            // A file in a folder of ours that anybody may fetch again; it carries no mark.
            ownership: Ownership::Setting,
            outputs: outputs(&path, &hash, content),
            private: serde_json::Value::Null,
        }))
    }

    fn diff(&self, arguments: &Values, observed: &Observed) -> Change {
        if matches!(observed, Observed::Present(_)) {
            return Change::none();
        }
        let fields = self.desired(arguments).into_iter().map(|(path, after)| FieldChange {
            path,
            before: None,
            after: Some(after),
            forces_replace: None,
        });
        Change { action: Action::Create, fields: fields.collect(), reasons: Vec::new() }
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let done = if intent.change.action == Action::Delete {
            forget(context, intent.arguments).await
        } else {
            fetch(context, intent.arguments).await
        };
        // Nothing of this changes anything but a file under its own hash.
        done.map_or_else(Applied::Rejected, |()| Applied::Acknowledged(Values::new()))
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        Ok(match self.observe(context, arguments).await? {
            Observed::Present(observation) => Verdict::Converged(observation.outputs),
            Observed::Absent => Verdict::Terminal(Failure::new(
                Class::NotFound,
                format!("what was fetched from `{}` is gone again", text(arguments, "url")),
            )),
        })
    }

    fn expected(&self, action: Action, _: &Values) -> Duration {
        if action == Action::Create { Duration::from_secs(2) } else { Duration::ZERO }
    }
}

async fn fetch(context: &Context, arguments: &Values) -> Result<(), Failure> {
    let request = Request {
        url: text(arguments, "url").to_owned(),
        sha256: wanted_hash(arguments),
        max_bytes: limit(arguments)?,
        max_redirects: REDIRECTS,
    };
    let clock = Arc::new(ClientClock(context.clock.clone()));
    let downloader =
        Downloader::new(clock, observer(context)).map_err(|error| fetch_failure(&error))?;
    let got = downloader.fetch(&request).await.map_err(|error| fetch_failure(&error))?;
    keep(context, &place(context, &got.sha256), &got.bytes).await
}

async fn forget(context: &Context, arguments: &Values) -> Result<(), Failure> {
    let Some(hash) = wanted_hash(arguments) else { return Ok(()) };
    let path = place(context, &hash);
    match tokio::fs::remove_file(&path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(file_failure("remove", &path, &error))
        }
        _ => Ok(()),
    }
}

fn limit(arguments: &Values) -> Result<usize, Failure> {
    let given = arguments.get("max_bytes");
    let limit = match given {
        Some(Value::Integer(number)) => usize::try_from(*number).ok(),
        Some(other) => other.as_str().and_then(bytes).and_then(|size| usize::try_from(size).ok()),
        None => None,
    };
    limit.ok_or_else(|| {
        let shown = given.map(ToString::to_string).unwrap_or_default();
        Failure::new(
            Class::Invalid,
            format!("`max_bytes` is `{shown}`, which is no amount of bytes"),
        )
    })
}

/// The engine's clock, as the clients know one.
struct ClientClock(Arc<dyn Clock>);

impl runbook_clients::Clock for ClientClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn real_now(&self) -> Timestamp {
        self.0.real_now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(runbook_core::clock::sleep(self.0.as_ref(), duration))
    }
}
