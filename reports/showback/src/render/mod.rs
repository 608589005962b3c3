//! An answer as a page that a person wants to look at.
//!
//! | module | what it is |
//! |---|---|
//! | [`mod@compare`], [`mod@autoscalers`] | read the JSON of an answer and say what goes on its page |
//! | [`allocation`] | an allocation as OpenCost gives it |
//! | [`showback`] | who pays: every form of a showback, from one rounding |
//! | [`reconcile`] | what we say against the bill, in every form |
//! | [`page`] | what a page is made of, whatever it is about |
//! | [`table`], [`chart`] | the pieces with figures; each chart carries its figures as a table |
//! | [`parquet`] | charges and a showback's days for those who ask with SQL |
//! | `html` | how a page is written |
//! | `coverage` | how far prices reach, which every answer has |
//! | [`figures`] | money, counts and shares as people read them; cents appear here and nowhere before |
//! | `text`, `markup` | text from elsewhere, made visible, elided and escaped, each in one place |
//! | `read` | the answer's JSON, with an error that names the field that is missing |
//!
//! Tables for a terminal, CSV, JSON and Markdown are the answers' own (`runbook_capacity::answer`); a
//! showback's are here.
//! Rendering rounds and does no other arithmetic on money, knows no clock, and is a function of its
//! input: same answer, same bytes. A page is one file without script; its style is allowed by hash and
//! everything else is forbidden by its own policy.

pub mod allocation;
pub mod autoscalers;
pub mod chart;
pub mod compare;
mod coverage;
pub mod figures;
mod html;
mod markup;
pub mod page;
pub mod parquet;
mod read;
pub mod reconcile;
pub mod showback;
pub mod table;
mod text;

pub use autoscalers::autoscalers;
pub use compare::compare;
pub use page::{Origin, Page};
pub use read::Unreadable;
pub(crate) use text::visible;
