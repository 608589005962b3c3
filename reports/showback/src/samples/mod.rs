//! Samples: what was seen of clusters, kept by UTC day.
//!
//! A [`Store`] is a folder with one folder per cluster and in it one file per UTC day, of JSON lines that
//! are only ever appended. The first line says what the file is; the second is the whole state as of the
//! day's first look, so that a day can be read alone; each further line is one look, and holds only what
//! changed since the one before. A look that saw no change is a line of thirty bytes. A day that has
//! ended is compressed, as a whole or not at all: about 90 bytes a pod and day. Each look is on the disk
//! before it counts as taken.
//!
//! | what goes wrong | what comes of it |
//! |---|---|
//! | a file is cut off in the middle | the looks before are read; `store_cut_off` names the file |
//! | it is of a newer program | refused by name, unharmed |
//! | no look for more than two and a half intervals | a hole in coverage, `sample_hole` |
//! | the clock runs backwards | the looks go into a further part of their day, and count for the moments they state: no time counts twice; `clock_backwards` |
//! | a second process writes | it is refused; the first is named |
//!
//! Days are kept for [`KEPT_DAYS`] days by default: thirteen months, so that a month can be compared with
//! itself a year ago.
//!
//! | file | what it is |
//! |---|---|
//! | `look` | what one look saw |
//! | `record` | the lines of a file, and the state that they lead through |
//! | `writer` | adding looks |
//! | `read`, `store` | reading days, merging the files of each |
//! | `fold` | from looks to intervals |
//! | [`prometheus`] | looks out of a Prometheus |

mod error;
mod fold;
mod look;
mod names;
pub mod prometheus;
mod read;
mod record;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use error::StoreError;
pub use look::{FargateSize, FargateState, Labels, Look, NodeState, PodState, UsageSample};
pub use store::{Store, observed_looks, observed_once};
pub use writer::{Appended, Writer};

/// The version of the files that this program writes and reads.
pub const VERSION: u64 = 1;

/// How many days are kept when nobody says otherwise.
pub const KEPT_DAYS: u32 = 400;
