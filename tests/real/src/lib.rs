//! Judges that none of us wrote, and how ours is held against them.
//!
//! [`cases`] generates questions for a packer, the same ones every time. `karpenter/` is a small Go
//! program that answers them with Karpenter's own scheduler used as a library; [`judge`] asks it.
//! [`records`] keeps its answers with the versions and the digest of each question, so that a machine
//! without Go holds ours against Karpenter's all the same, and a machine with Go can ask again: thirty
//! cases in CI, all of them by `record-karpenter`. [`feasible`] checks that an answer could be carried
//! out, by arithmetic of its own. `benchmark-karpenter` has both pack the pods of Karpenter's own
//! benchmark.

pub mod cases;
pub mod feasible;
pub mod judge;
pub mod random;
pub mod records;
