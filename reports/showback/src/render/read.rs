//! The JSON of an answer, read field by field, with an error that names the field.
//!
//! Fields that are not asked for are let be: an answer may grow. A field that is asked for is there,
//! though it may be null where the answer says that a figure does not exist.

use runbook_capacity::money::Amount;
use serde_json::{Number, Value};

use super::figures::{self, Percent};

/// Why an answer cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A field is not there.
    #[error("the {answer} has no `{field}`; was it written by another version of runbook?")]
    Missing {
        /// Which answer.
        answer: &'static str,
        /// The field.
        field: String,
    },
    /// A field holds something else.
    #[error(
        "`{field}` of the {answer} is not {wanted}; was it written by another version of runbook?"
    )]
    Kind {
        /// Which answer.
        answer: &'static str,
        /// The field.
        field: String,
        /// What it should hold.
        wanted: &'static str,
    },
    /// Parts are not the whole.
    #[error(
        "`{field}` of the {answer} does not add up: its lines come to {lines}, it says {total}"
    )]
    Sum {
        /// Which answer.
        answer: &'static str,
        /// The field.
        field: String,
        /// What the parts come to.
        lines: String,
        /// What the whole is said to be.
        total: String,
    },
}

/// A place in an answer.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    answer: &'static str,
    path: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    /// The answer itself; `answer` is what it is called in an error.
    pub(crate) fn root(answer: &'static str, value: &'a Value) -> Self {
        Self { answer, path: String::new(), value }
    }

    /// A field that is there.
    pub(crate) fn field(&self, name: &str) -> Result<Self, Unreadable> {
        let path =
            if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        match self.value.get(name) {
            Some(value) => Ok(Self { answer: self.answer, path, value }),
            None => Err(Unreadable::Missing { answer: self.answer, field: path }),
        }
    }

    /// A field that is there and may be null.
    pub(crate) fn maybe(&self, name: &str) -> Result<Option<Self>, Unreadable> {
        self.field(name).map(|field| (!field.value.is_null()).then_some(field))
    }

    /// A list.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<Self>, Unreadable> {
        let field = self.field(name)?;
        let items = field.value.as_array().ok_or_else(|| field.not("a list"))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, value)| Self {
                answer: self.answer,
                path: format!("{}[{index}]", field.path),
                value,
            })
            .collect())
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Unreadable> {
        self.list(name)?.iter().map(|item| item.as_text().map(str::to_owned)).collect()
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<String, Unreadable> {
        self.field(name)?.as_text().map(str::to_owned)
    }

    /// A text that may not be there.
    pub(crate) fn maybe_text(&self, name: &str) -> Result<Option<String>, Unreadable> {
        self.maybe(name)?.map(|field| field.as_text().map(str::to_owned)).transpose()
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(
        &self,
        name: &str,
        wanted: &'static str,
        words: &[(&str, T)],
    ) -> Result<T, Unreadable> {
        let field = self.field(name)?;
        let text = field.as_text()?;
        let known = words.iter().find(|(word, _)| *word == text);
        known.map(|(_, meaning)| *meaning).ok_or_else(|| field.not(wanted))
    }

    /// A whole number.
    pub(crate) fn integer(&self, name: &str) -> Result<i64, Unreadable> {
        self.field(name)?.as_integer()
    }

    /// A whole number that may not be there.
    pub(crate) fn maybe_integer(&self, name: &str) -> Result<Option<i64>, Unreadable> {
        self.maybe(name)?.map(|field| field.as_integer()).transpose()
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Unreadable> {
        let field = self.field(name)?;
        field.value.as_bool().ok_or_else(|| field.not("true or false"))
    }

    /// Money.
    pub(crate) fn money(&self, name: &str) -> Result<Amount, Unreadable> {
        self.field(name)?.as_money()
    }

    /// Money that may not be known.
    pub(crate) fn maybe_money(&self, name: &str) -> Result<Option<Amount>, Unreadable> {
        self.maybe(name)?.map(|field| field.as_money()).transpose()
    }

    /// A share that may not be known.
    pub(crate) fn maybe_percent(&self, name: &str) -> Result<Option<Percent>, Unreadable> {
        self.maybe(name)?.map(|field| field.as_percent()).transpose()
    }

    /// A share.
    pub(crate) fn percent(&self, name: &str) -> Result<Percent, Unreadable> {
        self.field(name)?.as_percent()
    }

    /// A number as it is written for people, with so many places at most.
    pub(crate) fn decimal(&self, name: &str, places: u32) -> Result<String, Unreadable> {
        let field = self.field(name)?;
        let number = field.as_number()?;
        let text =
            figures::decimal(number, places).ok_or_else(|| field.not("a number of usual size"))?;
        Ok(if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        })
    }

    /// Where this is, for an error of another's.
    pub(crate) fn does_not_add_up(&self, lines: String, total: String) -> Unreadable {
        Unreadable::Sum { answer: self.answer, field: self.path.clone(), lines, total }
    }

    fn as_text(&self) -> Result<&'a str, Unreadable> {
        self.value.as_str().ok_or_else(|| self.not("a text"))
    }

    /// A whole number, also when it is written as `730.0`.
    fn as_integer(&self) -> Result<i64, Unreadable> {
        let wrong = || self.not("a whole number");
        if let Some(whole) = self.value.as_i64() {
            return Ok(whole);
        }
        let text = self.as_number()?.to_string();
        text.strip_suffix(".0").and_then(|whole| whole.parse().ok()).ok_or_else(wrong)
    }

    fn as_money(&self) -> Result<Amount, Unreadable> {
        figures::amount(self.as_number()?).ok_or_else(|| self.not("an amount of money"))
    }

    fn as_percent(&self) -> Result<Percent, Unreadable> {
        Percent::of(self.as_number()?).ok_or_else(|| self.not("a share"))
    }

    fn as_number(&self) -> Result<&'a Number, Unreadable> {
        match self.value {
            Value::Number(number) => Ok(number),
            _ => Err(self.not("a number")),
        }
    }

    fn not(&self, wanted: &'static str) -> Unreadable {
        Unreadable::Kind { answer: self.answer, field: self.path.clone(), wanted }
    }
}
