//! From a cluster to a page that says what it costs, and who pays.
//!
//! The way of a report is `collect` → price → simulate → allocate → [`render`]. Pricing and simulating
//! are pure and live in `runbook-capacity`; what is here reads clusters, the Price List and bills, keeps
//! what was read, divides what it cost, and makes pages of the answers.
//!
//! | module | what it is |
//! |---|---|
//! | [`mod@collect`] | one look at a cluster, as an inventory |
//! | [`samples`] | what was seen of clusters, kept by UTC day |
//! | [`observed`] | what was seen of clusters over time, from any source |
//! | [`allocate`] | who pays for what was observed |
//! | [`bill`] | what AWS says it cost |
//! | [`reconcile`] | whether the two agree, and why not |
//! | [`focus`] | the format in which bills of all clouds look alike: written, and checked |
//! | [`render`] | an answer as text, table, file or self-contained page |
//! | [`prices`] | what the Price List answers about a region |

pub mod allocate;
pub mod bill;
pub mod collect;
pub mod focus;
pub mod observed;
pub mod prices;
pub mod reconcile;
pub mod render;
pub mod samples;
