//! From a cluster to a page that says what it costs.
//!
//! The way of a report is `collect` → price → simulate → allocate → [`render`]. Pricing and simulating
//! are pure and live in `runbook-capacity`; what is here reads a cluster and the Price List, keeps what
//! was read, and makes pages of the answers.
//!
//! | module | what it is |
//! |---|---|
//! | [`mod@collect`] | one look at a cluster, as an inventory |
//! | [`render`] | an answer as one self-contained page |
//! | [`prices`] | what the Price List answers about a region |

pub mod collect;
pub mod prices;
pub mod render;
