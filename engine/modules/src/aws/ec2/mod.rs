//! The network that a cluster stands in: it is found and checked, and its parts are tagged.

pub(super) mod subnets;
pub(super) mod tags;
pub(super) mod vpc;
