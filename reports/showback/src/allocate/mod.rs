//! From what was observed to who pays: every amount is conserved.

pub mod charge;
pub mod showback;
