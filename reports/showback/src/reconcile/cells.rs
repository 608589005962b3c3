//! The grain at which both sides are held against each other: a day, a class, and the resource where
//! both sides know it, else the kind.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use runbook_capacity::money::Amount;
use runbook_capacity::prices::PriceBook;

use super::price::{at_book, is_spot, kind_of};
use crate::allocate::charge::Charge;
use crate::bill::{Bill, BilledPod, Category, Class, Line, Scope, split_region};

/// What a cell is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    /// A thing: the instance's id, `cluster/namespace/pod`.
    Resource(String),
    /// All things of a kind in a region.
    Kind {
        /// The region; empty where the bill does not tell.
        region: String,
        /// The instance type; empty for what has none.
        kind: String,
    },
}

/// A day, a class, a thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) day: Date,
    pub(super) class: Class,
    pub(super) of: Of,
}

/// Both sides of a place.
#[expect(clippy::struct_excessive_bools, reason = "four things that a bill says or not")]
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    /// What we say.
    pub(super) ours: Amount,
    /// What is to be paid.
    pub(super) billed: Amount,
    /// The billed quantity at the book's prices; at the bill's own where the book has none.
    pub(super) at_book: Amount,
    /// The bill's list cost; none where a line has none.
    pub(super) list: Option<Amount>,
    pub(super) is_estimated: bool,
    pub(super) is_spot: bool,
    /// The region of a billed line.
    pub(super) region: Option<String>,
    /// What is billed: the usage type without its region.
    pub(super) usage: String,
    /// How much of it, in billionths.
    pub(super) quantity: i128,
    /// Whether the book has a price for all of it.
    pub(super) is_priced: bool,
    is_billed: bool,
}

/// All of them, and what was left out of them.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) cells: BTreeMap<Place, Cell>,
    /// Ours of accounts that the bill is not for.
    pub(super) foreign: BTreeMap<Class, Amount>,
    /// Classes that are compared by resource.
    pub(super) by_resource: BTreeSet<Class>,
    /// Classes of which we say anything at all.
    pub(super) observed: BTreeSet<Class>,
    /// Things that we know, whatever day.
    pub(super) known: BTreeSet<(Class, String)>,
}

impl Cells {
    /// Puts charges and lines of some days where they belong.
    pub(super) fn of(charges: &[Charge], bill: &Bill, days: &[Date], book: &PriceBook) -> Self {
        let days: BTreeSet<Date> = days.iter().copied().collect();
        let charges: Vec<&Charge> = charges.iter().filter(|one| days.contains(&one.day)).collect();
        let lines: Vec<(Date, &Line)> = bill
            .lines
            .iter()
            .filter(|line| line.category == Category::Usage)
            .map(|line| (line.period.start.to_zoned(TimeZone::UTC).date(), line))
            .filter(|(day, _)| days.contains(day))
            .collect();
        let mut cells = Self { by_resource: by_resource(&charges, &lines), ..Self::default() };
        for charge in charges {
            cells.add_ours(charge, bill);
        }
        for (day, line) in lines {
            cells.add_billed(day, line, book);
        }
        cells
    }

    fn add_ours(&mut self, charge: &Charge, bill: &Bill) {
        self.observed.insert(charge.class);
        if is_foreign(charge, bill) {
            *self.foreign.entry(charge.class).or_default() += charge.amount;
            return;
        }
        let thing = thing_of(charge).filter(|_| self.by_resource.contains(&charge.class));
        let of = match thing {
            Some(thing) => {
                self.known.insert((charge.class, thing.clone()));
                Of::Resource(thing)
            }
            None => Of::Kind {
                region: charge.origin.cluster.region.clone(),
                kind: if has_kinds(charge.class) {
                    charge.origin.kind.clone()
                } else {
                    String::new()
                },
            },
        };
        let place = Place { day: charge.day, class: charge.class, of };
        self.cells.entry(place).or_default().ours += charge.amount;
    }

    fn add_billed(&mut self, day: Date, line: &Line, book: &PriceBook) {
        let (region, name) = split_region(&line.usage_type);
        let region = region.map(str::to_owned);
        let thing = billed_thing(line).filter(|_| self.by_resource.contains(&line.class));
        let of = thing.map_or_else(
            || Of::Kind {
                region: region.clone().unwrap_or_default(),
                kind: kind_of(line).filter(|_| has_kinds(line.class)).unwrap_or_default(),
            },
            Of::Resource,
        );
        let cell = self.cells.entry(Place { day, class: line.class, of }).or_default();
        let book = at_book(line, book);
        // Money without a use (a discount that is a line) needs no price.
        let is_priced = book.is_some() || line.quantity_billionths.is_none();
        if cell.is_billed {
            cell.is_priced &= is_priced;
            cell.list = cell.list.zip(line.list).map(|(sum, one)| sum + one);
        } else {
            cell.is_billed = true;
            cell.is_priced = is_priced;
            cell.list = line.list;
        }
        if line.quantity_billionths.is_some() {
            name.clone_into(&mut cell.usage);
        }
        cell.billed += line.effective;
        cell.at_book += book.or(line.list).unwrap_or(line.effective);
        cell.quantity += line.quantity_billionths.unwrap_or_default();
        cell.is_estimated |= line.is_estimated;
        cell.is_spot |= is_spot(line);
        cell.region = region;
    }
}

/// Classes of things with ids of their own, where every one of our charges and of the bill's lines has
/// one: half a comparison by id would find everything on one side only.
fn by_resource(charges: &[&Charge], lines: &[(Date, &Line)]) -> BTreeSet<Class> {
    [
        Class::Ec2Compute,
        Class::FargateVcpu,
        Class::FargateMemory,
        Class::FargateStorage,
        Class::AutoModeFee,
    ]
    .into_iter()
    .filter(|class| {
        let mut billed = lines.iter().filter(|(_, line)| line.class == *class).peekable();
        billed.peek().is_some()
            && billed.all(|(_, line)| billed_thing(line).is_some())
            && charges.iter().filter(|one| one.class == *class).all(|one| thing_of(one).is_some())
    })
    .collect()
}

/// Whether kinds of a class have prices of their own.
fn has_kinds(class: Class) -> bool {
    matches!(class, Class::Ec2Compute | Class::AutoModeFee)
}

/// What a charge is of, as a bill would name it. A Fargate pod is known without its ARN.
fn thing_of(charge: &Charge) -> Option<String> {
    let origin = &charge.origin;
    let is_fargate =
        matches!(charge.class, Class::FargateVcpu | Class::FargateMemory | Class::FargateStorage);
    if !is_fargate {
        return origin.resource_id.clone();
    }
    let named = origin.resource_id.as_deref().and_then(|arn| arn.split_once(":pod/"));
    if let Some((_, path)) = named {
        let parts: Vec<&str> = path.split('/').take(3).collect();
        return (parts.len() == 3).then(|| parts.join("/"));
    }
    origin.name.contains('/').then(|| format!("{}/{}", origin.cluster.name, origin.name))
}

fn billed_thing(line: &Line) -> Option<String> {
    match &line.pod {
        Some(BilledPod { cluster, namespace, name, .. }) => {
            Some(format!("{cluster}/{namespace}/{name}"))
        }
        None => line.resource_id.clone(),
    }
}

/// Whether a charge is of an account that the bill is not for.
fn is_foreign(charge: &Charge, bill: &Bill) -> bool {
    let (Scope::Accounts(accounts), Some(account)) = (&bill.scope, &charge.origin.cluster.account)
    else {
        return false;
    };
    !accounts.is_empty() && !accounts.contains(account)
}
