//! The folder with everybody's samples, and reading it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::fold::{Fold, Folded, Step};
use super::names::{Part, folder_of, parts};
use super::read::{Opened, Read, Reader};
use super::record::{Shared, State};
use super::{Look, StoreError, Writer};
use crate::observed::{ClusterId, Finding, Observed, Severity, Source, Window};

/// A folder of samples; it need not be there yet.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// A cluster's folder.
struct Kept {
    id: ClusterId,
    parts: Vec<Part>,
}

impl Store {
    /// A store in a folder. Nothing is made before something is written.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.into();
        match std::fs::metadata(&folder) {
            Ok(found) if !found.is_dir() => {
                Err(StoreError::Foreign { path: folder, problem: "it is no folder".to_owned() })
            }
            Ok(_) => Ok(Self { folder }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self { folder }),
            Err(source) => Err(StoreError::System { action: "open", path: folder, source }),
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The only writer of a cluster's samples. Of days with samples the newest `keep_days` are kept.
    pub fn writer(&self, cluster: &ClusterId, keep_days: u32) -> Result<Writer, StoreError> {
        Writer::open(self.folder.join(folder_of(cluster)), cluster.clone(), keep_days)
    }

    /// The clusters that were looked at, in order.
    pub fn clusters(&self) -> Result<Vec<ClusterId>, StoreError> {
        Ok(self.kept()?.into_iter().map(|kept| kept.id).collect())
    }

    /// What was seen of some clusters (of all when none are named) in a window. A cluster is named by its
    /// name, where that is the only one, or in full: `111122223333/ap-northeast-2/myeks`. An empty window
    /// asks for what was there at that moment: one look, [`crate::observed::Source::Snapshot`].
    pub fn observed(
        &self,
        clusters: Option<&[String]>,
        window: Window,
    ) -> Result<Observed, StoreError> {
        let kept = self.kept()?;
        if kept.is_empty() {
            return Err(StoreError::Empty { folder: self.folder.clone() });
        }
        let chosen = match clusters {
            None => kept,
            Some(names) => chosen(kept, names)?,
        };
        let mut observed = Observed {
            window,
            clusters: Vec::new(),
            nodes: Vec::new(),
            pods: Vec::new(),
            findings: Vec::new(),
        };
        let mut shared = Shared::default();
        for kept in chosen {
            let folded = read(&kept, window, &mut shared, &mut observed.findings)?;
            observed.clusters.push(folded.cluster);
            observed.nodes.extend(folded.nodes);
            observed.pods.extend(folded.pods);
            observed.findings.extend(folded.findings);
        }
        Ok(observed)
    }

    /// The clusters' folders, by what their newest readable file says.
    fn kept(&self) -> Result<Vec<Kept>, StoreError> {
        let failed = StoreError::system("list", &self.folder);
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut kept = Vec::new();
        for entry in entries {
            let path = entry.map_err(StoreError::system("list", &self.folder))?.path();
            if path.is_dir() {
                kept.extend(of_folder(&path)?);
            }
        }
        kept.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(kept)
    }
}

/// What one look says: what was there at its moment, and nothing of the past.
pub fn observed_once(cluster: ClusterId, look: &Look) -> Observed {
    let window = Window { start: look.at, end: look.at };
    let mut fold = Fold::new(Arc::new(cluster), window);
    // It is what was there when the empty window opened.
    let at = look.at.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(look.at);
    let source = Source::Snapshot;
    let step = Step { at, source, every: 0, is_after_gap: false };
    fold.whole(step, &State::of(look), &[]);
    let mut findings = Vec::new();
    note_missing(&look.missing, look.at, &mut findings);
    let folded = fold.snapshot(look.at);
    Observed {
        window,
        clusters: vec![folded.cluster],
        nodes: folded.nodes,
        pods: folded.pods,
        findings,
    }
}

/// What a series of looks says of a window, without a store between.
pub fn observed_looks(
    cluster: ClusterId,
    looks: impl IntoIterator<Item = Look>,
    window: Window,
) -> Observed {
    let mut looks: Vec<Look> = looks.into_iter().collect();
    looks.sort_by_key(|look| look.at);
    let mut fold = Fold::new(Arc::new(cluster), window);
    let mut findings = Vec::new();
    for look in &looks {
        let (source, every, is_after_gap) = (look.source, look.every_seconds, look.is_after_gap);
        fold.whole(
            Step { at: look.at, source, every, is_after_gap },
            &State::of(look),
            &look.usage,
        );
        note_missing(&look.missing, look.at, &mut findings);
    }
    let folded = fold.finish();
    findings.extend(folded.findings);
    Observed {
        window,
        clusters: vec![folded.cluster],
        nodes: folded.nodes,
        pods: folded.pods,
        findings,
    }
}

/// What a folder is of; none when no file in it can be read.
fn of_folder(folder: &Path) -> Result<Option<Kept>, StoreError> {
    let parts = parts(folder)?;
    for part in parts.iter().rev() {
        if let Opened::Records(reader) = Reader::open(part)? {
            return Ok(Some(Kept { id: reader.header.cluster, parts }));
        }
    }
    Ok(None)
}

/// Those that are named.
fn chosen(mut kept: Vec<Kept>, names: &[String]) -> Result<Vec<Kept>, StoreError> {
    let known: Vec<String> = kept.iter().map(|one| one.id.to_string()).collect();
    let mut chosen = Vec::new();
    for name in names {
        let is_named = |one: &Kept| one.id.to_string() == *name || one.id.name == *name;
        let matching: Vec<usize> = (0..kept.len()).filter(|at| is_named(&kept[*at])).collect();
        match matching.as_slice() {
            [at] => chosen.push(kept.remove(*at)),
            // Named twice is once.
            [] if chosen.iter().any(is_named) => {}
            [] => return Err(StoreError::UnknownCluster { name: name.clone(), known }),
            several => {
                let known = several.iter().map(|at| kept[*at].id.to_string()).collect();
                return Err(StoreError::Ambiguous { name: name.clone(), known });
            }
        }
    }
    chosen.sort_by(|left, right| left.id.cmp(&right.id));
    Ok(chosen)
}

/// Reads one cluster's days.
fn read(
    kept: &Kept,
    window: Window,
    shared: &mut Shared,
    findings: &mut Vec<Finding>,
) -> Result<Folded, StoreError> {
    let id = Arc::new(kept.id.clone());
    if window.is_empty() {
        return snapshot(kept, &id, window, shared, findings);
    }
    let mut fold = Fold::new(id, window);
    let first_day = first_day(kept, window.start);
    let mut days: BTreeMap<_, Vec<&Part>> = BTreeMap::new();
    for part in kept.parts.iter().filter(|part| part.day >= first_day) {
        days.entry(part.day).or_default().push(part);
    }
    for (day, parts) in days {
        if fold.is_over() {
            break;
        }
        if Window::day(day).start >= window.end {
            beyond(kept, &parts, &mut fold)?;
            break;
        }
        Day::open(kept, &parts, findings)?.into_fold(&mut fold, shared, findings)?;
    }
    Ok(fold.finish())
}

/// From which day on files are read. A file says what was before it, as its writer knew; where a clock
/// ran backwards, the day before has to say it.
fn first_day(kept: &Kept, start: Timestamp) -> Date {
    let day = start.to_zoned(TimeZone::UTC).date();
    let yesterday = day.yesterday().unwrap_or(day);
    let of = |day: Date| kept.parts.iter().filter(|part| part.day == day).count();
    if of(day) > 1 || of(yesterday) > 1 { yesterday } else { day }
}

/// The look that follows a window, for what its last look covers.
fn beyond(kept: &Kept, parts: &[&Part], fold: &mut Fold) -> Result<(), StoreError> {
    let mut headers = Vec::new();
    for part in parts {
        if let Opened::Records(reader) = Reader::open(part)?
            && reader.header.cluster == kept.id
        {
            headers.push(reader.header);
        }
    }
    if let Some(first) = headers.iter().min_by_key(|header| header.first) {
        fold.beyond(first.first, first.is_after_gap);
    }
    Ok(())
}

/// What was there at a moment: the last look not after it.
fn snapshot(
    kept: &Kept,
    id: &Arc<ClusterId>,
    window: Window,
    shared: &mut Shared,
    findings: &mut Vec<Finding>,
) -> Result<Folded, StoreError> {
    // Everything up to the moment is before this window, and only moves the state on.
    let after =
        window.start.checked_add(jiff::SignedDuration::from_nanos(1)).unwrap_or(window.start);
    let day = window.start.to_zoned(TimeZone::UTC).date();
    let mut earlier: Vec<_> =
        kept.parts.iter().map(|part| part.day).filter(|at| *at <= day).collect();
    earlier.dedup();
    for day in earlier.into_iter().rev() {
        let mut fold = Fold::new(id.clone(), Window { start: after, end: after });
        let parts: Vec<&Part> = kept.parts.iter().filter(|part| part.day == day).collect();
        Day::open(kept, &parts, findings)?.into_fold(&mut fold, shared, findings)?;
        if fold.last().is_some() {
            return Ok(fold.snapshot(window.start));
        }
    }
    Ok(Fold::new(id.clone(), window).finish())
}

/// The files of a day, merged by the moments of their looks.
struct Day {
    lanes: Vec<Lane>,
}

/// One file of it.
struct Lane {
    reader: Box<Reader>,
    state: State,
    next: Option<Read>,
}

impl Day {
    fn open(kept: &Kept, parts: &[&Part], findings: &mut Vec<Finding>) -> Result<Self, StoreError> {
        let mut lanes = Vec::new();
        for part in parts {
            let mut reader = match Reader::open(part)? {
                Opened::Records(reader) => reader,
                Opened::Nothing(finding) => {
                    findings.push(finding);
                    continue;
                }
            };
            if reader.header.cluster != kept.id {
                findings.push(misplaced(part, &reader.header.cluster));
                continue;
            }
            if let Some(stood) = reader.header.backwards_from {
                findings.push(backwards(&kept.id, stood, reader.header.first));
            }
            let next = reader.next()?;
            lanes.push(Lane { reader, state: State::default(), next });
        }
        Ok(Self { lanes })
    }

    /// Gives the looks of the day to a fold, in the order of their moments; of one moment, that of the
    /// earlier file first.
    fn into_fold(
        mut self,
        fold: &mut Fold,
        shared: &mut Shared,
        findings: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        let mut latest: Option<usize> = None;
        let is_merged = self.lanes.len() > 1;
        while let Some(at) = self.first() {
            let lane = &mut self.lanes[at];
            let Some(Read { mut record, source, every }) = lane.next.take() else { break };
            shared.share_all(&mut record.changes);
            let step = Step { at: record.at, source, every, is_after_gap: record.is_after_gap };
            let is_next = latest == Some(at);
            if is_merged || !is_next {
                lane.state.apply(&record.changes);
            }
            if is_next {
                fold.look(step, &record.changes, &record.usage);
            } else {
                before(fold, record.before.take(), &lane.state, shared);
                fold.whole(step, &lane.state, &record.usage);
            }
            note_missing(&record.missing, step.at, findings);
            if !is_merged {
                // From here on the fold's own state is the file's.
                lane.state = State::default();
            }
            latest = Some(at);
            if fold.is_over() {
                break;
            }
            lane.next = lane.reader.next()?;
        }
        for lane in &mut self.lanes {
            findings.append(&mut lane.reader.findings);
        }
        Ok(())
    }

    fn first(&self) -> Option<usize> {
        let due = self.lanes.iter().enumerate();
        due.filter_map(|(at, lane)| Some((lane.next.as_ref()?.record.at, at)))
            .min()
            .map(|(_, at)| at)
    }
}

/// The look before a file's first one, when what was written of it is lost or was not asked for.
fn before(
    fold: &mut Fold,
    before: Option<super::record::Before>,
    state: &State,
    shared: &mut Shared,
) {
    let Some(mut before) = before else { return };
    if fold.last().is_some_and(|last| last >= before.at) {
        return;
    }
    shared.share_all(&mut before.changes);
    let mut then = state.clone();
    then.apply(&before.changes);
    let step =
        Step { at: before.at, source: before.source, every: before.every, is_after_gap: false };
    // What lies between it and what was read before is not known to be whole.
    let step = Step { is_after_gap: fold.last().is_some(), ..step };
    fold.whole(step, &then, &[]);
}

fn note_missing(missing: &[String], at: Timestamp, findings: &mut Vec<Finding>) {
    for what in missing {
        let subject = what.split_once(':').map_or(what.as_str(), |(kind, _)| kind).to_owned();
        let is_known = findings.iter().any(|one| one.code == "not_seen" && one.subject == subject);
        if !is_known {
            findings.push(Finding {
                severity: Severity::Warning,
                code: "not_seen",
                subject,
                message: format!("it could not be read, first at {at}: {what}"),
            });
        }
    }
}

fn misplaced(part: &Part, cluster: &ClusterId) -> Finding {
    Finding {
        severity: Severity::Loss,
        code: "store_misplaced",
        subject: part.path.display().to_string(),
        message: format!(
            "the file is of `{cluster}`, not of this folder's cluster, and was not read"
        ),
    }
}

fn backwards(cluster: &ClusterId, stood: Timestamp, first: Timestamp) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: "clock_backwards",
        subject: cluster.to_string(),
        message: format!(
            "the clock went from {stood} back to {first}; each look counts for the moment it states"
        ),
    }
}
