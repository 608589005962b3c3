//! Cron expressions: five fields, read into sets, matched against civil times.
//!
//! ```text
//! minute 0-59 · hour 0-23 · day of month 1-31 · month 1-12 or jan-dec · day of week 0-7 or sun-sat
//! *   a   a-b   */n   a-b/n   and lists of them with `,`
//! ```
//!
//! A day matches when both of its fields do; if neither is `*`, when one of them does, as in every
//! cron since Vixie's. Where cron programs disagree (`*/2` as one day field while the other is
//! restricted, `*` inside a list, `5/15`), and what only some of them know (`L`, `W`, `#`, `?`,
//! seconds, `@daily`), is refused with the words that mean the same everywhere: a schedule can be
//! exported to others' programs, and must mean there what it means here.
//!
//! Why not a crate: `cronexpr`, the one that stands on jiff, applies daylight saving by itself, and
//! we have to do that by `dst`; it gives up after four years without a match, keeps the place of an
//! error in the text of its message, and accepts more than the programs we export to. It is the
//! reference in our tests.

use std::ops::Range;

use jiff::civil::{Date, DateTime};

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    is_any_day: bool,
    is_any_weekday: bool,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Wrong {
    /// In words.
    pub message: String,
    /// The bytes of the text that are meant.
    pub range: Range<usize>,
    /// What to write instead.
    pub help: Option<String>,
    /// Whether the expression is understood, and can never match.
    pub never: bool,
}

/// One of the five.
struct Field {
    name: &'static str,
    low: u8,
    high: u8,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: [Field; 5] = [
    Field { name: "minute", low: 0, high: 59, names: &[] },
    Field { name: "hour", low: 0, high: 23, names: &[] },
    Field { name: "day of month", low: 1, high: 31, names: &[] },
    Field { name: "month", low: 1, high: 12, names: &MONTHS },
    Field { name: "day of week", low: 0, high: 7, names: &WEEKDAYS },
];
/// The longest month, by its number.
const LONGEST: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let parts = split(text);
        let whole = 0..text.len();
        if let Some(meant) = nickname(text.trim()) {
            let message = format!("`{}` is not known to every cron", text.trim());
            return Err(Wrong::new(message, whole).help(format!("write `{meant}`")));
        }
        let [minute, hour, day, month, weekday] = &parts[..] else {
            let found = parts.len();
            let message = format!("a cron expression has five fields, this one has {found}");
            return Err(Wrong::new(message, whole)
                .help("minute, hour, day of month, month, day of week: `15 6 * * 1-5`"));
        };
        let read = |part: &Part, index: usize| read(part, &FIELDS[index]);
        let weekdays = read(weekday, 4)?;
        let cron = Self {
            minutes: read(minute, 0)?,
            hours: read(hour, 1)?,
            days: read(day, 2)?,
            months: read(month, 3)?,
            // 0 and 7 are Sunday.
            weekdays: (weekdays | (weekdays >> 7)) & 0x7f,
            is_any_day: matches!(day.text, "*" | "*/1"),
            is_any_weekday: matches!(weekday.text, "*" | "*/1"),
            text: parts.iter().map(|part| part.text).collect::<Vec<_>>().join(" "),
        };
        cron.agreed(day, weekday)?;
        if cron.never() {
            let message = format!("`{} {}` never comes: no such day", day.text, month.text);
            let range = day.start..month.start + month.text.len();
            return Err(Wrong { never: true, ..Wrong::new(message, range) });
        }
        Ok(cron)
    }

    /// Both day fields are restricted, and one begins with `*`: programs disagree.
    fn agreed(&self, day: &Part, weekday: &Part) -> Result<(), Wrong> {
        if self.is_any_day || self.is_any_weekday {
            return Ok(());
        }
        for (part, spelled) in [(day, "1-31"), (weekday, "0-6")] {
            if let Some(step) = part.text.strip_prefix('*') {
                let message = format!(
                    "cron programs disagree about `{}` beside the other day field",
                    part.text
                );
                let help = format!(
                    "write `{spelled}{step}`: then a day matches when one of the two fields does"
                );
                return Err(Wrong::new(message, part.range()).help(help));
            }
        }
        Ok(())
    }

    /// Whether no date can ever match.
    fn never(&self) -> bool {
        if self.is_any_day || !self.is_any_weekday {
            return false;
        }
        !(1..=12_u8).zip(LONGEST).any(|(month, longest)| {
            has(self.months, month) && (1..=longest).any(|day| has(self.days, day))
        })
    }

    /// As it was written, with single spaces.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it means, however it was written: equal for `mon` and `1`.
    pub fn meaning(&self) -> serde_json::Value {
        serde_json::json!([
            self.minutes,
            self.hours,
            self.days,
            self.months,
            self.weekdays,
            self.is_any_day,
            self.is_any_weekday
        ])
    }

    /// Whether it falls on that date.
    pub fn is_on(&self, date: Date) -> bool {
        let number = |value: i8| u8::try_from(value).unwrap_or(0);
        let day = has(self.days, number(date.day()));
        let weekday = has(self.weekdays, number(date.weekday().to_sunday_zero_offset()));
        let matches = match (self.is_any_day, self.is_any_weekday) {
            (false, false) => day || weekday,
            (false, true) => day,
            (true, false) => weekday,
            (true, true) => true,
        };
        matches && has(self.months, number(date.month()))
    }

    /// The civil times from `from` on and before `to` that match, ascending.
    pub fn between(&self, from: DateTime, to: DateTime) -> impl Iterator<Item = DateTime> + '_ {
        let mut date = Some(from.date());
        let dates = std::iter::from_fn(move || {
            let this = date.filter(|date| *date <= to.date())?;
            date = this.tomorrow().ok();
            Some(this)
        });
        dates
            .filter(|date| self.is_on(*date))
            .flat_map(move |date| {
                members(self.hours).flat_map(move |hour| {
                    members(self.minutes).map(move |minute| date.at(hour, minute, 0, 0))
                })
            })
            .filter(move |time| *time >= from && *time < to)
    }

    /// Its fields as sets: minutes, hours, days of month, months, days of week from Sunday 0. A day
    /// field that is `*` is `None`.
    pub fn fields(&self) -> Fields {
        let set = |bits| members(bits).collect::<Vec<i8>>();
        Fields {
            minutes: set(self.minutes),
            hours: set(self.hours),
            days: (!self.is_any_day).then(|| set(self.days)),
            months: set(self.months),
            weekdays: (!self.is_any_weekday).then(|| set(self.weekdays)),
        }
    }
}

/// See [`Cron::fields`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Minutes.
    pub minutes: Vec<i8>,
    /// Hours.
    pub hours: Vec<i8>,
    /// Days of the month, unless any.
    pub days: Option<Vec<i8>>,
    /// Months.
    pub months: Vec<i8>,
    /// Days of the week, unless any.
    pub weekdays: Option<Vec<i8>>,
}

impl Wrong {
    fn new(message: impl Into<String>, range: Range<usize>) -> Self {
        Self { message: message.into(), range, help: None, never: false }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A piece of the text.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    start: usize,
}

impl Part<'_> {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }
}

fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut start = None;
    for (at, one) in text.char_indices().chain([(text.len(), ' ')]) {
        match (one.is_ascii_whitespace(), start) {
            (true, Some(from)) => {
                parts.push(Part { text: text.get(from..at).unwrap_or_default(), start: from });
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    parts
}

fn nickname(text: &str) -> Option<&'static str> {
    match text {
        "@yearly" | "@annually" => Some("0 0 1 1 *"),
        "@monthly" => Some("0 0 1 * *"),
        "@weekly" => Some("0 0 * * 0"),
        "@daily" | "@midnight" => Some("0 0 * * *"),
        "@hourly" => Some("0 * * * *"),
        _ => None,
    }
}

fn has(bits: u64, value: u8) -> bool {
    value < 64 && bits & (1 << value) != 0
}

fn members(bits: u64) -> impl Iterator<Item = i8> {
    (0..64_i8).filter(move |value| bits & (1 << value) != 0)
}

/// A field as a set.
fn read(part: &Part, field: &Field) -> Result<u64, Wrong> {
    let mut bits = 0;
    let mut start = part.start;
    for text in part.text.split(',') {
        let item = Part { text, start };
        if text.starts_with('*') && part.text.contains(',') {
            let message = format!("`*` in a list of the {}", field.name);
            return Err(Wrong::new(message, item.range())
                .help("cron programs disagree about it; `*` stands alone"));
        }
        bits |= read_item(&item, field)?;
        start += text.len() + 1;
    }
    Ok(bits)
}

/// `*`, `a`, `a-b`, each but the second with `/n`.
fn read_item(item: &Part, field: &Field) -> Result<u64, Wrong> {
    let (range, step) = match item.text.split_once('/') {
        None => (item.text, 1),
        Some((range, step)) => (range, read_step(step, item, field)?),
    };
    let (first, last) = if range == "*" {
        // The second Sunday is no day of its own.
        (field.low, if field.names.len() == 7 { 6 } else { field.high })
    } else if let Some((first, last)) = range.split_once('-') {
        (read_value(first, item, field)?, read_value(last, item, field)?)
    } else {
        let value = read_value(range, item, field)?;
        if item.text.contains('/') {
            let help = format!("write `{range}-{}/{step}`", field.high);
            let message = format!("cron programs disagree about `{}`", item.text);
            return Err(Wrong::new(message, item.range()).help(help));
        }
        (value, value)
    };
    if first > last {
        let message = format!("the {} `{range}` runs backwards", field.name);
        return Err(Wrong::new(message, item.range())
            .help(format!("write two ranges: `{first}-{},{}-{last}`", field.high, field.low)));
    }
    Ok((first..=last).step_by(usize::from(step)).fold(0, |bits, value| bits | (1 << value)))
}

fn read_step(step: &str, item: &Part, field: &Field) -> Result<u8, Wrong> {
    match step.parse::<u8>() {
        Ok(step) if step > 0 && step <= field.high => Ok(step),
        _ => {
            let message = format!("the step `{step}` of the {} is not a number", field.name);
            let wrong = Wrong::new(message, item.range());
            Err(wrong.help(format!("from 1 to {}", field.high)))
        }
    }
}

fn read_value(text: &str, item: &Part, field: &Field) -> Result<u8, Wrong> {
    let lower = text.to_ascii_lowercase();
    if let Some(at) = field.names.iter().position(|name| *name == lower) {
        return Ok(u8::try_from(at).unwrap_or(0) + field.low);
    }
    let is_number = !text.is_empty() && text.len() <= 2;
    let digits = is_number && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u8>().ok().filter(|_| digits) {
        Some(value) if value >= field.low && value <= field.high => Ok(value),
        _ => {
            let message = format!("`{text}` is not a {}", field.name);
            let mut help = format!("{} to {}", field.low, field.high);
            if let (Some(first), Some(last)) = (field.names.first(), field.names.last()) {
                help.push_str(&format!(", or {first} to {last}"));
            }
            if text.contains(['L', 'W', '#', '?', 'H']) {
                help.push_str("; `L`, `W`, `#`, `?` and `H` are not known to every cron");
            }
            Err(Wrong::new(message, item.range()).help(help))
        }
    }
}
