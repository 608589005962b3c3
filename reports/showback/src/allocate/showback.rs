//! The answer: what each team, namespace or other key cost, with all that a reader has to know.
//!
//! A [`Showback`] holds exact amounts; cents appear when it is written. In every [`Breakdown`] the parts
//! make up the total, in every list the rows make up the total of the list.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use runbook_capacity::money::{Amount, Unpriced};

use super::charge::PodRef;
use crate::bill::Class;
use crate::observed::{ClusterId, Finding, Window};

/// What an amount is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breakdown {
    /// vCPU of nodes.
    pub cpu: Amount,
    /// Memory of nodes.
    pub memory: Amount,
    /// Fargate: vCPU, memory and disk.
    pub fargate: Amount,
    /// Its share of node overhead.
    pub node_overhead: Amount,
    /// Its share of idle cost.
    pub idle: Amount,
    /// Its share of shared cost.
    pub shared: Amount,
}

impl Breakdown {
    /// The parts, in the order in which they are shown.
    pub fn parts(&self) -> [(&'static str, Amount); 6] {
        [
            ("cpu", self.cpu),
            ("memory", self.memory),
            ("fargate", self.fargate),
            ("node_overhead", self.node_overhead),
            ("idle", self.idle),
            ("shared", self.shared),
        ]
    }
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// Somebody's pods.
    Owned,
    /// Pods that no rule gives to anybody; always there, even when empty.
    Unowned,
    /// Idle cost that is kept apart.
    Idle,
    /// Node overhead that is kept apart.
    NodeOverhead,
    /// Shared cost that is kept apart.
    Shared,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Of what kind.
    pub kind: RowKind,
    /// One value for each of [`Showback::by`]; of an absent label the empty text.
    pub key: Vec<String>,
    /// What it cost.
    pub cost: Breakdown,
    /// How many pods it had.
    pub pods: u64,
    /// vCPU-seconds that were asked for or used, in thousandths.
    pub cpu_millicore_seconds: i128,
    /// Byte-seconds of memory, the same way.
    pub memory_byte_seconds: i128,
    /// By UTC day, in the order of [`Showback::days`].
    pub by_day: Vec<Amount>,
    /// What it cost in the window before; none where that was not asked for or not seen.
    pub before: Option<Amount>,
    /// What it would be under the other weight ([`Showback::other_weight`]).
    pub under_other_weight: Amount,
}

/// A pod below a row.
#[derive(Debug, Clone, PartialEq)]
pub struct PodLine {
    /// The index of its row in [`Showback::groups`].
    pub group: usize,
    /// Which.
    pub pod: Arc<PodRef>,
    /// Its node, or its Fargate size.
    pub place: String,
    /// What it cost; shares of idle, overhead and shared cost included.
    pub cost: Breakdown,
    /// How long it cost, in seconds.
    pub seconds: i64,
    /// Of those, after its containers had ended (Fargate bills on until it is deleted).
    pub lingering_seconds: i64,
}

/// How much of what was billed was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Coverage {
    /// Seconds of nodes that were seen by looks.
    pub node_seconds_seen: i64,
    /// Seconds of nodes that cost: from launch to termination.
    pub node_seconds_billed: i64,
    /// The longest time in the window in which nobody looked.
    pub largest_hole: Option<Window>,
    /// Pods that a single look saw, whose duration is a guess.
    pub pods_seen_once: u64,
    /// Pods in all.
    pub pods: u64,
    /// The longest time between two looks otherwise, in seconds.
    pub resolution_seconds: i64,
}

/// A weight of vCPU against GiB, in hundredths of GiB per vCPU: 900 is 9:1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// One number for all nodes.
    Fixed(u32),
    /// By the region's Fargate prices.
    ByPrice,
}

/// How prices stand behind the figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceBasis {
    /// The day of the oldest price used.
    pub oldest: Option<Date>,
    /// The day of the newest.
    pub newest: Option<Date>,
    /// Where they come from, each once.
    pub sources: Vec<String>,
    /// Instances on spot were priced at the median of what was seen.
    pub has_spot: bool,
}

/// Why an amount moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The same workloads cost more or less of the same.
    Volume,
    /// The price of the same thing.
    Price,
    /// Other things for the same workloads: types, sizes, spot.
    Mix,
    /// Workloads that were not there before.
    New,
    /// Workloads that are no more.
    Gone,
}

/// What moved between two windows; the causes make up the difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The window before.
    pub before: Window,
    /// What it cost then.
    pub total_before: Amount,
    /// Per cause, all of them, in order.
    pub causes: Vec<(Cause, Amount)>,
    /// The rows that moved most: the row's key, the difference, its main cause.
    pub largest: Vec<(Vec<String>, Amount, Cause)>,
}

/// How an owner stands against a budget.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetLine {
    /// Whose.
    pub owner: String,
    /// For a month.
    pub budget: Amount,
    /// Spent in the month so far.
    pub spent: Amount,
    /// What the month will come to when it goes on as it did.
    pub projected: Amount,
    /// The day it will be used up, if it will in this month.
    pub breach: Option<Date>,
    /// Whether a threshold is passed, in percent of the budget.
    pub passed_percent: Option<u32>,
}

/// How an owner rule did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleUse {
    /// As it was written, with its place in the file.
    pub rule: String,
    /// How many pods it gave to somebody.
    pub matched: u64,
    /// How many it would have, had an earlier one not.
    pub shadowed: u64,
}

/// Whether figures are of a time that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Money over the window.
    Period,
    /// One look: a rate, money per hour.
    HourlyRate,
}

/// Who pays, for a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Showback {
    /// The window; of an hourly rate the moment of the look.
    pub window: Window,
    /// A period or a rate.
    pub basis: Basis,
    /// `sandbox`, `aws`, a file's name: said in every title.
    pub from: String,
    /// The clusters.
    pub clusters: Vec<Arc<ClusterId>>,
    /// The dimensions of a row's key: `team`, `namespace`, `cluster`, `label:app` …
    pub by: Vec<String>,
    /// Coverage is below 95 %: the title says *estimate*.
    pub is_estimate: bool,
    /// The window had not settled when this was made: the title says *provisional*.
    pub is_provisional: bool,
    /// When it was made, as a date of the world.
    pub as_of: Timestamp,
    /// How node cost is divided.
    pub weight: Weight,
    /// The other weight, whose figures stand beside.
    pub other_weight: Weight,
    /// All of it.
    pub total: Breakdown,
    /// The total by class, in [`Class::ALL`]'s order, without those that have none.
    pub classes: Vec<(Class, Amount)>,
    /// The UTC days of the window.
    pub days: Vec<Date>,
    /// The rows: dearest first, then by key; those kept apart last.
    pub groups: Vec<Group>,
    /// The pods of the rows: by row, dearest first.
    pub pods: Vec<PodLine>,
    /// What was seen.
    pub coverage: Coverage,
    /// Prices.
    pub prices: PriceBasis,
    /// Against the window before.
    pub change: Option<Change>,
    /// Budgets.
    pub budgets: Vec<BudgetLine>,
    /// What has no price, and is in no total.
    pub unpriced: Vec<(String, Unpriced)>,
    /// Pods with neither request nor usage, which are charged nothing.
    pub unmeasured: Vec<Arc<PodRef>>,
    /// The rules of owners.
    pub rules: Vec<RuleUse>,
    /// The rest that a reader has to know.
    pub findings: Vec<Finding>,
}
