//! Slots in the journal's database: one row per schedule and slot, written before anything is done.
//!
//! ```text
//!            ┌─► skipped(reason)
//! planned ───┤
//!            └─► started(run) ──► ended(outcome)
//! ```
//!
//! The primary key is the agreement between servers that share a state folder: whoever inserts a row
//! has the slot, the other one is told that somebody has it. Every further step names the step before
//! it, so that it happens once. A row says which server is at work; when that one has died, another
//! takes its rows over ([`Slots::take_over`]), which again only one of them can.
//!
//! Times are seconds of world time, those of events milliseconds.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, params};

use super::Error;
use super::sqlite::{FILE, connect, prepare};
use crate::schedule::decide::{Ledger, Open, Reason};

/// How a started slot ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Applied, and everything converged.
    Succeeded,
    /// Nothing to change.
    NothingToChange,
    /// Planned, and there is something to change.
    Changes,
    /// It failed.
    Failed,
    /// The plan did not cover what was found.
    Uncovered,
    /// It waits for a person.
    Paused,
    /// It was cancelled in favour of a newer slot.
    Cancelled,
}

impl Ending {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Succeeded, "succeeded"),
        (Self::NothingToChange, "nothing_to_change"),
        (Self::Changes, "changes"),
        (Self::Failed, "failed"),
        (Self::Uncovered, "uncovered"),
        (Self::Paused, "paused"),
        (Self::Cancelled, "cancelled"),
    ];

    /// As it is stored and shown.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("failed", |(_, name)| *name)
    }

    /// Whether it counts towards `pause_after_failures`.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Uncovered)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(one, _)| *one)
    }
}

/// What is recorded of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is due.
    Planned,
    /// It is at work.
    Started {
        /// The run.
        run: String,
    },
    /// It is done.
    Ended {
        /// The run.
        run: String,
        /// How.
        how: Ending,
    },
    /// It does not run.
    Skipped {
        /// Why.
        why: Reason,
    },
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The schedule's identity.
    pub schedule: String,
    /// The slot.
    pub slot: Timestamp,
    /// What is recorded.
    pub state: State,
    /// Which server recorded it.
    pub server: String,
    /// When it was recorded.
    pub planned_at: Timestamp,
    /// When it ended or was skipped.
    pub ended_at: Option<Timestamp>,
}

/// The slots of a state folder.
pub struct Slots {
    path: PathBuf,
    connection: Mutex<Connection>,
}

const SKIP: &str = "INSERT INTO slots (schedule, slot, state, server, detail, planned_at, ended_at)
     VALUES (?1, ?2, 'skipped', ?3, ?4, ?5, ?5)
     ON CONFLICT DO UPDATE SET state = 'skipped', detail = ?4, ended_at = ?5
     WHERE state = 'planned' AND server = ?3";

const COLUMNS: &str = "schedule, slot, state, run, detail, server, planned_at, ended_at";

type Raw = (String, i64, String, Option<String>, Option<String>, String, i64, Option<i64>);

impl Slots {
    /// Opens them in the journal of a state folder, and makes that when there is none.
    pub fn open(state_dir: &Path) -> Result<Self, Error> {
        let path = state_dir.join(FILE);
        std::fs::create_dir_all(state_dir).map_err(|source| Error::File {
            action: "create",
            path: path.clone(),
            source,
        })?;
        let mut connection = connect(&path)?;
        prepare(&mut connection, &path)?;
        Ok(Self { path, connection: Mutex::new(connection) })
    }

    fn with<R>(
        &self,
        action: &'static str,
        body: impl FnOnce(&mut Connection) -> rusqlite::Result<R>,
    ) -> Result<R, Error> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        body(&mut connection).map_err(|source| Error::Database {
            action,
            path: self.path.clone(),
            source,
        })
    }

    fn changes(&self, sql: &str, values: impl rusqlite::Params) -> Result<bool, Error> {
        self.with("write", |connection| {
            connection.prepare_cached(sql)?.execute(values).map(|changed| changed > 0)
        })
    }

    /// Since when a schedule is known: `now`, when this is the first time that it is seen.
    pub fn seen(&self, schedule: &str, now: Timestamp) -> Result<Timestamp, Error> {
        self.changes(
            "INSERT OR IGNORE INTO schedules (schedule, since) VALUES (?1, ?2)",
            params![schedule, now.as_millisecond()],
        )?;
        let since: i64 = self.with("read", |connection| {
            connection.query_row(
                "SELECT since FROM schedules WHERE schedule = ?1",
                [schedule],
                |row| row.get(0),
            )
        })?;
        Ok(Timestamp::from_millisecond(since).unwrap_or(now))
    }

    /// Records that a slot is due; `false` when somebody else has it.
    pub fn plan(
        &self,
        schedule: &str,
        slot: Timestamp,
        server: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.changes(
            "INSERT OR IGNORE INTO slots (schedule, slot, state, server, planned_at)
             VALUES (?1, ?2, 'planned', ?3, ?4)",
            params![schedule, slot.as_second(), server, now.as_millisecond()],
        )
    }

    /// Records that slots do not run, be they new or planned by this server, all in one commit; those
    /// that nobody else has.
    pub fn skip<'s>(
        &self,
        schedule: &str,
        skipped: &'s [(Timestamp, Reason)],
        server: &str,
        now: Timestamp,
    ) -> Result<Vec<&'s (Timestamp, Reason)>, Error> {
        self.with("write", |connection| {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let mut ours = Vec::with_capacity(skipped.len());
            for one in skipped {
                // Words and times: this cannot fail.
                let detail = serde_json::to_string(&one.1).unwrap_or_default();
                let values =
                    params![schedule, one.0.as_second(), server, detail, now.as_millisecond()];
                if transaction.prepare_cached(SKIP)?.execute(values)? > 0 {
                    ours.push(one);
                }
            }
            transaction.commit()?;
            Ok(ours)
        })
    }

    /// Records the run of a slot that this server planned, before anything of the run happens.
    pub fn start(
        &self,
        schedule: &str,
        slot: Timestamp,
        server: &str,
        run: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.changes(
            "UPDATE slots SET state = 'started', run = ?4, started_at = ?5
             WHERE schedule = ?1 AND slot = ?2 AND server = ?3 AND state = 'planned'",
            params![schedule, slot.as_second(), server, run, now.as_millisecond()],
        )
    }

    /// A person wants the slot run now: whether it was not recorded yet or skipped. `false` when it is
    /// planned, at work or done. It does not say that what came before it was seen to: a server that
    /// comes later still finds what was missed.
    pub fn claim(
        &self,
        schedule: &str,
        slot: Timestamp,
        server: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.changes(
            "INSERT INTO slots (schedule, slot, state, server, planned_at, by_hand)
             VALUES (?1, ?2, 'planned', ?3, ?4, 1)
             ON CONFLICT DO UPDATE SET state = 'planned', server = ?3, detail = NULL, planned_at = ?4,
                 ended_at = NULL
             WHERE state = 'skipped'",
            params![schedule, slot.as_second(), server, now.as_millisecond()],
        )
    }

    /// Records how a started slot ended.
    pub fn end(
        &self,
        schedule: &str,
        slot: Timestamp,
        run: &str,
        how: Ending,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.changes(
            "UPDATE slots SET state = 'ended', detail = ?4, ended_at = ?5
             WHERE schedule = ?1 AND slot = ?2 AND run = ?3 AND state = 'started'",
            params![schedule, slot.as_second(), run, how.name(), now.as_millisecond()],
        )
    }

    /// A started slot of which nothing has happened is planned again: its run never began.
    pub fn withdraw(&self, schedule: &str, slot: Timestamp, run: &str) -> Result<bool, Error> {
        self.changes(
            "UPDATE slots SET state = 'planned', run = NULL, started_at = NULL
             WHERE schedule = ?1 AND slot = ?2 AND run = ?3 AND state = 'started'",
            params![schedule, slot.as_second(), run],
        )
    }

    /// The servers whose slots are not done.
    pub fn servers(&self) -> Result<Vec<String>, Error> {
        self.with("read", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT server FROM slots WHERE state IN ('planned', 'started') ORDER BY server",
            )?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })
    }

    /// The open slots of a server that has died are another one's from now on; how many.
    pub fn take_over(&self, dead: &str, server: &str) -> Result<usize, Error> {
        self.with("write", |connection| {
            connection.execute(
                "UPDATE slots SET server = ?2 WHERE server = ?1 AND state IN ('planned', 'started')",
                params![dead, server],
            )
        })
    }

    /// What [`crate::schedule::decide`] needs to know of a schedule.
    pub fn ledger(&self, schedule: &str, server: &str, since: Timestamp) -> Result<Ledger, Error> {
        let newest: Option<i64> = self.with("read", |connection| {
            connection.query_row(
                "SELECT max(slot) FROM slots WHERE schedule = ?1 AND by_hand = 0",
                [schedule],
                |row| row.get(0),
            )
        })?;
        let open = self
            .rows_where("schedule = ?1 AND state IN ('planned', 'started')", schedule, u32::MAX)?
            .into_iter()
            .rev()
            .map(|row| Open {
                slot: row.slot,
                is_started: matches!(row.state, State::Started { .. }),
                planned_at: row.planned_at,
                is_ours: row.server == server,
            })
            .collect();
        let newest = newest.and_then(|seconds| Timestamp::from_second(seconds).ok());
        Ok(Ledger { since, newest, open, failures: self.failures(schedule)? })
    }

    /// Failures in a row, up to the slot that ended last.
    fn failures(&self, schedule: &str) -> Result<u32, Error> {
        let endings: Vec<String> = self.with("read", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT detail FROM slots WHERE schedule = ?1 AND state = 'ended'
                 ORDER BY ended_at DESC, slot DESC LIMIT 1000",
            )?;
            let rows = statement.query_map([schedule], |row| row.get(0))?;
            rows.collect()
        })?;
        let is_failure = |name: &&String| Ending::named(name).is_none_or(Ending::is_failure);
        Ok(u32::try_from(endings.iter().take_while(is_failure).count()).unwrap_or(u32::MAX))
    }

    /// The newest rows of a schedule, newest first.
    pub fn rows(&self, schedule: &str, most: u32) -> Result<Vec<Row>, Error> {
        self.rows_where("schedule = ?1", schedule, most)
    }

    /// The row of one slot.
    pub fn row(&self, schedule: &str, slot: Timestamp) -> Result<Option<Row>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM slots WHERE schedule = ?1 AND slot = ?2");
        let raw: Option<Raw> = self.with("read", |connection| {
            connection
                .prepare_cached(&sql)?
                .query_row(params![schedule, slot.as_second()], raw)
                .optional()
        })?;
        raw.map(read).transpose()
    }

    fn rows_where(&self, condition: &str, schedule: &str, most: u32) -> Result<Vec<Row>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM slots WHERE {condition} ORDER BY slot DESC LIMIT {most}"
        );
        let rows: Vec<Raw> = self.with("read", |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([schedule], raw)?;
            rows.collect()
        })?;
        rows.into_iter().map(read).collect()
    }
}

fn raw(row: &SqlRow<'_>) -> rusqlite::Result<Raw> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
    ))
}

fn read(raw: Raw) -> Result<Row, Error> {
    let (schedule, slot, state, run, detail, server, planned_at, ended_at) = raw;
    let damaged =
        |what: &str| Error::DamagedSlot { schedule: schedule.clone(), slot, what: what.to_owned() };
    let detail = detail.unwrap_or_default();
    let run = run.unwrap_or_default();
    let state = match state.as_str() {
        "planned" => State::Planned,
        "started" => State::Started { run },
        "ended" => {
            let how = Ending::named(&detail).ok_or_else(|| damaged("its ending is unknown"))?;
            State::Ended { run, how }
        }
        "skipped" => {
            let why = serde_json::from_str(&detail);
            State::Skipped { why: why.map_err(|_| damaged("its reason is unknown"))? }
        }
        _ => return Err(damaged("its state is unknown")),
    };
    let time = |millis| Timestamp::from_millisecond(millis).map_err(|_| damaged("its time"));
    Ok(Row {
        slot: Timestamp::from_second(slot).map_err(|_| damaged("its time"))?,
        state,
        server,
        planned_at: time(planned_at)?,
        ended_at: ended_at.map(time).transpose()?,
        schedule: schedule.clone(),
    })
}
