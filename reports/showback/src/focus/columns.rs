//! The columns of FOCUS, as a table of facts (`columns.csv` says from where and of when).

use std::sync::LazyLock;

use super::Version;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// A number.
    Decimal,
    /// A moment of UTC.
    Time,
    /// A JSON object.
    Json,
    /// Three letters of ISO 4217.
    Currency,
}

/// A column that FOCUS defines.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Its id, `BilledCost`.
    pub(super) name: String,
    /// What it holds.
    pub(super) kind: Kind,
    /// Whether no file may be without it.
    pub(super) is_mandatory: bool,
    /// Whether a row may leave it empty.
    pub(super) is_nullable: bool,
    /// Whether a split divides it: costs and quantities, no unit prices.
    pub(super) is_summable: bool,
    /// The version that brought it.
    pub(super) since: Version,
    /// The values it may have; empty: any.
    pub(super) allowed: Vec<String>,
}

/// All of them, by name.
static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(|| {
    include_str!("columns.csv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .filter_map(column)
        .collect()
});

/// A line of the table; a test holds that every line is one.
fn column(line: &str) -> Option<Column> {
    let mut cells = line.splitn(7, ',');
    let mut next = || cells.next();
    Some(Column {
        name: next()?.to_owned(),
        kind: match next()? {
            "decimal" => Kind::Decimal,
            "time" => Kind::Time,
            "json" => Kind::Json,
            "currency" => Kind::Currency,
            _ => Kind::Text,
        },
        is_mandatory: next()? == "mandatory",
        is_nullable: next()? == "yes",
        is_summable: next()? == "yes",
        since: if next()? == "1.3" { Version::V1_3 } else { Version::V1_2 },
        allowed: next()?.split(';').filter(|value| !value.is_empty()).map(str::to_owned).collect(),
    })
}

/// The columns of a version, by name.
pub(super) fn of(version: Version) -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(move |column| column.since <= version)
}

/// A column of any version.
pub(super) fn named(name: &str) -> Option<&'static Column> {
    COLUMNS.binary_search_by(|column| column.name.as_str().cmp(name)).ok().map(|at| &COLUMNS[at])
}

/// How a custom column of ours and those of FOCUS are typed in a file.
pub(super) fn kind_of(name: &str) -> Kind {
    match name {
        "x_Coverage" => Kind::Decimal,
        _ => named(name.strip_prefix("x_").unwrap_or(name)).map_or(Kind::Text, |found| found.kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let lines =
            include_str!("columns.csv").lines().filter(|line| !line.starts_with('#')).count() - 1;
        assert_eq!(COLUMNS.len(), lines);
        assert_eq!((of(Version::V1_2).count(), of(Version::V1_3).count()), (57, 65));
        assert!(COLUMNS.is_sorted_by(|one, two| one.name < two.name));
        let mandatory = of(Version::V1_2).filter(|column| column.is_mandatory).count();
        assert_eq!(mandatory, 21);
        let summable: Vec<&str> = COLUMNS
            .iter()
            .filter(|column| column.is_summable)
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(
            summable,
            [
                "BilledCost",
                "CommitmentDiscountQuantity",
                "ConsumedQuantity",
                "ContractedCost",
                "EffectiveCost",
                "ListCost",
                "PricingCurrencyEffectiveCost",
                "PricingQuantity"
            ]
        );
        assert_eq!(named("ChargeClass").unwrap().allowed, ["Correction"]);
        assert!(named("Nothing").is_none());
    }
}
