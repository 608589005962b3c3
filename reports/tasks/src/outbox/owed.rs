//! What is owed, over all reports, and what may be forgotten.
//!
//! The bytes of a message are kept for [`KEPT`] after the last step of its deliveries, when all of them
//! have arrived or a later revision took its place. What it was, its totals, the hashes of its files and
//! the steps of its deliveries stay, about a kilobyte each: by them a window is never sent twice.

use jiff::{SignedDuration, Timestamp};
use runbook_showback::observed::Window;
use rusqlite::{TransactionBehavior, params};

use super::step::State;
use super::{Error, Outbox};
use crate::message::Key;

/// How long the bytes of what was delivered are kept.
pub const KEPT: SignedDuration = SignedDuration::from_hours(100 * 24);

/// The newest revision of each window: those before it are superseded.
const IS_NEWEST: &str = "NOT EXISTS (SELECT 1 FROM messages later WHERE later.scope = m.scope \
     AND later.report = m.report AND later.start = m.start AND later.end = m.end \
     AND later.revision > m.revision)";

/// A delivery that has not arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Whose message it is.
    pub scope: String,
    /// Of which report.
    pub report: String,
    /// Of which window.
    pub window: Window,
    /// When the message was made: the slot of its task.
    pub made: Timestamp,
    /// The delivery's key.
    pub key: Key,
    /// The destination's name.
    pub destination: String,
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
}

impl Outbox {
    /// All deliveries of current revisions that have not arrived, by scope, report, window, destination.
    pub fn owed(&self) -> Result<Vec<Owed>, Error> {
        let read = self.database("read");
        let mut statement = self
            .connection
            .prepare_cached(&format!(
                "SELECT m.scope, m.report, m.start, m.end, m.made, d.key, d.destination, s.step, s.at
                 FROM deliveries d JOIN messages m ON m.id = d.message
                 JOIN steps s ON s.key = d.key
                      AND s.seq = (SELECT max(seq) FROM steps WHERE steps.key = d.key)
                 WHERE json_extract(s.step, '$.step') <> 'delivered' AND {IS_NEWEST}
                 ORDER BY m.scope, m.report, m.start, m.end, d.destination"
            ))
            .map_err(&read)?;
        let rows = statement
            .query_map([], |row| {
                let text = |at: usize| row.get::<_, String>(at);
                Ok([
                    text(0)?,
                    text(1)?,
                    text(2)?,
                    text(3)?,
                    text(4)?,
                    text(5)?,
                    text(6)?,
                    text(7)?,
                    text(8)?,
                ])
            })
            .map_err(&read)?;
        rows.map(|row| self.one_owed(row.map_err(&read)?)).collect()
    }

    fn one_owed(&self, row: [String; 9]) -> Result<Owed, Error> {
        let [scope, report, start, end, made, key, destination, step, at] = row;
        let wrong = |what: &str| self.damaged(format!("delivery {key}: its {what}"));
        let time = |text: &str, what: &str| text.parse::<Timestamp>().map_err(|_| wrong(what));
        let window = Window::new(time(&start, "window")?, time(&end, "window")?)
            .map_err(|_| wrong("window"))?;
        let state: State = serde_json::from_str(&step).map_err(|_| wrong("last step"))?;
        let (made, since) = (time(&made, "message")?, time(&at, "last step")?);
        Ok(Owed { scope, report, window, made, key: Key::stored(key), destination, state, since })
    }

    /// Forgets the bytes of what needs them no more; of how many messages.
    pub fn prune(&mut self, now: Timestamp) -> Result<usize, Error> {
        let until = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
        let write = self.database("prune");
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&write)?;
        let is_old = |text: &str| text.parse::<Timestamp>().is_ok_and(|at| at < until);
        let old: Vec<i64> = {
            // Times are texts of differing lengths, so they are compared as times.
            let mut statement = transaction
                .prepare(&format!(
                    "SELECT m.id, s.at, NOT ({IS_NEWEST}) OR json_extract(s.step, '$.step') = 'delivered'
                     FROM messages m JOIN deliveries d ON d.message = m.id
                     JOIN steps s ON s.key = d.key
                          AND s.seq = (SELECT max(seq) FROM steps WHERE steps.key = d.key)
                     WHERE EXISTS (SELECT 1 FROM files JOIN blobs USING (digest) WHERE message = m.id)
                     ORDER BY m.id"
                ))
                .map_err(&write)?;
            let rows = statement
                .query_map([], |row| {
                    let at: String = row.get(1)?;
                    Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(2)? && is_old(&at)))
                })
                .map_err(&write)?;
            let mut done: std::collections::BTreeMap<i64, bool> = std::collections::BTreeMap::new();
            for row in rows {
                let (id, is_done) = row.map_err(&write)?;
                *done.entry(id).or_insert(true) &= is_done;
            }
            done.into_iter().filter(|(_, is_done)| *is_done).map(|(id, _)| id).collect()
        };
        for id in &old {
            // A content that a message still needs stays.
            let needed = old.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            transaction
                .execute(
                    &format!(
                        "DELETE FROM blobs WHERE digest IN (SELECT digest FROM files WHERE message = ?1)
                         AND digest NOT IN (SELECT digest FROM files WHERE message NOT IN ({needed}))"
                    ),
                    params![id],
                )
                .map_err(&write)?;
        }
        transaction.commit().map_err(&write)?;
        Ok(old.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::message::{About, File, Message, Rendered};
    use crate::outbox::step::Step;

    use super::*;

    fn message(day: &str, revision: u32, words: &str) -> Message {
        let file = File {
            name: "a.txt".to_owned(),
            media_type: "text/plain".to_owned(),
            bytes: words.as_bytes().to_vec(),
        };
        Message {
            about: About {
                scope: "nightly/default aws".to_owned(),
                report: "costs".to_owned(),
                window: Window::day(day.parse().unwrap()),
            },
            revision,
            made: "2026-01-03T06:00:00Z".parse().unwrap(),
            rendered: Rendered {
                subject: "costs".to_owned(),
                summary: words.to_owned(),
                files: vec![file],
                totals: [(String::new(), 1)].into(),
                basis: std::collections::BTreeMap::new(),
            },
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Each step of a delivery, at that time.
    fn steps(outbox: &mut Outbox, message: &Message, destination: &str, time: &str, last: Step) {
        let key = Key::new(&message.about, message.revision, destination);
        for step in [Step::Attempting, last] {
            outbox.record(&key, &step, at(time)).unwrap();
        }
    }

    fn delivered() -> Step {
        Step::Delivered { said: "200".to_owned() }
    }

    fn failed(retry_at: &str) -> Step {
        Step::Failed { retry_at: at(retry_at), why: "503".to_owned() }
    }

    #[test]
    fn what_is_owed_is_told_with_where_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::open(folder.path()).unwrap();
        let begin = "2026-01-03T06:00:00Z";
        let first = message("2026-01-01", 1, "one");
        let second = message("2026-01-01", 2, "two");
        let other = message("2026-01-02", 1, "three");
        let to = ["a".to_owned(), "b".to_owned()];
        for one in [&first, &second, &other] {
            outbox.put(one, &to, at(begin)).unwrap();
        }
        steps(&mut outbox, &second, "a", begin, delivered());
        steps(&mut outbox, &second, "b", begin, failed("2026-01-03T06:01:00Z"));
        steps(&mut outbox, &other, "a", begin, Step::Refused { why: "404".to_owned() });
        let owed: Vec<(String, String, &str)> = outbox
            .owed()
            .unwrap()
            .into_iter()
            .map(|one| (one.window.to_string(), one.destination, one.state.name()))
            .collect();
        let expect = |day: &str, to: &str, state| (day.to_owned(), to.to_owned(), state);
        // The first revision is superseded: nobody owes it.
        assert_eq!(
            owed,
            [
                expect("2026-01-01", "b", "failed"),
                expect("2026-01-02", "a", "refused"),
                expect("2026-01-02", "b", "queued"),
            ]
        );
    }

    #[test]
    fn bytes_are_forgotten_once_nobody_needs_them_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::open(folder.path()).unwrap();
        let begin = "2026-01-03T06:00:00Z";
        let done = message("2026-01-01", 1, "done");
        let same = message("2026-01-02", 1, "done");
        let open = message("2026-01-03", 1, "open");
        let to = ["a".to_owned(), "b".to_owned()];
        for one in [&done, &same, &open] {
            outbox.put(one, &to, at(begin)).unwrap();
            steps(&mut outbox, one, "a", begin, delivered());
        }
        steps(&mut outbox, &done, "b", begin, delivered());
        steps(&mut outbox, &same, "b", "2026-02-01T00:00:00Z", delivered());
        steps(&mut outbox, &open, "b", begin, failed("2026-01-03T06:01:00Z"));
        let is_whole = |outbox: &Outbox, one: &Message| {
            let sent = outbox.newest(&one.about).unwrap().unwrap();
            outbox.message(&sent).map(|found| found == *one)
        };
        assert_eq!(outbox.prune(at("2026-04-13T06:00:00Z")).unwrap(), 0, "not a day too early");
        assert!(is_whole(&outbox, &done).unwrap());
        // The same bytes belong to a message that is younger.
        assert_eq!(outbox.prune(at("2026-04-13T06:00:01Z")).unwrap(), 1);
        assert!(is_whole(&outbox, &done).unwrap() && is_whole(&outbox, &same).unwrap());
        assert_eq!(outbox.prune(at("2030-01-01T00:00:00Z")).unwrap(), 2);
        let forgotten = is_whole(&outbox, &done).unwrap_err().to_string();
        assert!(forgotten.contains("were forgotten 100 days after"), "{forgotten}");
        assert!(is_whole(&outbox, &open).unwrap(), "it was never delivered");
        // That it was sent is known for good, and there is nothing left to prune.
        let sent = outbox.newest(&done.about).unwrap().unwrap();
        assert!(outbox.deliveries(&sent).unwrap().iter().all(|one| one.standing.is_delivered()));
        assert_eq!(outbox.prune(at("2030-01-01T00:00:00Z")).unwrap(), 0);
        assert!(outbox.put(&message("2026-01-01", 1, "other"), &to, at(begin)).is_err());
    }
}
