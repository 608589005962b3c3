//! A plan as a file, and whether it still holds.

use super::Plan;
use crate::digest::{hex, of_json};
use crate::fact::Fact;

/// Bytes of a task and its facts, about: a plan of thousands is not copied while it grows.
const TYPICAL_TASK: usize = 768;

/// Version of the stored form: 2, which may say in which folder the runbook lies. A plan of form 1 says
/// nothing of it and is read all the same.
pub(super) const FORMAT: u32 = 2;

/// Why a stored plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is no plan.
    #[error("not a stored plan")]
    NotAPlan(#[source] serde_json::Error),
    /// A newer program made it.
    #[error(
        "the plan has format {found} (made by runbook {made_by}), this program reads up to {FORMAT}"
    )]
    Newer {
        /// Its format.
        found: u32,
        /// What made it.
        made_by: String,
    },
    /// Somebody changed it.
    #[error("the plan's content does not match its digest `{digest}`")]
    Altered {
        /// The digest it carries.
        digest: String,
    },
}

impl Plan {
    /// Reads a stored plan.
    pub fn load(text: &str) -> Result<Self, LoadError> {
        #[derive(serde::Deserialize)]
        struct Head {
            format: u32,
            made_by: String,
        }
        let head: Head = serde_json::from_str(text).map_err(LoadError::NotAPlan)?;
        if head.format > FORMAT {
            return Err(LoadError::Newer { found: head.format, made_by: head.made_by });
        }
        let mut plan: Self = serde_json::from_str(text).map_err(LoadError::NotAPlan)?;
        let claimed = plan.digest.clone();
        plan.seal();
        if plan.digest == claimed { Ok(plan) } else { Err(LoadError::Altered { digest: claimed }) }
    }

    /// As it is stored.
    pub fn store(&self) -> String {
        let mut bytes = Vec::with_capacity(self.tasks.len() * TYPICAL_TASK);
        // A plan is strings, numbers and maps with text keys: this cannot fail.
        let written = serde_json::to_writer(&mut bytes, self);
        written.ok().and_then(|()| String::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// Sets the digest: over everything but itself.
    pub(super) fn seal(&mut self) {
        self.digest.clear();
        self.digest = hex(&of_json(self), 32);
    }

    /// `run.slot` of its run.
    pub fn slot(&self) -> jiff::Timestamp {
        self.slot.unwrap_or(self.world_time)
    }

    /// How a person names it: the first characters of the digest.
    pub fn name(&self) -> String {
        let short = |from: usize| self.digest.get(from..from + 4).unwrap_or_default();
        format!("{}-{}", short(0), short(4))
    }

    /// Tasks of the kinds that write now.
    pub fn writes(&self) -> usize {
        self.tasks.iter().filter(|task| task.kind.writes()).count()
    }

    /// Whether there is anything left: writes, waits, deferred or conditional tasks.
    pub fn is_empty(&self) -> bool {
        self.tasks
            .iter()
            .all(|task| matches!(task.kind, super::Kind::NoChange | super::Kind::Skipped))
    }
}

impl super::Kind {
    /// Whether applying it sends a write, as far as is known.
    pub fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Replace | Self::Delete)
    }

    /// Whether it wants `--allow-destroy`.
    pub fn destroys(self) -> bool {
        matches!(self, Self::Replace | Self::Delete)
    }
}

/// The facts of an older plan that a newer look does not confirm: old and new (`None` when it is
/// no longer seen).
pub fn moved<'a>(older: &'a [Fact], newer: &'a [Fact]) -> Vec<(&'a Fact, Option<&'a Fact>)> {
    let now: std::collections::BTreeMap<_, _> =
        newer.iter().map(|fact| (&fact.key, fact)).collect();
    older
        .iter()
        .filter_map(|fact| match now.get(&fact.key) {
            Some(seen) if seen.value == fact.value => None,
            seen => Some((fact, seen.copied())),
        })
        .collect()
}
