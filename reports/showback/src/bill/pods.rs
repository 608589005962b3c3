//! The pods that a bill names, and the instances under them, as observations.
//!
//! A Fargate row says how many vCPU-hours and GB-hours a pod was billed in an hour. Of both together its
//! size follows, and of the size the exact seconds: a pod that lasted over an hour's end was billed for
//! all of the hour in between. One that never was billed for a whole hour may have any size of the same
//! proportion; it gets the smallest that its hours fit in, which costs the same, and a finding says so.
//!
//! A split row says what share of an instance a pod had in an hour. It has no seconds: its pods are
//! taken as there for the whole hour with what they asked for on average.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use runbook_capacity::catalogue::instance_type;
use runbook_capacity::fargate::{Size, sizes};
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::quantity::{Bytes, Millicores};

use super::BilledPod;
use super::class::split_region;
use super::decimal::Decimal;
use crate::observed::{
    CapacityType, ClusterId, ClusterObserved, Finding, NodeInterval, Observed, Place, PodInterval,
    Severity, Source, Usage, Window,
};

const GIBIBYTE: i64 = 1 << 30;

/// Hours of vCPU and GB in one row's time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PodHours {
    pub(super) cpu: Option<Decimal>,
    pub(super) memory: Option<Decimal>,
    pub(super) used_cpu: Option<Decimal>,
    pub(super) used_memory: Option<Decimal>,
}

impl PodHours {
    /// Two rows of one hour: one says the vCPU, the other the memory.
    fn join(&mut self, other: Self) {
        let add = |one: &mut Option<Decimal>, other: Option<Decimal>| {
            *one = match (*one, other) {
                // More than any bill is not reached by hours of one pod.
                (Some(one), Some(other)) => one.plus(other),
                (one, other) => one.or(other),
            };
        };
        add(&mut self.cpu, other.cpu);
        add(&mut self.memory, other.memory);
        add(&mut self.used_cpu, other.used_cpu);
        add(&mut self.used_memory, other.used_memory);
    }
}

/// Rows of one pod by when they begin.
type Hours = BTreeMap<Timestamp, (Timestamp, PodHours)>;

#[derive(Default)]
struct SplitPod {
    parent: String,
    hours: Hours,
}

/// Rows of one instance.
struct Instance {
    usage_type: String,
    zone: String,
    /// Seconds by when each row begins.
    rows: BTreeMap<Timestamp, (Timestamp, i64)>,
}

/// What was read of pods.
#[derive(Default)]
pub(super) struct Pods {
    /// By the beginning of the ARN, which names region and account.
    fargate: BTreeMap<(String, BilledPod), Hours>,
    split: BTreeMap<(String, BilledPod), SplitPod>,
    instances: BTreeMap<String, Instance>,
    hours: usize,
}

impl Pods {
    /// How many rows are kept.
    pub(super) fn hours(&self) -> usize {
        self.hours
    }

    pub(super) fn take_fargate(
        &mut self,
        arn: &str,
        pod: BilledPod,
        period: Window,
        hours: PodHours,
    ) {
        let known = self.fargate.entry((arn.to_owned(), pod)).or_default();
        self.hours += usize::from(join(known, period, hours));
    }

    pub(super) fn take_split(
        &mut self,
        arn: &str,
        pod: BilledPod,
        parent: &str,
        period: Window,
        hours: PodHours,
    ) {
        let known = self.split.entry((arn.to_owned(), pod)).or_default();
        if known.parent.is_empty() {
            parent.clone_into(&mut known.parent);
        }
        self.hours += usize::from(join(&mut known.hours, period, hours));
    }

    pub(super) fn take_instance(
        &mut self,
        id: &str,
        usage_type: &str,
        zone: &str,
        period: Window,
        hours: Decimal,
    ) {
        if !id.starts_with("i-") {
            return;
        }
        let seconds = i64::try_from(hours.times(3600)).unwrap_or_default();
        let instance = self.instances.entry(id.to_owned()).or_insert_with(|| Instance {
            usage_type: usage_type.to_owned(),
            zone: zone.to_owned(),
            rows: BTreeMap::new(),
        });
        let row = instance.rows.entry(period.start).or_insert_with(|| {
            self.hours += 1;
            (period.end, 0)
        });
        row.1 += seconds;
    }

    /// All of it as observations.
    pub(super) fn observed(self, window: Window) -> Observed {
        let mut made = Made { window, ..Made::default() };
        for ((arn, pod), hours) in &self.fargate {
            made.fargate(arn, pod, hours);
        }
        for ((arn, pod), split) in &self.split {
            let node = self.instances.get(&split.parent);
            made.split(arn, pod, split, node);
        }
        made.done()
    }
}

fn join(known: &mut Hours, period: Window, hours: PodHours) -> bool {
    if let Some((_, joined)) = known.get_mut(&period.start) {
        joined.join(hours);
        return false;
    }
    known.insert(period.start, (period.end, hours));
    true
}

/// How much a bill says of a cluster.
#[derive(Default)]
struct Told {
    sources: BTreeSet<Source>,
    /// The times that rows of it are about, by when they begin.
    rows: BTreeMap<Timestamp, Timestamp>,
}

impl Told {
    fn take(&mut self, source: Source, hours: &Hours) {
        self.sources.insert(source);
        for (start, (end, _)) in hours {
            let known = self.rows.entry(*start).or_insert(*end);
            *known = (*known).max(*end);
        }
    }

    fn covered(&self) -> Vec<Window> {
        let times = self.rows.iter().map(|(start, end)| Window { start: *start, end: *end });
        Window::joined(times.collect())
    }
}

/// What becomes of it.
struct Made {
    window: Window,
    clusters: BTreeMap<Arc<ClusterId>, Told>,
    pods: Vec<PodInterval>,
    nodes: BTreeMap<String, NodeInterval>,
    guessed: u64,
    odd: Vec<String>,
}

impl Default for Made {
    fn default() -> Self {
        let window = Window { start: Timestamp::UNIX_EPOCH, end: Timestamp::UNIX_EPOCH };
        Self {
            window,
            clusters: BTreeMap::new(),
            pods: Vec::new(),
            nodes: BTreeMap::new(),
            guessed: 0,
            odd: Vec::new(),
        }
    }
}

impl Made {
    fn cluster(&mut self, arn: &str, name: &str, source: Source, hours: &Hours) -> Arc<ClusterId> {
        let mut parts = arn.split(':').skip(3);
        let region = parts.next().unwrap_or_default().to_owned();
        let account = parts.next().filter(|one| !one.is_empty()).map(str::to_owned);
        let id = Arc::new(ClusterId { account, region, name: name.to_owned() });
        let (id, told) = match self.clusters.entry(id) {
            std::collections::btree_map::Entry::Occupied(entry) => {
                (Arc::clone(entry.key()), entry.into_mut())
            }
            std::collections::btree_map::Entry::Vacant(entry) => {
                (Arc::clone(entry.key()), entry.insert(Told::default()))
            }
        };
        told.take(source, hours);
        id
    }

    fn fargate(&mut self, arn: &str, pod: &BilledPod, hours: &Hours) {
        let Some((size, is_certain)) = size_of(hours) else {
            self.odd.push(format!("{}/{}", pod.namespace, pod.name));
            return;
        };
        self.guessed += u64::from(!is_certain);
        let seconds = |row: &PodHours| row.cpu.map_or(0, |cpu| seconds_of(cpu, size.vcpu.0));
        let rows: Vec<(Window, i64)> = hours
            .iter()
            .map(|(start, (end, row))| (Window { start: *start, end: *end }, seconds(row)))
            .collect();
        let cluster = self.cluster(arn, &pod.cluster, Source::FargateBill, hours);
        // A pod that was billed for less than all of an hour in the middle was there twice.
        for span in spans(&rows) {
            let mut made = interval(&cluster, pod, span, Source::FargateBill);
            made.requests = Resources::of(size.vcpu, size.memory);
            made.place = Place::Fargate {
                node: format!("fargate-{}", pod.uid),
                size: Some(size),
                storage: None,
                is_annotated: true,
            };
            self.pods.push(made);
        }
    }

    fn split(&mut self, arn: &str, pod: &BilledPod, split: &SplitPod, node: Option<&Instance>) {
        let cluster = self.cluster(arn, &pod.cluster, Source::SplitCostAllocation, &split.hours);
        if let Some(instance) = node {
            self.node(&cluster, &split.parent, instance);
        }
        let mut open: Option<PodInterval> = None;
        for (start, (end, row)) in &split.hours {
            let period = Window { start: *start, end: *end };
            let mut made = interval(&cluster, pod, period, Source::SplitCostAllocation);
            made.place = Place::Node(split.parent.clone());
            made.requests = Resources {
                cpu: row.cpu.map(|one| Millicores(average(one, 1000, period))),
                memory: row.memory.map(|one| Bytes(average(one, GIBIBYTE, period))),
                ..Resources::default()
            };
            made.usage = (row.used_cpu.is_some() || row.used_memory.is_some()).then(|| Usage {
                cpu: row.used_cpu.map(|one| Millicores(average(one, 1000, period))),
                memory: row.used_memory.map(|one| Bytes(average(one, GIBIBYTE, period))),
            });
            match &mut open {
                Some(last) if last.seen.end == *start && is_same(last, &made) => {
                    last.seen.end = *end;
                    last.ended = Some(*end);
                }
                _ => self.pods.extend(open.replace(made)),
            }
        }
        self.pods.extend(open);
    }

    fn node(&mut self, cluster: &Arc<ClusterId>, id: &str, instance: &Instance) {
        if self.nodes.contains_key(id) {
            return;
        }
        let (_, name) = split_region(&instance.usage_type);
        let kind = name.split_once(':').map(|(_, kind)| kind.to_owned());
        let rows: Vec<(Window, i64)> = instance
            .rows
            .iter()
            .map(|(start, (end, seconds))| (Window { start: *start, end: *end }, *seconds))
            .collect();
        let spans = spans(&rows);
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return };
        let life = Window { start: first.start, end: last.end };
        let capacity =
            kind.as_deref().and_then(instance_type).map_or_else(Resources::default, |one| {
                Resources::of(Millicores(i64::from(one.vcpus) * 1000), one.memory)
            });
        let is_spot = name.starts_with("SpotUsage");
        let node = NodeInterval {
            cluster: Arc::clone(cluster),
            name: id.to_owned(),
            uid: id.to_owned(),
            instance_id: Some(id.to_owned()),
            instance_type: kind,
            capacity_type: if is_spot { CapacityType::Spot } else { CapacityType::OnDemand },
            zone: Some(instance.zone.clone()).filter(|zone| !zone.is_empty()),
            pool: None,
            is_auto_mode: false,
            allocatable: capacity.clone(),
            capacity,
            volume: None,
            launched: life.start,
            ready: Some(life.start),
            drained: None,
            ended: Some(life.end),
            seen: life,
            looks: u64::try_from(rows.len()).unwrap_or_default(),
            source: Source::SplitCostAllocation,
        };
        self.nodes.insert(id.to_owned(), node);
    }

    fn done(self) -> Observed {
        let mut findings = Vec::new();
        if self.guessed > 0 {
            findings.push(Finding {
                severity: Severity::Note,
                code: "fargate_size_by_proportion",
                subject: format!("{} Fargate pods", self.guessed),
                message: "no row of theirs is a whole hour, so the bill tells their proportion of vCPU to \
                          memory and not their size; the smallest that fits is taken, which costs the same"
                    .to_owned(),
            });
        }
        if let Some(first) = self.odd.first() {
            findings.push(Finding {
                severity: Severity::Loss,
                code: "fargate_size_unknown",
                subject: first.clone(),
                message: format!(
                    "{} Fargate pods were billed for vCPU and memory in a proportion that no size has, or \
                     for one of both only; they are not among what was observed",
                    self.odd.len()
                ),
            });
        }
        let window = self.window;
        let clusters = self.clusters.into_iter().map(|(id, told)| ClusterObserved {
            id,
            covered: told.covered(),
            resolution_seconds: if told.sources.contains(&Source::SplitCostAllocation) {
                3600
            } else {
                1
            },
            looks: 1,
            is_in_extended_support: None,
            created: None,
            sources: told.sources,
        });
        Observed {
            window,
            clusters: clusters.collect(),
            nodes: self.nodes.into_values().collect(),
            pods: self.pods,
            findings,
        }
    }
}

fn interval(
    cluster: &Arc<ClusterId>,
    pod: &BilledPod,
    span: Window,
    source: Source,
) -> PodInterval {
    PodInterval {
        cluster: Arc::clone(cluster),
        uid: pod.uid.clone(),
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        controller: None,
        labels: Arc::default(),
        annotations: Arc::default(),
        namespace_labels: Arc::default(),
        place: Place::Nowhere,
        requests: Resources::default(),
        usage: None,
        phase: "Running".to_owned(),
        scheduled: Some(span.start),
        started: Some(span.start),
        finished: None,
        ended: Some(span.end),
        // What a bill says of its time is exact.
        is_part: true,
        seen: span,
        looks: 1,
        source,
    }
}

fn is_same(one: &PodInterval, other: &PodInterval) -> bool {
    one.requests == other.requests && one.usage == other.usage
}

/// Hours of something over a time as how much of it there was on average.
fn average(hours: Decimal, units: i64, period: Window) -> i64 {
    let unit_seconds = hours.times(units.saturating_mul(3600));
    let seconds = i128::from(period.seconds().max(1));
    i64::try_from((unit_seconds * 2 + seconds).div_euclid(2 * seconds)).unwrap_or(i64::MAX)
}

/// Seconds in which so many thousandths of a vCPU make so many vCPU-hours.
fn seconds_of(hours: Decimal, thousandths: i64) -> i64 {
    let vcpu_seconds = hours.times(3_600_000);
    let by = i128::from(thousandths.max(1));
    i64::try_from((vcpu_seconds * 2 + by).div_euclid(2 * by)).unwrap_or(i64::MAX)
}

/// The size of a pod by its rows, and whether it is the only one.
fn size_of(hours: &Hours) -> Option<(Size, bool)> {
    let rows: Option<Vec<(i64, Decimal, Decimal)>> = hours
        .iter()
        .map(|(start, (end, row))| {
            let length = Window { start: *start, end: *end }.seconds();
            Some((length, row.cpu?, row.memory?))
        })
        .collect();
    let rows = rows.filter(|rows| !rows.is_empty())?;
    let fits = |size: &Size| {
        rows.iter().all(|(length, cpu, memory)| {
            let by_cpu = seconds_of(*cpu, size.vcpu.0);
            let by_memory = seconds_of(*memory, size.memory.in_mebibytes_up() * 1000 / 1024);
            (by_cpu - by_memory).abs() <= 1 && by_cpu <= *length
        })
    };
    let mut fitting = sizes().iter().filter(|size| fits(size));
    let smallest = *fitting.next()?;
    let is_whole = rows.iter().any(|(length, cpu, _)| seconds_of(*cpu, smallest.vcpu.0) == *length);
    Some((smallest, is_whole || fitting.next().is_none()))
}

/// When something was there, by the seconds of each row. Rows that follow each other and are full in
/// between are one stretch; where a row is not full, the stretch begins late in it or ends early in it.
fn spans(rows: &[(Window, i64)]) -> Vec<Window> {
    let mut spans: Vec<Window> = Vec::new();
    for (index, (period, seconds)) in rows.iter().enumerate() {
        let length = SignedDuration::from_secs(*seconds);
        let follows = spans.last().is_some_and(|last| last.end == period.start);
        let goes_on = rows.get(index + 1).is_some_and(|(next, _)| next.start == period.end);
        let is_full = *seconds >= period.seconds();
        let span = if is_full || follows || !goes_on {
            let end = period.start.saturating_add(length).unwrap_or(period.end);
            Window { start: period.start, end: end.min(period.end) }
        } else {
            let start = period.end.saturating_sub(length).unwrap_or(period.start);
            Window { start: start.max(period.start), end: period.end }
        };
        match spans.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ => spans.push(span),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(hours: &[(u8, i64)]) -> Vec<(Window, i64)> {
        hours
            .iter()
            .map(|(hour, seconds)| {
                let start: Timestamp = format!("2026-10-01T{hour:02}:00:00Z").parse().unwrap();
                let end = start.saturating_add(SignedDuration::from_hours(1)).unwrap();
                (Window { start, end }, *seconds)
            })
            .collect()
    }

    fn spans_of(hours: &[(u8, i64)]) -> Vec<String> {
        spans(&rows(hours))
            .iter()
            .map(|one| {
                format!("{} {}", one.start.strftime("%H:%M:%S"), one.end.strftime("%H:%M:%S"))
            })
            .collect()
    }

    #[test]
    fn seconds_of_rows_are_stretches_of_time() {
        assert_eq!(spans_of(&[(3, 240)]), ["03:00:00 03:04:00"]);
        assert_eq!(spans_of(&[(3, 240), (4, 3600), (5, 60)]), ["03:56:00 05:01:00"]);
        assert_eq!(spans_of(&[(3, 3600), (4, 3600)]), ["03:00:00 05:00:00"]);
        assert_eq!(spans_of(&[(3, 240), (6, 60)]), ["03:00:00 03:04:00", "06:00:00 06:01:00"]);
        let seconds: i64 =
            spans(&rows(&[(1, 100), (2, 200), (3, 300)])).iter().map(|one| one.seconds()).sum();
        assert_eq!(seconds, 600);
    }

    fn hours(rows: &[(u8, &str, &str)]) -> Hours {
        let mut hours = Hours::new();
        for (hour, cpu, memory) in rows {
            let start: Timestamp = format!("2026-10-01T{hour:02}:00:00Z").parse().unwrap();
            let end = start.saturating_add(SignedDuration::from_hours(1)).unwrap();
            let row = PodHours {
                cpu: Decimal::parse(cpu),
                memory: Decimal::parse(memory),
                ..PodHours::default()
            };
            hours.insert(start, (end, row));
        }
        hours
    }

    #[test]
    fn a_size_follows_from_whole_hours() {
        // 0.5 vCPU, 1 GB: 15 minutes, an hour, 20 seconds.
        let known =
            hours(&[(1, "0.125", "0.25"), (2, "0.5", "1"), (3, "0.0027777778", "0.0055555556")]);
        let (size, is_certain) = size_of(&known).expect("a size");
        assert_eq!((size.to_string(), is_certain), ("0.5vCPU 1GB".to_owned(), true));
        // Four minutes of 0.25/0.5, or two of 0.5/1: the bill does not tell, and it costs the same.
        let (size, is_certain) =
            size_of(&hours(&[(1, "0.0166666667", "0.0333333333")])).expect("a size");
        assert_eq!((size.to_string(), is_certain), ("0.25vCPU 0.5GB".to_owned(), false));
        assert_eq!(size_of(&hours(&[(1, "0.1", "7")])), None);
    }
}
