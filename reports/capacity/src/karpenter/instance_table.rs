//! The CSV that replaces the catalogue: what a type offers, where, and at what price.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::input::{InstanceOption, OfferingOption};
use crate::launch::CapacityType;
use crate::manifest;
use crate::money::{Price, Unit};
use crate::plural::counted;
use crate::pod_resources::Resources;
use crate::quantity::{Bytes, Millicores};

const REQUIRED: [&str; 7] = [
    "instance_type",
    "arch",
    "allocatable_cpu_m",
    "allocatable_memory_mib",
    "pods",
    "usd_per_hour",
    "zones",
];
const OPTIONAL: [&str; 1] = ["capacity_type"];

/// What is wrong with the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableProblem {
    /// A column that must be there is not.
    #[error("{source_name}: column `{column}` is missing")]
    MissingColumn {
        /// The file.
        source_name: String,
        /// The column.
        column: &'static str,
    },
    /// A column is there twice.
    #[error("{source_name}: column `{column}` is there twice")]
    TwiceColumn {
        /// The file.
        source_name: String,
        /// The column.
        column: String,
    },
    /// A column that means nothing here.
    #[error(
        "{source_name}: column `{column}` is not known (known: instance_type, arch, allocatable_cpu_m, allocatable_memory_mib, pods, usd_per_hour, zones, capacity_type)"
    )]
    UnknownColumn {
        /// The file.
        source_name: String,
        /// The column.
        column: String,
    },
    /// A row that cannot be read.
    #[error("{source_name}, row {row}: {message}")]
    Row {
        /// The file.
        source_name: String,
        /// The row, the header being the first.
        row: usize,
        /// What is wrong.
        message: String,
    },
    /// Not a CSV.
    #[error("{source_name}: {message}")]
    NotCsv {
        /// The file.
        source_name: String,
        /// What is wrong.
        message: String,
    },
}

/// Reads the table; every problem is reported. A type may have several rows, by capacity type and
/// zone; its figures are allocatable, nothing is taken off again, and limits count them too. An empty
/// price means that it is not known.
pub fn read_instance_types(
    source_name: &str,
    text: &str,
) -> Result<Vec<InstanceOption>, Vec<TableProblem>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .flexible(true)
        .from_reader(text.as_bytes());
    let not_csv = |error: &csv::Error| TableProblem::NotCsv {
        source_name: source_name.to_owned(),
        message: error.to_string(),
    };
    let headers = reader.headers().map_err(|error| vec![not_csv(&error)])?.clone();
    let columns = columns(source_name, &headers)?;
    let mut types: IndexMap<String, InstanceOption> = IndexMap::new();
    let mut problems = Vec::new();
    for (index, row) in reader.records().enumerate() {
        let line = row.as_ref().map_or(index + 2, |row| manifest::line_of(text, row));
        let read = row.map_err(|error| error.to_string()).and_then(|row| {
            if row.len() == headers.len() {
                add(&columns, &row, &mut types)
            } else {
                Err(format!(
                    "it has {}, the header has {}",
                    counted(row.len(), "cell", "cells"),
                    headers.len()
                ))
            }
        });
        if let Err(message) = read {
            problems.push(TableProblem::Row {
                source_name: source_name.to_owned(),
                row: line,
                message,
            });
        }
    }
    if types.is_empty() && problems.is_empty() {
        problems.push(TableProblem::NotCsv {
            source_name: source_name.to_owned(),
            message: "there is no instance type in it".to_owned(),
        });
    }
    if problems.is_empty() { Ok(types.into_values().collect()) } else { Err(problems) }
}

fn columns(
    source_name: &str,
    headers: &csv::StringRecord,
) -> Result<BTreeMap<String, usize>, Vec<TableProblem>> {
    let mut columns = BTreeMap::new();
    let mut problems = Vec::new();
    let source_name = || source_name.to_owned();
    for (index, header) in headers.iter().enumerate() {
        if !REQUIRED.contains(&header) && !OPTIONAL.contains(&header) {
            problems.push(TableProblem::UnknownColumn {
                source_name: source_name(),
                column: header.to_owned(),
            });
        } else if columns.insert(header.to_owned(), index).is_some() {
            problems.push(TableProblem::TwiceColumn {
                source_name: source_name(),
                column: header.to_owned(),
            });
        }
    }
    for column in REQUIRED.into_iter().filter(|column| !columns.contains_key(*column)) {
        problems.push(TableProblem::MissingColumn { source_name: source_name(), column });
    }
    if problems.is_empty() { Ok(columns) } else { Err(problems) }
}

fn add(
    columns: &BTreeMap<String, usize>,
    row: &csv::StringRecord,
    types: &mut IndexMap<String, InstanceOption>,
) -> Result<(), String> {
    let cell =
        |column: &str| columns.get(column).and_then(|index| row.get(*index)).unwrap_or_default();
    let name = cell("instance_type");
    if name.is_empty() {
        return Err("`instance_type` is empty".to_owned());
    }
    let amount = |column: &str| {
        let text = cell(column);
        text.parse::<i64>()
            .ok()
            .filter(|amount| *amount >= 0)
            .ok_or_else(|| format!("`{name}`, `{column}`: `{text}` is no amount"))
    };
    let resources = Resources {
        // Karpenter's root volume, for pods that ask for disk.
        ephemeral_storage: Some(Bytes::gibibytes(20)),
        ..Resources::of(
            Millicores(amount("allocatable_cpu_m")?),
            Bytes::mebibytes(amount("allocatable_memory_mib")?),
        )
    };
    let pods = u32::try_from(amount("pods")?).map_err(|_| format!("`{name}`, `pods`: too many"))?;
    let price = match cell("usd_per_hour") {
        "" => None,
        text => Some(
            Price::parse(text, Unit::Hour)
                .map_err(|error| format!("`{name}`, `usd_per_hour`: {error}"))?,
        ),
    };
    let capacity_type = match cell("capacity_type") {
        "" | "on-demand" => CapacityType::OnDemand,
        "spot" => CapacityType::Spot,
        other => {
            return Err(format!(
                "`{name}`, `capacity_type`: `{other}` is neither `on-demand` nor `spot`"
            ));
        }
    };
    let zones: Vec<&str> =
        cell("zones").split(';').map(str::trim).filter(|zone| !zone.is_empty()).collect();
    if zones.is_empty() {
        return Err(format!("`{name}`, `zones` is empty"));
    }
    let labels = labels(name, cell("arch"))?;
    let new = InstanceOption {
        name: name.to_owned(),
        labels,
        capacity: resources.clone(),
        allocatable: resources,
        pods,
        offerings: Vec::new(),
    };
    let option = types.entry(name.to_owned()).or_insert_with(|| new.clone());
    if (&option.allocatable, option.pods, &option.labels)
        != (&new.allocatable, new.pods, &new.labels)
    {
        return Err(format!("`{name}` was there before with other figures"));
    }
    for zone in zones {
        let offering = OfferingOption { zone: zone.to_owned(), capacity_type, price, as_of: None };
        if option
            .offerings
            .iter()
            .any(|known| known.zone == zone && known.capacity_type == capacity_type)
        {
            return Err(format!(
                "`{name}` in `{zone}` as {} is there twice",
                capacity_type.label()
            ));
        }
        option.offerings.push(offering);
    }
    Ok(())
}

/// The labels that the name tells: `m7g.large` is category `m`, generation `7`, family `m7g`.
fn labels(name: &str, arch: &str) -> Result<Vec<(String, Vec<String>)>, String> {
    if arch.is_empty() {
        return Err(format!("`{name}`, `arch` is empty"));
    }
    let one = |key: &str, value: &str| (key.to_owned(), vec![value.to_owned()]);
    let mut labels = vec![
        one("node.kubernetes.io/instance-type", name),
        one("kubernetes.io/arch", arch),
        one("kubernetes.io/os", "linux"),
    ];
    if let Some((family, size)) = name.split_once('.') {
        let (category, generation) = crate::catalogue::category_and_generation(family);
        if !category.is_empty() {
            labels.push(one("karpenter.k8s.aws/instance-category", category));
            labels.push(one("karpenter.k8s.aws/instance-family", family));
            labels.push(one("karpenter.k8s.aws/instance-size", size));
            if !generation.is_empty() {
                labels.push(one("karpenter.k8s.aws/instance-generation", generation));
            }
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones";

    fn why(text: &str) -> Vec<String> {
        let problems = read_instance_types("t.csv", text).expect_err("a problem");
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rows_of_a_type_are_put_together() {
        let text = format!(
            "{HEADER},capacity_type\nm5.large,amd64,1930,6903,29,0.118,a;b,\nm5.large,amd64,1930,6903,29,0.04,a,spot\nm5.large,amd64,1930,6903,29,,c,on-demand\n"
        );
        let types = read_instance_types("t.csv", &text).expect("types");
        assert_eq!((types.len(), types[0].offerings.len()), (1, 4));
        assert_eq!(types[0].offerings[3].price, None);
        assert_eq!(types[0].capacity, types[0].allocatable);
    }

    #[test]
    fn columns_and_rows_that_are_wrong_are_named() {
        assert_eq!(
            why(&HEADER.replace(",pods", "").replace("zones", "arch,color")),
            [
                "t.csv: column `arch` is there twice",
                "t.csv: column `color` is not known (known: instance_type, arch, allocatable_cpu_m, allocatable_memory_mib, pods, usd_per_hour, zones, capacity_type)",
                "t.csv: column `pods` is missing",
                "t.csv: column `zones` is missing"
            ]
        );
        assert_eq!(
            why(&format!(
                "{HEADER}\na.b,amd64,1,1,1,0,z\n\na.b,amd64,-1,1,1,1,z\na.b,amd64,1,1,1,1 EUR,z\na.b,amd64,1,1,1,1,\na.b,amd64,1\n"
            )),
            [
                "t.csv, row 2: `a.b`, `usd_per_hour`: `0` is not a price in dollars: a price of zero says that it is not known; leave it out",
                "t.csv, row 4: `a.b`, `allocatable_cpu_m`: `-1` is no amount",
                "t.csv, row 5: `a.b`, `usd_per_hour`: `1 EUR` is not a price in dollars: it is not a plain decimal number",
                "t.csv, row 6: `a.b`, `zones` is empty",
                "t.csv, row 7: it has 3 cells, the header has 7"
            ]
        );
        assert_eq!(why(HEADER), ["t.csv: there is no instance type in it"]);
    }
}
