//! A cluster's state, kept by watches.
//!
//! Each kind is listed once and watched from there on. A watch that ends goes on from its last version;
//! one whose version is not kept any more lists again. Whenever more than half a minute lies between the
//! end of a watch and its going on, and whenever a kind was listed again, nothing is known of the moments
//! in between: the next look says so ([`Look::is_after_gap`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::select_all;
use jiff::{SignedDuration, Timestamp};
use runbook_clients::kubernetes::watch::{Event, Watch};
use runbook_clients::kubernetes::{Kind, Page, Selection};
use runbook_clients::{Class, Error};
use serde_json::Value;

use super::CollectError;
use super::look::{Found, Looker, namespace};
use super::object::text;
use crate::observed::Source;
use crate::samples::Look;

/// How long a watch may be gone before what it missed is a hole.
const HOLE_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// A watch that ends so soon ends for no good reason.
const SOON: SignedDuration = SignedDuration::from_secs(1);

/// What is watched: apiVersion, kind, whether there is no look without it.
const KINDS: [(&str, &str, bool); 4] = [
    ("v1", "Namespace", false),
    ("karpenter.sh/v1", "NodeClaim", false),
    ("v1", "Node", true),
    ("v1", "Pod", true),
];

/// One kind.
struct Lane {
    api_version: &'static str,
    kind: &'static str,
    is_needed: bool,
    /// Where the watch goes on; none while the kind has to be listed.
    version: Option<String>,
    watch: Option<Watch>,
    opened: Timestamp,
    /// When the watch ended.
    since: Option<Timestamp>,
    /// Why it may not be read.
    denied: Option<String>,
}

impl Lane {
    /// Whether it was watched, and wants to be again.
    fn goes_on(&self) -> bool {
        self.watch.is_none() && self.since.is_some()
    }
}

/// Keeps the state of a cluster.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of a watch, each with its own consequence"
)]
pub(super) struct Watcher {
    looker: Looker,
    lanes: Vec<Lane>,
    pods: BTreeMap<String, Found>,
    others: BTreeMap<(&'static str, String), Value>,
    pending: Vec<(usize, Result<Option<Event>, Error>)>,
    problems: Vec<String>,
    has_begun: bool,
    is_after_gap: bool,
    has_changed: bool,
    /// After a failure nothing is awaited before the next look is due.
    is_resting: bool,
}

impl Watcher {
    pub(super) fn new(looker: Looker) -> Self {
        let lane = |(api_version, kind, is_needed)| Lane {
            api_version,
            kind,
            is_needed,
            version: None,
            watch: None,
            opened: Timestamp::MIN,
            since: None,
            denied: None,
        };
        Self {
            looker,
            lanes: KINDS.into_iter().map(lane).collect(),
            pods: BTreeMap::new(),
            others: BTreeMap::new(),
            pending: Vec::new(),
            problems: Vec::new(),
            has_begun: false,
            is_after_gap: false,
            has_changed: false,
            is_resting: false,
        }
    }

    /// Waits until something may have changed. Dropping it loses nothing.
    pub(super) async fn changed(&mut self) {
        let wants_connection = self.lanes.iter().any(Lane::goes_on);
        if !self.is_resting && (wants_connection || !self.pending.is_empty()) {
            return;
        }
        let open = self.lanes.iter_mut().enumerate().filter_map(|(at, lane)| {
            let watch = lane.watch.as_mut()?;
            Some(Box::pin(async move { (at, watch.next().await) }))
        });
        let open: Vec<_> = open.collect();
        if open.is_empty() || self.is_resting {
            std::future::pending::<()>().await;
        }
        let (event, _, _) = select_all(open).await;
        self.pending.push(event);
    }

    /// Waits until each open watch has told everything up to that version; one that ends meanwhile goes
    /// on where it was.
    pub(super) async fn catch_up(&mut self, marked: u64) {
        loop {
            self.drain();
            let behind = self.lanes.iter_mut().enumerate().filter_map(|(at, lane)| {
                let seen = lane.version.as_ref()?.parse::<u64>().ok()?;
                let watch = lane.watch.as_mut().filter(|_| seen < marked)?;
                Some(Box::pin(async move { (at, watch.next().await) }))
            });
            let behind: Vec<_> = behind.collect();
            if behind.is_empty() {
                return;
            }
            let (event, _, _) = select_all(behind).await;
            self.pending.push(event);
        }
    }

    /// The cluster as it is now, when it changed since the last time or when a look is due. What is not
    /// connected is connected first.
    pub(super) async fn take(
        &mut self,
        every_seconds: i64,
        is_due: bool,
    ) -> Result<Option<Look>, CollectError> {
        if self.is_resting && !is_due {
            return Ok(None);
        }
        self.is_resting = false;
        self.drain();
        let connected = self.connect(is_due).await;
        if connected.is_err() {
            self.is_resting = true;
        }
        connected?;
        self.drain();
        if !is_due && !self.has_changed {
            return Ok(None);
        }
        // Before anything more is asked: what it is about is what was seen by now.
        let at = self.looker.now();
        let look = self.look(at, every_seconds).await?;
        self.has_changed = false;
        self.is_after_gap = false;
        Ok(Some(look))
    }

    /// Lists what has to be listed and opens what is not open. A kind that is not served, or may not be
    /// read, is tried again when a look is due.
    async fn connect(&mut self, is_due: bool) -> Result<(), CollectError> {
        for at in 0..self.lanes.len() {
            let lane = &self.lanes[at];
            if lane.watch.is_none() && (is_due || !self.has_begun || lane.goes_on()) {
                self.open(at).await?;
            }
        }
        self.has_begun = true;
        Ok(())
    }

    async fn open(&mut self, at: usize) -> Result<(), CollectError> {
        if self.lanes[at].version.is_none() {
            self.list(at).await?;
        }
        let lane = &self.lanes[at];
        let Some(version) = lane.version.clone() else { return Ok(()) };
        let kind = Kind::new(lane.api_version, lane.kind);
        match self.looker.cluster().watch(&kind, &version).await {
            Ok(watch) => {
                let now = self.looker.now();
                let lane = &mut self.lanes[at];
                lane.watch = watch;
                lane.opened = now;
                if lane.since.take().is_some_and(|since| now.duration_since(since) > HOLE_AFTER) {
                    self.is_after_gap = true;
                }
                Ok(())
            }
            // The version is not kept: the next try lists.
            Err(error) if error.status() == Some(410) => {
                self.lanes[at].version = None;
                self.is_after_gap = true;
                self.open_anew(at).await
            }
            Err(source) => Err(self.failed(at, source)),
        }
    }

    /// Lists and opens once more; a version that is too old at once is a failure.
    async fn open_anew(&mut self, at: usize) -> Result<(), CollectError> {
        self.list(at).await?;
        let lane = &self.lanes[at];
        let Some(version) = lane.version.clone() else { return Ok(()) };
        let kind = Kind::new(lane.api_version, lane.kind);
        let opened = self.looker.cluster().watch(&kind, &version).await;
        let watch = opened.map_err(|source| self.failed(at, source))?;
        let now = self.looker.now();
        let lane = &mut self.lanes[at];
        (lane.watch, lane.opened, lane.since) = (watch, now, None);
        Ok(())
    }

    fn failed(&mut self, at: usize, source: Error) -> CollectError {
        let now = self.looker.now();
        let lane = &mut self.lanes[at];
        lane.since.get_or_insert(now);
        CollectError { kind: lane.kind, cluster: self.looker.id().name.clone(), source }
    }

    async fn list(&mut self, at: usize) -> Result<(), CollectError> {
        let Lane { api_version, kind, is_needed, .. } = self.lanes[at];
        let of = Kind::new(api_version, kind);
        let (mut pods, mut others) = (BTreeMap::new(), BTreeMap::new());
        let mut problems = Vec::new();
        let looker = &self.looker;
        let listed = looker
            .cluster()
            .each_page(&of, &Selection::default(), |page: Page| {
                if page.is_first {
                    (pods, others) = (BTreeMap::new(), BTreeMap::new());
                    problems.clear();
                }
                for object in page.objects {
                    let Some(uid) = text(&object, "/metadata/uid").map(str::to_owned) else {
                        continue;
                    };
                    if kind == "Pod" {
                        pods.extend(looker.found(&object, &mut problems).map(|one| (uid, one)));
                    } else {
                        others.insert((kind, uid), super::bare::bare(object).unwrap_or_default());
                    }
                }
            })
            .await;
        match listed {
            Ok(version) => {
                let lane = &mut self.lanes[at];
                lane.version = version;
                lane.denied = None;
            }
            Err(error) if !is_needed && error.class() == Class::Denied => {
                self.lanes[at].denied = Some(format!("{api_version} {kind}: {error}"));
                return Ok(());
            }
            Err(source) => return Err(self.failed(at, source)),
        }
        self.problems.append(&mut problems);
        if kind == "Pod" {
            self.pods = pods;
        } else {
            self.others.retain(|(of, _), _| *of != kind);
            self.others.append(&mut others);
        }
        // The first list is where watching begins; a later one bridges what nobody saw.
        self.is_after_gap |= self.has_begun && is_needed;
        self.has_changed = true;
        Ok(())
    }

    /// Takes in what has arrived.
    fn drain(&mut self) {
        let mut arrived = std::mem::take(&mut self.pending);
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            while let Some(event) =
                lane.watch.as_mut().and_then(|watch| watch.next().now_or_never())
            {
                let goes_on = matches!(event, Ok(Some(_)));
                arrived.push((at, event));
                if !goes_on {
                    lane.watch = None;
                }
            }
        }
        for (at, event) in arrived {
            match event {
                Ok(Some(event)) => self.on_event(at, event),
                Ok(None) | Err(_) => self.closed(at),
            }
        }
    }

    /// A watch has ended, by itself or because the connection broke: it goes on from its last version.
    fn closed(&mut self, at: usize) {
        let now = self.looker.now();
        let lane = &mut self.lanes[at];
        lane.watch = None;
        lane.since.get_or_insert(now);
        // A server that ends every watch at once is not asked all the time.
        if now.duration_since(lane.opened) < SOON {
            self.is_resting = true;
        }
    }

    fn on_event(&mut self, at: usize, event: Event) {
        let kind = self.lanes[at].kind;
        if let Some(version) = event.version() {
            self.lanes[at].version = Some(version.to_owned());
        }
        match event {
            Event::Version(_) => return,
            Event::Expired => {
                self.lanes[at].version = None;
                self.closed(at);
                return;
            }
            Event::There(object) => {
                let Some(uid) = text(&object, "/metadata/uid").map(str::to_owned) else { return };
                if kind == "Pod" {
                    let found = self.looker.found(&object, &mut self.problems);
                    self.pods.extend(found.map(|one| (uid, one)));
                } else {
                    self.others.insert((kind, uid), super::bare::bare(object).unwrap_or_default());
                }
            }
            Event::Gone(object) => {
                let Some(uid) = text(&object, "/metadata/uid") else { return };
                self.pods.remove(uid);
                self.others.remove(&(kind, uid.to_owned()));
            }
        }
        self.has_changed = true;
    }

    async fn look(&mut self, at: Timestamp, every_seconds: i64) -> Result<Look, CollectError> {
        let of = |kind: &'static str| {
            let objects = self.others.iter().filter(move |((of, _), _)| *of == kind);
            objects.map(|(_, object)| object.clone()).collect::<Vec<Value>>()
        };
        let (nodes, claims) = (of("Node"), of("NodeClaim"));
        let namespaces: BTreeMap<_, _> = of("Namespace").iter().filter_map(namespace).collect();
        let mut missing = std::mem::take(&mut self.problems);
        missing.extend(self.lanes.iter().filter_map(|lane| lane.denied.clone()));
        self.looker.learn_owners(self.pods.values_mut()).await?;
        let nodes = self.looker.nodes(nodes, claims, &mut missing).await;
        let is_in_extended_support = self.looker.extended_support(&mut missing).await;
        Ok(Look {
            at,
            source: Source::Watch,
            every_seconds,
            is_after_gap: self.is_after_gap,
            pods: self.pods.values().map(|found| Arc::clone(&found.pod)).collect(),
            nodes,
            created: namespaces.get("kube-system").and_then(|(_, created)| *created),
            namespaces: namespaces.into_iter().map(|(name, (labels, _))| (name, labels)).collect(),
            is_in_extended_support,
            usage: Vec::new(),
            missing,
        })
    }
}
