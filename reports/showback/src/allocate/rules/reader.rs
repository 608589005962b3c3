//! Values of a rules file, each with the path of its key; what is wrong is kept, and reading goes on.

use std::collections::BTreeSet;

use runbook_capacity::compare::options::suggest;
use serde_json::{Map, Value};

pub(super) type Fields = Map<String, Value>;

pub(super) struct Reader<'a> {
    pub(super) source_name: &'a str,
    pub(super) lines: Vec<u64>,
    pub(super) problems: Vec<String>,
    pub(super) currencies: BTreeSet<String>,
}

impl Reader<'_> {
    pub(super) fn refuse(&mut self, path: &str, why: &str) {
        self.problems.push(format!("{}: `{path}`: {why}", self.source_name));
    }

    /// Names every key that means nothing.
    pub(super) fn known(&mut self, at: &str, fields: &Fields, known: &[&str]) {
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            let why = match suggest(key, known.iter().copied()) {
                Some(close) => format!("there is no such key; did you mean `{close}`?"),
                None => format!("there is no such key (known: {})", known.join(", ")),
            };
            self.refuse(&join(at, key), &why);
        }
    }

    pub(super) fn part<'v>(
        &mut self,
        at: &str,
        fields: &'v Fields,
        key: &str,
    ) -> Option<&'v Fields> {
        match fields.get(key)? {
            Value::Object(part) => Some(part),
            other => {
                self.refuse(&join(at, key), &format!("`{other}` has no keys"));
                None
            }
        }
    }

    /// The objects of a list, each with its path.
    pub(super) fn list<'v>(
        &mut self,
        at: &str,
        fields: &'v Fields,
        key: &str,
    ) -> Vec<(String, &'v Fields)> {
        let path = join(at, key);
        let items = match fields.get(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.refuse(&path, &format!("`{other}` is no list"));
                return Vec::new();
            }
        };
        let mut read = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match item {
                Value::Object(fields) => read.push((path, fields)),
                other => self.refuse(&path, &format!("`{other}` has no keys")),
            }
        }
        read
    }

    /// A value that is read from its text.
    pub(super) fn value<T>(
        &mut self,
        at: &str,
        fields: &Fields,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = match fields.get(key)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            other => {
                self.refuse(&join(at, key), &format!("`{other}` is neither text nor a number"));
                return None;
            }
        };
        read(&text).map_err(|why| self.refuse(&join(at, key), &why)).ok()
    }

    pub(super) fn text(&mut self, at: &str, fields: &Fields, key: &str) -> Option<String> {
        self.value(at, fields, key, |text| {
            if text.trim().is_empty() {
                return Err("it is empty".to_owned());
            }
            Ok(text.to_owned())
        })
    }

    pub(super) fn needed<T>(
        &mut self,
        at: &str,
        key: &str,
        value: Option<T>,
        fields: &Fields,
    ) -> Option<T> {
        if !fields.contains_key(key) {
            self.refuse(at, &format!("`{key}` is missing"));
        }
        value
    }
}

pub(super) fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

pub(super) fn number_from(least: u32, most: u32) -> impl Fn(&str) -> Result<u32, String> {
    move |text| {
        text.parse::<u32>()
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("`{text}` is no whole number from {least} to {most}"))
    }
}
