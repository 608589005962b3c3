//! `helm upgrade --install`: a new revision of a release, the first one or the next.
//!
//! The revision is written down as pending before anything is touched, and as deployed or failed
//! when it is over. A helm that is cut off leaves it pending, and the next one refuses.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::Upgrade;
use super::charts::{self, Chart, Rendering};
use super::clock::WorldClock;
use super::cluster::Cluster;
use super::failure::Failure;
use super::objects::{self, Identity, Rendered};
use super::release::{self, Release};
use super::{values, wait};

/// How long the definitions of a chart may take, whatever the release may.
const DEFINITIONS: std::time::Duration = std::time::Duration::from_mins(1);

/// A revision that was deployed, and whether it was the first.
pub(super) struct Done {
    pub(super) release: Release,
    pub(super) is_first: bool,
}

/// Installs or upgrades.
pub(super) async fn run(
    asked: &Upgrade,
    cluster: &mut Cluster,
    clock: &WorldClock,
) -> Result<Done, Failure> {
    let namespace =
        asked.access.namespace.clone().unwrap_or_else(|| cluster.namespace().to_owned());
    let history = release::history(cluster, &namespace, &asked.release).await?;
    let (chart, version) = charts::find(asked)?;
    let given = values::read(&asked.values)?;
    let mut work = Work { asked, namespace, chart, version, cluster, clock, history };
    match work.history.last() {
        None => work.install(given).await,
        Some(last) if last.status() == "uninstalled" => work.install(given).await,
        Some(_) => work.upgrade(given).await.map_err(|failure| failure.about("UPGRADE FAILED")),
    }
}

struct Work<'a> {
    asked: &'a Upgrade,
    namespace: String,
    chart: &'static Chart,
    version: String,
    cluster: &'a mut Cluster,
    clock: &'a WorldClock,
    history: Vec<Release>,
}

impl Work<'_> {
    async fn install(&mut self, given: Value) -> Result<Done, Failure> {
        let deadline = self.clock.after(self.asked.timeout);
        self.define().await?;
        let rendered = self.render(&given).await?;
        if self.asked.create_namespace {
            self.make_namespace().await?;
        }
        let targets = self.place(&rendered).await?;
        self.check_owners(&targets, &[])
            .await
            .map_err(|failure| failure.about("Unable to continue with install"))?;
        let mut made = self.revision(given, &rendered, None)?;
        made.set_status("pending-install", Some("Initial install underway"));
        release::create(self.cluster, &made, &self.history, self.clock.now()).await?;
        let outcome = self.carry_out(&targets, &[], deadline).await;
        self.conclude(&mut made, outcome, "Release", "Install complete").await?;
        Ok(Done { release: made, is_first: true })
    }

    async fn upgrade(&mut self, given: Value) -> Result<Done, Failure> {
        let deadline = self.clock.after(self.asked.timeout);
        let current = self.current()?;
        let given = if self.asked.values.is_empty() && !self.asked.reset_values {
            current.config().clone()
        } else {
            given
        };
        let rendered = self.render(&given).await?;
        let targets = self.place(&rendered).await?;
        let before = objects::parse(current.manifest())?;
        let before = self.place_all(before).await?;
        self.check_owners(&targets, &before)
            .await
            .map_err(|failure| failure.about("Unable to continue with update"))?;
        let mut made = self.revision(given, &rendered, Some(&current))?;
        made.set_status("pending-upgrade", Some("Preparing upgrade"));
        release::create(self.cluster, &made, &self.history, self.clock.now()).await?;
        let outcome = self.carry_out(&targets, &before, deadline).await;
        self.conclude(&mut made, outcome, "Upgrade", "Upgrade complete").await?;
        Ok(Done { release: made, is_first: false })
    }

    /// The revision that is upgraded: the last one, or the last one that was deployed.
    fn current(&self) -> Result<Release, Failure> {
        let last = self.history.last();
        if last.is_some_and(Release::is_pending) {
            return Err(Failure::told(
                "another operation (install/upgrade/rollback) is in progress",
            ));
        }
        let deployed = self.history.iter().rfind(|one| one.status() == "deployed");
        let usable = last.filter(|one| matches!(one.status(), "failed" | "superseded"));
        deployed.or(usable).cloned().ok_or_else(|| {
            Failure::told(format!("\"{}\" has no deployed releases", self.asked.release))
        })
    }

    /// The definitions beside a chart: made when they are not there, never changed.
    async fn define(&mut self) -> Result<(), Failure> {
        let mut made = Vec::new();
        for definition in self.chart.definitions()? {
            let identity = Identity::of(&definition);
            if self.cluster.find(&identity).await?.is_none() {
                let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
                let created = self.cluster.post(path, &definition).await;
                let what = format!("failed to install CRD {}", identity.name);
                created.map_err(|failure| failure.about(&what))?;
            }
            made.push(identity);
        }
        let deadline = self.clock.after(DEFINITIONS);
        wait::until_ready(self.cluster, self.clock, &made, deadline).await
    }

    async fn render(&mut self, given: &Value) -> Result<Vec<Rendered>, Failure> {
        let values = values::merged(&self.chart.defaults()?, given);
        let mut rendering = Rendering {
            chart: self.chart.name,
            version: &self.version,
            app_version: &self.chart.app_version(&self.version),
            release: &self.asked.release,
            namespace: &self.namespace,
            values: &values,
            there: None,
            now: self.clock.now(),
        };
        if let Some(identity) = self.chart.looks_up(&rendering) {
            rendering.there = self.cluster.find(&identity).await?;
        }
        let mut rendered = self.chart.render(&rendering)?;
        objects::sort(&mut rendered);
        Ok(rendered)
    }

    async fn make_namespace(&mut self) -> Result<(), Failure> {
        let name = &self.namespace;
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}}});
        match self.cluster.post("/api/v1/namespaces", &body).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.already_exists() => Ok(()),
            Err(failure) => Err(failure.about(&format!("failed to create namespace {name}"))),
        }
    }

    /// The objects of the release, marked as such.
    async fn place(&mut self, rendered: &[Rendered]) -> Result<Vec<(Identity, Value)>, Failure> {
        let mut objects: Vec<Value> = rendered.iter().map(|one| one.object.clone()).collect();
        for object in &mut objects {
            objects::mark(object, &self.asked.release, &self.namespace);
        }
        self.place_all(objects).await
    }

    /// Objects with their identities; those without a namespace that need one get the release's.
    async fn place_all(&mut self, objects: Vec<Value>) -> Result<Vec<(Identity, Value)>, Failure> {
        let mut placed = Vec::new();
        for mut object in objects {
            let mut identity = Identity::of(&object);
            if identity.namespace.is_empty() && self.cluster.is_namespaced(&identity).await? {
                identity.namespace.clone_from(&self.namespace);
                object["metadata"]["namespace"] = json!(self.namespace);
            }
            placed.push((identity, object));
        }
        Ok(placed)
    }

    /// What is there already, and not of the revision before, must be the release's own.
    async fn check_owners(
        &mut self,
        targets: &[(Identity, Value)],
        before: &[(Identity, Value)],
    ) -> Result<(), Failure> {
        for (identity, _) in targets {
            if before.iter().any(|(known, _)| known.is_same(identity)) {
                continue;
            }
            if let Some(there) = self.cluster.find(identity).await? {
                objects::check_owner(&there, &self.asked.release, &self.namespace)
                    .map_err(Failure::told)?;
            }
        }
        Ok(())
    }

    async fn carry_out(
        &mut self,
        targets: &[(Identity, Value)],
        before: &[(Identity, Value)],
        deadline: Timestamp,
    ) -> Result<(), Failure> {
        for (identity, object) in targets {
            let applied = self.cluster.apply(identity, object).await;
            applied.map_err(|failure| {
                let Identity { api_version, kind, namespace, name } = identity;
                let verb = match &failure {
                    Failure::Refused(refusal) if refusal.status == 409 => {
                        "conflict occurred while applying object"
                    }
                    _ => "failed to apply object",
                };
                failure.about(&format!("{verb} {namespace}/{name} {api_version}, Kind={kind}"))
            })?;
        }
        for (identity, object) in before.iter().rev() {
            let still_meant = targets.iter().any(|(known, _)| known.is_same(identity));
            if !still_meant && !objects::is_kept(object) {
                self.cluster.remove(identity).await?;
            }
        }
        if self.asked.wait {
            let all: Vec<Identity> = targets.iter().map(|(identity, _)| identity.clone()).collect();
            wait::until_ready(self.cluster, self.clock, &all, deadline).await?;
        }
        Ok(())
    }

    /// A revision that is not written down yet.
    fn revision(
        &self,
        given: Value,
        rendered: &[Rendered],
        before: Option<&Release>,
    ) -> Result<Release, Failure> {
        let now = json!(self.clock.now().to_string());
        let first = before.map_or_else(|| now.clone(), Release::first_deployed);
        let last = self.history.last().map_or(0, Release::revision);
        Ok(Release::new(json!({
            "name": self.asked.release,
            "info": {"first_deployed": first, "last_deployed": now, "deleted": "", "description": "", "status": "unknown"},
            "chart": {
                "metadata": self.chart.metadata(&self.version), "lock": null, "templates": [],
                "values": self.chart.defaults()?, "schema": null, "files": [],
            },
            "config": given,
            "manifest": objects::manifest(self.chart.name, rendered)?,
            "version": last + 1,
            "namespace": self.namespace,
            "apply_method": "ssa",
        })))
    }

    /// Writes down how it ended.
    async fn conclude(
        &mut self,
        made: &mut Release,
        outcome: Result<(), Failure>,
        word: &str,
        complete: &str,
    ) -> Result<(), Failure> {
        let now = self.clock.now();
        let Err(failure) = outcome else {
            for old in self.history.iter().filter(|one| one.status() == "deployed") {
                let mut old = old.clone();
                old.set_status("superseded", None);
                release::update(self.cluster, &old, now).await?;
            }
            let description = self.asked.description.as_deref().unwrap_or(complete);
            made.set_status("deployed", Some(description));
            return release::update(self.cluster, made, now).await;
        };
        let description = format!("{word} \"{}\" failed: {failure}", self.asked.release);
        made.set_status("failed", Some(&description));
        match release::update(self.cluster, made, now).await {
            Ok(()) => Err(failure),
            Err(other) => Err(Failure::told(format!(
                "{failure}; and the release could not be marked as failed: {other}"
            ))),
        }
    }
}

/// What a person reads about a revision.
pub(super) fn summary(done: &Done) -> String {
    let info = &done.release.document()["info"];
    let text = |field: &str| info[field].as_str().unwrap_or_default().to_owned();
    let (name, namespace) = (done.release.name(), done.release.namespace());
    let first = if done.is_first {
        format!("Release \"{name}\" does not exist. Installing it now.\n")
    } else {
        format!("Release \"{name}\" has been upgraded. Happy Helming!\n")
    };
    format!(
        "{first}NAME: {name}\nLAST DEPLOYED: {}\nNAMESPACE: {namespace}\nSTATUS: {}\nREVISION: {}\nDESCRIPTION: {}\n",
        text("last_deployed"),
        text("status"),
        done.release.revision(),
        text("description"),
    )
}
