//! Charges as the parts of their origins, and how FOCUS names them.
//!
//! All charges of one origin, day and class make up a [`Group`]: what a bill has as one charge. Its
//! parts are one per recipient, in a fixed order; the vCPU and the memory of a pod are two *elements* of
//! one part.

use std::collections::BTreeMap;

use jiff::civil::Date;
use runbook_capacity::money::Amount;
use serde_json::{Map, Value, json};

use super::decimal::{Decimal, shares};
use crate::allocate::charge::{Charge, Origin, Overhead, Part, PodRef, Recipient};
use crate::bill::Class;
use crate::observed::{ClusterId, Window};

/// How many places a ratio has.
const RATIO_PLACES: u32 = 12;

/// What one origin cost on one day, of one class.
#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    pub(super) day: Date,
    pub(super) class: Class,
    pub(super) origin: &'a Origin,
    /// From its first moment to its last.
    pub(super) period: Window,
    pub(super) shares: Vec<Share<'a>>,
}

/// What goes to one recipient.
#[derive(Debug, Clone)]
pub(super) struct Share<'a> {
    pub(super) recipient: &'a Recipient,
    /// By part of the price, in order, without those that are not there.
    pub(super) elements: Vec<(Part, Amount)>,
}

impl Share<'_> {
    /// All of it.
    pub(super) fn amount(&self) -> Amount {
        self.elements.iter().map(|(_, amount)| *amount).sum()
    }
}

impl Group<'_> {
    /// What the origin cost.
    pub(super) fn amount(&self) -> Amount {
        self.shares.iter().map(Share::amount).sum()
    }

    /// Whether it is divided at all: a Fargate pod or a control plane is not.
    pub(super) fn is_split(&self) -> bool {
        matches!(self.class, Class::Ec2Compute | Class::AutoModeFee) || self.shares.len() > 1
    }

    /// What each share weighs.
    pub(super) fn weights(&self) -> Vec<u128> {
        self.shares.iter().map(|share| weight(share.amount())).collect()
    }

    /// For each share its `AllocatedMethodDetails`; the ratios of all of them add up to one exactly.
    pub(super) fn details(&self) -> Vec<String> {
        let all: Vec<(usize, Part, u128)> = self
            .shares
            .iter()
            .enumerate()
            .flat_map(|(index, share)| {
                share.elements.iter().map(move |(part, amount)| (index, *part, weight(*amount)))
            })
            .collect();
        let weights: Vec<u128> = all.iter().map(|(_, _, weight)| *weight).collect();
        let ratios = shares(10_i128.pow(RATIO_PLACES), &weights);
        let mut elements: Vec<Vec<String>> = vec![Vec::new(); self.shares.len()];
        for ((index, part, _), units) in all.into_iter().zip(ratios) {
            let ratio = Decimal::new(units, RATIO_PLACES);
            let unit = match part {
                Part::Cpu => ",\"UsageUnit\":\"vCPU\"",
                Part::Memory => ",\"UsageUnit\":\"GiB\"",
                Part::Whole => "",
            };
            elements[index].push(format!("{{\"AllocatedRatio\":{ratio}{unit}}}"));
        }
        elements.iter().map(|of| format!("{{\"Elements\":[{}]}}", of.join(","))).collect()
    }
}

fn weight(amount: Amount) -> u128 {
    u128::try_from(amount.raw()).unwrap_or(0)
}

/// The groups of charges, by day, origin and class, each with its shares by recipient.
pub(super) fn groups(charges: &[Charge]) -> Vec<Group<'_>> {
    let mut order: Vec<&Charge> = charges.iter().collect();
    order.sort_by(|one, two| {
        (one.day, &one.origin, one.class, &one.recipient, one.part).cmp(&(
            two.day,
            &two.origin,
            two.class,
            &two.recipient,
            two.part,
        ))
    });
    let mut groups: Vec<Group<'_>> = Vec::new();
    for charge in order {
        let is_same = groups.last().is_some_and(|group| {
            (group.day, group.class) == (charge.day, charge.class)
                && *group.origin == *charge.origin
        });
        if !is_same {
            groups.push(Group {
                day: charge.day,
                class: charge.class,
                origin: &charge.origin,
                period: charge.period,
                shares: Vec::new(),
            });
        }
        if let Some(group) = groups.last_mut() {
            add(group, charge);
        }
    }
    groups
}

fn add<'a>(group: &mut Group<'a>, charge: &'a Charge) {
    group.period.start = group.period.start.min(charge.period.start);
    group.period.end = group.period.end.max(charge.period.end);
    if group.shares.last().is_none_or(|share| *share.recipient != charge.recipient) {
        group.shares.push(Share { recipient: &charge.recipient, elements: Vec::new() });
    }
    let Some(share) = group.shares.last_mut() else { return };
    match share.elements.last_mut() {
        Some((part, amount)) if *part == charge.part => *amount += charge.amount,
        _ => share.elements.push((charge.part, charge.amount)),
    }
}

/// How FOCUS names to whom a share goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// `x_Recipient`, by [`word`].
    pub(super) recipient: String,
    /// `AllocatedResourceId`: the pod's ARN; of idle cost none, since nobody got it.
    pub(super) id: Option<String>,
    /// `AllocatedResourceName`.
    pub(super) name: Option<String>,
}

/// To whom a charge goes, in a word: `pod`, `idle`, `node overhead: boot`, `shared: nat`.
pub(crate) fn word(recipient: &Recipient) -> String {
    match recipient {
        Recipient::Pod(_) => "pod".to_owned(),
        Recipient::Idle => "idle".to_owned(),
        Recipient::Node(overhead) => format!("node overhead: {}", overhead_word(*overhead)),
        Recipient::Shared(name) => format!("shared: {name}"),
    }
}

/// The name of a recipient of an origin.
pub(super) fn named(recipient: &Recipient, origin: &Origin) -> Named {
    let word = word(recipient);
    match recipient {
        Recipient::Pod(pod) => Named {
            recipient: word,
            id: Some(pod_arn(pod)),
            name: Some(format!("{}/{}", pod.namespace, pod.name)),
        },
        Recipient::Idle => Named { recipient: word, id: None, name: None },
        Recipient::Node(overhead) => {
            let overhead = overhead_word(*overhead);
            Named {
                recipient: word,
                id: Some(format!("node/{}/{}", origin.name, overhead.replace(' ', "-"))),
                name: Some(format!("{overhead} of {}", origin.name)),
            }
        }
        Recipient::Shared(name) => Named {
            recipient: word,
            id: Some(format!("shared/{}/{name}", origin.cluster.name)),
            name: Some(name.to_string()),
        },
    }
}

fn overhead_word(overhead: Overhead) -> &'static str {
    match overhead {
        Overhead::DaemonSets => "daemonsets",
        Overhead::Boot => "boot",
        Overhead::Drain => "drain",
        Overhead::SystemReserve => "system reserve",
        Overhead::Volume => "volume",
    }
}

/// A pod as bills name it, so that rows of both can be joined.
fn pod_arn(pod: &PodRef) -> String {
    let ClusterId { account, region, name } = &*pod.cluster;
    let partition = match region.split('-').next() {
        Some("cn") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let account = account.as_deref().unwrap_or("");
    format!(
        "arn:{partition}:eks:{region}:{account}:pod/{name}/{}/{}/{}",
        pod.namespace, pod.name, pod.uid
    )
}

/// `AllocatedTags`: a pod's labels under their own keys, and what is known of it under ours. Our keys
/// have a colon, which no label's key can have. What `present` has already is left out, as FOCUS
/// wants it.
pub(super) fn tags(
    recipient: &Recipient,
    origin: &Origin,
    present: &BTreeMap<String, String>,
) -> Option<String> {
    let mut tags = Map::new();
    let mut put = |key: &str, value: &str| {
        if present.get(key).is_none_or(|there| there != value) {
            tags.insert(key.to_owned(), json!(value));
        }
    };
    match recipient {
        Recipient::Pod(pod) => {
            pod.labels.iter().for_each(|(key, value)| put(key, value));
            put("runbook:cluster", &pod.cluster.name);
            put("runbook:namespace", &pod.namespace);
            put("runbook:owner", &pod.owner);
            if let Some(controller) = &pod.controller {
                put("runbook:workload", &format!("{}/{}", controller.kind, controller.name));
            }
        }
        Recipient::Node(_) | Recipient::Shared(_) => put("runbook:cluster", &origin.cluster.name),
        Recipient::Idle => return None,
    }
    (!tags.is_empty()).then(|| Value::Object(tags).to_string())
}

/// The pod of a recipient.
pub(super) fn pod(recipient: &Recipient) -> Option<&PodRef> {
    match recipient {
        Recipient::Pod(pod) => Some(pod),
        _ => None,
    }
}

/// `x_Origin`: what the parts of a charge have to add up to, in every column that is divided.
pub(super) fn origin_note(charge: &str, parts: usize, sums: &[(&str, Decimal)]) -> String {
    let sums: Map<String, Value> =
        sums.iter().map(|(name, value)| ((*name).to_owned(), json!(value.to_string()))).collect();
    json!({"Charge": charge, "Parts": parts, "Sums": sums}).to_string()
}
