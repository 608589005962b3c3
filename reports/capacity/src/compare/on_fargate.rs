//! Bills of pods on Fargate, with the daemonsets that become sidecars there.

use crate::fargate::{self, Sized, TooBig};
use crate::manifest::{Storage, Workload, WorkloadKind};
use crate::money::Price;
use crate::pod::Pod;
use crate::pod_resources::{ContainerResources, PodResources, Resources};

use super::runs::{Run, all_month};
use super::side::{Line, LineKind, NotHeld, Side};
use super::sides::Setting;
use super::workload::{Timed, full_name};

/// A daemonset as a sidecar.
#[derive(Debug, Clone)]
pub(crate) struct Sidecar {
    name: String,
    containers: Vec<ContainerResources>,
}

/// Why a daemonset cannot run in a pod on Fargate either: what AWS writes down, besides that it is one.
pub(crate) fn why_no_sidecar(daemonset: &Workload) -> Option<String> {
    let pod = daemonset.first_pod()?;
    let fitness = fargate::fitness(&pod, WorkloadKind::Pod, &Storage::default());
    fitness.obstacles.into_iter().find(|one| one.is_documented).map(|one| one.reason)
}

/// The daemonsets that the setting names and that Fargate can run so, with what they ask for as a
/// sidecar.
pub(crate) fn sidecars(daemonsets: &[Workload], setting: &Setting<'_>) -> Vec<Sidecar> {
    daemonsets
        .iter()
        .filter(|one| why_no_sidecar(one).is_none())
        .filter_map(|one| {
            let asked: Option<&Resources> = setting.sidecars.get(&one.name)?.as_ref();
            let containers = match asked {
                Some(asked) => vec![ContainerResources::requesting(&one.name, asked.clone())],
                None => one.template.resources.containers.clone(),
            };
            Some(Sidecar { name: one.name.clone(), containers })
        })
        .collect()
}

/// Puts a workload's pods, as long as they run, on the bill of a side that is all Fargate.
pub(super) fn bill_workload(
    timed: &Timed,
    storage: &Storage,
    sidecars: &[Sidecar],
    setting: &Setting<'_>,
    side: &mut Side,
) {
    bill(&timed.workload, &timed.runs, storage, sidecars, setting, side);
}

/// Puts a component of the system on the bill: its pods run all month and have no sidecars.
pub(super) fn bill_component(workload: &Workload, setting: &Setting<'_>, side: &mut Side) {
    let runs = all_month(workload.replicas);
    bill(workload, &runs, &Storage::default(), &[], setting, side);
}

fn bill(
    workload: &Workload,
    runs: &[Run],
    storage: &Storage,
    sidecars: &[Sidecar],
    setting: &Setting<'_>,
    side: &mut Side,
) {
    let Some(first) = workload.first_pod() else { return };
    let plain = &first.template.resources;
    let together = with(plain, sidecars);
    let fitness = fargate::fitness(&first, workload.kind, storage);
    let sized = match (fitness.obstacles.first(), fargate::size(plain), fargate::size(&together)) {
        (Some(obstacle), _, _) => Err(obstacle.reason.clone()),
        (None, Ok(plain), Ok(together)) => Ok((plain, together)),
        (None, Err(why), _) => Err(why.to_string()),
        (None, Ok(_), Err(why)) => Err(too_big_together(&why, sidecars)),
    };
    match sized {
        Ok((plain, together)) => {
            let name = full_name(workload);
            let rows = lines(&name, &plain, &together, sidecars, setting);
            for run in runs {
                for (kind, what, price) in &rows {
                    side.lines.push(Line {
                        kind: *kind,
                        what: what.clone(),
                        instance_type: None,
                        count: i64::from(run.pods),
                        seconds: run.billed,
                        price: price.clone(),
                    });
                }
            }
        }
        Err(reason) => {
            let not_held = |pod: &Pod| NotHeld { pod: pod.to_string(), reason: reason.clone() };
            side.not_held.extend(workload.pods().iter().map(not_held));
        }
    }
}

type Row = (LineKind, String, Result<Price, crate::money::Unpriced>);

/// The pod by itself, what its sidecars add, and its disk: apart, for Savings Plans do not cover that.
fn lines(
    name: &str,
    plain: &Sized,
    together: &Sized,
    sidecars: &[Sidecar],
    setting: &Setting<'_>,
) -> Vec<Row> {
    let region = setting.region.name();
    let price = |sized: &Sized| {
        let without_disk = Sized { storage: fargate::INCLUDED_STORAGE, ..sized.clone() };
        fargate::price(&without_disk, region, setting.book)
    };
    let alone = price(plain);
    let mut rows = vec![(LineKind::FargatePod, format!("{name} at {}", plain.size), alone.clone())];
    if !sidecars.is_empty() {
        let names: Vec<&str> = sidecars.iter().map(|one| one.name.as_str()).collect();
        let names = names.join(", ");
        let (what, added) = if together.size == plain.size {
            // The size is paid for in the line above.
            let what = format!("sidecars in {name} ({names}): they fit into {}", plain.size);
            (what, alone.map(|price| price.fraction(0, 1)))
        } else {
            let what =
                format!("sidecars in {name} ({names}): {} becomes {}", plain.size, together.size);
            (what, price(together).and_then(|both| alone.map(|one| both.less(one))))
        };
        rows.push((LineKind::Sidecar, what, added));
    }
    if together.storage > fargate::INCLUDED_STORAGE {
        let with_disk = fargate::price(together, region, setting.book);
        let disk = with_disk.and_then(|all| price(together).map(|one| all.less(one)));
        let what = format!("{name}: {} of disk, 20Gi of it included", together.storage);
        rows.push((LineKind::FargateStorage, what, disk));
    }
    rows
}

/// What a pod asks for with its sidecars.
pub(crate) fn with(plain: &PodResources, sidecars: &[Sidecar]) -> PodResources {
    let mut resources = plain.clone();
    for sidecar in sidecars {
        resources.containers.extend(sidecar.containers.iter().cloned());
        // Where a pod has figures of its own, they replace the sum; the sidecar comes on top.
        if let Some(pod) = &mut resources.pod_level {
            for container in &sidecar.containers {
                pod.add(&container.requests);
            }
        }
    }
    resources
}

/// What some sidecars ask for together.
pub(crate) fn requests(sidecars: &[Sidecar]) -> Resources {
    with(&PodResources::default(), sidecars).kubernetes_requests()
}

fn too_big_together(why: &TooBig, sidecars: &[Sidecar]) -> String {
    let names: Vec<&str> = sidecars.iter().map(|one| one.name.as_str()).collect();
    format!("with its sidecars ({}) {why}", names.join(", "))
}
