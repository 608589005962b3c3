//! Pods as they are charged: who held which room, from when until when.
//!
//! A pod on a node holds its room from being bound to it until its last container ended, whether its
//! containers run or still pull images: while it is bound, nobody else can have that room. (OpenCost does
//! not charge a pod in `ImagePullBackOff`; the room it holds is then idle cost of somebody else.) A pod
//! with neither request nor usage holds none.
//!
//! A pod on Fargate costs from being bound, which is when its images are pulled, until it is deleted, not
//! until it has ended; one minute at least. Between two bounds, scheduled and first container started,
//! the earlier is charged, and what lies between is reported.
//!
//! Rows of one pod never overlap here: a row begins where the one before it has ended. Whoever holds is a
//! [`Holder`]: a pod with what a key may read of it, which changes with its labels and with the day's
//! rules of owners.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use runbook_capacity::fargate::Size;
use runbook_capacity::quantity::Bytes;

use super::charge::{Origin, PodRef};
use super::division::Two;
use super::node::two;
use super::rules::{Asked, OwnerTable, Rules};
use super::view::View;
use crate::observed::{ClusterId, Place, PodInterval, Source};

/// One minute is billed at least.
const LEAST_SECONDS: i64 = 60;

/// Whoever is charged.
pub(super) struct Holder {
    pub(super) pod: Arc<PodRef>,
    pub(super) cluster: usize,
    /// Which pod it is, over all of its holders.
    pub(super) identity: usize,
    pub(super) annotations: Arc<BTreeMap<String, String>>,
    /// The node, or the Fargate size.
    pub(super) place: Arc<str>,
    /// The node's name, on Fargate too.
    pub(super) node: Arc<str>,
    /// Whether it works for everybody.
    pub(super) is_system: bool,
    pub(super) seconds: i64,
    pub(super) lingering_seconds: i64,
}

/// Who holds room on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// The holder of that index.
    Holder(usize),
    /// A pod of a `DaemonSet`.
    Daemon,
}

/// Room of a node that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stay {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) who: Who,
    pub(super) asked: Two,
}

/// A pod on Fargate, for some time.
pub(super) struct FargateStay {
    pub(super) cluster: usize,
    pub(super) origin: Arc<Origin>,
    pub(super) holder: usize,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) size: Option<Size>,
    pub(super) storage: Option<Bytes>,
    /// How much later it may have begun, in seconds.
    pub(super) unsure_seconds: i64,
    pub(super) lingering_seconds: i64,
}

/// What pods tell besides their stays.
#[derive(Default)]
pub(super) struct PodRemarks {
    pub(super) pods: u64,
    pub(super) seen_once: u64,
    /// Known from a bill alone.
    pub(super) billed_alone: u64,
    /// On a node, and not running.
    pub(super) pending: u64,
    /// Rows that overlapped another of the same pod.
    pub(super) overlapping: u64,
    pub(super) unmeasured: Vec<Arc<PodRef>>,
}

/// What is known of pods.
pub(super) struct Stays {
    pub(super) holders: Vec<Holder>,
    /// By cluster, name of the node, and order of pods.
    pub(super) on_nodes: BTreeMap<(usize, Arc<str>), Vec<Stay>>,
    pub(super) on_fargate: Vec<FargateStay>,
    pub(super) remarks: PodRemarks,
}

/// All of them.
pub(super) fn stays(
    pods: &[PodInterval],
    clusters: &[Arc<ClusterId>],
    view: &View,
    rules: &Rules,
    owners: &mut OwnerTable<'_>,
) -> Stays {
    let mut rows: Vec<(usize, &PodInterval)> = pods
        .iter()
        .filter_map(|pod| Some((clusters.binary_search(&pod.cluster).ok()?, pod)))
        .collect();
    rows.sort_by(|left, right| left.0.cmp(&right.0).then_with(|| order(left.1, right.1)));
    let turns = owners.turns();
    let stays = Stays {
        holders: Vec::new(),
        on_nodes: BTreeMap::new(),
        on_fargate: Vec::new(),
        remarks: PodRemarks::default(),
    };
    let mut reader = Reader { view, rules, owners, turns, stays, names: BTreeMap::new() };
    for (identity, rows) in
        rows.chunk_by(|left, right| left.0 == right.0 && left.1.uid == right.1.uid).enumerate()
    {
        reader.pod(identity, rows);
    }
    reader.stays
}

/// By pod, then by when it was first seen; the rest decides only between rows that say different things
/// of one time.
fn order(left: &PodInterval, right: &PodInterval) -> Ordering {
    let place = |pod: &PodInterval| match &pod.place {
        Place::Nowhere => (0, String::new(), None, None),
        Place::Node(name) => (1, name.clone(), None, None),
        Place::Fargate { node, size, storage, .. } => (2, node.clone(), *size, *storage),
    };
    let times = |pod: &PodInterval| {
        (
            pod.seen.start,
            pod.seen.end,
            pod.ended,
            pod.scheduled,
            pod.started,
            pod.finished,
            pod.source,
        )
    };
    left.uid
        .cmp(&right.uid)
        .then_with(|| times(left).cmp(&times(right)))
        .then_with(|| left.namespace.cmp(&right.namespace))
        .then_with(|| left.name.cmp(&right.name))
        .then_with(|| left.requests.cmp(&right.requests))
        .then_with(|| left.usage.cmp(&right.usage))
        .then_with(|| place(left).cmp(&place(right)))
        .then_with(|| left.controller.cmp(&right.controller))
        .then_with(|| left.labels.cmp(&right.labels))
        .then_with(|| left.annotations.cmp(&right.annotations))
        .then_with(|| left.namespace_labels.cmp(&right.namespace_labels))
        .then_with(|| (&left.phase, left.looks).cmp(&(&right.phase, right.looks)))
}

/// Rounded up: a second that has begun is billed.
fn second_up(moment: Timestamp) -> i64 {
    moment.as_second() + i64::from(moment.subsec_nanosecond() > 0)
}

struct Reader<'a, 'r> {
    view: &'a View,
    rules: &'a Rules,
    owners: &'a mut OwnerTable<'r>,
    turns: Vec<Date>,
    stays: Stays,
    names: BTreeMap<String, Arc<str>>,
}

/// A row with its time, before it is cut to the window.
struct Timed<'a> {
    row: &'a PodInterval,
    start: i64,
    end: Option<i64>,
}

impl Reader<'_, '_> {
    fn pod(&mut self, identity: usize, rows: &[(usize, &PodInterval)]) {
        let timed = self.timed(rows);
        let first_holder = self.stays.holders.len();
        let mut is_counted = false;
        for one in &timed {
            let Some(span) = self.view.span(one.start, one.end) else { continue };
            if !is_counted {
                is_counted = true;
                self.count(rows);
            }
            let cluster = rows[0].0;
            let seat = Seat { cluster, identity, first_holder, one };
            self.seat(&seat, span);
        }
    }

    fn count(&mut self, rows: &[(usize, &PodInterval)]) {
        let remarks = &mut self.stays.remarks;
        remarks.pods += 1;
        let looks: u64 = rows.iter().map(|(_, row)| row.looks).sum();
        let is_billed = |row: &PodInterval| {
            matches!(row.source, Source::SplitCostAllocation | Source::FargateBill)
        };
        remarks.seen_once += u64::from(looks == 1 && rows.iter().all(|(_, row)| !is_billed(row)));
        let is_nameless =
            |row: &PodInterval| is_billed(row) && row.labels.is_empty() && row.controller.is_none();
        remarks.billed_alone += u64::from(rows.iter().all(|(_, row)| is_nameless(row)));
        remarks.pending += u64::from(
            rows.iter()
                .any(|(_, row)| row.phase == "Pending" && matches!(row.place, Place::Node(_))),
        );
    }

    /// The rows that hold room, each from where the one before it has ended.
    fn timed<'a>(&mut self, rows: &[(usize, &'a PodInterval)]) -> Vec<Timed<'a>> {
        let held: Vec<&PodInterval> =
            rows.iter().map(|(_, row)| *row).filter(|row| row.place != Place::Nowhere).collect();
        let mut timed: Vec<Timed<'a>> = Vec::new();
        let mut begun = None;
        for (index, row) in held.iter().enumerate() {
            let own = row.scheduled.or(row.started).unwrap_or(row.seen.start).as_second();
            let next = held.get(index + 1).map(|next| next.seen.start.as_second());
            let before = timed.last().and_then(|former| former.end);
            let start = before.map_or(own, |before| before.max(own));
            let is_fargate = matches!(row.place, Place::Fargate { .. });
            let gone = row.ended.map(second_up);
            let finished = row.finished.map(second_up).filter(|_| !is_fargate);
            let end = [gone, finished].into_iter().flatten().min();
            let mut end = match (end, next) {
                (Some(end), Some(next)) if end > next && !row.is_part => {
                    self.stays.remarks.overlapping += 1;
                    Some(next)
                }
                (None, next) => next,
                (end, _) => end,
            };
            let begun = *begun.get_or_insert(start);
            if is_fargate && next.is_none() {
                end = end.map(|end| end.max(begun + LEAST_SECONDS));
            }
            timed.push(Timed { row, start, end: end.map(|end| end.max(start)) });
        }
        timed
    }

    fn seat(&mut self, seat: &Seat<'_>, (start, end): (i64, i64)) {
        for (from, until, day) in self.epochs(start, end) {
            match &seat.one.row.place {
                Place::Nowhere => {}
                Place::Node(name) => self.on_node(seat, name, (from, until), day),
                Place::Fargate { node, size, storage, .. } => {
                    let place = size.map_or_else(|| "Fargate".to_owned(), |size| size.to_string());
                    let holder = self.holder(seat, &place, node, day);
                    self.on_fargate(seat, holder, (from, until), (*size, *storage));
                }
            }
        }
    }

    /// A stretch, cut where another set of rules begins to hold, with the day that decides.
    fn epochs(&self, start: i64, end: i64) -> Vec<(i64, i64, Date)> {
        let mut epochs = Vec::with_capacity(1);
        let mut at = start;
        for (day, from, _) in self.view.by_day(start, end) {
            let date = self.view.date(day);
            if from > at && self.turns.binary_search(&date).is_ok() {
                epochs.push((at, from, self.date_of(at)));
                at = from;
            }
        }
        epochs.push((at, end, self.date_of(at)));
        epochs
    }

    fn date_of(&self, second: i64) -> Date {
        self.view
            .by_day(second, second + 1)
            .next()
            .map_or(Date::MIN, |(day, _, _)| self.view.date(day))
    }

    fn on_node(&mut self, seat: &Seat<'_>, node: &str, (start, end): (i64, i64), day: Date) {
        let row = seat.one.row;
        let node = self.name(node);
        let is_daemon = row.controller.as_ref().is_some_and(|owner| owner.kind == "DaemonSet");
        let requests = two(&row.requests);
        let used = row.usage.unwrap_or_default();
        let used =
            [used.cpu.map(|cpu| i128::from(cpu.0)), used.memory.map(|one| i128::from(one.0))];
        let mut asked = [0; 2];
        for index in 0..2 {
            let most = i128::from(i64::MAX >> 16);
            let used = used[index].map(|amount| amount.clamp(0, most));
            asked[index] = requests[index].max(used).unwrap_or(0);
        }
        let who = if is_daemon {
            Who::Daemon
        } else {
            let holder = self.holder(seat, &node, &node, day);
            self.stays.holders[holder].seconds += end - start;
            let is_measured = requests.iter().chain(&used).any(Option::is_some);
            let pod = &self.stays.holders[holder].pod;
            let unmeasured = &mut self.stays.remarks.unmeasured;
            if !is_measured && unmeasured.last().is_none_or(|last| last.uid != pod.uid) {
                unmeasured.push(Arc::clone(pod));
            }
            Who::Holder(holder)
        };
        let stay = Stay { start, end, who, asked };
        self.stays.on_nodes.entry((seat.cluster, node)).or_default().push(stay);
    }

    fn on_fargate(
        &mut self,
        seat: &Seat<'_>,
        holder: usize,
        (start, end): (i64, i64),
        (size, storage): (Option<Size>, Option<Bytes>),
    ) {
        let row = seat.one.row;
        let within = |moment: Option<Timestamp>| {
            moment.map(|moment| self.view.moment(moment.as_second()).clamp(start, end))
        };
        // Only the beginning of the pod is unsure, not that of a later row or of the window.
        let unsure = match (row.scheduled, within(row.started)) {
            (Some(scheduled), Some(started)) if scheduled.as_second() == start => started - start,
            _ => 0,
        };
        let lingering = within(row.finished).map_or(0, |finished| end - finished);
        let one = &mut self.stays.holders[holder];
        one.seconds += end - start;
        one.lingering_seconds += lingering;
        let pod = &one.pod;
        let id = &pod.cluster;
        let arn = id.account.as_ref().map(|account| {
            let (region, name) = (&id.region, &id.name);
            format!(
                "arn:aws:eks:{region}:{account}:pod/{name}/{}/{}/{}",
                pod.namespace, pod.name, pod.uid
            )
        });
        let origin = Origin {
            cluster: Arc::clone(id),
            resource_id: arn,
            name: format!("{}/{}", pod.namespace, pod.name),
            kind: size.map_or_else(|| "Fargate".to_owned(), |size| size.to_string()),
        };
        self.stays.on_fargate.push(FargateStay {
            cluster: seat.cluster,
            origin: Arc::new(origin),
            holder,
            start,
            end,
            size,
            storage,
            unsure_seconds: unsure,
            lingering_seconds: lingering,
        });
    }

    /// The holder of a row: one that agrees in everything a key may read, else a new one.
    fn holder(&mut self, seat: &Seat<'_>, place: &str, node: &str, day: Date) -> usize {
        let row = seat.one.row;
        let owner = self.owners.owner(Asked { pod: row, day, identity: seat.identity });
        let known = self.stays.holders[seat.first_holder..].iter().position(|holder| {
            let pod = &holder.pod;
            pod.owner == owner
                && *holder.place == *place
                && *holder.node == *node
                && pod.namespace == row.namespace
                && pod.name == row.name
                && pod.controller == row.controller
                && pod.labels == row.labels
                && holder.annotations == row.annotations
        });
        if let Some(known) = known {
            return seat.first_holder + known;
        }
        let is_system = self
            .rules
            .system_layer
            .as_ref()
            .is_some_and(|(namespaces, _)| namespaces.contains(&row.namespace));
        let pod = PodRef {
            cluster: Arc::clone(&row.cluster),
            namespace: row.namespace.clone(),
            name: row.name.clone(),
            uid: row.uid.clone(),
            controller: row.controller.clone(),
            labels: Arc::clone(&row.labels),
            owner,
        };
        let (place, node) = (self.name(place), self.name(node));
        self.stays.holders.push(Holder {
            pod: Arc::new(pod),
            cluster: seat.cluster,
            identity: seat.identity,
            annotations: Arc::clone(&row.annotations),
            place,
            node,
            is_system,
            seconds: 0,
            lingering_seconds: 0,
        });
        self.stays.holders.len() - 1
    }

    /// One copy of each name.
    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = Arc::from(name);
        self.names.insert(name.to_owned(), Arc::clone(&shared));
        shared
    }
}

/// A row of a pod, and where its holders are.
struct Seat<'a> {
    cluster: usize,
    identity: usize,
    first_holder: usize,
    one: &'a Timed<'a>,
}

/// The part of a stay that lies in a window of seconds.
impl Stay {
    pub(super) fn within(self, start: i64, end: i64) -> Option<Self> {
        let (start, end) = (self.start.max(start), self.end.min(end));
        (start < end).then_some(Self { start, end, ..self })
    }
}
