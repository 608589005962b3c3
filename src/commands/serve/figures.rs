//! What a server says of money and of how much was seen: `/allocation` as OpenCost's clients ask for it,
//! and gauges of the last 24 hours for `/metrics`.
//!
//! Both read the store of samples and the price lists as they are now, on a thread of their own, two
//! questions at a time. A set is made after the other and written as text, so that no question takes more
//! memory than its longest set and the answer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use runbook_capacity::prices::PriceBook;
use runbook_core::clock::Clock;
use runbook_showback::allocate::showback::Basis;
use runbook_showback::allocate::{self, Charges, PriceOptions, Refused, Request, Rules};
use runbook_showback::bill::Class;
use runbook_showback::observed::{ClusterId, Observed, Window};
use runbook_showback::render::allocation::{Question, QuestionError, Set, set_text};
use runbook_showback::samples::{Store, StoreError};
use runbook_tasks::message::micros;
use tokio::sync::Semaphore;

use crate::commands::report::of_target;
use crate::price_lists::PriceLists;
use crate::target::On;

/// Questions at once.
const AT_ONCE: usize = 2;
/// The longest answer, in bytes.
const LONGEST: usize = 64 << 20;
/// How long the gauges are kept, in real time: they read a day of samples.
const KEPT: SignedDuration = SignedDuration::from_secs(60);
/// Of which time the gauges are.
const OF: SignedDuration = SignedDuration::from_hours(24);

/// Where figures come from.
pub(crate) struct Figures {
    pub(crate) on: On,
    pub(crate) samples: PathBuf,
    pub(crate) prices: PriceLists,
    /// Whether something stands in for AWS.
    pub(crate) has_endpoint: bool,
    pub(crate) rules: Rules,
    pub(crate) clock: Arc<dyn Clock>,
    seats: Semaphore,
    seen: Mutex<Option<(Timestamp, Option<Seen>)>>,
}

/// Why there is no answer.
pub(crate) enum NoAnswer {
    /// The question.
    Asked(String),
    /// There is nothing to answer it from.
    Nothing(String),
    /// It cannot be answered now.
    Failed(String),
    /// Others are asking.
    Busy,
}

/// What the gauges say.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Seconds of nodes that looks saw, and that cost.
    pub(crate) node_seconds: (i64, i64),
    pub(crate) largest_hole: i64,
    pub(crate) last_look: Option<Timestamp>,
    /// By class, in ten-thousandths of a cent.
    pub(crate) cost: Vec<(String, i64)>,
    pub(crate) unpriced: usize,
}

impl Figures {
    pub(crate) fn new(
        on: On,
        samples: PathBuf,
        prices: PriceLists,
        has_endpoint: bool,
        rules: Rules,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (seats, seen) = (Semaphore::new(AT_ONCE), Mutex::default());
        Self { on, samples, prices, has_endpoint, rules, clock, seats, seen }
    }

    /// Answers `/allocation`.
    pub(crate) async fn allocation(self: Arc<Self>, query: String) -> Result<String, NoAnswer> {
        let now = self.clock.now();
        let question = Question::read(&query, now)
            .map_err(|error: QuestionError| NoAnswer::Asked(error.to_string()))?;
        self.on_a_thread(move |figures| figures.answer(&question, now)).await
    }

    /// The gauges; none while nothing was looked at.
    pub(crate) async fn seen(self: Arc<Self>, real: Timestamp) -> Option<Seen> {
        let kept = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, seen)) = &kept
            && real.duration_since(*at) < KEPT
        {
            return seen.clone();
        }
        let now = self.clock.now();
        let seen = match self.clone().on_a_thread(move |figures| figures.gauges(now)).await {
            Ok(seen) => Some(seen),
            // Others are asking: what was said last stands until they have their answers.
            Err(NoAnswer::Busy) => return kept.and_then(|(_, seen)| seen),
            Err(_) => None,
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((real, seen.clone()));
        seen
    }

    async fn on_a_thread<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let figures = self.clone();
        let _seat = figures.seats.try_acquire().map_err(|_| NoAnswer::Busy)?;
        tokio::task::spawn_blocking(move || work(&self))
            .await
            .unwrap_or_else(|error| Err(NoAnswer::Failed(error.to_string())))
    }

    fn answer(&self, question: &Question, now: Timestamp) -> Result<String, NoAnswer> {
        let (store, clusters, book) = self.sources()?;
        let mut data = String::new();
        let mut warnings = Warnings::default();
        for window in &question.sets {
            let set = self.charges((&store, &clusters), &book, *window, now)?;
            let text = match &set {
                None => "{}".to_owned(),
                Some((observed, charges)) => {
                    warnings.take(charges);
                    let set = Set { window: *window, charges, observed };
                    set_text(&set, &question.query, LONGEST.saturating_sub(data.len()))
                        .ok_or_else(too_long)?
                }
            };
            let comma = if data.is_empty() { "" } else { "," };
            data.push_str(&format!("{comma}{text}"));
        }
        let warning = warnings.text();
        let warning = warning.map_or_else(String::new, |text| {
            format!(",\"warning\":{}", serde_json::Value::from(text))
        });
        Ok(format!("{{\"code\":200,\"status\":\"success\",\"data\":[{data}]{warning}}}"))
    }

    fn gauges(&self, now: Timestamp) -> Result<Seen, NoAnswer> {
        let (store, clusters, book) = self.sources()?;
        let window = Window { start: now.saturating_sub(OF).unwrap_or(now), end: now };
        let set = self.charges((&store, &clusters), &book, window, now)?;
        let (observed, charges) =
            set.ok_or_else(|| NoAnswer::Nothing(format!("nothing was observed in {window}")))?;
        let ends = observed.clusters.iter().flat_map(|cluster| &cluster.covered);
        let mut cost = std::collections::BTreeMap::new();
        for charge in &charges.charges {
            *cost.entry(charge.class).or_insert(0_i128) += charge.amount.raw();
        }
        let coverage = &charges.coverage;
        Ok(Seen {
            node_seconds: (coverage.node_seconds_seen, coverage.node_seconds_billed),
            largest_hole: coverage.largest_hole.map_or(0, Window::seconds),
            last_look: ends.map(|covered| covered.end).max(),
            cost: cost.into_iter().map(|(class, raw)| (named(class), micros(raw))).collect(),
            unpriced: charges.unpriced.len(),
        })
    }

    fn sources(
        &self,
    ) -> Result<(Store, Vec<String>, std::borrow::Cow<'static, PriceBook>), NoAnswer> {
        let store = Store::open(&self.samples).map_err(|error| of_store(&error))?;
        let known = store.clusters().map_err(|error| of_store(&error))?;
        let of_target = of_target(&known, self.on, self.has_endpoint);
        if of_target.is_empty() {
            let folder = store.folder().to_owned();
            return Err(of_store(&StoreError::Empty { folder }));
        }
        let clusters = of_target.into_iter().map(ClusterId::to_string).collect();
        let book = self.prices.book(None).map_err(NoAnswer::Failed)?;
        Ok((store, clusters, book))
    }

    /// What a window cost; none where nobody looked.
    fn charges(
        &self,
        (store, clusters): (&Store, &[String]),
        book: &PriceBook,
        window: Window,
        now: Timestamp,
    ) -> Result<Option<(Observed, Charges)>, NoAnswer> {
        let observed = store.observed(Some(clusters), window).map_err(|error| of_store(&error))?;
        let by = allocate::dimensions("namespace")
            .map_err(|error| NoAnswer::Failed(error.to_string()))?;
        let request = Request {
            window,
            basis: Basis::Period,
            by,
            weight: None,
            as_of: now,
            from: self.on.name().to_owned(),
            is_provisional: false,
            rules: self.rules.clone(),
            prices: PriceOptions::default(),
        };
        match allocate::charges(&observed, book, &request) {
            Ok(charges) => Ok(Some((observed, charges))),
            Err(Refused::NothingSeen { .. } | Refused::Future { .. }) => Ok(None),
            Err(refused @ Refused::OneLook { .. }) => Err(NoAnswer::Asked(refused.to_string())),
            Err(refused) => Err(NoAnswer::Failed(refused.to_string())),
        }
    }
}

/// A class as answers of JSON name it.
fn named(class: Class) -> String {
    serde_json::to_value(class)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn of_store(error: &StoreError) -> NoAnswer {
    match error {
        StoreError::Empty { .. } => NoAnswer::Nothing(error.to_string()),
        _ => NoAnswer::Failed(error.to_string()),
    }
}

fn too_long() -> NoAnswer {
    NoAnswer::Asked(format!(
        "the answer would be longer than {} MiB; aggregate it, or ask for less at once",
        LONGEST >> 20
    ))
}

/// What a reader of an answer has to know.
#[derive(Default)]
struct Warnings {
    seen: i64,
    billed: i64,
    is_estimate: bool,
    unpriced: std::collections::BTreeSet<String>,
}

impl Warnings {
    fn take(&mut self, charges: &Charges) {
        self.seen += charges.coverage.node_seconds_seen;
        self.billed += charges.coverage.node_seconds_billed;
        self.is_estimate |= charges.is_estimate;
        self.unpriced.extend(charges.unpriced.iter().map(|(what, _)| what.clone()));
    }

    fn text(&self) -> Option<String> {
        let mut told = Vec::new();
        if self.is_estimate {
            let share = if self.billed > 0 { self.seen * 1_000 / self.billed } else { 0 };
            told.push(format!("estimate: {}.{} % of node-hours were seen", share / 10, share % 10));
        }
        if !self.unpriced.is_empty() {
            let all: Vec<&str> = self.unpriced.iter().map(String::as_str).collect();
            told.push(format!("incomplete: without a price are {}", all.join(", ")));
        }
        (!told.is_empty()).then(|| told.join("; "))
    }
}
