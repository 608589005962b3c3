//! The rules file: who owns what, how idle, overhead and shared cost are handed on, and budgets.
//!
//! ```yaml
//! currency: USD
//! weight: 9:1                      # or 7.46:1, or by_price
//! root_volume_gib: 20              # of nodes whose volumes nobody saw; else they have none, and that is said
//! owners:                          # from the top; the first that matches wins, later ones are counted
//!   - {namespace: payments, owner: payments}
//!   - {namespace_regex: '^shop-([a-z]+)$', owner: 'shop-$1'}
//!   - {label: team}                # the label's value is the owner
//!   - {label: app, value: search, owner: search, from: 2026-10-01, until: 2026-10-31}
//!   - {annotation: example.com/contact, regex: '^(\w+)@', owner: '$1'}
//!   - {default: true, owner: platform}
//! idle: {rule: apart}              # proportional, even, fixed with shares, apart
//! node_overhead: {rule: proportional, per: node}
//! shared:
//!   control_plane: {rule: even}
//!   system_layer: {namespaces: [kube-system, karpenter], rule: proportional}
//!   given:
//!     - {name: nat, class: nat, hourly: 0.059, rule: proportional}
//!     - {name: alb, class: load_balancer, monthly: 18.40, cluster: myeks, rule: fixed, shares: {shop: 3, search: 1}}
//! budgets:
//!   - {owner: payments, monthly: 1200, thresholds: [80, 100]}
//! ```
//!
//! Every key may be left out; one that is not known is refused, and the closest is named. Without a rule
//! idle is kept apart, node overhead goes to the pods of its node and shared cost to all pods of its
//! cluster, in proportion to what they cost. *Even* and *fixed* are among owners, not rows, so that an
//! owner's figure does not depend on what a table is grouped by. `from` and `until` are UTC days, both of
//! them in it. The dates of a rule, its place and its words appear in the report with how often it won.

mod owner;
mod read;
mod read_owner;
mod reader;

use std::collections::{BTreeMap, BTreeSet};

use runbook_capacity::money::Price;
use runbook_capacity::quantity::Bytes;

pub(super) use owner::{Asked, OwnerTable, plain};
pub use owner::{OwnerRule, Selector, UNOWNED, ValueTest};

use super::showback::Weight;
use crate::bill::Class;

/// What the file says; without a file nobody owns anything.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The weight of vCPU against GiB.
    pub weight: Option<Weight>,
    /// The root volume of nodes whose volumes are not known.
    pub root_volume: Option<Bytes>,
    /// Who owns what: the first that matches wins.
    pub owners: Vec<OwnerRule>,
    /// What nobody asked for.
    pub idle: Handing,
    /// `DaemonSets`, boot, drain, system reserve, volumes.
    pub node_overhead: Handing,
    /// The price of the cluster itself.
    pub control_plane: Spread,
    /// Namespaces whose pods work for everybody, and how their cost is handed on.
    pub system_layer: Option<(BTreeSet<String>, Spread)>,
    /// What else is shared, at a stated price.
    pub given: Vec<GivenCost>,
    /// Budgets, each owner once.
    pub budgets: Vec<Budget>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            weight: None,
            root_volume: None,
            owners: Vec::new(),
            idle: Handing { spread: Spread::Apart, per: Per::Cluster },
            node_overhead: Handing { spread: Spread::Proportional, per: Per::Node },
            control_plane: Spread::Proportional,
            system_layer: None,
            given: Vec::new(),
            budgets: Vec::new(),
        }
    }
}

impl Rules {
    /// Reads the file; every problem is reported with its place.
    pub fn read(source_name: &str, text: &str) -> Result<Self, Vec<String>> {
        read::read(source_name, text)
    }
}

/// How a cost that is nobody's own is handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spread {
    /// By what pods cost themselves on that day.
    Proportional,
    /// The same to every owner that had a pod in the cluster.
    Even,
    /// By stated shares of owners; inside an owner by what its pods cost.
    Fixed(BTreeMap<String, u32>),
    /// Not at all: a row of its own.
    Apart,
}

/// Among whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// The pods that were on that node on that day; where there were none, the cluster's.
    Node,
    /// The pods of the cluster.
    Cluster,
}

/// How, and among whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handing {
    /// How.
    pub spread: Spread,
    /// Among whom; per node is always proportional.
    pub per: Per,
}

/// A shared cost that no source observes, at a stated price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenCost {
    /// Its name: `nat`.
    pub name: String,
    /// As what it is billed.
    pub class: Class,
    /// Per hour or per month of 730 hours.
    pub price: Price,
    /// The name of the cluster whose it is; needed where a report has several.
    pub cluster: Option<String>,
    /// How it is handed on.
    pub spread: Spread,
}

/// What an owner may spend in a calendar month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Whose.
    pub owner: String,
    /// For a month.
    pub monthly: Price,
    /// In percent of it, ascending: what is passed is said.
    pub thresholds: Vec<u32>,
}
