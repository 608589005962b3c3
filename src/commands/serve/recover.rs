//! What a server finds of one that has died.
//!
//! | the row says | the journal says of its run | what is done |
//! |---|---|---|
//! | planned | | it is planned by this server now |
//! | started, mode `plan` | | planned again: making a plan writes nothing |
//! | started, mode `apply` | nothing | planned again: the run never began |
//! | started, mode `apply` | it ended | its end is recorded |
//! | started, mode `apply` | it did not end | resumed under its own name |

use runbook_core::event::{Body, Outcome};
use runbook_core::journal::slots::{Ending, Row, State};
use runbook_core::journal::{Error, Slots, Store};
use runbook_core::schedule::Mode;

use super::presence::Presence;
use crate::state::StateFolder;

/// What is to be done about a row that was started by a server that has died.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing of it happened that counts.
    Unbegun,
    /// It ended like this.
    Ended(Ending),
    /// It is under way.
    UnderWay,
}

/// Takes over what servers that are gone have left; how many slots.
pub(super) fn take_over(slots: &Slots, state: &StateFolder, name: &str) -> Result<usize, Error> {
    let mut taken = 0;
    for other in slots.servers()? {
        if other != name && Presence::is_gone(state, &other) {
            taken += slots.take_over(&other, name)?;
        }
    }
    Ok(taken)
}

/// What has become of a started slot.
pub(super) fn left(journal: &dyn Store, row: &Row, mode: Mode) -> Result<Left, Error> {
    let State::Started { run } = &row.state else { return Ok(Left::Unbegun) };
    if mode == Mode::Plan {
        return Ok(Left::Unbegun);
    }
    let events = match journal.read(run) {
        Ok(events) => events,
        Err(Error::NoRun { .. }) => return Ok(Left::Unbegun),
        Err(error) => return Err(error),
    };
    Ok(match events.last().map(|event| &event.body) {
        Some(Body::RunFinished { outcome, .. }) => match outcome {
            Outcome::Succeeded => Left::Ended(Ending::Succeeded),
            Outcome::Failed => Left::Ended(Ending::Failed),
            Outcome::Uncovered => Left::Ended(Ending::Uncovered),
            Outcome::Paused => Left::Ended(Ending::Paused),
            // A server that was told to stop stopped it; whoever comes next goes on.
            Outcome::Cancelled => Left::UnderWay,
        },
        _ => Left::UnderWay,
    })
}
