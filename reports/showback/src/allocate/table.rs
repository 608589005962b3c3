//! From the books to the answer: rows in their order, pods below them, and every sum held against another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runbook_capacity::money::Amount;
use runbook_capacity::prices::PriceBook;

use super::budget::budgets;
use super::change::{Tally, change};
use super::coverage::{admit, coverage};
use super::key::Keys;
use super::ledger::{Books, Ledger, RowId, sum};
use super::remarks::remarks;
use super::showback::{Basis, Breakdown, Group, PodLine, RowKind, Showback, Weight};
use super::world::World;
use super::{Refused, Request};
use crate::bill::Class;
use crate::observed::{Finding, Observed, Severity};

/// The books under two weights, in one pass.
fn books(
    world: &World,
    book: &PriceBook,
    request: &Request,
    weights: &[Weight],
) -> Result<Vec<Books>, Refused> {
    let mut ledgers = Vec::with_capacity(weights.len());
    for weight in weights {
        let ratios = world.ratios(*weight, book)?;
        let keys = Keys::new(&request.by, &world.clusters);
        ledgers.push(Ledger::new(world, keys, &request.rules, ratios));
    }
    world.each(&mut |division| ledgers.iter_mut().try_for_each(|ledger| ledger.take(&division)))?;
    ledgers.into_iter().map(Ledger::close).collect()
}

/// What a window cost under one weight, for comparing.
fn tally(
    observed: &Observed,
    book: &PriceBook,
    request: &Request,
) -> Result<(Tally, bool), Refused> {
    let world = World::new(observed, book, request)?;
    let weight = request.weight();
    let (_, is_estimate) = coverage(observed, &world);
    let mut books = books(&world, book, request, &[weight])?;
    let Some(books) = books.pop() else {
        return Err(Refused::NothingSeen { window: request.window });
    };
    Ok((Tally::new(&world, &books, request.window), is_estimate))
}

pub(super) fn showback(
    observed: &Observed,
    before: Option<&Observed>,
    book: &PriceBook,
    request: &Request,
) -> Result<Showback, Refused> {
    if request.by.is_empty() {
        return Err(Refused::NoDimension);
    }
    admit(observed, request)?;
    let mut findings = observed.findings.clone();
    // The window before is reduced to its tally first, so that two worlds never stand beside each other.
    let past = past(observed, before, (book, request), &mut findings)?;
    let world = World::new(observed, book, request)?;
    let (weight, other_weight) = (request.weight(), request.weight().other());
    let mut both = books(&world, book, request, &[weight, other_weight])?.into_iter();
    let (Some(main), Some(other)) = (both.next(), both.next()) else {
        return Err(Refused::NothingSeen { window: request.window });
    };
    findings.extend(remarks(&world));
    findings.extend(main.without_pods.iter().map(|owner| without_pods(owner)));
    let change = match &past {
        Some(past) => {
            let now = Tally::new(&world, &main, request.window);
            Some(change(&now, past.repriced.as_ref(), &past.former)?)
        }
        None => None,
    };
    let before = past.map(|past| past.former.by_row());
    let (groups, pods) = table(&world, &main, &other, before)?;
    let total = total(&groups);
    let is_rate = request.basis == Basis::HourlyRate;
    let budgets = if is_rate {
        Vec::new()
    } else {
        budgets(&request.rules.budgets, &main.owners, &world.view, &mut findings)
    };
    let (coverage, is_estimate) = coverage(observed, &world);
    findings.sort();
    findings.dedup();
    Ok(Showback {
        window: request.window,
        basis: request.basis,
        from: request.from.clone(),
        clusters: world.clusters.clone(),
        by: request.by.iter().map(ToString::to_string).collect(),
        is_estimate,
        is_provisional: request.is_provisional,
        as_of: request.as_of,
        weight,
        other_weight,
        total,
        classes: classes(&main),
        days: world.days(),
        groups,
        pods,
        coverage,
        prices: world.prices.clone(),
        change,
        budgets,
        unpriced: world.unpriced.clone().into_iter().collect(),
        unmeasured: world.pod_remarks.unmeasured.clone(),
        rules: world.rules.clone(),
        findings,
    })
}

/// The window before, and this one at its prices where those were others.
struct Past {
    former: Tally,
    repriced: Option<Tally>,
}

fn past(
    observed: &Observed,
    before: Option<&Observed>,
    (book, request): (&PriceBook, &Request),
    findings: &mut Vec<Finding>,
) -> Result<Option<Past>, Refused> {
    let Some(before) = before.filter(|_| request.basis == Basis::Period) else { return Ok(None) };
    let Some(former) = former(before, book, request, findings)? else { return Ok(None) };
    let repriced = match &request.prices.before {
        Some(old) if **old != *book => Some(tally(observed, old, request)?.0),
        _ => None,
    };
    Ok(Some(Past { former, repriced }))
}

fn without_pods(owner: &str) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: "fixed_share_without_pods",
        subject: owner.to_owned(),
        message: "it has a fixed share of a cost and no pod in this window; is the name that of a rule of owners?".to_owned(),
    }
}

/// The window before, at the prices at which it was reported.
fn former(
    before: &Observed,
    book: &PriceBook,
    request: &Request,
    findings: &mut Vec<Finding>,
) -> Result<Option<Tally>, Refused> {
    let request = Request { window: before.window, ..request.clone() };
    let remark = |message: String| Finding {
        severity: Severity::Warning,
        code: "window_before",
        subject: before.window.to_string(),
        message,
    };
    if let Err(why) = admit(before, &request) {
        findings.push(remark(format!("nothing can be compared with it: {why}")));
        return Ok(None);
    }
    let book = request.prices.before.as_deref().unwrap_or(book);
    let (tally, is_estimate) = tally(before, book, &request)?;
    if is_estimate {
        findings.push(remark(
            "less than 95 % of it was seen, so what moved since is an estimate too".to_owned(),
        ));
    }
    Ok(Some(tally))
}

fn classes(books: &Books) -> Vec<(Class, Amount)> {
    Class::ALL
        .into_iter()
        .filter_map(|class| Some((class, *books.classes.get(&class)?)))
        .filter(|(_, amount)| *amount != Amount::ZERO)
        .collect()
}

fn total(groups: &[Group]) -> Breakdown {
    let of = |part: fn(&Breakdown) -> Amount| groups.iter().map(|group| part(&group.cost)).sum();
    Breakdown {
        cpu: of(|cost| cost.cpu),
        memory: of(|cost| cost.memory),
        fargate: of(|cost| cost.fargate),
        node_overhead: of(|cost| cost.node_overhead),
        idle: of(|cost| cost.idle),
        shared: of(|cost| cost.shared),
    }
}

/// Rows and their pods.
fn table(
    world: &World,
    main: &Books,
    other: &Books,
    before: Option<BTreeMap<RowId, Amount>>,
) -> Result<(Vec<Group>, Vec<PodLine>), Refused> {
    let days = world.days().len();
    let empty = || Group {
        kind: RowKind::Owned,
        key: Vec::new(),
        cost: Breakdown::default(),
        pods: 0,
        cpu_millicore_seconds: 0,
        memory_byte_seconds: 0,
        by_day: vec![Amount::ZERO; days],
        before: before.as_ref().map(|_| Amount::ZERO),
        under_other_weight: Amount::ZERO,
    };
    let mut groups: BTreeMap<&RowId, Group> = BTreeMap::new();
    for row in &main.rows {
        let group = groups.entry(&row.id).or_insert_with(empty);
        group.cost = row.cost;
        group.by_day.clone_from(&row.by_day);
        [group.cpu_millicore_seconds, group.memory_byte_seconds] = row.asked;
    }
    for row in &other.rows {
        groups.entry(&row.id).or_insert_with(empty).under_other_weight = sum(&row.cost);
    }
    for (row, amount) in before.iter().flatten() {
        groups.entry(row).or_insert_with(empty).before = Some(*amount);
    }
    drop_empty(&mut groups);
    let mut order: Vec<(&RowId, Group)> = groups.into_iter().collect();
    order.sort_by(|(left, one), (right, two)| {
        place(left.0)
            .cmp(&place(right.0))
            .then_with(|| sum(&two.cost).cmp(&sum(&one.cost)))
            .then_with(|| left.1.cmp(&right.1))
            .then_with(|| left.0.cmp(&right.0))
    });
    let index: BTreeMap<&RowId, usize> =
        order.iter().enumerate().map(|(index, (row, _))| (*row, index)).collect();
    let pods = pods(world, main, &index)?;
    let mut counted: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); order.len()];
    for (holder, row) in main.row_of.iter().enumerate() {
        if let Some(group) = row.and_then(|row| index.get(&main.rows[row].id)) {
            counted[*group].insert(world.holders[holder].identity);
        }
    }
    let rows = order.into_iter().zip(counted).map(|((row, group), pods)| Group {
        kind: row.0,
        key: row.1.clone(),
        pods: u64::try_from(pods.len()).unwrap_or(u64::MAX),
        ..group
    });
    Ok((rows.collect(), pods))
}

/// Rows that are kept apart only stand there with money in them, now, before, or under the other weight.
fn drop_empty(groups: &mut BTreeMap<&RowId, Group>) {
    groups.retain(|row, group| {
        let is_of_pods = matches!(row.0, RowKind::Owned | RowKind::Unowned);
        is_of_pods
            || group.cost != Breakdown::default()
            || group.under_other_weight != Amount::ZERO
            || group.before.is_some_and(|before| before != Amount::ZERO)
    });
}

/// Rows of pods first, then what is kept apart.
fn place(kind: RowKind) -> u8 {
    match kind {
        RowKind::Owned | RowKind::Unowned => 0,
        RowKind::Idle => 1,
        RowKind::NodeOverhead => 2,
        RowKind::Shared => 3,
    }
}

/// The pods of each row, dearest first; what they cost is what the row costs, where it has any.
fn pods(
    world: &World,
    main: &Books,
    index: &BTreeMap<&RowId, usize>,
) -> Result<Vec<PodLine>, Refused> {
    let mut lines: Vec<PodLine> = Vec::with_capacity(world.holders.len());
    let mut of_rows: Vec<Option<Amount>> = vec![None; main.rows.len()];
    for (holder, row) in main.row_of.iter().enumerate() {
        let Some(row) = *row else { continue };
        let Some(group) = index.get(&main.rows[row].id) else { continue };
        let one = &world.holders[holder];
        let cost = main.costs[holder];
        *of_rows[row].get_or_insert_default() += sum(&cost);
        lines.push(PodLine {
            group: *group,
            pod: Arc::clone(&one.pod),
            place: one.place.to_string(),
            cost,
            seconds: one.seconds,
            lingering_seconds: one.lingering_seconds,
        });
    }
    for (row, found) in main.rows.iter().zip(of_rows) {
        let Some(found) = found.filter(|_| matches!(row.id.0, RowKind::Owned | RowKind::Unowned))
        else {
            continue;
        };
        let step = || format!("adding up the pods of {}", row.id.1.join(", "));
        Refused::unless_conserved(step, sum(&row.cost), found)?;
    }
    let name = |line: &PodLine| {
        let pod = &line.pod;
        (Arc::clone(&pod.cluster), pod.namespace.clone(), pod.name.clone(), pod.uid.clone())
    };
    lines.sort_by(|left, right| {
        left.group
            .cmp(&right.group)
            .then_with(|| sum(&right.cost).cmp(&sum(&left.cost)))
            .then_with(|| name(left).cmp(&name(right)))
            .then_with(|| left.pod.cmp(&right.pod))
            .then_with(|| left.place.cmp(&right.place))
    });
    Ok(lines)
}
