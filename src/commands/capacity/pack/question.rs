//! What is asked, put together from flags and files.

use std::collections::BTreeSet;

use runbook_capacity::answer::PriceAge;
use runbook_capacity::answer::pack::PackAnswer;
use runbook_capacity::karpenter::{InstanceOption, PackInput, offered_types, read_instance_types};
use runbook_capacity::manifest::{
    Existing, InventoryHead, Manifests, WorkloadKind, read_daemonsets, read_existing,
    read_inventory_head,
};
use runbook_capacity::pod::Pod;
use runbook_capacity::region::{Region, zones};

use super::PackArguments;
use crate::commands::Session;
use crate::commands::capacity::fargate::{pods, some};
use crate::commands::capacity::{DEFAULT_REGION, Problems, files, node_pools, on, region};
use crate::environment::Environment;

/// A question, where it is about, and what is to be said about it.
pub(super) struct Question {
    input: PackInput,
    /// A region, or the file of the instance types.
    pub(super) place: String,
    notes: Vec<String>,
}

impl Question {
    /// Its answer.
    pub(super) fn answer(&self, age: PriceAge, is_strict: bool) -> PackAnswer {
        PackAnswer::new(&self.input, age, is_strict, self.notes.clone())
    }
}

/// Reads everything; all that is wrong is said at once.
pub(super) fn question(arguments: &PackArguments, session: &Session) -> Result<Question, Problems> {
    let environment = &session.environment;
    let mut problems = Vec::new();
    let mut keep = |found: Problems| problems.extend(found);
    let read = pods(&arguments.pods, environment).map_err(&mut keep).ok();
    let node_pools = node_pools(&arguments.node_pools, environment).map_err(&mut keep).ok();
    let daemonsets = daemonsets(&arguments.daemonsets, environment).map_err(&mut keep).ok();
    let existing = existing(arguments.existing.as_deref(), environment).map_err(&mut keep).ok();
    let head = existing.as_ref().and_then(|(_, head)| head.as_ref());
    let types = instance_types(arguments, head, session).map_err(&mut keep).ok();
    let (
        Some((manifests, mut notes)),
        Some(node_pools),
        Some(daemonsets),
        Some((instance_types, place, about_types)),
        Some((existing, head)),
    ) = (read, node_pools, daemonsets, types, existing)
    else {
        return Err(problems);
    };
    notes.extend(about_types);
    for what in head.iter().flat_map(|head| &head.missing) {
        notes.push(format!("of the inventory, not seen: {what}"));
    }
    if !existing.pending.is_empty() {
        notes.push(format!(
            "of the inventory, pods that run nowhere are not placed: {}",
            some(&existing.pending)
        ));
    }
    let placed = standing(&existing);
    let (there, pods): (Vec<Pod>, Vec<Pod>) =
        manifests.other_pods().into_iter().partition(|pod| placed.contains(&pod.to_string()));
    if !there.is_empty() {
        let names: Vec<String> = there.iter().map(ToString::to_string).collect();
        notes.push(format!("they run already, on nodes of the inventory: {}", some(&names)));
    }
    let repeated = repeated(&pods);
    if !repeated.is_empty() {
        notes.push(format!("several pods have one name: {}", some(&repeated)));
    }
    let mut namespaces = existing.namespaces.clone();
    namespaces.extend(daemonsets.namespaces.clone());
    namespaces.extend(manifests.namespaces.clone());
    let input = PackInput {
        daemonsets: all_daemonsets(&daemonsets, &manifests, &existing),
        pods,
        node_pools,
        instance_types,
        existing: existing.nodes,
        namespaces,
        preferences: arguments.preferences.into(),
        min_values: arguments.min_values.into(),
    };
    Ok(Question { input, place, notes })
}

/// Names of the pods that stand on nodes.
fn standing(existing: &Existing) -> BTreeSet<String> {
    existing.nodes.iter().flat_map(|node| &node.pods).map(|one| one.pod.to_string()).collect()
}

fn repeated(pods: &[Pod]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for pod in pods {
        let name = pod.to_string();
        if !seen.insert(name.clone()) {
            twice.insert(name);
        }
    }
    twice.into_iter().collect()
}

/// One pod per daemonset, whichever file names it first.
fn all_daemonsets(given: &Manifests, among_pods: &Manifests, existing: &Existing) -> Vec<Pod> {
    let mut seen = BTreeSet::new();
    let of_inventory =
        existing.daemonsets.iter().flat_map(runbook_capacity::manifest::Workload::pods);
    given
        .daemonset_pods()
        .into_iter()
        .chain(among_pods.daemonset_pods())
        .chain(of_inventory)
        .filter(|pod| seen.insert(pod.to_string()))
        .collect()
}

fn daemonsets(names: &[String], environment: &Environment) -> Result<Manifests, Problems> {
    let mut manifests = Manifests::default();
    let mut problems = Vec::new();
    for source in files::read_all(names, environment)? {
        match read_daemonsets(&source.name, &source.text) {
            Ok(read) => manifests.merge(read),
            Err(found) => problems.extend(files::said(found)),
        }
    }
    debug_assert!(manifests.workloads.iter().all(|one| one.kind == WorkloadKind::DaemonSet));
    if problems.is_empty() { Ok(manifests) } else { Err(problems) }
}

/// What is there, and what the inventory says of itself.
fn existing(
    name: Option<&str>,
    environment: &Environment,
) -> Result<(Existing, Option<InventoryHead>), Problems> {
    let Some(name) = name else { return Ok((Existing::default(), None)) };
    let source = files::read(name, environment).map_err(|why| vec![why])?;
    let head = read_inventory_head(&source.name, &source.text);
    let head = head.map_err(|why| files::said(vec![why]))?;
    Ok((read_existing(&source.name, &source.text).map_err(files::said)?, head))
}

/// Types, where they are from, and what is to be said about that.
type Types = (Vec<InstanceOption>, String, Vec<String>);

fn instance_types(
    arguments: &PackArguments,
    head: Option<&InventoryHead>,
    session: &Session,
) -> Result<Types, Problems> {
    let environment = &session.environment;
    if let Some(name) = &arguments.instance_types {
        if arguments.node.is_given() {
            return Err(vec![
                "--instance-types says what nodes offer, so nothing about nodes can be given beside it".to_owned(),
            ]);
        }
        let source = files::read(name, environment).map_err(|why| vec![why])?;
        let types = read_instance_types(&source.name, &source.text).map_err(files::said)?;
        return Ok((types, name.clone(), Vec::new()));
    }
    let of_inventory = head.and_then(|head| head.region.as_deref());
    let named = region(arguments.region.as_deref().or(of_inventory), environment);
    let named = named.map_err(|why| vec![why])?;
    let mut notes = Vec::new();
    let name = named.unwrap_or_else(|| {
        notes.push(format!("no region was given, so {DEFAULT_REGION} is taken"));
        DEFAULT_REGION.to_owned()
    });
    let region: Region =
        name.parse().map_err(|error: runbook_capacity::region::UnknownRegion| {
            vec![format!("{error}; --instance-types takes a table of yours")]
        })?;
    let settings = arguments.node.settings(environment)?;
    let zones: Vec<String> = zones(region).iter().map(|zone| (*zone).to_owned()).collect();
    let lists = session.price_lists(on(head));
    let book = lists.book(Some(region.name())).map_err(|why| vec![why])?;
    let types = offered_types(region, &zones, &settings, &book);
    Ok((types, name, notes))
}
