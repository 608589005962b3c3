//! A request for `/allocation`: its parameters by name, each answered or refused.
//!
//! | parameter | here |
//! |---|---|
//! | `window` | as [`window`] reads it |
//! | `step` | as [`steps`] reads it; one set of all without |
//! | `accumulate`, `accumulateBy` | `true` or `all` is one set of all; `day` and `week` are steps |
//! | `aggregate` | names joined by `,`, see [`Aggregate`](super::Aggregate) |
//! | `includeIdle` | whether `__idle__` is among them |
//! | `filter` | see [`Filter`](super::Filter) |
//! | `resolution` | taken and without effect: looks have their own moments |
//! | `shareIdle`, `idleByNode`, `sharelb`, `includeProportionalAssetResourceCosts`, `includeAggregatedMetadata` | refused unless `false` |

use jiff::Timestamp;

use super::ask::{AskError, steps, window};
use super::filter::FilterError;
use super::{Query, UnknownAggregate};
use crate::observed::Window;

/// The longest time that one set is made of, in days: what it needs of memory grows with it.
pub const LONGEST_SET: i64 = 92;
/// The longest time that is answered at all, in days.
pub const LONGEST_WINDOW: i64 = 400;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What of each set.
    pub query: Query,
    /// The sets' times, in order.
    pub sets: Vec<Window>,
}

/// Why a question is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// Without a time.
    #[error("`window` is missing: window=7d, window=lastmonth")]
    NoWindow,
    /// A parameter that has no meaning here.
    #[error(
        "`{0}` is not answered here; there are window, aggregate, step, accumulate, accumulateBy, \
         includeIdle, filter and resolution"
    )]
    Unknown(String),
    /// A parameter that OpenCost has and this has not.
    #[error("`{name}` is not answered here: {instead}")]
    NotAnswered {
        /// Which.
        name: String,
        /// What there is.
        instead: &'static str,
    },
    /// A parameter twice.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// A value that is none.
    #[error("`{name}` is `{value}`, which is neither `true` nor `false`")]
    NoBoolean {
        /// Which.
        name: String,
        /// What was given.
        value: String,
    },
    /// Another way to accumulate.
    #[error("`accumulate` is `{0}`; there are true, false, all, none, hour, day, week")]
    Accumulate(String),
    /// Text that cannot be read.
    #[error("`{0}` has a `%` without two hexadecimal digits, or is no UTF-8")]
    Encoding(String),
    /// Too long.
    #[error("{what} of {days} days is not answered, {most} are the most; {instead}")]
    TooLong {
        /// `a window`, `a set`.
        what: &'static str,
        /// How long.
        days: i64,
        /// At most.
        most: i64,
        /// What to do.
        instead: &'static str,
    },
    /// Its time.
    #[error(transparent)]
    Time(#[from] AskError),
    /// Its aggregation.
    #[error(transparent)]
    Aggregate(#[from] UnknownAggregate),
    /// Its filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
}

/// How sets are put together.
enum Accumulate {
    Not,
    All,
    Step(&'static str),
}

impl Question {
    /// Reads the part of an address behind its `?`.
    pub fn read(query: &str, now: Timestamp) -> Result<Self, QuestionError> {
        let pairs = pairs(query)?;
        let mut known: Vec<&str> = Vec::new();
        let mut question = Query::default();
        let (mut time, mut step, mut accumulate) = (None, None, Accumulate::Not);
        for (name, value) in &pairs {
            if known.contains(&name.as_str()) {
                return Err(QuestionError::Twice(name.clone()));
            }
            known.push(name);
            match name.as_str() {
                "window" => time = Some(window(value, now)?),
                "step" => step = Some(value.as_str()),
                "aggregate" => {
                    let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                    question.aggregate = names.map(str::parse).collect::<Result<_, _>>()?;
                }
                "includeIdle" => question.include_idle = boolean(name, value)?,
                "accumulate" | "accumulateBy" => accumulate = accumulated(value)?,
                "filter" => question.filter = value.parse()?,
                "resolution" => {}
                _ => refused(name, value)?,
            }
        }
        let time = time.ok_or(QuestionError::NoWindow)?;
        let step = match accumulate {
            Accumulate::Not => step,
            Accumulate::All => None,
            Accumulate::Step(step) => Some(step),
        };
        is_short(time, "a window", LONGEST_WINDOW, "ask for parts of it")?;
        let sets = steps(time, step)?;
        for set in &sets {
            is_short(*set, "a set", LONGEST_SET, "step=30d makes several of it")?;
        }
        Ok(Self { query: question, sets })
    }
}

fn is_short(
    window: Window,
    what: &'static str,
    most: i64,
    instead: &'static str,
) -> Result<(), QuestionError> {
    let days = (window.seconds() + 86_399) / 86_400;
    if days <= most {
        return Ok(());
    }
    Err(QuestionError::TooLong { what, days, most, instead })
}

fn accumulated(value: &str) -> Result<Accumulate, QuestionError> {
    Ok(match value {
        "" | "none" => Accumulate::Not,
        "all" => Accumulate::All,
        "hour" => Accumulate::Step("1h"),
        "day" => Accumulate::Step("1d"),
        "week" => Accumulate::Step("1w"),
        other => match boolean("accumulate", other) {
            Ok(true) => Accumulate::All,
            Ok(false) => Accumulate::Not,
            Err(_) => return Err(QuestionError::Accumulate(other.to_owned())),
        },
    })
}

/// What OpenCost has and this has not may be said to be off.
fn refused(name: &str, value: &str) -> Result<(), QuestionError> {
    let instead = match name {
        "shareIdle" => "idle cost is `__idle__`, with includeIdle=true",
        "idleByNode" => "idle cost is one `__idle__`; aggregate=node has the nodes' other cost",
        "sharelb" => "load balancers are in `sharedCost`",
        "includeProportionalAssetResourceCosts" => "shares of assets are not made",
        "includeAggregatedMetadata" => "`properties` has what all pods of an allocation share",
        _ => return Err(QuestionError::Unknown(name.to_owned())),
    };
    if boolean(name, value)? {
        return Err(QuestionError::NotAnswered { name: name.to_owned(), instead });
    }
    Ok(())
}

fn boolean(name: &str, value: &str) -> Result<bool, QuestionError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "" | "false" | "f" | "0" => Ok(false),
        _ => Err(QuestionError::NoBoolean { name: name.to_owned(), value: value.to_owned() }),
    }
}

/// Names and values of a query string.
fn pairs(query: &str) -> Result<Vec<(String, String)>, QuestionError> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Result<String, QuestionError> {
    let wrong = || QuestionError::Encoding(text.to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = digit().zip(digit()).ok_or_else(wrong)?;
                u8::try_from(high * 16 + low).map_err(|_| wrong())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::allocation::{Aggregate, Filter};

    fn read(query: &str) -> Result<Question, QuestionError> {
        // A Wednesday.
        Question::read(query, "2026-11-04T06:00:00Z".parse().expect("a moment"))
    }

    #[test]
    fn what_dashboards_ask_is_read() {
        let question = read("window=7d&aggregate=namespace&resolution=1m").expect("a question");
        assert_eq!(question.sets.len(), 1);
        assert_eq!(question.query.aggregate, [Aggregate::Namespace]);
        assert!(!question.query.include_idle);
        let question = read(
            "window=2026-10-01T00%3A00%3A00Z%2C2026-10-03T00:00:00Z&accumulate=day&includeIdle=True\
             &aggregate=namespace%2Clabel:app&shareIdle=false&filter=namespace%3A%22web%22",
        )
        .expect("a question");
        let sets: Vec<String> = question.sets.iter().map(ToString::to_string).collect();
        assert_eq!(sets, ["2026-10-01", "2026-10-02"]);
        assert!(question.query.include_idle);
        assert_eq!(question.query.aggregate.len(), 2);
        assert_ne!(question.query.filter, Filter::default());
        let one = read("window=yesterday&step=1h&accumulate=true").expect("a question");
        assert_eq!(one.sets.len(), 1);
        assert_eq!(read("window=yesterday&step=1h").expect("a question").sets.len(), 24);
    }

    #[test]
    fn the_rest_is_refused_by_name() {
        for (query, why) in [
            ("", "`window` is missing"),
            ("window=soon", "`soon` is no window"),
            ("window=1d&step=soon", "`soon` is no step"),
            ("window=7d&step=1m", "the window has 10080 steps"),
            ("window=1d&window=2d", "`window` is there twice"),
            ("window=1d&aggregate=colour", "`colour` is nothing to aggregate by"),
            ("window=1d&shareIdle=true", "`shareIdle` is not answered here: idle cost is"),
            ("window=1d&shareIdle=maybe", "neither `true` nor `false`"),
            ("window=1d&costUnit=x", "`costUnit` is not answered here; there are window"),
            ("window=1d&accumulate=quarter", "`accumulate` is `quarter`"),
            ("window=1d&filter=department:%22a%22", "is about `department`"),
            ("window=%zz", "without two hexadecimal digits"),
            ("window=93d", "a set of 93 days is not answered, 92 are the most; step=30d"),
            (
                "window=2020-01-01T00:00:00Z,2026-01-01T00:00:00Z&step=30d",
                "a window of 2192 days is not answered, 400 are the most",
            ),
        ] {
            let told = read(query).expect_err(query).to_string();
            assert!(told.contains(why), "{query}: {told}");
        }
        assert_eq!(read("window=93d&step=30d").expect("a question").sets.len(), 4);
    }
}
