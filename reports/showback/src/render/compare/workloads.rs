//! Fargate against nodes: over how full nodes are, and for each workload.

use std::collections::BTreeMap;

use runbook_capacity::money::Amount;

use crate::render::chart::{
    Arrangement, Bar, BarRow, Bars, Chart, Crossing, Curve, CurveLine, Drawing,
};
use crate::render::figures::{Cents, Percent, grouped};
use crate::render::page::{Block, Fold, Section};
use crate::render::read::{Node, Unreadable};
use crate::render::table::{Cell, Column, Row, Table};
use crate::render::text::counted;

/// How many workloads a chart has room for.
const MOST_BARS: usize = 12;
/// How many workloads the whole table has; a page is read by people.
const MOST_ROWS: usize = 5_000;
/// From so many workloads on, namespaces are the better overview.
const MANY: usize = 30;
/// How many edges of Fargate's sizes are worth reading.
const MOST_CLIFFS: usize = 10;

/// A workload.
#[derive(Debug, Clone)]
struct Workload {
    name: String,
    kind: String,
    pods: i64,
    hours: String,
    size: Option<String>,
    fargate: Option<Amount>,
    nodes: Option<Amount>,
    free_cpu: Option<i64>,
    free_memory: Option<i64>,
    break_even: Option<Percent>,
    on: Option<String>,
    cheaper: Option<String>,
    cliffs: Vec<Cliff>,
    reason: Option<String>,
}

/// Where a request falls into the next size.
#[derive(Debug, Clone)]
struct Cliff {
    resource: String,
    above: String,
    to: String,
    adds: Amount,
    percent: Percent,
}

fn read(answer: &Node<'_>) -> Result<Vec<Workload>, Unreadable> {
    let mut workloads: Vec<Workload> =
        answer.list("workloads")?.iter().map(workload).collect::<Result<_, _>>()?;
    workloads.sort_by(|one, other| {
        other.dollars().cmp(&one.dollars()).then_with(|| one.name.cmp(&other.name))
    });
    Ok(workloads)
}

fn workload(node: &Node<'_>) -> Result<Workload, Unreadable> {
    Ok(Workload {
        name: node.text("workload")?,
        kind: node.text("kind")?,
        pods: node.integer("pods")?,
        hours: node.decimal("hours", 1)?,
        size: node.maybe_text("fargate_size")?,
        fargate: node.maybe_money("fargate_usd_per_month")?,
        nodes: node.maybe_money("karpenter_usd_per_month")?,
        free_cpu: node.maybe_integer("free_cpu_m")?,
        free_memory: node.maybe_integer("free_memory_mib")?,
        break_even: node.maybe_percent("break_even_percent")?,
        on: node.maybe_text("break_even_type")?,
        cheaper: node.maybe_text("cheaper")?,
        cliffs: node.list("cliffs")?.iter().map(cliff).collect::<Result<_, _>>()?,
        reason: node.maybe_text("reason")?,
    })
}

fn cliff(node: &Node<'_>) -> Result<Cliff, Unreadable> {
    Ok(Cliff {
        resource: node.text("resource")?,
        above: node.text("above")?,
        to: node.text("to")?,
        adds: node.money("adds_usd_per_month")?,
        percent: node.percent("adds_percent")?,
    })
}

impl Workload {
    /// What it costs where it costs more.
    fn dollars(&self) -> Option<Amount> {
        self.fargate.max(self.nodes)
    }

    fn namespace(&self) -> &str {
        self.name.split_once('/').map_or("default", |(namespace, _)| namespace)
    }

    /// Why there is no figure.
    fn gap(&self) -> String {
        self.reason.clone().unwrap_or_else(|| "no figure".to_owned())
    }
}

/// What workloads cost together, where there is a figure.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    workloads: i64,
    pods: i64,
    fargate: Amount,
    nodes: Amount,
    gaps: i64,
}

impl Sum {
    fn add(&mut self, workload: &Workload) {
        self.workloads += 1;
        self.pods += workload.pods;
        match (workload.fargate, workload.nodes) {
            // Only what can be held against each other is summed.
            (Some(fargate), Some(nodes)) => {
                self.fargate += fargate;
                self.nodes += nodes;
            }
            _ => self.gaps += 1,
        }
    }

    fn of<'a>(workloads: impl IntoIterator<Item = &'a Workload>) -> Self {
        let mut sum = Self::default();
        workloads.into_iter().for_each(|workload| sum.add(workload));
        sum
    }
}

/// The break-even curve; none when no workload can run on both.
pub(super) fn curve(answer: &Node<'_>) -> Result<Option<Section>, Unreadable> {
    let Some(curve) = answer.maybe("curve")? else { return Ok(None) };
    let mut points = Vec::new();
    for point in curve.list("points")? {
        points.push((
            point.percent("utilisation_percent")?,
            point.money("karpenter_usd_per_month")?,
            point.money("fargate_usd_per_month")?,
        ));
    }
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(None) };
    let even = curve.maybe_percent("break_even_percent")?;
    let used = curve.maybe_percent("used_percent")?;
    let note = curve.maybe_text("note")?;
    let on_fargate = points.iter().map(|(_, _, fargate)| *fargate).max().unwrap_or_default();
    // Above two and a half times Fargate nothing is decided any more.
    let most = Amount::from_raw(on_fargate.raw() * 5 / 2).max(last.1);
    // Where the curves are far apart there is room for Fargate's name.
    let is_early = even.is_some_and(|even| even.count() < 5_000);
    let named_at = if is_early { last.0 } else { Percent::hundredths(2_600) };
    let drawing = Curve {
        across: "how full the nodes are: requested of what they offer".to_owned(),
        up: "$ a month".to_owned(),
        from: first.0,
        to: last.0,
        most,
        lines: vec![
            CurveLine {
                name: format!("Fargate {}", Cents::of(on_fargate).brief()),
                named_at,
                is_named_below: false,
                points: points.iter().map(|(at, _, fargate)| (*at, *fargate)).collect(),
            },
            CurveLine {
                name: format!("nodes, full: {}", Cents::of(last.1).brief()),
                named_at: last.0,
                is_named_below: last.1 <= on_fargate,
                points: points.iter().map(|(at, nodes, _)| (*at, *nodes)).collect(),
            },
        ],
        marks: marks(even, used, on_fargate),
    };
    let chart = Chart {
        title: "Where nodes begin to pay".to_owned(),
        description: described(even, used, note.as_deref()),
        drawing: Drawing::Curve(drawing),
        table: curve_table(&points),
    };
    let title = "Break-even: how full must nodes be?";
    Ok(Some(Section::new("break-even", title).with(Block::Chart(Box::new(chart)))))
}

fn marks(even: Option<Percent>, used: Option<Percent>, on_fargate: Amount) -> Vec<Crossing> {
    let mut marks = Vec::new();
    if let Some(at) = used {
        let label = format!("NodeLess’s nodes: {} full", at.text());
        marks.push(Crossing { at, amount: None, label });
    }
    if let Some(at) = even {
        let label = format!("break-even at {}", at.text());
        marks.push(Crossing { at, amount: Some(on_fargate), label });
    }
    marks
}

fn described(even: Option<Percent>, used: Option<Percent>, note: Option<&str>) -> String {
    let mut text = match even {
        Some(at) if at.count() > 10_000 => {
            "Fargate is cheaper even than nodes that are full.".to_owned()
        }
        Some(at) => format!("Nodes are cheaper than Fargate from {} full on.", at.text()),
        None => "There is no break-even.".to_owned(),
    };
    if let Some(used) = used {
        text.push_str(&format!(" NodeLess’s nodes are {} full.", used.text()));
    }
    if let Some(note) = note {
        text.push_str(&format!(" Counted: {note}."));
    }
    text
}

fn curve_table(points: &[(Percent, Amount, Amount)]) -> Table {
    let mut table = Table::new(
        "Dollars a month over how full nodes are",
        vec![
            Column::figure("full", "%"),
            Column::figure("nodes", "$/month"),
            Column::figure("Fargate", "$/month"),
            Column::figure("nodes less Fargate", "$/month"),
        ],
    );
    for (at, nodes, fargate) in points {
        let (nodes, fargate) = (Cents::of(*nodes), Cents::of(*fargate));
        table.add(Row::plain(vec![
            Cell::Share(*at),
            Cell::Money(nodes),
            Cell::Money(fargate),
            Cell::Change(nodes.less(fargate)),
        ]));
    }
    table
}

/// Each workload; none when there is none.
pub(super) fn section(answer: &Node<'_>) -> Result<Option<Section>, Unreadable> {
    let workloads = read(answer)?;
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
    let aside = counted(i64::try_from(workloads.len()).unwrap_or(i64::MAX), "row", "rows");
    let fold = Fold {
        title: "All workloads, the dearest first".to_owned(),
        aside,
        blocks: vec![Block::Table(table(&workloads))],
    };
    Ok(Some(section.with(Block::Fold(fold))))
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
    let count = |word: &str| {
        workloads.iter().filter(|one| one.cheaper.as_deref() == Some(word)).count() as i128
    };
    let (fargate, nodes) = (count("fargate"), count("nodes"));
    let open = workloads.len() as i128 - fargate - nodes;
    let mut text = format!(
        "Of {} workloads {} are cheaper on nodes and {} on Fargate",
        grouped(workloads.len() as i128),
        grouped(nodes),
        grouped(fargate)
    );
    if open > 0 {
        text.push_str(&format!("; of {} nothing can be said", grouped(open)));
    }
    text.push('.');
    if workloads.len() > shown {
        text.push_str(&format!(" Shown are the {shown} dearest; the others are summed."));
    }
    text
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
    for ((name, sum), (fargate, nodes)) in
        namespaces.iter().zip(on_fargate.into_iter().zip(on_nodes))
    {
        table.add(Row::plain(cells(Cell::Name(name.clone()), sum, fargate, nodes)));
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
    let (shown, others) = workloads.split_at(workloads.len().min(MOST_ROWS));
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
        let name = if one.kind == "Deployment" {
            Cell::Name(one.name.clone())
        } else {
            Cell::Name(format!("{} ({})", one.name, one.kind))
        };
        table.add(Row::plain(vec![
            name,
            Cell::Count(one.pods.into()),
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

/// Steps of Fargate's sizes: what a smaller request saves, what a larger one costs.
pub(super) fn sizes(answer: &Node<'_>) -> Result<Option<Section>, Unreadable> {
    let moves = answer.list("moves")?;
    let workloads = read(answer)?;
    let mut cliffs: Vec<(&Workload, &Cliff)> =
        workloads.iter().flat_map(|one| one.cliffs.iter().map(move |cliff| (one, cliff))).collect();
    cliffs.sort_by_key(|(_, cliff)| std::cmp::Reverse(cliff.adds));
    let mut section = Section::new("sizes", "Steps of Fargate’s sizes");
    if !moves.is_empty() {
        section.blocks.push(Block::Heading("Smaller requests that save most".to_owned()));
        section.blocks.push(Block::Table(move_table(&moves)?));
    }
    if !cliffs.is_empty() {
        section.blocks.push(Block::Heading("Edges: a little more that costs most".to_owned()));
        section.blocks.push(Block::Table(cliff_table(&cliffs)));
    }
    Ok((!section.blocks.is_empty()).then_some(section))
}

fn move_table(moves: &[Node<'_>]) -> Result<Table, Unreadable> {
    let mut table = Table::new(
        "Right-sizing on the steps: what a pod may ask for to be billed a smaller size",
        vec![
            Column::words("workload"),
            Column::words("judged by"),
            Column::words("from"),
            Column::words("to"),
            Column::figure("CPU at most", "m"),
            Column::figure("memory at most", "MiB"),
            Column::figure("saves", "$/month"),
        ],
    );
    for one in moves {
        let by = match one.text("by")?.as_str() {
            "step" => "next smaller size".to_owned(),
            "usage" => "what it uses".to_owned(),
            other => other.to_owned(),
        };
        table.add(Row::plain(vec![
            Cell::Name(one.text("workload")?),
            Cell::Text(by),
            Cell::Text(one.text("from")?),
            Cell::Text(one.text("to")?),
            Cell::Count(one.integer("cpu_at_most_m")?.into()),
            Cell::Count(one.integer("memory_at_most_mib")?.into()),
            Cell::Money(Cents::of(one.money("saves_usd_per_month")?)),
        ]));
    }
    Ok(table)
}

fn cliff_table(cliffs: &[(&Workload, &Cliff)]) -> Table {
    let mut table = Table::new(
        "What it costs to ask for a little more than this",
        vec![
            Column::words("workload"),
            Column::words("asking for more than"),
            Column::words("is billed as"),
            Column::figure("adds", "$/month"),
            Column::figure("adds", "%"),
        ],
    );
    for (workload, cliff) in cliffs.iter().take(MOST_CLIFFS) {
        table.add(Row::plain(vec![
            Cell::Name(workload.name.clone()),
            Cell::Text(format!("{} {}", cliff.above, cliff.resource)),
            Cell::Text(cliff.to.clone()),
            Cell::Change(Cents::of(cliff.adds)),
            Cell::ShareChange(cliff.percent),
        ]));
    }
    table
}
