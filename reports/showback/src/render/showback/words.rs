//! What every form of a showback says in words: its title, its names, and what a reader has to know.

use runbook_capacity::answer::written::visible;

use super::rounded::Rounded;
use crate::allocate::charge::PodRef;
use crate::allocate::showback::{
    Basis, BudgetLine, Cause, Group, PodLine, RowKind, Showback, Weight,
};
use crate::observed::Severity;
use crate::render::figures::{grouped, lasting};
use crate::render::text::{counted, elided, sentence};

/// What stands where a key has no value.
const NO_VALUE: &str = "–";

/// Something that a reader has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about, in a word or two.
    pub label: &'static str,
    /// It, in a sentence.
    pub text: String,
    /// The things that it is about, where they are many.
    pub items: Vec<String>,
}

impl Remark {
    fn new(severity: Severity, label: &'static str, text: String) -> Self {
        Self { severity, label, text, items: Vec::new() }
    }

    /// As a sentence; a finding begins with a name, which keeps its letters.
    pub(super) fn sentence(&self, most: usize) -> String {
        let text = visible(&self.text);
        let text = elided(&text, most);
        if self.label == "finding" { text.into_owned() } else { sentence(&text) }
    }

    fn of(mut self, items: Vec<String>) -> Self {
        self.items = items;
        self
    }
}

/// `the sandbox`, `aws`, a file's name.
pub(super) fn source(showback: &Showback) -> String {
    if is_sandbox(showback) {
        return showback.from.replacen("sandbox", "the sandbox", 1);
    }
    visible(&showback.from).into_owned()
}

/// Whether nothing of it is real.
pub(super) fn is_sandbox(showback: &Showback) -> bool {
    let rest = showback.from.strip_prefix("sandbox");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(", "))
}

/// `2026-10-01 to 2026-10-31`, or of a rate the moment.
pub(super) fn window(showback: &Showback) -> String {
    match showback.basis {
        Basis::Period => showback.window.to_string(),
        Basis::HourlyRate => format!("a rate, as seen at {:.0}", showback.window.start),
    }
}

/// `estimate`, `provisional`: what the title must say.
pub(super) fn marks(showback: &Showback) -> Vec<&'static str> {
    let marks = [
        (showback.is_estimate, "estimate"),
        (showback.is_provisional, "provisional"),
        (!showback.unpriced.is_empty(), "incomplete"),
    ];
    marks.into_iter().filter(|(applies, _)| *applies).map(|(_, word)| word).collect()
}

/// `list prices of 2026-03-30 to 2026-10-05, USD before tax`.
pub(super) fn prices(showback: &Showback) -> String {
    let days = match (showback.prices.oldest, showback.prices.newest) {
        (Some(oldest), Some(newest)) if oldest != newest => format!(" of {oldest} to {newest}"),
        (Some(day), _) | (None, Some(day)) => format!(" of {day}"),
        (None, None) => ", none of them dated".to_owned(),
    };
    format!("list prices{days}, USD before tax")
}

/// One line that can stand alone: a page's title, a mail's subject.
pub(super) fn title(showback: &Showback) -> String {
    let mut parts = vec![format!("Who pays? {}", window(showback))];
    parts.extend(marks(showback).into_iter().map(str::to_owned));
    parts.push(format!("from {}", source(showback)));
    parts.push(prices(showback));
    parts.join(" · ")
}

/// `9:1`, `7.46:1`, `by price`.
pub(super) fn weight(weight: Weight) -> String {
    match weight {
        Weight::ByPrice => "by price".to_owned(),
        Weight::Fixed(hundredths) => {
            let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
            format!("{}:1", text.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

/// `by team, namespace`.
pub(super) fn dimensions(showback: &Showback) -> String {
    format!("by {}", showback.by.join(", "))
}

/// The clusters, a few of them by name.
pub(super) fn clusters(showback: &Showback) -> String {
    const FEW: usize = 3;
    let names: Vec<String> = showback.clusters.iter().take(FEW).map(ToString::to_string).collect();
    match showback.clusters.len() {
        0 => "no cluster".to_owned(),
        1 => format!("cluster {}", names[0]),
        many if many > FEW => format!("clusters {} and {} more", names.join(", "), many - FEW),
        _ => format!("clusters {}", names.join(", ")),
    }
}

/// What a row is called when it is nobody's.
pub(super) fn kind_title(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Owned => "owned",
        RowKind::Unowned => "unowned",
        RowKind::Idle => "idle",
        RowKind::NodeOverhead => "node overhead",
        RowKind::Shared => "shared cost",
    }
}

/// For programs.
pub(super) fn kind_name(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Owned => "owned",
        RowKind::Unowned => "unowned",
        RowKind::Idle => "idle",
        RowKind::NodeOverhead => "node_overhead",
        RowKind::Shared => "shared",
    }
}

/// A row's key, a cell for each dimension.
pub(super) fn keys(group: &Group, dimensions: usize) -> Vec<String> {
    let mut cells: Vec<String> = (0..dimensions.max(1))
        .map(|index| group.key.get(index).cloned().unwrap_or_default())
        .collect();
    if matches!(group.kind, RowKind::Owned | RowKind::Unowned) {
        for cell in cells.iter_mut().filter(|cell| cell.is_empty()) {
            NO_VALUE.clone_into(cell);
        }
        return cells;
    }
    let title = kind_title(group.kind);
    if let Some(first) = cells.first_mut() {
        let is_named = !first.is_empty() && first != title && first != kind_name(group.kind);
        *first = if is_named { format!("{title}: {first}") } else { title.to_owned() };
    }
    cells
}

/// A row in one text.
pub(super) fn name(group: &Group, dimensions: usize) -> String {
    let cells: Vec<String> =
        keys(group, dimensions).into_iter().filter(|cell| !cell.is_empty()).collect();
    cells.join(" / ")
}

/// For people.
pub(super) fn cause_title(cause: Cause) -> &'static str {
    match cause {
        Cause::Volume => "volume",
        Cause::Price => "price",
        Cause::Mix => "mix",
        Cause::New => "new workloads",
        Cause::Gone => "gone workloads",
    }
}

/// For programs.
pub(super) fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Volume => "volume",
        Cause::Price => "price",
        Cause::Mix => "mix",
        Cause::New => "new",
        Cause::Gone => "gone",
    }
}

/// What a cause means.
pub(super) fn cause_meaning(cause: Cause) -> &'static str {
    match cause {
        Cause::Volume => "more or less of the same",
        Cause::Price => "another price of the same",
        Cause::Mix => "other types, sizes, spot",
        Cause::New => "not there before",
        Cause::Gone => "no longer there",
    }
}

/// `payments/api-7c5d`; of several clusters with the cluster before it.
pub(super) fn pod(pod: &PodRef, showback: &Showback) -> String {
    if showback.clusters.len() > 1 {
        format!("{}: {}/{}", pod.cluster, pod.namespace, pod.name)
    } else {
        format!("{}/{}", pod.namespace, pod.name)
    }
}

/// Hours with one place: `1,234.5`.
pub(super) fn hours(seconds: i64) -> String {
    let tenths = (i128::from(seconds.max(0)) * 10 + 1_800) / 3_600;
    format!("{}.{}", grouped(tenths / 10), tenths % 10)
}

/// Hundredths of a per cent of node-hours that were seen, never rounded up; none when no node cost.
pub(super) fn coverage(showback: &Showback) -> Option<i64> {
    let coverage = &showback.coverage;
    if coverage.node_seconds_billed <= 0 {
        return None;
    }
    let part = i128::from(coverage.node_seconds_seen.max(0)) * 10_000;
    i64::try_from(part / i128::from(coverage.node_seconds_billed))
        .ok()
        .map(|share| share.min(10_000))
}

/// Of the node-hours that cost, how many were seen: a sentence.
pub(super) fn coverage_text(showback: &Showback) -> String {
    let known = &showback.coverage;
    match coverage(showback) {
        None => "no node cost anything in this time".to_owned(),
        Some(share) => format!(
            "{} of {} node-hours that cost were seen, {}.{} %",
            hours(known.node_seconds_seen),
            hours(known.node_seconds_billed),
            share / 100,
            share / 10 % 10
        ),
    }
}

/// All that a reader has to know besides the figures, what matters most first within its kind.
pub(super) fn remarks(rounded: &Rounded<'_>) -> Vec<Remark> {
    let showback = rounded.of;
    let mut remarks = of_coverage(showback);
    remarks.extend(of_pods(showback));
    remarks.extend(of_rules(showback));
    if showback.prices.has_spot {
        let text =
            "instances on spot are priced at the median of what was seen, not at what was paid";
        remarks.push(Remark::new(Severity::Note, "spot", text.to_owned()));
    }
    remarks.extend(of_weight(rounded));
    let mut findings: Vec<_> = showback.findings.iter().collect();
    findings.sort_by(|one, other| other.severity.cmp(&one.severity).then_with(|| one.cmp(other)));
    remarks.extend(findings.into_iter().map(|finding| {
        let text = format!("{}: {}", finding.subject, finding.message);
        Remark::new(finding.severity, "finding", text)
    }));
    remarks
}

fn of_coverage(showback: &Showback) -> Vec<Remark> {
    let known = &showback.coverage;
    let severity = if showback.is_estimate { Severity::Warning } else { Severity::Note };
    if showback.basis == Basis::HourlyRate {
        let text = "one look: what an hour costs as things stood then, not what any time has cost";
        return vec![Remark::new(Severity::Note, "coverage", text.to_owned())];
    }
    let mut remarks = vec![Remark::new(severity, "coverage", coverage_text(showback))];
    if let Some(hole) = known.largest_hole {
        let text = format!(
            "nobody looked from {} to {}, {}",
            hole.start,
            hole.end,
            lasting(hole.seconds())
        );
        remarks.push(Remark::new(severity, "largest hole", text));
    }
    if known.resolution_seconds > 0 {
        let text =
            format!("there were at most {} between two looks", lasting(known.resolution_seconds));
        remarks.push(Remark::new(Severity::Note, "looks", text));
    }
    if known.pods_seen_once > 0 {
        let text = format!(
            "in one look only: {} of {}, and how long those ran is a guess",
            grouped(known.pods_seen_once.into()),
            counted(i64::try_from(known.pods).unwrap_or(i64::MAX), "pod", "pods")
        );
        remarks.push(Remark::new(Severity::Warning, "seen once", text));
    }
    remarks
}

/// Pods that ended on Fargate and were billed on, longest first.
pub(super) fn lingering(showback: &Showback) -> Vec<&PodLine> {
    let mut pods: Vec<&PodLine> =
        showback.pods.iter().filter(|pod| pod.lingering_seconds > 0).collect();
    pods.sort_by_key(|pod| (-pod.lingering_seconds, &pod.pod.namespace, &pod.pod.name));
    pods
}

fn number(count: usize, one: &str, many: &str) -> String {
    counted(i64::try_from(count).unwrap_or(i64::MAX), one, many)
}

fn of_pods(showback: &Showback) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let lingering = lingering(showback);
    if !lingering.is_empty() {
        let text = format!(
            "{} had ended on Fargate, which bills until a pod is deleted; ttlSecondsAfterFinished \
             deletes those of a Job",
            number(lingering.len(), "pod", "pods")
        );
        let items = lingering.into_iter().map(|line| {
            format!("{} ({})", pod(&line.pod, showback), lasting(line.lingering_seconds))
        });
        remarks.push(Remark::new(Severity::Warning, "ended pods", text).of(items.collect()));
    }
    if !showback.unmeasured.is_empty() {
        let count = number(showback.unmeasured.len(), "pod", "pods");
        let text = format!("{count} with neither request nor usage: charged nothing for nodes");
        let items = showback.unmeasured.iter().map(|one| pod(one, showback)).collect();
        remarks.push(Remark::new(Severity::Warning, "unmeasured", text).of(items));
    }
    if !showback.unpriced.is_empty() {
        let count = number(showback.unpriced.len(), "thing", "things");
        let text = format!("{count} without a price, in no total");
        let items = showback.unpriced.iter().map(|(name, why)| format!("{name}: {}", why.reason));
        remarks.push(Remark::new(Severity::Loss, "no price", text).of(items.collect()));
    }
    remarks
}

fn of_rules(showback: &Showback) -> Vec<Remark> {
    let idle: Vec<_> = showback.rules.iter().filter(|rule| rule.matched == 0).collect();
    if idle.is_empty() {
        return Vec::new();
    }
    let text = format!(
        "{} of {} gave nothing to anybody",
        grouped(idle.len() as i128),
        number(showback.rules.len(), "owner rule", "owner rules")
    );
    let items = idle.into_iter().map(|rule| match rule.shadowed {
        0 => format!("{}: matches no pod", rule.rule),
        count => {
            let count = counted(i64::try_from(count).unwrap_or(i64::MAX), "pod", "pods");
            format!("{}: an earlier rule has its {count}", rule.rule)
        }
    });
    vec![Remark::new(Severity::Warning, "owner rules", text).of(items.collect())]
}

/// What another weight would do to the row that it does most to.
fn of_weight(rounded: &Rounded<'_>) -> Option<Remark> {
    let showback = rounded.of;
    let text = format!(
        "a node's price is divided {} between its vCPU and its GiB",
        match showback.weight {
            Weight::ByPrice => "by Fargate's prices".to_owned(),
            fixed @ Weight::Fixed(_) => weight(fixed),
        }
    );
    let moved = |row: &&super::rounded::Row<'_>| (row.under_other_weight - row.cost.total()).abs();
    let most =
        rounded.rows.iter().max_by_key(|row| (moved(row), std::cmp::Reverse(&row.of.key)))?;
    let by = most.under_other_weight - most.cost.total();
    let other = weight(showback.other_weight);
    let text = if by == 0 {
        format!("{text}; under {other} no row would be another")
    } else {
        let name = name(most.of, showback.by.len());
        format!(
            "{text}; under {other} {name} would have {} {}",
            rounded.grain.signed(by),
            rounded.unit()
        )
    };
    Some(Remark::new(Severity::Note, "weight", text))
}

/// How an owner stands against a budget, in words.
pub(super) fn budget_state(line: &BudgetLine) -> String {
    let passed = line.passed_percent.map(|percent| format!("over {percent} %"));
    let breach = line.breach.map(|day| format!("used up on {day}"));
    let parts: Vec<String> = passed.into_iter().chain(breach).collect();
    if parts.is_empty() { "within".to_owned() } else { parts.join(", ") }
}
