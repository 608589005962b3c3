//! Reading the outbox: messages, their bytes, where their deliveries stand.

use jiff::Timestamp;
use runbook_showback::observed::Window;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::step::Standing;
use super::{Error, Outbox, fold, unpack};
use crate::message::{About, Basis, File, Key, Message, Rendered, Totals, sha256};

/// A revision that is in the outbox, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub(super) id: i64,
    /// What it is about.
    pub about: About,
    /// From 1.
    pub revision: u32,
    /// When it was made.
    pub made: Timestamp,
    /// Its totals.
    pub totals: Totals,
    /// What its figures stand on.
    pub basis: Basis,
    /// One line.
    pub subject: String,
    /// A few lines.
    pub summary: String,
    digest: String,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its key.
    pub key: Key,
    /// The destination's identity.
    pub destination: String,
    /// Where it stands.
    pub standing: Standing,
}

const MESSAGE: &str = "SELECT id, scope, report, start, end, revision, made, totals, basis, subject, summary, digest FROM messages";

impl Outbox {
    /// The newest revision of a message.
    pub fn newest(&self, about: &About) -> Result<Option<Sent>, Error> {
        let raw = self
            .connection
            .query_row(
                &format!(
                    "{MESSAGE} WHERE scope = ?1 AND report = ?2 AND start = ?3 AND end = ?4
                     ORDER BY revision DESC LIMIT 1"
                ),
                params![
                    about.scope,
                    about.report,
                    about.window.start.to_string(),
                    about.window.end.to_string()
                ],
                raw,
            )
            .optional()
            .map_err(self.database("read"))?;
        raw.map(|raw| self.sent(raw)).transpose()
    }

    /// All messages of a report, oldest window first, then by revision.
    pub fn messages(&self, scope: &str, report: &str) -> Result<Vec<Sent>, Error> {
        let read = self.database("read");
        let mut statement = self
            .connection
            .prepare(&format!(
                "{MESSAGE} WHERE scope = ?1 AND report = ?2 ORDER BY start, end, revision"
            ))
            .map_err(&read)?;
        let rows = statement.query_map([scope, report], raw).map_err(&read)?;
        rows.map(|row| self.sent(row.map_err(&read)?)).collect()
    }

    /// The newest revision of each window of a report, oldest window first. Those before it are
    /// superseded: whoever did not get them gets the newest, which says what the one before said.
    pub fn current(&self, scope: &str, report: &str) -> Result<Vec<Sent>, Error> {
        let mut current: Vec<Sent> = Vec::new();
        for sent in self.messages(scope, report)? {
            match current.last_mut() {
                Some(before) if before.about == sent.about => *before = sent,
                _ => current.push(sent),
            }
        }
        Ok(current)
    }

    /// The deliveries of a message, by destination.
    pub fn deliveries(&self, of: &Sent) -> Result<Vec<Delivery>, Error> {
        let read = self.database("read");
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT key, destination FROM deliveries WHERE message = ?1 ORDER BY destination",
            )
            .map_err(&read)?;
        let rows = statement
            .query_map([of.id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .map_err(&read)?;
        rows.map(|row| {
            let (key, destination) = row.map_err(&read)?;
            let key = Key::stored(key);
            let steps = steps(&self.connection, &key).map_err(&read)?;
            let standing = fold(&steps)
                .and_then(|standing| standing.ok_or_else(|| "it has no steps".to_owned()))
                .map_err(|what| self.damaged(format!("delivery {key}: {what}")))?;
            Ok(Delivery { key, destination, standing })
        })
        .collect()
    }

    /// A message with its bytes, which are held against their hashes.
    pub fn message(&self, of: &Sent) -> Result<Message, Error> {
        let read = self.database("read");
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT name, media_type, digest, bytes FROM files JOIN blobs USING (digest)
                 WHERE message = ?1 ORDER BY position",
            )
            .map_err(&read)?;
        let rows = statement
            .query_map([of.id], |row| {
                let file = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
                Ok((file, row.get::<_, String>(2)?, row.get::<_, Vec<u8>>(3)?))
            })
            .map_err(&read)?;
        let files = rows
            .map(|row| {
                let ((name, media_type), digest, packed) = row.map_err(&read)?;
                let bytes = unpack(&packed)
                    .ok()
                    .filter(|bytes| sha256(bytes) == digest)
                    .ok_or_else(|| self.damaged(format!("the bytes of the file `{name}`")))?;
                Ok(File { name, media_type, bytes })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let known: i64 = self
            .connection
            .query_row("SELECT count(*) FROM files WHERE message = ?1", [of.id], |row| row.get(0))
            .map_err(&read)?;
        if i64::try_from(files.len()) != Ok(known) {
            return Err(Error::Forgotten { subject: of.subject.clone() });
        }
        let rendered = Rendered {
            subject: of.subject.clone(),
            summary: of.summary.clone(),
            files,
            totals: of.totals.clone(),
            basis: of.basis.clone(),
        };
        if rendered.digest() != of.digest {
            return Err(self.damaged(format!("the message `{}`", of.subject)));
        }
        let (about, revision, made) = (of.about.clone(), of.revision, of.made);
        Ok(Message { about, revision, made, rendered })
    }

    /// The hashes that a file of that name had in earlier revisions of a message: what may be
    /// replaced by a later one.
    pub fn earlier_digests(&self, of: &Sent, name: &str) -> Result<Vec<String>, Error> {
        let read = self.database("read");
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT files.digest FROM files JOIN messages ON messages.id = files.message
                 WHERE scope = ?1 AND report = ?2 AND start = ?3 AND end = ?4 AND revision < ?5
                 AND files.name = ?6",
            )
            .map_err(&read)?;
        let about = &of.about;
        let rows = statement
            .query_map(
                params![
                    about.scope,
                    about.report,
                    about.window.start.to_string(),
                    about.window.end.to_string(),
                    of.revision,
                    name
                ],
                |row| row.get(0),
            )
            .map_err(&read)?;
        rows.map(|row| row.map_err(&read)).collect()
    }

    fn sent(&self, raw: Raw) -> Result<Sent, Error> {
        let wrong = |what: &str| self.damaged(format!("message {}: its {what}", raw.id));
        let time = |text: &str, what| text.parse::<Timestamp>().map_err(|_| wrong(what));
        let window = Window::new(time(&raw.start, "window")?, time(&raw.end, "window")?)
            .map_err(|_| wrong("window"))?;
        Ok(Sent {
            id: raw.id,
            about: About { scope: raw.scope, report: raw.report, window },
            revision: raw.revision,
            made: raw.made.parse().map_err(|_| self.damaged("when a message was made"))?,
            totals: serde_json::from_str(&raw.totals)
                .map_err(|_| self.damaged("totals of a message"))?,
            basis: serde_json::from_str(&raw.basis)
                .map_err(|_| self.damaged("the basis of a message"))?,
            subject: raw.subject,
            summary: raw.summary,
            digest: raw.digest,
        })
    }
}

/// The steps of a delivery as they are stored, in order.
pub(super) fn steps(connection: &Connection, key: &Key) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare_cached("SELECT step FROM steps WHERE key = ?1 ORDER BY seq")?;
    let rows = statement.query_map([key.as_str()], |row| row.get(0))?;
    rows.collect()
}

/// A row of messages as it is stored.
struct Raw {
    id: i64,
    scope: String,
    report: String,
    start: String,
    end: String,
    revision: u32,
    made: String,
    totals: String,
    basis: String,
    subject: String,
    summary: String,
    digest: String,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get(0)?,
        scope: row.get(1)?,
        report: row.get(2)?,
        start: row.get(3)?,
        end: row.get(4)?,
        revision: row.get(5)?,
        made: row.get(6)?,
        totals: row.get(7)?,
        basis: row.get(8)?,
        subject: row.get(9)?,
        summary: row.get(10)?,
        digest: row.get(11)?,
    })
}
