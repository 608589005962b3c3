//! `helm.release`: a chart, installed at one version with these values.
//!
//! What is there is read from the Secret in which Helm keeps it, so a plan needs no helm. What is
//! to be changed is helm's own business. A revision says whose it is in its description; helm
//! replaces that by its error when a revision fails, and by words of its own when somebody upgrades
//! or rolls back by hand, so then the last revision that says it is asked.

mod values;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use runbook_clients::helm::release::{decode, observe};
use runbook_clients::helm::{
    Access, Chart, Error, Helm, Installation, ReadError, Release, Status, Uninstallation,
};
use runbook_clients::kubernetes::{self, Deletion, Kind as ObjectKind, Reference, Selection};
use runbook_core::change::{Action, Change, FieldChange};
use runbook_core::connection::Kind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Charge, Context, Description, Intent, Listed, Module, Nature, Observation, Observed,
    Patience, Schema, Values, Verdict,
};
use runbook_core::owner::{ADDRESS_KEY, Mark, OWNER_KEY, Owner, Ownership};
use runbook_core::value::{Type, Value, duration};

use crate::arguments::{boolean, json, optional_text, text, values};
use crate::charges::{self, Arguments};
use crate::connections::{Cluster, cluster};
use crate::failures::{Read as _, failure};
use crate::schema::{argument, defaulted, identity, required, volatile};

/// What helm waits when the task does not say.
const USUAL_TIMEOUT: Duration = Duration::from_mins(10);
/// The path of a release's values in its projection.
const VALUES: &str = "values";

/// See the module documentation.
pub(super) struct HelmRelease {
    schema: Schema,
}

impl HelmRelease {
    pub(super) fn new() -> Self {
        let anything = || Type::Any;
        let schema = Schema {
            name: "helm.release",
            summary: "Installs a chart at one version with these values.",
            nature: Nature::Observable,
            follows: false,
            connection: Some(Kind::Kubernetes),
            arguments: vec![
                identity("namespace", "The release's namespace."),
                identity("name", "The release's name."),
                required(
                    "chart",
                    Type::String,
                    "An OCI reference, a path from the runbook's folder, or a name in `repository`.",
                ),
                argument("repository", Type::String, "The chart repository's URL."),
                required("version", Type::String, "The chart's version, exactly."),
                defaulted(
                    "values",
                    anything(),
                    Value::map::<String>([]),
                    "All values that differ from the chart's; others are dropped.",
                ),
                defaulted(
                    "create_namespace",
                    Type::Boolean,
                    false,
                    "Make the namespace if need be.",
                ),
                defaulted("timeout", Type::Duration, "10m", "How long helm waits for the objects."),
            ],
            outputs: vec![
                volatile("revision", Type::Integer, "The release's revision."),
                volatile("app_version", Type::String, "The version of what the chart installs."),
            ],
            may: &[Action::Create, Action::Update, Action::None],
            iam_actions: &[],
            kubernetes_verbs: &["list secrets", "get secrets"],
            bills: Some("what its pods ask for"),
        };
        Self { schema }
    }
}

/// The name that the chart has in a release; unknown for a path, whose folder may be called
/// anything.
fn chart_name(reference: &str) -> Option<&str> {
    let reference = reference.trim_end_matches('/');
    if is_path(reference) { None } else { reference.rsplit('/').next() }
}

fn is_path(reference: &str) -> bool {
    ["/", "./", "../"].iter().any(|start| reference.starts_with(start))
}

/// What a revision of ours says about itself.
fn description(mark: &Mark) -> String {
    format!("{OWNER_KEY}={} {ADDRESS_KEY}={}", mark.owner, mark.address_tag())
}

/// The owner and the address in a description; the owner may hold spaces, the address does not.
fn marked(description: &str) -> Option<(&str, &str)> {
    let rest = description.strip_prefix(OWNER_KEY)?.strip_prefix('=')?;
    let (owner, rest) = rest.split_once(&format!(" {ADDRESS_KEY}="))?;
    Some((owner, rest.split_whitespace().next().unwrap_or_default()))
}

fn ownership(context: &Context, description: &str) -> Ownership {
    match marked(description) {
        None => Ownership::Unmarked,
        Some((owner, address)) if owner == context.owner.0 => {
            Ownership::Ours { address: address.to_owned() }
        }
        Some((owner, _)) => Ownership::Foreign { owner: Owner(owner.to_owned()) },
    }
}

fn read_failure(error: &ReadError) -> Failure {
    match error {
        ReadError::Request(error) => failure(error),
        ReadError::Damaged { .. } => Failure::new(Class::Terminal, error.to_string()),
    }
}

async fn read(cluster: &Cluster, arguments: &Values) -> Result<Option<Release>, Failure> {
    let (namespace, name) = (text(arguments, "namespace"), text(arguments, "name"));
    let found = observe(&cluster.kubernetes, namespace, name)
        .await
        .map_err(|error| read_failure(&error))?;
    Ok(found.filter(|release| release.status != Status::Uninstalled))
}

/// Whose a release is: its newest revision says so. One that failed or was made by hand says nothing;
/// then the newest earlier one that speaks does, for who upgrades by hand does not take it over. One
/// that never succeeded carries no mark of anybody.
async fn owner_of(
    context: &Context,
    connection: &kubernetes::Connection,
    release: &Release,
) -> Result<Ownership, Failure> {
    if marked(&release.description).is_some() {
        return Ok(ownership(context, &release.description));
    }
    let selection = Selection::namespace(release.namespace.clone())
        .labels(format!("owner=helm,name={},status in (deployed,superseded)", release.name));
    let secret = ObjectKind::new("v1", "Secret");
    let names = connection.list_metadata(&secret, &selection).await.read()?;
    let mut earlier: Vec<(u64, &str)> = names
        .iter()
        .filter_map(|one| {
            let name = one.pointer("/metadata/name")?.as_str()?;
            let revision: u64 = name.rsplit_once(".v")?.1.parse().ok()?;
            (revision < release.revision).then_some((revision, name))
        })
        .collect();
    earlier.sort_unstable_by(|left, right| right.cmp(left));
    for (_, name) in &earlier {
        let description = earlier_description(connection, release, name).await?;
        if let Some(description) = description.filter(|one| marked(one).is_some()) {
            return Ok(ownership(context, &description));
        }
    }
    // Helm writes our description only when it is done.
    let unfinished = release.status == Status::Failed || release.status.is_pending();
    Ok(if unfinished && earlier.is_empty() { Ownership::Setting } else { Ownership::Unmarked })
}

/// What an earlier revision says about itself; nothing when it is gone meanwhile.
async fn earlier_description(
    connection: &kubernetes::Connection,
    release: &Release,
    name: &str,
) -> Result<Option<String>, Failure> {
    let secret = ObjectKind::new("v1", "Secret");
    let reference = Reference::new(secret, Some(&release.namespace), name);
    let Some(object) = connection.get(&reference).await.read()? else { return Ok(None) };
    let earlier = decode(&object).map_err(|problem| {
        let place = format!("{}/{name}", release.namespace);
        let message = format!("the release in Secret `{place}` cannot be read: {problem}");
        Failure::new(Class::Terminal, message)
    })?;
    Ok(Some(earlier.description))
}

/// A revision that a helm which was cut off has left pending can be taken away after this, beyond
/// the time that helm gives itself: by then no helm is at work on it any more.
const GRACE: Duration = Duration::from_mins(1);

/// Another helm works on it, or was cut off. Helm itself refuses to touch it.
fn in_the_way(release: &Release, now: Timestamp) -> Failure {
    let (namespace, name) = (&release.namespace, &release.name);
    let age = release.deployed_at.map_or_else(String::new, |at| {
        let minutes = now.duration_since(at).max(SignedDuration::ZERO).as_mins();
        format!(" for {minutes} min")
    });
    let problem = format!(
        "the release `{namespace}/{name}` has been {}{age}: another helm works on it, or was cut off",
        release.status.as_str()
    );
    let way_out = match release.status {
        Status::PendingInstall | Status::Uninstalling => {
            format!("helm uninstall {name} -n {namespace}")
        }
        _ => format!("helm rollback {name} -n {namespace}"),
    };
    Failure::new(Class::Conflict, problem).code(release.status.as_str()).hint(format!(
        "wait for it; when no helm is at work any more: `{way_out}`, or delete its Secret \
         `sh.helm.release.v1.{name}.v{}`",
        release.revision
    ))
}

/// How long a helm that was started with these arguments may be at work.
fn bound(arguments: &Values) -> Duration {
    optional_text(arguments, "timeout")
        .and_then(runbook_core::value::duration)
        .unwrap_or(Duration::from_mins(10))
        .saturating_add(GRACE)
}

/// Takes a revision away that was left pending, once no helm can be at work on it any more; until
/// then it is in the way, and that passes.
async fn clear(context: &Context, cluster: &Cluster, arguments: &Values) -> Result<(), Applied> {
    let Some(release) = read(cluster, arguments).await.map_err(Applied::Rejected)? else {
        return Ok(());
    };
    if !release.status.is_pending() {
        return Ok(());
    }
    let bound = bound(arguments);
    let now = context.clock.now();
    let age = release.deployed_at.map(|at| now.duration_since(at));
    let stale = age.is_none_or(|age| Duration::try_from(age).is_ok_and(|age| age > bound));
    if !stale {
        return Err(Applied::Rejected(in_the_way(&release, now).passes_within(bound + GRACE)));
    }
    let secret = Reference::new(
        ObjectKind::new("v1", "Secret"),
        Some(&release.namespace),
        format!("sh.helm.release.v1.{}.v{}", release.name, release.revision),
    );
    match cluster.kubernetes.delete(&secret, &Deletion::default()).await {
        Ok(()) => Ok(()),
        Err(error) if error.error().is_not_found() => Ok(()),
        Err(error) => Err(crate::failures::undone(&error)),
    }
}

fn outputs(release: &Release) -> Values {
    let mut outputs =
        values([("revision", Value::Integer(i64::try_from(release.revision).unwrap_or(i64::MAX)))]);
    let version = release.app_version.as_deref().unwrap_or_default();
    outputs.insert("app_version".to_owned(), version.into());
    outputs
}

fn projection(release: &Release, arguments: &Values) -> Values {
    let live = Value::from_json(&release.values);
    let declared = arguments.get(VALUES).cloned().unwrap_or(Value::Null);
    values([
        ("chart", release.chart.as_str().into()),
        ("version", release.chart_version.as_str().into()),
        ("status", release.status.as_str().into()),
        (VALUES, values::veiled(&live, &declared)),
    ])
}

#[async_trait]
impl Module for HelmRelease {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn charges(&self, arguments: &Arguments) -> Vec<Charge> {
        charges::of_chart(arguments)
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut told = |name: &str, problem: String| problems.push((name.to_owned(), problem));
        if let Some(chart) = optional_text(arguments, "chart") {
            let has_repository = optional_text(arguments, "repository").is_some();
            let stands_alone = chart.starts_with("oci://") || is_path(chart);
            let repository_open =
                arguments.get("repository").is_some_and(|one| matches!(one, Value::Unknown(_)));
            if stands_alone && has_repository {
                told("repository", format!("`{chart}` is complete by itself; it takes none"));
            }
            if !stands_alone && !has_repository && !repository_open {
                told("chart", format!("`{chart}` is a name, which needs a `repository`"));
            }
        }
        if let Some(given) = arguments.get(VALUES)
            && !matches!(given, Value::Unknown(_) | Value::Null)
            && given.as_map().is_none()
        {
            told(VALUES, format!("{}, expected a map", given.kind()));
        }
        if let Some(name) = optional_text(arguments, "name")
            && (name.len() > 53)
        {
            told("name", format!("`{name}` has more than the 53 characters that helm takes"));
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let shown = |name: &str| arguments.get(name).map(ToString::to_string).unwrap_or_default();
        Description {
            subject: format!("{}/{}", shown("namespace"), shown("name")),
            detail: format!("{} {}", shown("chart"), shown("version")),
        }
    }

    fn desired(&self, arguments: &Values) -> Values {
        let mut desired = values([
            ("status", Status::Deployed.as_str().into()),
            (
                VALUES,
                arguments.get(VALUES).map_or_else(|| Value::map::<String>([]), values::canonical),
            ),
        ]);
        if let Some(version) = arguments.get("version") {
            desired.insert("version".to_owned(), version.clone());
        }
        if let Some(chart) = arguments.get("chart") {
            let known = chart.as_str().map(|reference| chart_name(reference).map(Value::from));
            if let Some(name) = known.unwrap_or_else(|| Some(chart.clone())) {
                desired.insert("chart".to_owned(), name);
            }
        }
        desired
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let cluster = cluster(context)?;
        let Some(release) = read(&cluster, arguments).await? else { return Ok(Observed::Absent) };
        if release.status == Status::Uninstalling {
            return Err(in_the_way(&release, context.clock.now()));
        }
        Ok(Observed::Present(Observation {
            projection: projection(&release, arguments),
            ownership: owner_of(context, &cluster.kubernetes, &release).await?,
            outputs: outputs(&release),
            private: serde_json::Value::Null,
        }))
    }

    fn diff(&self, arguments: &Values, observed: &Observed) -> Change {
        let desired = self.desired(arguments);
        let Observed::Present(found) = observed else {
            return runbook_core::module::compare(&desired, observed, &[]);
        };
        let mut fields: Vec<FieldChange> = Vec::new();
        for (path, want) in &desired {
            let have = found.projection.get(path);
            if path == VALUES {
                values::differences(path, want, have, &mut fields);
            } else if have != Some(want) {
                fields.push(FieldChange {
                    path: path.clone(),
                    before: have.cloned(),
                    after: Some(want.clone()),
                    forces_replace: None,
                });
            }
        }
        let action = if fields.is_empty() { Action::None } else { Action::Update };
        let status = found.projection.get("status").and_then(Value::as_str).unwrap_or_default();
        let reasons = match status {
            "failed" => vec!["its last revision failed".to_owned()],
            pending if pending.starts_with("pending-") => {
                vec!["another helm works on it, or was cut off; that is waited for".to_owned()]
            }
            _ => Vec::new(),
        };
        Change { action, fields, reasons }
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let cluster = match cluster(context) {
            Ok(cluster) => cluster,
            Err(failure) => return Applied::Rejected(failure),
        };
        if let Err(applied) = clear(context, &cluster, intent.arguments).await {
            return applied;
        }
        // Until helm has ended, it waits in world time by itself.
        let delegation = context.clock.delegate().await;
        let helm = cluster.helm.with_environment(&delegation.environment);
        let access = Access::to(cluster.kubernetes.server(), &cluster.exec);
        let done = if intent.change.action == Action::Delete {
            uninstall(&helm, &access, intent.arguments).await
        } else {
            install(&helm, &access, context, &intent).await
        };
        drop(delegation.guard);
        match done {
            Ok(()) => Applied::Acknowledged(Values::new()),
            Err(error) => undone(context, &error, bound(intent.arguments)),
        }
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let Some(release) = read(&cluster(context)?, arguments).await? else {
            return Ok(Verdict::NotYet("there is no such release".to_owned()));
        };
        let found = Observed::Present(Observation {
            projection: projection(&release, arguments),
            ownership: Ownership::Setting,
            outputs: Values::new(),
            private: serde_json::Value::Null,
        });
        if release.status == Status::Failed {
            let problem = format!("revision {} failed: {}", release.revision, release.description);
            return Ok(Verdict::Terminal(Failure::new(Class::Terminal, problem)));
        }
        let change = self.diff(arguments, &found);
        if change.action == Action::None {
            return Ok(Verdict::Converged(outputs(&release)));
        }
        let fields: Vec<&str> = change.fields.iter().map(|field| field.path.as_str()).collect();
        Ok(Verdict::NotYet(format!(
            "revision {} is {}; it differs in {}",
            release.revision,
            release.status.as_str(),
            fields.join(", ")
        )))
    }

    async fn verify_absent(
        &self,
        context: &Context,
        arguments: &Values,
    ) -> Result<Verdict, Failure> {
        Ok(match read(&cluster(context)?, arguments).await? {
            None => Verdict::Converged(Values::new()),
            Some(release) => Verdict::NotYet(release.status.as_str().to_owned()),
        })
    }

    fn expected(&self, action: Action, _: &Values) -> Duration {
        match action {
            Action::Create | Action::Update | Action::Replace => Duration::from_secs(100),
            Action::Delete => Duration::from_secs(30),
            Action::None | Action::Wait => Duration::ZERO,
        }
    }

    fn patience(&self) -> Patience {
        Patience { interval: Duration::from_secs(5), timeout: Duration::from_mins(2) }
    }

    async fn list(&self, context: &Context, owner: &Owner) -> Result<Option<Vec<Listed>>, Failure> {
        let cluster = cluster(context)?;
        let deployed = Selection::default().labels("owner=helm,status=deployed");
        let secrets =
            cluster.kubernetes.list(&ObjectKind::new("v1", "Secret"), &deployed).await.read()?;
        // One that cannot be read is nobody's that we know of.
        let releases = secrets.iter().filter_map(|secret| decode(secret).ok());
        Ok(Some(releases.filter_map(|release| listed(&release, owner)).collect()))
    }
}

fn listed(release: &Release, owner: &Owner) -> Option<Listed> {
    let (found, address) = marked(&release.description)?;
    (found == owner.0).then(|| Listed {
        address_tag: address.to_owned(),
        identity: format!("{}/{}", release.namespace, release.name),
        arguments: values([
            ("namespace", release.namespace.as_str().into()),
            ("name", release.name.as_str().into()),
        ]),
    })
}

async fn install(
    helm: &Helm,
    access: &Access,
    context: &Context,
    intent: &Intent<'_>,
) -> Result<(), Error> {
    helm.version().await?;
    let arguments = intent.arguments;
    let reference = text(arguments, "chart");
    let installation = Installation {
        release: text(arguments, "name").to_owned(),
        namespace: text(arguments, "namespace").to_owned(),
        create_namespace: boolean(arguments, "create_namespace"),
        chart: Chart {
            reference: if is_path(reference) {
                context.folder.join(Path::new(reference)).display().to_string()
            } else {
                reference.to_owned()
            },
            repository: optional_text(arguments, "repository").map(str::to_owned),
            version: text(arguments, "version").to_owned(),
        },
        values: match json(arguments, VALUES) {
            serde_json::Value::Null => serde_json::json!({}),
            given => given,
        },
        timeout: timeout(arguments),
        description: Some(description(intent.mark)),
    };
    helm.upgrade_install(&installation, access).await.map(drop)
}

async fn uninstall(helm: &Helm, access: &Access, arguments: &Values) -> Result<(), Error> {
    helm.version().await?;
    let uninstallation = Uninstallation {
        release: text(arguments, "name").to_owned(),
        namespace: text(arguments, "namespace").to_owned(),
        timeout: timeout(arguments),
    };
    match helm.uninstall(&uninstallation, access).await {
        Err(error) if error.is_not_found() => Ok(()),
        done => done,
    }
}

fn timeout(arguments: &Values) -> Duration {
    optional_text(arguments, "timeout").and_then(duration).unwrap_or(USUAL_TIMEOUT)
}

/// A helm that ended by itself says what came of it, and the release's state says the rest; only
/// one that was killed leaves it open whether anything happened.
fn undone(context: &Context, error: &Error, bound: Duration) -> Applied {
    match error {
        Error::Absent { executable } => Applied::Rejected(
            Failure::new(
                Class::Invalid,
                format!(
                    "there is no `{executable}` to install charts with; `{}` needs it",
                    context.address
                ),
            )
            .code("HelmAbsent")
            .hint("install helm 3.8 or later (https://helm.sh/docs/intro/install) and resume"),
        ),
        Error::TooOld { .. } | Error::NotHelm { .. } => Applied::Rejected(
            Failure::new(Class::Invalid, format!("{error}; `{}` needs it", context.address))
                .code("HelmUnusable")
                .hint("install helm 3.8 or later (https://helm.sh/docs/intro/install) and resume"),
        ),
        Error::NotStarted { .. } => {
            Applied::Rejected(Failure::new(Class::Unavailable, error.to_string()))
        }
        Error::Failed { command, code: Some(code), stderr } => {
            let mut lines = stderr.lines();
            let last = lines.next_back().unwrap_or_default();
            let problem = format!("`{command}` failed with exit code {code}: {last}");
            let mut failure = Failure::new(Class::Terminal, problem).code("HelmFailed");
            failure.evidence.extend(lines.map(str::to_owned));
            // One that a killed run has left behind may still be at work; it ends, or its revision
            // grows old enough to be taken away.
            if error.in_progress() {
                failure.class = Class::Conflict;
                failure = failure.passes_within(bound + GRACE);
            }
            if stderr.contains("failed calling webhook") {
                failure = failure.passes_within(Duration::from_mins(5));
            }
            Applied::Rejected(failure)
        }
        Error::Failed { code: None, .. } | Error::Hung { .. } => {
            Applied::Ambiguous(Failure::new(Class::Timeout, error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests;
