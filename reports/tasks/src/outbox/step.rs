//! The steps of a delivery, and which may follow which.
//!
//! | state | step | becomes |
//! |---|---|---|
//! | none | queued | queued |
//! | queued, failed, refused | attempting | attempting |
//! | attempting | attempting | attempting: the one before was interrupted, nobody knows what came of it |
//! | attempting | delivered | delivered, for good |
//! | attempting | failed | failed, until its next try |
//! | attempting | refused | refused, until a person runs it again |
//!
//! Every other move is refused as damage. What is stored are the steps; the state is their fold, both
//! while delivering and after a restart.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that happened to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// It is to be delivered.
    Queued,
    /// It is about to be sent. Durable before anything is.
    Attempting,
    /// The destination has it.
    Delivered {
        /// What the destination said: a path, an `ETag`, a status.
        said: String,
    },
    /// It may be tried again.
    Failed {
        /// When, at the earliest.
        retry_at: Timestamp,
        /// What happened.
        why: String,
    },
    /// Trying again would not help.
    Refused {
        /// What happened, and what to do.
        why: String,
    },
}

/// Where a delivery stands: at its last step.
pub type State = Step;

/// A step that cannot follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a delivery that is {state} cannot become {step}")]
pub struct IllegalStep {
    state: &'static str,
    step: &'static str,
}

/// Where a delivery stands, and how often it was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub state: State,
    /// Tries that were begun.
    pub tries: u32,
}

impl Standing {
    /// Where it stands after a step; none is where nothing has happened yet.
    pub fn after(before: Option<Self>, step: &Step) -> Result<Self, IllegalStep> {
        let tries = before.as_ref().map_or(0, |standing| standing.tries);
        let state = before.map(|standing| standing.state);
        match (&state, step) {
            (None, Step::Queued) => Ok(Self { state: step.clone(), tries }),
            (
                Some(
                    State::Queued
                    | State::Failed { .. }
                    | State::Refused { .. }
                    | State::Attempting,
                ),
                Step::Attempting,
            ) => Ok(Self { state: step.clone(), tries: tries.saturating_add(1) }),
            (
                Some(State::Attempting),
                Step::Delivered { .. } | Step::Failed { .. } | Step::Refused { .. },
            ) => Ok(Self { state: step.clone(), tries }),
            (state, step) => {
                let state = state.as_ref().map_or("unknown", State::name);
                Err(IllegalStep { state, step: step.name() })
            }
        }
    }

    /// Whether the destination has it.
    pub fn is_delivered(&self) -> bool {
        matches!(self.state, State::Delivered { .. })
    }
}

impl Step {
    /// In one word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Attempting => "attempting",
            Self::Delivered { .. } => "delivered",
            Self::Failed { .. } => "failed",
            Self::Refused { .. } => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table above, written another way: every state with every step.
    #[test]
    fn every_move_is_as_the_table_says() {
        let delivered = || Step::Delivered { said: "200".to_owned() };
        let failed = || Step::Failed { retry_at: Timestamp::UNIX_EPOCH, why: "503".to_owned() };
        let refused = || Step::Refused { why: "404".to_owned() };
        let steps = [Step::Queued, Step::Attempting, delivered(), failed(), refused()];
        let begun = |step: Step| {
            let mut standing = None;
            for one in [Step::Queued, Step::Attempting, step] {
                standing = Some(Standing::after(standing, &one).unwrap());
            }
            standing
        };
        let queued = Standing::after(None, &Step::Queued).ok();
        let states = [
            (None, "q----"),
            (queued, "-a---"),
            (Some(Standing { state: State::Attempting, tries: 1 }), "-adfr"),
            (begun(delivered()), "-----"),
            (begun(failed()), "-a---"),
            (begun(refused()), "-a---"),
        ];
        for (state, allowed) in states {
            let found: String = steps
                .iter()
                .map(|step| match Standing::after(state.clone(), step) {
                    Ok(standing) => standing.state.name().chars().next().unwrap(),
                    Err(_) => '-',
                })
                .collect();
            assert_eq!(found, allowed, "{state:?}");
        }
    }

    #[test]
    fn tries_are_counted_when_they_begin() {
        let mut standing = Standing::after(None, &Step::Queued).unwrap();
        for expected in 1..4 {
            standing = Standing::after(Some(standing), &Step::Attempting).unwrap();
            assert_eq!(standing.tries, expected);
        }
    }
}
