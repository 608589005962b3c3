//! What costs as long as a cluster stands: its control plane, and shared cost at a stated price.
//!
//! A control plane costs from its creation, where that is known, else from the first thing that was seen
//! of the cluster; to the end of the window while anything of it has no end, else to the last look.

use std::sync::Arc;

use runbook_capacity::money::{Price, Unpriced};
use runbook_capacity::prices::Service;

use super::charge::Origin;
use super::node::Life;
use super::priced::Priced;
use super::rules::{GivenCost, Rules};
use super::view::View;
use crate::bill::Class;
use crate::observed::{ClusterId, ClusterObserved, Finding, Observed, Severity};

const CONTROL_PLANE: usize = 0;
/// The shared costs of the rules come after the control plane and the system layer.
const FIRST_GIVEN: usize = 2;

/// A cost per second, for some time.
pub(super) struct Standing {
    pub(super) cluster: usize,
    pub(super) origin: Arc<Origin>,
    pub(super) class: Class,
    pub(super) start: i64,
    pub(super) end: i64,
    /// The index of its shared cost.
    pub(super) shared: usize,
    pub(super) price: Price,
}

/// All of them.
pub(super) fn standing(
    observed: &Observed,
    (clusters, lives, view): (&[Arc<ClusterId>], &[Life], &View),
    priced: &mut Priced<'_>,
    rules: &Rules,
    findings: &mut Vec<Finding>,
) -> Vec<Standing> {
    let mut standing = Vec::new();
    let mut times = Vec::new();
    for (index, id) in clusters.iter().enumerate() {
        let known = observed.clusters.iter().find(|one| one.id == *id);
        let first = lives.iter().filter(|life| life.cluster == index).map(|life| life.start).min();
        let goes_on = observed.nodes.iter().any(|node| node.cluster == *id && node.ended.is_none())
            || observed.pods.iter().any(|pod| pod.cluster == *id && pod.ended.is_none());
        let time = time(known, first, goes_on, view);
        times.push(time);
        let Some((start, end)) = time else { continue };
        let extended = known.and_then(|known| known.is_in_extended_support);
        if extended.is_none() {
            findings.push(Finding {
                severity: Severity::Note,
                code: "support_unknown",
                subject: format!("cluster {id}"),
                message: "nobody asked whether its version is in extended support, which costs six times as much; standard support is taken".to_owned(),
            });
        }
        let (service, kind) = match extended {
            Some(true) => (Service::EksControlPlaneExtendedSupport, "extended support"),
            _ => (Service::EksControlPlane, "standard support"),
        };
        match priced.service(&id.region, service) {
            Ok(price) => standing.push(Standing {
                cluster: index,
                origin: Arc::new(Origin {
                    cluster: Arc::clone(id),
                    resource_id: id.account.as_ref().map(|account| {
                        format!("arn:aws:eks:{}:{account}:cluster/{}", id.region, id.name)
                    }),
                    name: "control plane".to_owned(),
                    kind: kind.to_owned(),
                }),
                class: Class::ControlPlane,
                start,
                end,
                shared: CONTROL_PLANE,
                price,
            }),
            Err(why) => priced.list(format!("control plane of {id}"), why),
        }
    }
    for (index, given) in rules.given.iter().enumerate() {
        match whose(given, clusters) {
            Ok(cluster) => {
                let Some((start, end)) = times[cluster] else { continue };
                standing.push(Standing {
                    cluster,
                    origin: Arc::new(Origin {
                        cluster: Arc::clone(&clusters[cluster]),
                        resource_id: None,
                        name: given.name.clone(),
                        kind: "stated in the rules".to_owned(),
                    }),
                    class: given.class,
                    start,
                    end,
                    shared: FIRST_GIVEN + index,
                    price: given.price,
                });
            }
            Err(why) => priced.list(format!("shared cost {}", given.name), why),
        }
    }
    standing.sort_by_key(|one| (one.cluster, one.shared));
    standing
}

fn time(
    known: Option<&ClusterObserved>,
    first_node: Option<i64>,
    goes_on: bool,
    view: &View,
) -> Option<(i64, i64)> {
    let covered = known.map_or(&[][..], |known| &known.covered);
    let created = known.and_then(|known| known.created).map(jiff::Timestamp::as_second);
    if view.is_rate() {
        return view.span(created.unwrap_or(i64::MIN), None);
    }
    let looked = covered.first().map(|window| window.start.as_second());
    let seen = [looked, first_node].into_iter().flatten().min();
    let start = created.or(seen)?;
    let end = if goes_on { None } else { covered.last().map(|window| window.end.as_second()) };
    view.span(start, end)
}

/// Whose a stated cost is.
fn whose(given: &GivenCost, clusters: &[Arc<ClusterId>]) -> Result<usize, Unpriced> {
    let all: Vec<&str> = clusters.iter().map(|id| id.name.as_str()).collect();
    let Some(name) = &given.cluster else {
        return match all.as_slice() {
            [_] => Ok(0),
            _ => Err(Unpriced::because(format!(
                "it names no cluster and there are {}; say `cluster:` in the rules",
                all.len()
            ))),
        };
    };
    let mut named = all.iter().enumerate().filter(|(_, one)| **one == name);
    match (named.next(), named.next()) {
        (Some((index, _)), None) => Ok(index),
        (None, _) => Err(Unpriced::because(format!(
            "its cluster `{name}` is not in this report (there: {})",
            all.join(", ")
        ))),
        (Some(_), Some(_)) => Err(Unpriced::because(format!(
            "there are several clusters `{name}`; ask for one of them"
        ))),
    }
}
