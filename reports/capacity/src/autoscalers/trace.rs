//! A trace of pods: when each comes, what it asks for, when it goes.
//!
//! A CSV of `t_seconds, action, name, cpu, memory, owner`, in the order of time. `add` brings a pod,
//! `remove` takes it away; a name may come again after it is gone and is another pod then. `owner`
//! is what makes the pod again when its node is drained; without one the pod is on its own. Times
//! are whole seconds, quantities as in Kubernetes, an empty quantity is no request. Every problem is
//! reported with its line and column.

use std::collections::BTreeMap;

use crate::manifest::Problem;
use crate::plural::counted;
use crate::quantity::{Bytes, Millicores, Quantity};

/// A pod of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracePod {
    /// Its name.
    pub name: String,
    /// What makes it again when it is evicted; empty when nothing does.
    pub owner: String,
    /// The CPU it asks for.
    pub cpu: Millicores,
    /// The memory it asks for.
    pub memory: Bytes,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// The pod comes.
    Add,
    /// The pod goes.
    Remove,
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceEvent {
    /// Seconds from the beginning.
    pub at: i64,
    /// What.
    pub action: Action,
    /// The pod, by its position among the pods.
    pub pod: usize,
}

/// Pods and events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// Each pod, in the order of coming.
    pub pods: Vec<TracePod>,
    /// Each event, in the order of time.
    pub events: Vec<TraceEvent>,
}

const COLUMNS: [&str; 6] = ["t_seconds", "action", "name", "cpu", "memory", "owner"];
/// A year: longer is a mistake of units.
const LONGEST: i64 = 366 * 86_400;
/// More than any machine has, by far.
const MOST_CPU: Millicores = Millicores::cores(10_000);
const MOST_MEMORY: Bytes = Bytes::gibibytes(1 << 20);

impl Trace {
    /// The time of the last event.
    pub fn end(&self) -> i64 {
        self.events.last().map_or(0, |event| event.at)
    }

    /// The trace as a CSV that reads back.
    pub fn csv(&self) -> String {
        let rows = self.events.iter().map(|event| {
            let pod = &self.pods[event.pod];
            match event.action {
                Action::Add => [
                    event.at.to_string(),
                    "add".to_owned(),
                    pod.name.clone(),
                    pod.cpu.to_string(),
                    pod.memory.to_string(),
                    pod.owner.clone(),
                ],
                Action::Remove => {
                    let nothing = String::new;
                    let (at, name) = (event.at.to_string(), pod.name.clone());
                    [at, "remove".to_owned(), name, nothing(), nothing(), nothing()]
                }
            }
        });
        crate::answer::written::csv(&COLUMNS, rows)
    }
}

/// Reads a trace; every problem is reported.
pub fn read_trace(source_name: &str, text: &str) -> Result<Trace, Vec<Problem>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .flexible(true)
        .from_reader(text.as_bytes());
    let headers = reader
        .headers()
        .map_err(|error| vec![Problem::of_file(source_name, error.to_string())])?
        .clone();
    let columns = columns(source_name, &headers)?;
    let mut reading = Reading { columns, ..Reading::default() };
    let mut problems = Vec::new();
    let mut lines = Lines { text, at: 0, before: 0 };
    for (index, row) in reader.records().enumerate() {
        let line = row.as_ref().map_or(index + 2, |row| lines.of(row));
        let read = row.map_err(|error| (None, error.to_string())).and_then(|row| {
            if row.len() == headers.len() {
                reading.row(&row, line)
            } else {
                let message = format!(
                    "it has {}, the header has {}",
                    counted(row.len(), "cell", "cells"),
                    headers.len()
                );
                Err((None, message))
            }
        });
        if let Err((column, message)) = read {
            let place = match column {
                Some(column) => format!("line {line}, column `{column}`"),
                None => format!("line {line}"),
            };
            problems.push(Problem::of_object(source_name, &place, message));
        }
    }
    if problems.is_empty() && reading.trace.pods.is_empty() {
        problems.push(Problem::of_file(source_name, "there is no pod in it"));
    }
    if problems.is_empty() { Ok(reading.trace) } else { Err(problems) }
}

/// The lines of rows that come one after the other; comments and empty lines count, so that an editor
/// finds them.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    /// How many lines end before that.
    before: usize,
}

impl Lines<'_> {
    fn of(&mut self, row: &csv::StringRecord) -> usize {
        let start = row.position().and_then(|position| usize::try_from(position.byte()).ok());
        let start = start.unwrap_or(self.at).max(self.at);
        let passed = self.text.get(self.at..start).unwrap_or_default();
        self.before += passed.matches('\n').count();
        self.at = start;
        let rest = self.text.get(start..).unwrap_or_default();
        let is_passed_over = |line: &&str| line.trim().is_empty() || line.starts_with('#');
        self.before + rest.lines().take_while(is_passed_over).count() + 1
    }
}

fn columns(
    source_name: &str,
    headers: &csv::StringRecord,
) -> Result<BTreeMap<&'static str, usize>, Vec<Problem>> {
    let mut columns = BTreeMap::new();
    let mut problems = Vec::new();
    let mut refuse = |message: String| {
        problems.push(Problem::of_object(source_name, "line 1", message));
    };
    for (index, header) in headers.iter().enumerate() {
        match COLUMNS.iter().find(|known| **known == header) {
            None => {
                refuse(format!("column `{header}` is not known (known: {})", COLUMNS.join(", ")));
            }
            Some(known) => {
                if columns.insert(*known, index).is_some() {
                    refuse(format!("column `{header}` is there twice"));
                }
            }
        }
    }
    for missing in COLUMNS.iter().filter(|known| !columns.contains_key(**known)) {
        refuse(format!("column `{missing}` is missing; needed: {}", COLUMNS.join(", ")));
    }
    if problems.is_empty() { Ok(columns) } else { Err(problems) }
}

/// A problem with a row: in which column, and what.
type Refused = (Option<&'static str>, String);

#[derive(Default)]
struct Reading {
    columns: BTreeMap<&'static str, usize>,
    trace: Trace,
    /// Pods that are there, and the line in which they came.
    there: BTreeMap<String, (usize, usize)>,
    last: i64,
}

impl Reading {
    fn row(&mut self, row: &csv::StringRecord, line: usize) -> Result<(), Refused> {
        let cell = |column: &str| {
            self.columns.get(column).and_then(|index| row.get(*index)).unwrap_or_default()
        };
        let at = time(cell("t_seconds"), self.last).map_err(|why| (Some("t_seconds"), why))?;
        let action = match cell("action") {
            "add" => Action::Add,
            "remove" => Action::Remove,
            other => {
                let message = format!("`{other}` is no action (known: add, remove)");
                return Err((Some("action"), message));
            }
        };
        let name = cell("name").to_owned();
        if name.is_empty() {
            return Err((Some("name"), "it is empty".to_owned()));
        }
        let pod = match (action, self.there.get(&name)) {
            (Action::Add, Some((_, since))) => {
                let message = format!("pod `{name}` is there since line {since}; remove it first");
                return Err((Some("name"), message));
            }
            (Action::Remove, None) => {
                let message = format!("pod `{name}` is not there, so it cannot be removed");
                return Err((Some("name"), message));
            }
            (Action::Remove, Some((pod, _))) => *pod,
            (Action::Add, None) => {
                let cpu = amount(cell("cpu"), MOST_CPU, |most| format!("{most} cores"))
                    .map_err(|why| (Some("cpu"), why))?;
                let memory = amount(cell("memory"), MOST_MEMORY, ToString::to_string)
                    .map_err(|why| (Some("memory"), why))?;
                let owner = cell("owner").to_owned();
                self.trace.pods.push(TracePod { name: name.clone(), owner, cpu, memory });
                self.trace.pods.len() - 1
            }
        };
        match action {
            Action::Add => self.there.insert(name, (pod, line)),
            Action::Remove => self.there.remove(&name),
        };
        self.last = at;
        self.trace.events.push(TraceEvent { at, action, pod });
        Ok(())
    }
}

fn time(text: &str, last: i64) -> Result<i64, String> {
    let at: i64 = text.parse().map_err(|_| format!("`{text}` is no whole number of seconds"))?;
    if at < 0 {
        Err(format!("`{text}` is before the beginning"))
    } else if at < last {
        Err(format!("time runs backwards: {at} after {last}"))
    } else if at > LONGEST {
        Err(format!("`{text}` is more than a year; is it in seconds?"))
    } else {
        Ok(at)
    }
}

fn amount<T: From<Quantity> + Ord + Default>(
    text: &str,
    most: T,
    write: impl Fn(&T) -> String,
) -> Result<T, String> {
    if text.is_empty() {
        return Ok(T::default());
    }
    let amount: T = Quantity::parse_amount(text).map_err(|error| error.to_string())?.into();
    if amount > most {
        return Err(format!("`{text}` is more than any machine has (at most {})", write(&most)));
    }
    Ok(amount)
}
