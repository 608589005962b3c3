//! A bill in which the charges of nodes are replaced by their parts.
//!
//! A charge of a node is a row of usage whose `ResourceId` is the instance, that is measured in hours, and
//! whose period lies in one UTC day of which the charges know the instance. Its parts take its place:
//! the same in every column but those that are divided (costs and quantities, custom ones as well) and
//! those of the allocation. Everything else passes as it was: in CSV byte for byte, with a cell per
//! column that the file did not have; in Parquet value for value.
//!
//! What is *not* divided though it is a node's: traffic and other things that are not measured in time;
//! rows that somebody divided already; rows to which a contract is applied, whose figures are inside
//! JSON. How many there were is a finding.

mod csv_rows;
mod parquet_rows;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::allocation::{Group, groups, named, origin_note, pod, tags};
use super::decimal::Decimal;
use super::export::{Cells, Export, ExportError, Kind};
use super::from_charges::ALLOCATED;
use super::{Version, WriteError, Written, columns, method_id};
use crate::allocate::charge::Charge;
use crate::allocate::showback::Weight;
use crate::bill::Class;
use crate::observed::{Finding, Severity};

/// Places that a part has at least.
const PLACES: u32 = 10;
/// Without these a file is no bill by resource.
const NEEDED: [&str; 5] =
    ["BilledCost", "ChargeCategory", "ChargePeriodEnd", "ChargePeriodStart", "ResourceId"];
/// Custom columns that are added.
const ADDED: [&str; 6] =
    ["x_Cluster", "x_Namespace", "x_Origin", "x_Owner", "x_Recipient", "x_Source"];

/// By what nodes are replaced.
#[derive(Debug, Clone, Copy)]
pub struct Replacement<'a> {
    /// Who gets what.
    pub charges: &'a [Charge],
    /// How node cost was divided.
    pub weight: Weight,
    /// Which version's columns say so; none: the bill's own.
    pub version: Option<Version>,
}

/// Writes a bill anew, in its own format, with its node charges replaced. After an error what was
/// written is not whole: write beside the place where it belongs, and move it there.
pub fn from_bill<W: Write + Send>(
    bill: &Export,
    replacement: &Replacement<'_>,
    out: W,
) -> Result<Written, WriteError> {
    match bill.kind() {
        Kind::Csv | Kind::CsvGz => csv_rows::write(bill, replacement, out),
        Kind::Parquet => parquet_rows::write(bill, replacement, out),
    }
}

/// What is known before the first row: charges by node and day, columns by name.
struct Plan<'a> {
    groups: Vec<Group<'a>>,
    by_node: BTreeMap<&'a str, BTreeMap<Date, Vec<usize>>>,
    method: String,
    version: Version,
    /// The columns of the bill.
    at: At,
    /// Those that are divided.
    summable: Vec<usize>,
    /// The columns of the bill, then those that it does not have.
    names: Vec<String>,
    /// How many of them the bill has.
    of_bill: usize,
}

/// Where columns are that say what a row is.
struct At {
    resource: usize,
    start: usize,
    end: usize,
    category: usize,
    service_category: Option<usize>,
    service: Option<usize>,
    units: [Option<usize>; 2],
    method: Option<usize>,
    contract: Option<usize>,
    tags: Option<usize>,
    provider: Option<usize>,
}

/// Rows that were looked at, by what became of them.
#[derive(Debug, Default)]
struct Tally {
    replaced: u64,
    allocated: u64,
    untouched: u64,
    divided_before: u64,
    without_time: u64,
    without_day: u64,
    over_days: u64,
    under_contract: u64,
    seen: BTreeSet<String>,
}

/// A part of a charge: its cells in columns of the allocation, and its figures in those that are
/// divided.
struct PartCells {
    allocation: Vec<(String, String)>,
    figures: Vec<Option<Decimal>>,
}

impl<'a> Plan<'a> {
    fn new(
        bill: &Export,
        header: &[String],
        replacement: &Replacement<'a>,
    ) -> Result<Self, ExportError> {
        let at = |name: &str| header.iter().position(|column| column == name);
        let missing: Vec<String> = NEEDED
            .iter()
            .filter(|name| at(name).is_none())
            .map(|name| (*name).to_owned())
            .collect();
        let needed = |name| at(name).unwrap_or_default();
        if !missing.is_empty() {
            return Err(ExportError::MissingColumns {
                path: bill.path().to_owned(),
                columns: missing,
            });
        }
        let is_newer = at("AllocatedMethodId").or(at("ServiceProviderName")).is_some();
        let own = if is_newer { Version::V1_3 } else { Version::V1_2 };
        let version = replacement.version.unwrap_or(own);
        let groups = groups(replacement.charges);
        Ok(Self {
            by_node: by_node(&groups, replacement.charges),
            groups,
            method: method_id(replacement.weight),
            version,
            at: At {
                resource: needed("ResourceId"),
                start: needed("ChargePeriodStart"),
                end: needed("ChargePeriodEnd"),
                category: needed("ChargeCategory"),
                service_category: at("ServiceCategory"),
                service: at("ServiceName"),
                units: [at("PricingUnit"), at("ConsumedUnit")],
                method: at("AllocatedMethodId").or(at("x_AllocatedMethodId")),
                contract: at("ContractApplied"),
                tags: at("Tags"),
                provider: at("ProviderName"),
            },
            summable: (0..header.len()).filter(|at| is_summable(&header[*at])).collect(),
            names: with_added(header, version),
            of_bill: header.len(),
        })
    }

    /// The group that takes a row's place; none where it passes.
    fn group(&self, row: Cells<'_>, tally: &mut Tally) -> Option<usize> {
        let id = instance(row.get(self.at.resource));
        let days = self.by_node.get(id)?;
        if row.get(self.at.category) != "Usage" {
            return None;
        }
        let Some(class) = self.class(row) else {
            tally.without_time += 1;
            return None;
        };
        if self.at.method.is_some_and(|at| !row.get(at).is_empty()) {
            tally.divided_before += 1;
            return None;
        }
        if self.at.contract.is_some_and(|at| !row.get(at).is_empty()) {
            tally.under_contract += 1;
            return None;
        }
        let Some(day) = one_day(row.get(self.at.start), row.get(self.at.end)) else {
            tally.over_days += 1;
            return None;
        };
        let Some(of_day) = days.get(&day) else {
            tally.without_day += 1;
            return None;
        };
        let of_class = |class| of_day.iter().copied().find(|at| self.groups[*at].class == class);
        let group = of_class(class).or_else(|| of_class(Class::Ec2Compute));
        if group.is_none() {
            tally.without_day += 1;
        } else if !tally.seen.contains(id) {
            tally.seen.insert(id.to_owned());
        }
        group
    }

    /// What a row of a node is, if it is measured in time.
    fn class(&self, row: Cells<'_>) -> Option<Class> {
        let unit =
            self.at.units.iter().flatten().map(|at| row.get(*at)).find(|unit| !unit.is_empty());
        let unit = unit.unwrap_or("").to_ascii_lowercase();
        if !["hour", "hrs", "second"].iter().any(|time| unit.contains(time)) {
            return None;
        }
        let service = self.at.service.map_or("", |at| row.get(at));
        if service.contains("Kubernetes") || service.contains("EKS") {
            return Some(Class::AutoModeFee);
        }
        let category = self.at.service_category.map_or("Compute", |at| row.get(at));
        (category == "Compute").then_some(Class::Ec2Compute)
    }

    /// What stands in a row's place. `row` counts from 1.
    fn parts(
        &self,
        bill: &Export,
        row: u64,
        cells: Cells<'_>,
        group: usize,
    ) -> Result<Vec<PartCells>, ExportError> {
        let group = &self.groups[group];
        let weights = group.weights();
        let mut sums: Vec<(&str, Decimal)> = Vec::new();
        let mut divided: Vec<Option<Vec<Decimal>>> = Vec::new();
        for at in &self.summable {
            let (name, text) = (self.names[*at].as_str(), cells.get(*at).trim());
            if text.is_empty() {
                divided.push(None);
                continue;
            }
            let cell = |why: super::decimal::DecimalError| ExportError::Cell {
                path: bill.path().to_owned(),
                row,
                column: name.to_owned(),
                value: text.to_owned(),
                why: why.to_string(),
            };
            let whole = Decimal::parse(text).map_err(cell)?;
            divided.push(Some(whole.split(&weights, PLACES).map_err(cell)?));
            sums.push((name, whole));
        }
        // With the file's name, for an export in several files is read as one table.
        let file = bill.path().file_name().unwrap_or_default().to_string_lossy();
        let file = file.split('.').next().unwrap_or_default();
        let note = origin_note(&format!("{file} row {row}"), group.shares.len(), &sums);
        let present = self.at.tags.map_or_else(BTreeMap::new, |at| tags_of(cells.get(at)));
        let details = group.details();
        let parts =
            group.shares.iter().zip(details).enumerate().map(|(index, (share, details))| {
                let mut allocation = self.added(cells);
                let column = |name: &str| self.version.allocated(name);
                let mut put = |name: String, value: String| allocation.push((name, value));
                let named = named(share.recipient, group.origin);
                put(column("AllocatedMethodId"), self.method.clone());
                put(column("AllocatedMethodDetails"), details);
                put(column("AllocatedResourceId"), named.id.unwrap_or_default());
                put(column("AllocatedResourceName"), named.name.unwrap_or_default());
                let tags = tags(share.recipient, group.origin, &present);
                put(column("AllocatedTags"), tags.unwrap_or_default());
                put("x_Cluster".to_owned(), group.origin.cluster.name.clone());
                if let Some(pod) = pod(share.recipient) {
                    put("x_Namespace".to_owned(), pod.namespace.clone());
                    put("x_Owner".to_owned(), pod.owner.to_string());
                }
                put("x_Origin".to_owned(), note.clone());
                put("x_Recipient".to_owned(), named.recipient);
                let figures =
                    divided.iter().map(|of| of.as_ref().map(|parts| parts[index])).collect();
                PartCells { allocation, figures }
            });
        Ok(parts.collect())
    }

    /// What every row gets in columns that the bill does not have.
    fn added(&self, row: Cells<'_>) -> Vec<(String, String)> {
        let provider = self.at.provider.map_or("", |at| row.get(at));
        let value = |name: &String| match name.as_str() {
            "x_Source" => Some((name.clone(), "bill".to_owned())),
            "ServiceProviderName" | "HostProviderName" => Some((name.clone(), provider.to_owned())),
            _ => None,
        };
        self.names[self.of_bill..].iter().filter_map(value).collect()
    }

    /// Where a column is, in the bill or after it.
    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|column| column == name)
    }

    /// What became of the bill.
    fn written(&self, tally: Tally) -> Written {
        let mut findings = Vec::new();
        let mut note = |severity, code, count: u64, message: &str| {
            if count > 0 {
                findings.push(Finding {
                    severity,
                    code,
                    subject: format!("{count} rows of nodes"),
                    message: message.to_owned(),
                });
            }
        };
        note(
            Severity::Note,
            "not_measured_in_time",
            tally.without_time,
            "They are traffic or the like, which no request asks for: they passed as they were.",
        );
        note(
            Severity::Note,
            "divided_before",
            tally.divided_before,
            "They were parts of a split already: they passed as they were.",
        );
        note(
            Severity::Warning,
            "under_contract",
            tally.under_contract,
            "A contract is applied to them, whose figures are not divided: they passed as they were.",
        );
        note(
            Severity::Warning,
            "over_days",
            tally.over_days,
            "Their period is longer than a UTC day: they passed as they were. Export the bill by hour or day.",
        );
        note(
            Severity::Loss,
            "no_charges_of_day",
            tally.without_day,
            "Nothing was seen of the node on the day of the row: they passed as they were.",
        );
        let unseen: Vec<&str> =
            self.by_node.keys().copied().filter(|id| !tally.seen.contains(*id)).collect();
        if let Some(first) = unseen.first() {
            findings.push(Finding {
                severity: Severity::Warning,
                code: "node_not_billed",
                subject: format!("{first} and {} others", unseen.len() - 1),
                message: "No row of the bill is the compute charge of these nodes: another account or another window?".to_owned(),
            });
        }
        Written {
            rows: tally.untouched + tally.allocated,
            replaced: tally.replaced,
            allocated: tally.allocated,
            untouched: tally.untouched,
            findings,
        }
    }
}

/// Groups that divide a node's cost, by instance and day.
fn by_node<'a>(
    groups: &[Group<'a>],
    charges: &'a [Charge],
) -> BTreeMap<&'a str, BTreeMap<Date, Vec<usize>>> {
    debug_assert!(groups.is_empty() || !charges.is_empty());
    let mut by_node: BTreeMap<&'a str, BTreeMap<Date, Vec<usize>>> = BTreeMap::new();
    for (at, group) in groups.iter().enumerate() {
        let is_node = matches!(group.class, Class::Ec2Compute | Class::AutoModeFee);
        if let Some(id) = group.origin.resource_id.as_deref().filter(|_| is_node) {
            by_node.entry(instance(id)).or_default().entry(group.day).or_default().push(at);
        }
    }
    by_node
}

/// The instance's own id, whether a bill has it so or inside an ARN.
fn instance(resource: &str) -> &str {
    match resource.rsplit_once(":instance/") {
        Some((_, id)) => id,
        None => resource,
    }
}

/// The UTC day in which a period lies.
fn one_day(start: &str, end: &str) -> Option<Date> {
    let (start, end) = (moment(start)?, moment(end)?);
    let day = start.to_zoned(TimeZone::UTC).date();
    let last = end.as_second().checked_sub(1)?;
    let is_one = end > start
        && Timestamp::from_second(last)
            .is_ok_and(|last| last.to_zoned(TimeZone::UTC).date() == day);
    is_one.then_some(day)
}

/// A moment as exports write it; without a zone it is UTC.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

/// Whether a split divides a column: FOCUS's own, and custom ones that are called like them.
fn is_summable(name: &str) -> bool {
    match columns::named(name) {
        Some(column) => column.is_summable,
        None => {
            name.starts_with("x_")
                && ["Cost", "CostInUsd", "Quantity"].iter().any(|end| name.ends_with(end))
        }
    }
}

/// The columns of the bill, and after them those that it does not have.
fn with_added(header: &[String], version: Version) -> Vec<String> {
    let mut added: Vec<String> = ALLOCATED.iter().map(|name| version.allocated(name)).collect();
    if version == Version::V1_3 {
        added.extend(["HostProviderName", "ServiceProviderName"].map(str::to_owned));
    }
    added.extend(ADDED.map(str::to_owned));
    added.retain(|name| !header.contains(name));
    // Columns of FOCUS before custom ones.
    added.sort_by_key(|name| (name.starts_with("x_"), name.clone()));
    header.iter().cloned().chain(added).collect()
}

/// Tags by key, as far as they are texts.
fn tags_of(text: &str) -> BTreeMap<String, String> {
    let Ok(Value::Object(tags)) = serde_json::from_str(text) else { return BTreeMap::new() };
    let is_text = |(key, value): (String, Value)| match value {
        Value::String(value) => Some((key, value)),
        _ => None,
    };
    tags.into_iter().filter_map(is_text).collect()
}
