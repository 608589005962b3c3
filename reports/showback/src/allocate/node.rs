//! Nodes as they cost: one life from launch to termination, whatever several rows say of it.
//!
//! Rows of one instance are one life, also when its Node was registered again under another UID. What a
//! row says (type, capacity, price) holds from when it was first seen until the next row; what a row
//! leaves open is taken from the others. A name that is used again belongs to the later instance from
//! its launch on, also while the end of the former one was seen late.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use runbook_capacity::catalogue::instance_type;
use runbook_capacity::money::{Price, Unpriced};
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::prices::Service;
use runbook_capacity::quantity::Bytes;

use super::charge::Origin;
use super::division::Two;
use super::priced::Priced;
use super::stay::Stay;
use super::view::View;
use crate::observed::{CapacityType, ClusterId, NodeInterval};

/// No machine has as much; what claims more is cut, so that no sum runs over.
const MOST: Two = [1_000_000_000, 1 << 46];

/// A node, from launch to termination, as far as it costs.
pub(super) struct Life {
    pub(super) cluster: usize,
    pub(super) origin: Arc<Origin>,
    pub(super) name: Arc<str>,
    pub(super) start: i64,
    pub(super) end: i64,
    /// When it took pods; its end when it never did.
    pub(super) ready: i64,
    /// When its deletion began; its end when it did not.
    pub(super) drained: i64,
    /// From when on pods of its name are another's.
    pub(super) pods_until: i64,
    /// What is known of it, by time; none where it is not divided.
    pub(super) facts: Vec<Facts>,
    /// Whose pods were on it.
    pub(super) stays: Vec<Stay>,
}

/// What holds of a node for some time.
#[derive(Clone, PartialEq)]
pub(super) struct Facts {
    pub(super) from: i64,
    pub(super) capacity: Two,
    pub(super) allocatable: Two,
    pub(super) instance: Option<Price>,
    pub(super) fee: Option<Price>,
    pub(super) volume: Option<Price>,
}

/// What nodes tell besides their lives.
#[derive(Default)]
pub(super) struct NodeRemarks {
    /// Names of nodes with GPUs.
    pub(super) gpus: Vec<String>,
    /// Nodes whose volumes are not known.
    pub(super) without_volume: u64,
    /// Nodes whose price is a reservation's or an unknown way of buying.
    pub(super) reserved: u64,
    /// Nodes that say what they have, but not what pods may ask for.
    pub(super) without_allocatable: u64,
}

/// CPU and memory, nothing below zero and nothing beyond belief.
pub(super) fn two(resources: &Resources) -> [Option<i128>; 2] {
    let cut = |amount: i64, most: i128| i128::from(amount).clamp(0, most);
    [
        resources.cpu.map(|cpu| cut(cpu.0, MOST[0])),
        resources.memory.map(|memory| cut(memory.0, MOST[1])),
    ]
}

/// The lives, by cluster, name and launch.
pub(super) fn lives(
    nodes: &[NodeInterval],
    clusters: &[Arc<ClusterId>],
    view: &View,
    (priced, assumed): (&mut Priced<'_>, Option<Bytes>),
    remarks: &mut NodeRemarks,
) -> Vec<Life> {
    let mut instances: BTreeMap<(&ClusterId, &str), &str> = BTreeMap::new();
    for node in nodes {
        if let Some(instance) = node.instance_id.as_deref() {
            let known = instances.entry((&*node.cluster, node.uid.as_str())).or_insert(instance);
            *known = instance.min(known);
        }
    }
    let mut rows: BTreeMap<(&ClusterId, &str), Vec<&NodeInterval>> = BTreeMap::new();
    for node in nodes {
        let key = (&*node.cluster, node.uid.as_str());
        let identity = instances.get(&key).copied().unwrap_or(node.uid.as_str());
        rows.entry((&*node.cluster, identity)).or_default().push(node);
    }
    let mut lives: Vec<Life> = Vec::new();
    for ((cluster, _), mut rows) in rows {
        rows.sort_by(|left, right| order(left, right));
        let Ok(cluster) = clusters.binary_search_by(|known| (**known).cmp(cluster)) else {
            continue;
        };
        let one = Rows { cluster, rows, view };
        lives.extend(one.life(&clusters[cluster], priced, assumed, remarks));
    }
    lives.sort_by(|left, right| {
        let key = |life: &Life| (life.cluster, Arc::clone(&life.name), life.start);
        key(left).cmp(&key(right)).then_with(|| left.origin.cmp(&right.origin))
    });
    for index in 1..lives.len() {
        let (former, later) = (&lives[index - 1], &lives[index]);
        if former.cluster == later.cluster && former.name == later.name {
            lives[index - 1].pods_until = later.start.min(former.end);
        }
    }
    lives
}

/// By when they were first seen; the rest decides only between rows that say different things of one time.
fn order(left: &NodeInterval, right: &NodeInterval) -> Ordering {
    let key = |node: &NodeInterval| {
        (
            node.seen.start,
            node.seen.end,
            node.source,
            node.launched,
            node.ended,
            node.ready,
            node.drained,
        )
    };
    key(left)
        .cmp(&key(right))
        .then_with(|| left.name.cmp(&right.name))
        .then_with(|| left.instance_type.cmp(&right.instance_type))
        .then_with(|| left.capacity.cmp(&right.capacity))
        .then_with(|| left.allocatable.cmp(&right.allocatable))
        .then_with(|| left.capacity_type.cmp(&right.capacity_type))
        .then_with(|| left.volume.cmp(&right.volume))
        .then_with(|| left.is_auto_mode.cmp(&right.is_auto_mode))
        .then_with(|| left.uid.cmp(&right.uid))
        .then_with(|| left.instance_id.cmp(&right.instance_id))
}

/// The rows of one instance.
struct Rows<'a> {
    cluster: usize,
    rows: Vec<&'a NodeInterval>,
    view: &'a View,
}

impl Rows<'_> {
    fn life(
        &self,
        cluster: &Arc<ClusterId>,
        priced: &mut Priced<'_>,
        assumed: Option<Bytes>,
        remarks: &mut NodeRemarks,
    ) -> Option<Life> {
        let (first, last) = (self.rows.first()?, self.rows.last()?);
        let launched = self.rows.iter().map(|node| node.launched).min()?.as_second();
        // Whoever still sees it decides: it has an end only if its last row has.
        let ended = last.ended.map(jiff::Timestamp::as_second);
        let (start, end) = self.view.span(launched, ended)?;
        let ready = self.rows.iter().filter_map(|node| node.ready).min();
        let drained = self.rows.iter().filter_map(|node| node.drained).min();
        let moment = |moment: Option<jiff::Timestamp>| {
            moment.map_or(end, |moment| self.view.moment(moment.as_second()).clamp(start, end))
        };
        let kind = self.first(|node| node.instance_type.clone());
        let origin = Arc::new(Origin {
            cluster: Arc::clone(cluster),
            resource_id: self.first(|node| node.instance_id.clone()),
            name: first.name.clone(),
            kind: kind.clone().unwrap_or_default(),
        });
        let facts = match self.facts(kind.as_deref(), priced, assumed, remarks) {
            Ok(facts) => facts,
            Err(why) => {
                let what = if origin.kind.is_empty() { "of an unknown type" } else { &origin.kind };
                priced.list(format!("node {} ({what})", origin.name), why);
                Vec::new()
            }
        };
        Some(Life {
            cluster: self.cluster,
            name: Arc::from(first.name.as_str()),
            start,
            end,
            ready: moment(ready),
            drained: moment(drained),
            pods_until: end,
            facts,
            stays: Vec::new(),
            origin,
        })
    }

    fn first<T>(&self, of: impl Fn(&NodeInterval) -> Option<T>) -> Option<T> {
        self.rows.iter().find_map(|node| of(node))
    }

    fn facts(
        &self,
        kind: Option<&str>,
        priced: &mut Priced<'_>,
        assumed: Option<Bytes>,
        remarks: &mut NodeRemarks,
    ) -> Result<Vec<Facts>, Unpriced> {
        let kind = kind.ok_or_else(|| {
            Unpriced::because("no label says its instance type (node.kubernetes.io/instance-type)")
        })?;
        if let Some(accelerator) = self.accelerator(kind) {
            remarks.gpus.extend(self.rows.first().map(|node| node.name.clone()));
            return Err(Unpriced::because(format!(
                "it has {accelerator}; dividing a node with accelerators among its pods is not built, so it is in no total"
            )));
        }
        let volume = self.first(|node| node.volume).or(assumed);
        remarks.without_volume += u64::from(volume.is_none());
        let mut facts: Vec<Facts> = Vec::new();
        let mut is_reserved = false;
        for node in &self.rows {
            is_reserved |= node.capacity_type == CapacityType::Reserved;
            let mut one = self.row(node, kind, priced)?;
            one.volume = self.volume(volume, priced);
            let is_same = facts
                .last()
                .is_some_and(|former| Facts { from: former.from, ..one.clone() } == *former);
            if !is_same {
                facts.push(one);
            }
        }
        remarks.reserved += u64::from(is_reserved);
        let says_allocatable = self.first(|node| two(&node.allocatable)[0]).is_some();
        remarks.without_allocatable += u64::from(!says_allocatable);
        Ok(facts)
    }

    fn row(
        &self,
        node: &NodeInterval,
        kind: &str,
        priced: &mut Priced<'_>,
    ) -> Result<Facts, Unpriced> {
        let region = node.cluster.region.as_str();
        let instance = priced.instance((region, kind, node.capacity_type))?;
        let fee = if node.is_auto_mode {
            let fee = priced.auto_mode_fee(region, kind);
            fee.map_err(|why| priced.list(format!("Auto Mode fee of node {}", node.name), why)).ok()
        } else {
            None
        };
        let sold = instance_type(kind);
        let sold = [
            sold.map(|sold| i128::from(sold.vcpus) * 1000),
            sold.map(|sold| i128::from(sold.memory.0)),
        ];
        let (mut capacity, mut allocatable) = ([0; 2], [0; 2]);
        for index in 0..2 {
            let known = |of: fn(&NodeInterval) -> &Resources| {
                two(of(node))[index].or_else(|| self.first(|other| two(of(other))[index]))
            };
            let may_ask = known(|node| &node.allocatable);
            capacity[index] = known(|node| &node.capacity)
                .filter(|amount| *amount > 0)
                .or(sold[index])
                .or(may_ask)
                .unwrap_or(0)
                .max(may_ask.unwrap_or(0));
            allocatable[index] = may_ask.unwrap_or(capacity[index]);
        }
        if capacity.contains(&0) {
            return Err(Unpriced::because(
                "it does not say how much vCPU and memory it has, so its cost cannot be divided",
            ));
        }
        let from = self.view.moment(node.seen.start.as_second());
        Ok(Facts { from, capacity, allocatable, instance: Some(instance), fee, volume: None })
    }

    /// A GPU or another accelerator of it.
    fn accelerator(&self, kind: &str) -> Option<String> {
        let is_accelerator = |name: &str| {
            name.ends_with("/gpu")
                || name.contains("neuron")
                || name.contains("habana")
                || name.contains("nvidia.com/")
        };
        let has = |node: &NodeInterval| {
            let extended = node.capacity.extended.iter().chain(&node.allocatable.extended);
            let mut names = extended.filter(|(name, count)| **count > 0 && is_accelerator(name));
            names.next().map(|(name, count)| format!("{count} {name}"))
        };
        self.first(has).or_else(|| {
            if let Some(sold) = instance_type(kind) {
                let count = u64::from(sold.gpus) + u64::from(sold.neuron_devices);
                return (count > 0).then(|| format!("accelerators ({count})"));
            }
            // Older types are in no table; their families tell.
            let family = kind.split_once('.').map_or(kind, |(family, _)| family);
            let category = family.trim_end_matches(|c: char| !c.is_ascii_digit());
            let category = category.trim_end_matches(|c: char| c.is_ascii_digit());
            let has = ["p", "g", "gr", "inf", "trn", "dl", "f", "vt"].contains(&category);
            has.then(|| format!("accelerators (family {family})"))
        })
    }

    fn volume(&self, volume: Option<Bytes>, priced: &mut Priced<'_>) -> Option<Price> {
        let volume = volume.filter(|volume| *volume > Bytes::ZERO)?;
        let node = self.rows.first()?;
        match priced.service(&node.cluster.region, Service::EbsGp3) {
            Ok(price) => Some(price.fraction(volume.in_mebibytes_up(), 1024)),
            Err(why) => {
                priced.list(format!("volume of node {}", node.name), why);
                None
            }
        }
    }
}
