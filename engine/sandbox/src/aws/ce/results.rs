//! Costs and usage by time and group.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::expression::{Expression, Key};
use super::period::Period;
use super::{bill, check_view, invalid, one_of, page, unavailable};
use crate::aws::{Answer, Call, Input, Refusal};
use crate::billing::{Account, HOUR, Line, Record, date, day_of, decimal};

const METRICS: [&str; 7] = [
    "AmortizedCost",
    "BlendedCost",
    "NetAmortizedCost",
    "NetUnblendedCost",
    "NormalizedUsageAmount",
    "UnblendedCost",
    "UsageQuantity",
];
/// Groups of one question.
const MOST_GROUPS: usize = 2;
/// Days back for which there is data by resource.
const RESOURCE_DAYS: i64 = 14;

/// What is asked besides the time.
struct Question {
    is_monthly: bool,
    metrics: Vec<&'static str>,
    groups: Vec<Key>,
    filter: Option<Expression>,
}

/// Sums of some lines.
#[derive(Default)]
struct Sums {
    unblended: i128,
    net: i128,
    quantity: i128,
    normalized: i128,
    units: BTreeSet<&'static str>,
}

pub(super) fn cost_and_usage(call: &mut Call<'_, '_>) -> Answer {
    let question = Question::of(call.input, false)?;
    answer(call, &question)
}

pub(super) fn with_resources(call: &mut Call<'_, '_>) -> Answer {
    if call.input.value("Filter").is_null() {
        return Err(Refusal::missing("filter"));
    }
    let question = Question::of(call.input, true)?;
    if !crate::billing::settings(call.transaction).resources {
        return Err(unavailable());
    }
    let period = Period::of(call)?;
    let today = day_of(call.transaction.now().as_second());
    if period.from < today - RESOURCE_DAYS * 24 * HOUR {
        return Err(invalid("start date must be within the last 14 days for data with resources"));
    }
    answer(call, &question)
}

impl Question {
    fn of(input: &Input, has_resources: bool) -> Result<Self, Refusal> {
        let granularity = input.required("Granularity")?;
        let granularity = one_of("granularity", granularity, &["MONTHLY", "HOURLY", "DAILY"])?;
        if granularity == "HOURLY" {
            return Err(Refusal::not_simulated("granularity HOURLY of ce"));
        }
        let asked = input.texts("Metrics");
        let asked = if asked.is_empty() && has_resources { vec!["UnblendedCost"] } else { asked };
        if asked.is_empty() {
            return Err(invalid("At least one metric must be specified"));
        }
        let known = |name: &&str| {
            let found = METRICS.iter().find(|metric| *metric == name).copied();
            found.ok_or_else(|| {
                invalid(format!(
                    "Metric {name} is not supported. Valid values are: {}",
                    METRICS.join(", ")
                ))
            })
        };
        let metrics = asked.iter().map(known).collect::<Result<_, _>>()?;
        let groups = input.list("GroupBy");
        if groups.len() > MOST_GROUPS {
            return Err(invalid("GroupBy can have at most 2 group definitions"));
        }
        let groups: Vec<Key> =
            groups.iter().map(|group| key(group, has_resources)).collect::<Result<_, _>>()?;
        if groups.len() == 2 && groups[0] == groups[1] {
            return Err(invalid("GroupBy must not have the same group definition twice"));
        }
        let filter = input.value("Filter");
        let filter =
            (!filter.is_null()).then(|| Expression::of(filter, has_resources)).transpose()?;
        Ok(Self { is_monthly: granularity == "MONTHLY", metrics, groups, filter })
    }
}

fn key(group: &Value, has_resources: bool) -> Result<Key, Refusal> {
    let name = group["Key"].as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| invalid("GroupBy key must not be empty"))?;
    let kind = group["Type"].as_str().unwrap_or_default();
    match one_of("groupBy.type", kind, &["DIMENSION", "TAG", "COST_CATEGORY", "PRODUCT_ATTRIBUTE"])?
    {
        "DIMENSION" => Key::dimension("groupBy.key", name, has_resources),
        "TAG" => Ok(Key::Tag(name.to_owned())),
        other => Err(Refusal::not_simulated(&format!("groups by {other} of ce"))),
    }
}

fn answer(call: &Call<'_, '_>, question: &Question) -> Answer {
    check_view(call)?;
    let period = Period::of(call)?;
    let (account, lines) = bill(call, &period)?;
    if !account.settings.net_amortized && question.metrics.iter().any(|one| one.starts_with("Net"))
    {
        return Err(Refusal::bad("DataUnavailableException", "The requested data is unavailable."));
    }
    let parts = period.parts(question.is_monthly);
    let rows = rows(&account, question, &parts, &lines);
    let size = account.settings.rows_per_page;
    let (rows, next) = page(call.input, "NextPageToken", size, rows)?;
    let mut results: Vec<(usize, Value)> = Vec::new();
    for (part, keys, sums) in rows {
        let metrics = metrics(&question.metrics, &sums);
        if results.last().is_none_or(|(last, _)| *last != part) {
            let Period { from, to } = parts[part];
            results.push((
                part,
                json!({
                    "TimePeriod": {"Start": date(from).to_string(), "End": date(to).to_string()},
                    "Total": {}, "Groups": [], "Estimated": account.is_estimated(to - 1),
                }),
            ));
        }
        let Some((_, result)) = results.last_mut() else { continue };
        match (keys, result["Groups"].as_array_mut()) {
            (Some(keys), Some(groups)) if !keys.is_empty() => {
                groups.push(json!({"Keys": keys, "Metrics": metrics}));
            }
            (Some(_), _) => result["Total"] = metrics,
            (None, _) => {}
        }
    }
    let results: Vec<Value> = results.into_iter().map(|(_, result)| result).collect();
    let groups = call.input.value("GroupBy").as_array().filter(|groups| !groups.is_empty());
    let is_by_account = question.groups.contains(&Key::Dimension("LINKED_ACCOUNT"));
    let account = json!({"Value": account.number, "Attributes": {"description": "sandbox"}});
    Ok(json!({
        "GroupDefinitions": groups, "ResultsByTime": results, "NextPageToken": next,
        "DimensionValueAttributes": if is_by_account { json!([account]) } else { json!([]) },
    }))
}

type Row = (usize, Option<Vec<String>>, Sums);

/// Rows in the order of pages: by time, then by keys. Without groups each part of the time has one; with
/// groups a part in which there is nothing has one without keys, so that it is told all the same.
fn rows(account: &Account, question: &Question, parts: &[Period], lines: &[Line]) -> Vec<Row> {
    let mut sums: BTreeMap<(usize, Vec<String>), Sums> = BTreeMap::new();
    let mut has_lines = vec![false; parts.len()];
    let has_groups = !question.groups.is_empty();
    if !has_groups {
        for part in 0..parts.len() {
            sums.insert((part, Vec::new()), Sums::default());
        }
    }
    for line in lines {
        if question.filter.as_ref().is_some_and(|filter| !filter.takes(account, line)) {
            continue;
        }
        let part = parts.partition_point(|part| part.to <= line.start);
        let keys = question.groups.iter().map(|key| key.group(account, line)).collect();
        sums.entry((part, keys)).or_default().add(line);
        if let Some(has) = has_lines.get_mut(part) {
            *has = true;
        }
    }
    let mut rows: Vec<Row> =
        sums.into_iter().map(|((part, keys), sums)| (part, Some(keys), sums)).collect();
    if has_groups {
        let silent = has_lines.iter().enumerate().filter(|(_, has)| !**has);
        rows.extend(silent.map(|(part, _)| (part, None, Sums::default())));
        rows.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    }
    rows
}

impl Sums {
    fn add(&mut self, line: &Line) {
        self.unblended += line.unblended;
        self.net += line.net;
        self.quantity += line.quantity;
        if line.record == Record::Usage {
            self.units.insert(line.item.place.unit);
            self.normalized += line.quantity * factor(line.item.instance_type.as_deref()) / 1000;
        }
    }
}

/// Thousandths of a small instance that a size is.
fn factor(instance_type: Option<&str>) -> i128 {
    let Some((_, size)) = instance_type.and_then(|name| name.split_once('.')) else { return 0 };
    match size {
        "nano" => 250,
        "micro" => 500,
        "small" => 1000,
        "medium" => 2000,
        "large" => 4000,
        "xlarge" => 8000,
        other => {
            let times = other.strip_suffix("xlarge").and_then(|times| times.parse::<i128>().ok());
            times.unwrap_or(0) * 8000
        }
    }
}

fn metrics(asked: &[&'static str], sums: &Sums) -> Value {
    let unit = match (sums.units.len(), sums.units.first()) {
        (1, Some(unit)) => *unit,
        _ => "N/A",
    };
    let one = |name: &&'static str| {
        let (amount, unit) = match *name {
            "NetAmortizedCost" | "NetUnblendedCost" => (sums.net, "USD"),
            "UsageQuantity" => (sums.quantity, unit),
            "NormalizedUsageAmount" => (sums.normalized, "N/A"),
            _ => (sums.unblended, "USD"),
        };
        ((*name).to_owned(), json!({"Amount": decimal(amount), "Unit": unit}))
    };
    Value::Object(asked.iter().map(one).collect::<Map<_, _>>())
}
