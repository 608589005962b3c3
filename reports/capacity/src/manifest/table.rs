//! Pods from a CSV: name, cpu, memory, replicas, optionally hours.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{JobFacts, Manifests, Problem, Workload, WorkloadKind};
use crate::plural::counted;
use crate::pod::PodTemplate;
use crate::pod_resources::{ContainerResources, PodResources, Resources};
use crate::quantity::Quantity;

const REQUIRED: [&str; 4] = ["name", "cpu", "memory", "replicas"];

/// Reads a table of pods; a name may carry its namespace (`web/api`). Every problem is reported.
pub fn read_table(source_name: &str, text: &str) -> Result<Manifests, Vec<Problem>> {
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
    let mut manifests = Manifests::default();
    let mut problems = Vec::new();
    for (index, row) in reader.records().enumerate() {
        let line = row.as_ref().map_or(index + 2, |row| line_of(text, row));
        let read = row.map_err(|error| error.to_string()).and_then(|row| {
            if row.len() == headers.len() {
                workload(&columns, &row)
            } else {
                Err(format!(
                    "it has {}, the header has {}",
                    counted(row.len(), "cell", "cells"),
                    headers.len()
                ))
            }
        });
        match read {
            Ok(workload) => manifests.workloads.push(workload),
            Err(message) => {
                problems.push(Problem::of_object(source_name, &format!("row {line}"), message));
            }
        }
    }
    if problems.is_empty() { Ok(manifests) } else { Err(problems) }
}

/// The line of a row in its file: comments and empty lines count, so that an editor finds it.
pub(crate) fn line_of(text: &str, row: &csv::StringRecord) -> usize {
    let start = row.position().and_then(|position| usize::try_from(position.byte()).ok());
    let (before, after) = text.split_at_checked(start.unwrap_or(0)).unwrap_or((text, ""));
    let is_passed_over = |line: &&str| line.trim().is_empty() || line.starts_with('#');
    before.matches('\n').count() + after.lines().take_while(is_passed_over).count() + 1
}

fn columns(
    source_name: &str,
    headers: &csv::StringRecord,
) -> Result<BTreeMap<String, usize>, Vec<Problem>> {
    let mut columns = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, header) in headers.iter().enumerate() {
        if !REQUIRED.contains(&header) && header != "hours" {
            problems.push(Problem::of_file(
                source_name,
                format!(
                    "column `{header}` is not known (known: name, cpu, memory, replicas, hours)"
                ),
            ));
        } else if columns.insert(header.to_owned(), index).is_some() {
            problems
                .push(Problem::of_file(source_name, format!("column `{header}` is there twice")));
        }
    }
    for missing in REQUIRED.iter().filter(|required| !columns.contains_key(**required)) {
        problems.push(Problem::of_file(
            source_name,
            format!("column `{missing}` is missing; needed: name, cpu, memory, replicas"),
        ));
    }
    if problems.is_empty() { Ok(columns) } else { Err(problems) }
}

fn workload(
    columns: &BTreeMap<String, usize>,
    row: &csv::StringRecord,
) -> Result<Workload, String> {
    let cell = |column: &str| {
        columns.get(column).and_then(|index| row.get(*index)).filter(|cell| !cell.is_empty())
    };
    let full_name = cell("name").ok_or("`name` is empty")?;
    let (namespace, name) = full_name.split_once('/').unwrap_or(("default", full_name));
    let mut requests = Resources::default();
    for resource in ["cpu", "memory"] {
        if let Some(text) = cell(resource) {
            let amount = Quantity::parse_amount(text)
                .map_err(|error| format!("`{full_name}`, `{resource}`: {error}"))?;
            requests.set(resource, amount);
        }
    }
    let number = |column: &str| {
        cell(column)
            .map(|text| {
                text.parse::<u32>()
                    .map_err(|_| format!("`{full_name}`, `{column}`: `{text}` is no count"))
            })
            .transpose()
    };
    let containers = vec![ContainerResources::requesting("main", requests)];
    let resources = PodResources { containers, ..PodResources::default() };
    Ok(Workload {
        kind: WorkloadKind::Row,
        namespace: namespace.into(),
        name: name.to_owned(),
        replicas: number("replicas")?.unwrap_or(1),
        hours: number("hours")?,
        job: JobFacts::default(),
        pod: None,
        template: Arc::new(PodTemplate { resources, ..PodTemplate::default() }),
    })
}
