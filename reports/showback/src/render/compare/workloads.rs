//! Fargate against nodes for each workload: the dearest drawn, all of them in a table.

use std::collections::BTreeMap;

use runbook_capacity::money::Amount;

use super::workload::{self, Sum, Workload};
use crate::render::chart::{Arrangement, Bar, BarRow, Bars, Chart, Drawing};
use crate::render::figures::{Cents, grouped};
use crate::render::markup::written_length;
use crate::render::page::{Block, Fold, Section};
use crate::render::read::{Node, Unreadable};
use crate::render::table::{Cell, Column, Row, Table};
use crate::render::text::counted;

/// How many workloads a chart has room for.
const MOST_BARS: usize = 12;
/// How many workloads the whole table has; a page is read by people.
const MOST_ROWS: usize = 2_000;
/// How many namespaces.
const MOST_NAMESPACES: usize = 100;
/// How many bytes of a page the names of a table's rows may take, for names may be long and full of
/// what has to be escaped.
const MOST_BYTES: usize = 700_000;
/// From so many workloads on, namespaces are the better overview.
const MANY: usize = 30;

/// Each workload; none when there is none.
pub(super) fn section(answer: &Node<'_>) -> Result<Option<Section>, Unreadable> {
    let workloads = workload::read(answer)?;
    if workloads.is_empty() {
        return Ok(None);
    }
    let mut section = Section::new("workloads", "Fargate against nodes, by workload")
        .with(Block::Chart(Box::new(chart(&workloads))));
    let namespaces = by_namespace(&workloads);
    if workloads.len() > MANY && namespaces.len() > 1 {
        section = section
            .with(Block::Heading("By namespace".to_owned()))
            .with(Block::Table(namespace_table(&namespaces, Sum::of(&workloads))));
    }
    let aside = counted(count(workloads.len()), "workload", "workloads");
    let fold = Fold {
        title: "All workloads, the dearest first".to_owned(),
        aside,
        blocks: vec![Block::Table(table(&workloads))],
    };
    Ok(Some(section.with(Block::Fold(fold))))
}

/// How many of these a table has room for: so many rows, and so many bytes of names.
fn shown(names: impl Iterator<Item = usize>, most: usize) -> usize {
    let mut bytes = 0;
    names
        .take(most)
        .take_while(|length| {
            bytes += length;
            bytes <= MOST_BYTES
        })
        .count()
}

/// What a workload's own words take: its name, shortened and whole, and why there is no figure.
fn length(workload: &Workload) -> usize {
    let reason = workload.reason.as_deref().unwrap_or_default();
    2 * written_length(&workload.name) + written_length(reason)
}

fn chart(workloads: &[Workload]) -> Chart {
    let (shown, others) = workloads.split_at(workloads.len().min(MOST_BARS));
    let bar = |amount: Option<Amount>, why: &Workload| match amount {
        Some(amount) => Bar::of(amount),
        None => Bar::missing(why.gap()),
    };
    let mut rows: Vec<BarRow> = shown
        .iter()
        .map(|one| BarRow {
            name: one.name.clone(),
            note: counted(one.pods, "pod", "pods"),
            bars: vec![bar(one.fargate, one), bar(one.nodes, one)],
            range: None,
        })
        .collect();
    let mut table = Table::new(
        "Dollars a month of the dearest workloads",
        vec![
            Column::words("workload"),
            Column::count("pods"),
            Column::figure("Fargate", "$/month"),
            Column::figure("nodes", "$/month"),
        ],
    );
    for one in shown {
        let cell = |amount: Option<Amount>| match amount {
            Some(amount) => Cell::Money(Cents::of(amount)),
            None => Cell::Missing(one.gap()),
        };
        table.add(Row::plain(vec![
            Cell::Name(one.name.clone()),
            Cell::Count(one.pods.into()),
            cell(one.fargate),
            cell(one.nodes),
        ]));
    }
    if !others.is_empty() {
        let rest = Sum::of(others);
        let name = counted(rest.workloads, "more workload", "more workloads");
        rows.push(rest_row(&name, rest, shown));
        table.add(Row::subtotal(vec![
            Cell::Text(name),
            Cell::Count(rest.pods.into()),
            Cell::Money(Cents::of(rest.fargate)),
            Cell::Money(Cents::of(rest.nodes)),
        ]));
    }
    Chart {
        title: "Fargate against nodes, dollars a month".to_owned(),
        description: chart_described(workloads, shown.len()),
        drawing: Drawing::Bars(Bars {
            unit: "$ a month".to_owned(),
            series: vec!["Fargate".to_owned(), "nodes".to_owned()],
            arrangement: Arrangement::Beside,
            rows,
        }),
        table,
    }
}

/// The others together: a bar where that leaves the workloads readable, else the figure alone.
fn rest_row(name: &str, rest: Sum, shown: &[Workload]) -> BarRow {
    let longest = shown.iter().filter_map(Workload::dollars).max().unwrap_or_default();
    let bar = |amount: Amount| {
        if amount.raw() <= longest.raw() * 3 / 2 {
            Bar::of(amount)
        } else {
            Bar::missing(format!("{} $, off the scale", Cents::of(amount).brief()))
        }
    };
    BarRow {
        name: name.to_owned(),
        note: counted(rest.pods, "pod", "pods"),
        bars: vec![bar(rest.fargate), bar(rest.nodes)],
        range: None,
    }
}

fn chart_described(workloads: &[Workload], shown: usize) -> String {
    let cheaper = |word: &str| {
        count(workloads.iter().filter(|one| one.cheaper.as_deref() == Some(word)).count())
    };
    let (fargate, nodes) = (cheaper("fargate"), cheaper("nodes"));
    let open = count(workloads.len()) - fargate - nodes;
    let mut text = format!(
        "Of {} {} cheaper on nodes and {} on Fargate",
        counted(count(workloads.len()), "workload", "workloads"),
        counted(nodes, "is", "are"),
        grouped(fargate.into())
    );
    if open > 0 {
        text.push_str(&format!("; of {} nothing can be said", grouped(open.into())));
    }
    text.push('.');
    if workloads.len() > shown {
        text.push_str(&format!(" Shown are the {shown} dearest; the others are summed."));
    }
    text
}

fn count(all: usize) -> i64 {
    i64::try_from(all).unwrap_or(i64::MAX)
}

fn by_namespace(workloads: &[Workload]) -> Vec<(String, Sum)> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for one in workloads {
        sums.entry(one.namespace()).or_default().add(one);
    }
    let mut sums: Vec<(String, Sum)> =
        sums.into_iter().map(|(name, sum)| (name.to_owned(), sum)).collect();
    sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.fargate.max(sum.nodes)));
    sums
}

fn namespace_table(namespaces: &[(String, Sum)], all: Sum) -> Table {
    let mut table = Table::new(
        "Workloads that have a figure on both, by namespace",
        vec![
            Column::words("namespace"),
            Column::count("workloads"),
            Column::count("pods"),
            Column::figure("Fargate", "$/month"),
            Column::figure("nodes", "$/month"),
            Column::figure("nodes less Fargate", "$/month"),
            Column::count("without a figure"),
        ],
    );
    let of = |pick: fn(&Sum) -> Amount| -> (Cents, Vec<Cents>) {
        let parts: Vec<Amount> = namespaces.iter().map(|(_, sum)| pick(sum)).collect();
        let whole = Cents::of(pick(&all));
        (whole, Cents::parts(whole, &parts).unwrap_or_default())
    };
    let (fargate, on_fargate) = of(|sum| sum.fargate);
    let (nodes, on_nodes) = of(|sum| sum.nodes);
    let cells = |name: Cell, sum: &Sum, fargate: Cents, nodes: Cents| {
        vec![
            name,
            Cell::Count(sum.workloads.into()),
            Cell::Count(sum.pods.into()),
            Cell::Money(fargate),
            Cell::Money(nodes),
            Cell::Change(nodes.less(fargate)),
            Cell::Count(sum.gaps.into()),
        ]
    };
    let all_cents: Vec<(Cents, Cents)> = on_fargate.into_iter().zip(on_nodes).collect();
    let lengths = namespaces.iter().map(|(name, _)| 2 * written_length(name));
    let at = shown(lengths, MOST_NAMESPACES);
    for ((name, sum), (fargate, nodes)) in namespaces.iter().zip(&all_cents).take(at) {
        table.add(Row::plain(cells(Cell::Name(name.clone()), sum, *fargate, *nodes)));
    }
    let others = &namespaces[at..];
    if !others.is_empty() {
        let name = counted(count(others.len()), "other namespace", "other namespaces");
        let sum = others.iter().fold(Sum::default(), |sum, (_, one)| sum.and(*one));
        let fargate = all_cents.iter().skip(at).map(|(fargate, _)| *fargate).sum();
        let nodes = all_cents.iter().skip(at).map(|(_, nodes)| *nodes).sum();
        table.add(Row::subtotal(cells(Cell::Text(name), &sum, fargate, nodes)));
    }
    table.add(Row::total(cells(Cell::Text("all".to_owned()), &all, fargate, nodes)));
    table
}

/// Every workload.
fn table(workloads: &[Workload]) -> Table {
    let mut table = Table::new(
        "Every workload; free is what its size on Fargate has and no container asks for",
        vec![
            Column::words("workload"),
            Column::count("pods"),
            Column::figure("each", "hours"),
            Column::words("size on Fargate"),
            Column::figure("Fargate", "$/month"),
            Column::figure("nodes", "$/month"),
            Column::words("cheaper"),
            Column::figure("break-even", "% full"),
            Column::words("on"),
            Column::figure("free CPU", "m"),
            Column::figure("free memory", "MiB"),
        ],
    );
    let (shown, others) = workloads.split_at(shown(workloads.iter().map(length), MOST_ROWS));
    let mut on_fargate = column(workloads, |one| one.fargate);
    let mut on_nodes = column(workloads, |one| one.nodes);
    for one in shown {
        let count =
            |count: Option<i64>| count.map_or(Cell::Nothing, |count| Cell::Count(count.into()));
        let text = |text: &Option<String>| text.clone().map_or(Cell::Nothing, Cell::Text);
        let cheaper = match one.cheaper.as_deref() {
            Some("fargate") => Cell::Text("Fargate".to_owned()),
            Some(other) => Cell::Text(other.to_owned()),
            None => Cell::Nothing,
        };
        let size = match (&one.size, &one.reason) {
            (Some(size), _) => Cell::Text(size.clone()),
            (None, _) => Cell::Missing(one.gap()),
        };
        // What most are, and a row of a table, goes without saying.
        let name = match one.kind.as_str() {
            "Deployment" | "Row" => Cell::Name(one.name.clone()),
            kind => Cell::Name(format!("{} ({kind})", one.name)),
        };
        let pods = match one.scaled {
            Some((least, most)) => {
                let pods = grouped(one.pods.into());
                Cell::Figure(format!("{pods} ({}–{})", grouped(least.into()), grouped(most.into())))
            }
            None => Cell::Count(one.pods.into()),
        };
        table.add(Row::plain(vec![
            name,
            pods,
            Cell::Figure(one.hours.clone()),
            size,
            Cell::money(one.fargate.and_then(|_| on_fargate.parts.next())),
            Cell::money(one.nodes.and_then(|_| on_nodes.parts.next())),
            cheaper,
            one.break_even.map_or(Cell::Nothing, Cell::Share),
            text(&one.on),
            count(one.free_cpu),
            count(one.free_memory),
        ]));
    }
    let mut sum =
        |words: String, pods: i64, fargate: Cents, nodes: Cents, row: fn(Vec<Cell>) -> Row| {
            let mut cells =
                vec![Cell::Text(words), Cell::Count(pods.into()), Cell::Nothing, Cell::Nothing];
            cells.extend([Cell::Money(fargate), Cell::Money(nodes)]);
            cells.extend(std::iter::repeat_n(Cell::Nothing, 5));
            table.add(row(cells));
        };
    if !others.is_empty() {
        let words = format!("{} more, each in the CSV and the JSON", grouped(others.len() as i128));
        let pods = others.iter().map(|one| one.pods).sum();
        sum(words, pods, on_fargate.rest(), on_nodes.rest(), Row::subtotal);
    }
    let pods = workloads.iter().map(|one| one.pods).sum();
    sum("all that have a figure".to_owned(), pods, on_fargate.whole, on_nodes.whole, Row::total);
    table
}

/// A column that adds up to its last row.
struct Money {
    whole: Cents,
    parts: std::vec::IntoIter<Cents>,
}

impl Money {
    /// What is left of it.
    fn rest(&mut self) -> Cents {
        self.parts.by_ref().sum()
    }
}

fn column(workloads: &[Workload], pick: fn(&Workload) -> Option<Amount>) -> Money {
    let amounts: Vec<Amount> = workloads.iter().filter_map(pick).collect();
    let whole = Cents::of(amounts.iter().copied().sum());
    // The whole is the sum of these very parts, so they do add up.
    let parts = Cents::parts(whole, &amounts).unwrap_or_default();
    Money { whole, parts: parts.into_iter() }
}
