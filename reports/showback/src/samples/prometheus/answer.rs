//! The answer of `query_range`: series of values at the steps that were asked for.

use std::collections::BTreeMap;

use runbook_capacity::quantity::Quantity;
use serde::Deserialize;

/// One series, step by step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    /// None where it has no sample, or one that is no amount.
    pub(super) values: Vec<Option<Quantity>>,
}

/// What is wrong with an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Form(String),
    Partial(String),
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Row {
    metric: BTreeMap<String, String>,
    values: Vec<(serde_json::Number, String)>,
}

/// Reads an answer to a question from `start` on.
pub(super) fn read(
    body: &[u8],
    start: i64,
    step_seconds: i64,
    steps: i64,
) -> Result<Vec<Series>, Wrong> {
    let form = |problem: String| Wrong::Form(problem);
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| form(format!("it is no JSON of its kind: {error}")))?;
    if answer.status != "success" {
        return Err(form(format!("its status is `{}`: {}", answer.status, answer.error)));
    }
    if let Some(warning) = answer.warnings.first() {
        return Err(Wrong::Partial(warning.clone()));
    }
    let data = answer.data.ok_or_else(|| form("there is no data in it".to_owned()))?;
    if data.result_type != "matrix" {
        return Err(form(format!(
            "its result is of the type `{}`, not `matrix`",
            data.result_type
        )));
    }
    let rows: Vec<Row> = serde_json::from_value(data.result)
        .map_err(|error| form(format!("its result cannot be read: {error}")))?;
    rows.into_iter().map(|row| series(row, start, step_seconds, steps)).collect()
}

fn series(row: Row, start: i64, step_seconds: i64, steps: i64) -> Result<Series, Wrong> {
    let mut values = vec![None; usize::try_from(steps).unwrap_or(0)];
    for (at, value) in row.values {
        let index = moment(&at)
            .map(|at| at - start)
            .filter(|after| *after >= 0 && after % step_seconds == 0)
            .and_then(|after| usize::try_from(after / step_seconds).ok())
            .and_then(|index| values.get_mut(index));
        let Some(slot) = index else {
            return Err(Wrong::Form(format!("it has a value at {at}, which was not asked for")));
        };
        // `NaN` and `+Inf` are no amounts.
        *slot = Quantity::parse(&value).ok();
    }
    Ok(Series { labels: row.metric, values })
}

/// Whole seconds; Prometheus writes `1790000000` and `1790000000.000`.
fn moment(at: &serde_json::Number) -> Option<i64> {
    let text = at.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    fraction.bytes().all(|digit| digit == b'0').then(|| whole.parse().ok())?
}

impl Series {
    /// The value at a step.
    pub(super) fn at(&self, step: usize) -> Option<Quantity> {
        self.values.get(step).copied().flatten()
    }

    /// Whether it has a sample at a step.
    pub(super) fn is_there(&self, step: usize) -> bool {
        self.at(step).is_some()
    }

    /// A label; none when it is empty, which is the same to Prometheus.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    fn of(text: &str) -> Result<Vec<Series>, Wrong> {
        read(text.as_bytes(), 1_000, 10, 3)
    }

    #[test]
    fn values_find_their_step() {
        let found = of(r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"a":"b","empty":""},"values":[[1000,"0.25"],[1020.000,"NaN"]]},
            {"metric":{},"values":[[1010,"5"]]}]}}"#)
        .unwrap();
        assert_eq!(found[0].values, [Some(Quantity::parse("0.25").unwrap()), None, None]);
        assert_eq!((found[0].label("a"), found[0].label("empty")), (Some("b"), None));
        assert!(found[1].is_there(1) && !found[1].is_there(0));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let form = |text: &str| match of(text) {
            Err(Wrong::Form(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(form("<html>").starts_with("it is no JSON of its kind"));
        assert_eq!(
            form(r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#),
            "its status is `error`: parse error"
        );
        assert_eq!(form(r#"{"status":"success"}"#), "there is no data in it");
        assert_eq!(
            form(r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#),
            "its result is of the type `vector`, not `matrix`"
        );
        let rows = |rows: &str| {
            format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":{rows}}}}}"#)
        };
        assert!(form(&rows(r#"[{"metric":{},"values":[["x","1"]]}]"#)).starts_with("its result"));
        assert_eq!(
            form(&rows(r#"[{"metric":{},"values":[[1005,"1"]]}]"#)),
            "it has a value at 1005, which was not asked for"
        );
        let partial = r#"{"status":"success","warnings":["store 3 did not answer"],"data":{"resultType":"matrix","result":[]}}"#;
        assert_eq!(of(partial), Err(Wrong::Partial("store 3 did not answer".to_owned())));
    }
}
