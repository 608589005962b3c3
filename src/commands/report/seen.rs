//! What a report about the past reads: samples of a store, or an inventory as one look.
//!
//! A bill beside them makes Fargate's seconds exact and adds what nobody saw; alone it is what was seen.
//!
//! Samples of the sandbox lie with its world and those of AWS beside it; a report is about those of its
//! target only, so that no simulated cluster gets into an answer about a real account.

use std::path::PathBuf;

use jiff::Timestamp;
use runbook_capacity::manifest::read_inventory_head;
use runbook_showback::bill::{Wanted, read_files};
use runbook_showback::collect::{Annotations, observed_of_inventory};
use runbook_showback::observed::{ClusterId, Finding, Observed, Severity, Window};
use runbook_showback::samples::{Store, StoreError};

use crate::commands::Session;
use crate::commands::capacity::{Problems, files};
use crate::exit::Exit;
use crate::target::On;
use crate::trouble::{Trouble, failure_text};

/// From where.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SeenArguments {
    /// Where samples are kept [default: samples in the state folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) samples: Option<PathBuf>,
    /// A bill with its pods, beside samples or without any: a CUR 2.0 or FOCUS export as CSV, CSV.gz or
    /// Parquet; may be repeated for the parts of one
    #[arg(long = "bill", value_name = "FILE")]
    pub(crate) bills: Vec<PathBuf>,
    /// Only this cluster, by its name or as account/region/name; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Vec<String>,
    /// One look in place of samples: an inventory that runbook collect --once --out wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["samples", "bills", "cluster", "on"])]
    pub(crate) inventory: Option<String>,
    /// The region of an inventory that does not say it
    #[arg(long, requires = "inventory")]
    pub(crate) region: Option<String>,
    /// Whose clusters, prices and time
    #[arg(long, value_enum, default_value = "sandbox", value_name = "TARGET")]
    pub(crate) on: On,
}

/// What can be asked for what was seen.
pub(crate) struct Seen {
    /// Whose prices apply.
    pub(crate) on: On,
    /// `sandbox`, `aws`, or with an inventory its name.
    pub(crate) from: String,
    source: Source,
    bills: Vec<PathBuf>,
}

enum Source {
    Store(Store, Vec<String>),
    Look(Box<Observed>),
    /// Nothing but a bill, of clusters of these names or of all.
    Bill(Vec<String>),
}

impl Seen {
    /// Opens the store or reads the inventory.
    pub(crate) fn open(
        session: &Session,
        arguments: &SeenArguments,
    ) -> Result<Result<Self, Problems>, Trouble> {
        if let Some(name) = &arguments.inventory {
            return Ok(Self::of_inventory(session, name, arguments.region.as_deref()));
        }
        let from_here = |path: &PathBuf| session.environment.working_directory.join(path);
        let bills: Vec<PathBuf> = arguments.bills.iter().map(from_here).collect();
        let folder = match &arguments.samples {
            Some(folder) => from_here(folder),
            None => session.state.samples(arguments.on),
        };
        let store = Store::open(folder).map_err(|error| trouble(&error, arguments.on))?;
        let known = store.clusters().map_err(|error| trouble(&error, arguments.on))?;
        let has_endpoint = session.environment.get("AWS_ENDPOINT_URL").is_some();
        let of_target = of_target(&known, arguments.on, has_endpoint);
        if of_target.is_empty() && !bills.is_empty() {
            let from = format!("{}, by its bill", arguments.on.name());
            let source = Source::Bill(arguments.cluster.clone());
            return Ok(Ok(Self { on: arguments.on, from, source, bills }));
        }
        if of_target.is_empty() {
            let error = StoreError::Empty { folder: store.folder().to_owned() };
            return Err(trouble(&error, arguments.on));
        }
        let chosen = match chosen(&of_target, &arguments.cluster) {
            Ok(chosen) => chosen,
            Err(problems) => return Ok(Err(problems)),
        };
        let from = arguments.on.name().to_owned();
        Ok(Ok(Self { on: arguments.on, from, source: Source::Store(store, chosen), bills }))
    }

    fn of_inventory(session: &Session, name: &str, region: Option<&str>) -> Result<Self, Problems> {
        let file = files::read(name, &session.environment).map_err(|why| vec![why])?;
        let head =
            read_inventory_head(&file.name, &file.text).map_err(|why| files::said(vec![why]))?;
        let is_sandbox = head.as_ref().is_some_and(|head| head.is_sandbox);
        let (on, from) = if is_sandbox {
            (On::Sandbox, format!("sandbox, by {name}"))
        } else {
            (On::Aws, name.to_owned())
        };
        let observed =
            observed_of_inventory(&file.name, &file.text, region, Annotations::default())
                .map_err(|error| vec![failure_text(&error)])?;
        Ok(Self { on, from, source: Source::Look(Box::new(observed)), bills: Vec::new() })
    }

    /// What was seen in a window.
    pub(crate) fn observed(&self, window: Window) -> Result<Observed, Trouble> {
        let observed = match &self.source {
            Source::Look(observed) => return Ok((**observed).clone()),
            Source::Bill(clusters) => return self.billed(window, clusters),
            Source::Store(store, clusters) => {
                store.observed(Some(clusters), window).map_err(|error| trouble(&error, self.on))?
            }
        };
        if self.bills.is_empty() {
            return Ok(observed);
        }
        let clusters: Vec<String> =
            observed.clusters.iter().map(|cluster| cluster.id.name.clone()).collect();
        let mut billed = self.billed(window, &clusters)?;
        if billed.pods.is_empty() {
            billed.findings.push(Finding {
                severity: Severity::Warning,
                code: "bill_without_pods",
                subject: "bill".to_owned(),
                message: format!(
                    "it names no pod of these clusters in {window}, so samples alone are told; is it of \
                     another month, or without resource ids?"
                ),
            });
        }
        Ok(observed.with_bill(billed))
    }

    /// The pods that a bill names, of clusters of these names, or of all without any.
    fn billed(&self, window: Window, clusters: &[String]) -> Result<Observed, Trouble> {
        let clusters = (!clusters.is_empty()).then(|| clusters.iter().cloned().collect());
        let wanted = Wanted { window, owner: None, clusters, account_scope: true };
        let read = read_files(&self.bills, &wanted);
        Ok(read.map_err(|error| Trouble::of(&error).exit(Exit::Usage))?.observed)
    }

    /// The moment of the one look that an inventory is.
    pub(crate) fn moment(&self) -> Option<Timestamp> {
        match &self.source {
            Source::Look(observed) => Some(observed.window.start),
            Source::Store(..) | Source::Bill(_) => None,
        }
    }
}

/// The account of the shipped worlds, which AWS keeps for examples and gives to nobody.
const SIMULATED: &str = "111122223333";

/// The clusters that a report about a target is about. Who names a folder, or stands behind an endpoint,
/// may have simulated clusters among real ones.
pub(crate) fn of_target(known: &[ClusterId], on: On, has_endpoint: bool) -> Vec<&ClusterId> {
    known.iter().filter(|id| on == On::Sandbox || has_endpoint || !is_simulated(id)).collect()
}

/// Whether a cluster is of a sandbox.
fn is_simulated(id: &ClusterId) -> bool {
    id.account.as_deref() == Some(SIMULATED)
}

/// Clusters in full, by the names that were given; all of them without any.
fn chosen(known: &[&ClusterId], names: &[String]) -> Result<Vec<String>, Problems> {
    if names.is_empty() {
        return Ok(known.iter().map(ToString::to_string).collect());
    }
    let mut problems = Vec::new();
    let mut chosen = Vec::new();
    for name in names {
        let found: Vec<String> = known
            .iter()
            .filter(|id| id.name == *name || id.to_string() == *name)
            .map(ToString::to_string)
            .collect();
        match found.as_slice() {
            [one] => chosen.push(one.clone()),
            [] => {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                problems.push(format!(
                    "there are no samples of the cluster `{name}`; there are of {}",
                    known.join(", ")
                ));
            }
            several => problems.push(format!(
                "`{name}` is the name of several clusters: {}; name one of them in full",
                several.join(", ")
            )),
        }
    }
    if problems.is_empty() { Ok(chosen) } else { Err(problems) }
}

/// Why a store cannot be used, and what to run.
fn trouble(error: &StoreError, on: On) -> Trouble {
    let trouble = Trouble::of(error);
    let target = if on == On::Aws { " --on aws" } else { "" };
    match error {
        StoreError::Empty { .. } if on == On::Sandbox => trouble
            .hint("runbook run nodeless.yaml; runbook collect --once; runbook report showback"),
        StoreError::Empty { .. } => {
            trouble.hint(format!("runbook collect --once{target}, or --every 5m for a period"))
        }
        _ => trouble,
    }
}
