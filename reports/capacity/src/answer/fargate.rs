//! The size and price Fargate gives each pod, in the forms that others read.

use std::sync::Arc;

use serde::Serialize;

use super::written::{self, dollars_or_nothing};
use super::{Completeness, PriceAge, PriceCoverage};
use crate::fargate::{self, Confidence, INCLUDED_STORAGE, Size, Sized, fitness};
use crate::manifest::{Storage, Workload, WorkloadKind};
use crate::money::{Price, Unit};
use crate::pod::Pod;
use crate::prices::{Coverage, PriceBook, Service};
use crate::quantity::Bytes;

/// What one pod gets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FargatePod {
    /// Its name; of a `DaemonSet`, the `DaemonSet`'s.
    pub pod: String,
    /// What is billed, in vCPU.
    pub billed_vcpu: Option<f64>,
    /// What is billed, in GiB; AWS writes GB.
    pub billed_memory_gib: Option<f64>,
    /// Disk that is provisioned, in GiB; 20 of it are included.
    pub ephemeral_storage_gib: Option<i64>,
    /// What it costs.
    #[serde(rename = "usd_per_hour", serialize_with = "crate::money::as_dollars_or_null")]
    pub price: Option<Price>,
    /// What its specification alone would have said, where the annotation says something else.
    pub predicted: Option<String>,
    /// How sure it is.
    pub confidence: Confidence,
    /// Why.
    pub reason: String,
    /// Whether it can run there.
    #[serde(skip)]
    pub is_fit: bool,
    /// Its size, if it has one.
    #[serde(skip)]
    pub size: Option<Size>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FargateAnswer {
    /// The region of the prices.
    pub region: String,
    /// Each pod.
    pub pods: Vec<FargatePod>,
    /// The sum over the pods that fit; nothing when one of them has no price.
    #[serde(rename = "usd_per_hour", serialize_with = "crate::money::as_dollars_or_null")]
    pub price: Option<Price>,
    /// How many pods cannot run there.
    pub not_fit: usize,
    /// How many fit and have no price.
    pub unpriced: usize,
    /// Which prices were asked for and known.
    pub prices: PriceCoverage,
    /// What else is to be known.
    pub notes: Vec<String>,
}

const HEADER: [&str; 9] = [
    "pod",
    "billed_vcpu",
    "billed_memory_gib",
    "usd_per_hour",
    "usd_per_month",
    "ephemeral_storage_gib",
    "confidence",
    "predicted",
    "reason",
];

impl FargateAnswer {
    /// Sizes and prices every pod of these workloads.
    pub fn new(
        workloads: &[Workload],
        storage: &Storage,
        region: &str,
        book: &PriceBook,
        age: PriceAge,
        notes: Vec<String>,
    ) -> Self {
        let mut pods = Vec::new();
        for workload in workloads {
            let mut alike: Option<FargatePod> = None;
            for pod in workload.pods() {
                // Replicas differ in nothing but their name.
                let row = match &alike {
                    Some(known) => FargatePod { pod: pod.to_string(), ..known.clone() },
                    None => one(&pod, workload.kind, storage, region, book),
                };
                if workload.pod.is_none() {
                    alike = Some(row.clone());
                }
                pods.push(row);
            }
        }
        let total = pods
            .iter()
            .filter(|pod| pod.is_fit)
            .try_fold(0_i64, |sum, pod| Some(sum.saturating_add(pod.price?.ten_billionths())));
        let prices = PriceCoverage::new(&coverage(&pods, region, book), age);
        Self {
            region: region.to_owned(),
            price: total.map(|total| Price::new(total, Unit::Hour)),
            not_fit: pods.iter().filter(|pod| !pod.is_fit).count(),
            unpriced: pods.iter().filter(|pod| pod.is_fit && pod.price.is_none()).count(),
            pods,
            prices,
            notes,
        }
    }

    /// Whether anything is missing.
    pub fn completeness(&self) -> Completeness {
        if self.not_fit > 0 {
            Completeness::Unplaced
        } else if self.unpriced > 0 {
            Completeness::Unpriced
        } else {
            Completeness::Complete
        }
    }

    /// A row for each pod.
    pub fn csv(&self) -> String {
        let rows = self.pods.iter().map(|pod| {
            vec![
                pod.pod.clone(),
                pod.size.map(Size::vcpus).unwrap_or_default(),
                pod.size.map(Size::gibibytes).unwrap_or_default(),
                dollars_or_nothing(pod.price),
                pod.price.map(|price| price.monthly().dollars(2)).unwrap_or_default(),
                pod.ephemeral_storage_gib.map(|gib| gib.to_string()).unwrap_or_default(),
                pod.confidence.to_string(),
                pod.predicted.clone().unwrap_or_default(),
                pod.reason.clone(),
            ]
        });
        written::csv(&HEADER, rows)
    }
}

fn one(
    pod: &Pod,
    kind: WorkloadKind,
    storage: &Storage,
    region: &str,
    book: &PriceBook,
) -> FargatePod {
    let mut row = FargatePod {
        pod: pod.to_string(),
        billed_vcpu: None,
        billed_memory_gib: None,
        ephemeral_storage_gib: None,
        price: None,
        predicted: None,
        confidence: Confidence::Documented,
        reason: String::new(),
        is_fit: false,
        size: None,
    };
    let fitness = fitness(pod, kind, storage);
    if !fitness.obstacles.is_empty() {
        let reasons: Vec<&str> = fitness.obstacles.iter().map(|one| one.reason.as_str()).collect();
        row.reason = format!("cannot run on Fargate: {}", reasons.join("; "));
        if !fitness.obstacles.iter().any(|one| one.is_documented) {
            row.confidence = Confidence::Assumed;
        }
        return row;
    }
    let sized = match fargate::size(&pod.template.resources) {
        Ok(sized) => sized,
        Err(too_big) => {
            row.reason = format!("cannot run on Fargate: {too_big}");
            return row;
        }
    };
    let predicted = sized.size;
    let mut sized = annotated(pod, sized);
    if sized.confidence == Confidence::Documented && !fitness.assumptions.is_empty() {
        sized.confidence = Confidence::Assumed;
    }
    row.predicted = (sized.size != predicted).then(|| predicted.to_string());
    let mut reasons = vec![sized.reason.clone()];
    reasons.extend(fitness.assumptions);
    match fargate::price(&sized, region, book) {
        Ok(price) => row.price = Some(price),
        Err(unpriced) => reasons.push(unpriced.reason),
    }
    row.is_fit = true;
    row.billed_vcpu = Some(thousandths(sized.size.vcpu.0));
    row.billed_memory_gib = Some(thousandths(sized.size.memory.in_mebibytes_up() * 1000 / 1024));
    row.ephemeral_storage_gib = Some((sized.storage.in_mebibytes_up() + 1023).div_euclid(1024));
    row.size = Some(sized.size);
    row.confidence = sized.confidence;
    row.reason = reasons.join("; ");
    row
}

#[expect(clippy::cast_precision_loss, reason = "sizes are small; this only writes them out")]
fn thousandths(amount: i64) -> f64 {
    amount as f64 / 1000.0
}

/// What Fargate itself wrote on a pod that runs there wins; written by anybody else it is nothing.
fn annotated(pod: &Pod, predicted: Sized) -> Sized {
    let Some(text) = pod.template.annotations.get("CapacityProvisioned") else { return predicted };
    let on_fargate = pod.node.as_deref().is_some_and(|node| node.starts_with("fargate-"));
    match (Size::from_annotation(text), on_fargate) {
        (Some(size), true) => {
            let reason = if size == predicted.size {
                format!("CapacityProvisioned says {size}, as predicted: {}", predicted.reason)
            } else {
                format!(
                    "CapacityProvisioned says {size}; predicted was {}: {}",
                    predicted.size, predicted.reason
                )
            };
            Sized { size, confidence: Confidence::Annotated, reason, ..predicted }
        }
        (_, false) => Sized {
            reason: format!(
                "{}; its annotation CapacityProvisioned is not trusted, for it runs on no Fargate node",
                predicted.reason
            ),
            ..predicted
        },
        (None, true) => Sized {
            reason: format!(
                "{}; its annotation CapacityProvisioned `{text}` is no size of Fargate",
                predicted.reason
            ),
            ..predicted
        },
    }
}

/// The prices these pods need, and which are known.
fn coverage(pods: &[FargatePod], region: &str, book: &PriceBook) -> Coverage {
    let mut coverage = Coverage::default();
    let mut services = Vec::new();
    if pods.iter().any(|pod| pod.is_fit) {
        services.extend([Service::FargateVcpu, Service::FargateMemory]);
    }
    let included = INCLUDED_STORAGE.in_mebibytes_up() / Bytes::gibibytes(1).in_mebibytes_up();
    if pods.iter().any(|pod| pod.ephemeral_storage_gib.is_some_and(|gib| gib > included)) {
        services.push(Service::FargateEphemeralStorage);
    }
    for service in services {
        let quote = book.service(region, service).ok();
        coverage.count(quote.map(|quote| Arc::as_ref(&quote.provenance)));
    }
    coverage
}
