//! How much of a node went to whom, in a part of a day.
//!
//! Between two changes of the pods on a node, per resource, with capacity, allocatable and what every pod
//! asked for or used, whichever is more:
//!
//! - what the system keeps (capacity less allocatable) is system reserve;
//! - if all of it fits into allocatable, everybody has what it asked for and the rest is idle;
//! - if not, they share allocatable in proportion and nothing is idle: idle is never below zero;
//! - what pods of `DaemonSets` have is the node's own;
//! - before it is ready and after its deletion began, what no pod has is boot and drain, system reserve
//!   included. Pods that are still there pay their part: a team that holds a node back pays for it.
//!
//! These are whole numbers of millicore-seconds and byte-seconds. They are added up over the part of the
//! day, and money is divided once by the sums: dividing money in every stretch between two changes would
//! be exact as well, but ten times the work, and a pod that ends often would be rounded as often. Each
//! stretch is conserved by itself (only the shared case divides, by largest remainder), so the sums are
//! capacity times seconds, exactly, which is checked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use runbook_capacity::money::{Amount, Price};

use super::Refused;
use super::charge::{Overhead, Part};
use super::division::{Division, How, Share, To, Two};
use super::node::{Facts, Life};
use super::share::shares;
use super::stay::{Stay, Who};
use super::view::{View, window};
use crate::bill::Class;

/// What goes to none of the pods.
const OTHERS: [To; 5] = [
    To::Node(Overhead::DaemonSets),
    To::Node(Overhead::Boot),
    To::Node(Overhead::Drain),
    To::Node(Overhead::SystemReserve),
    To::Idle,
];
const DAEMONS: usize = 0;
const BOOT: usize = 1;
const DRAIN: usize = 2;
const RESERVE: usize = 3;
const IDLE: usize = 4;

/// Quantities by whom they went to.
#[derive(Default)]
struct Quantities {
    /// Given and asked.
    holders: BTreeMap<usize, (Two, Two)>,
    others: [(Two, Two); OTHERS.len()],
}

impl Quantities {
    fn of(&mut self, who: Who) -> &mut (Two, Two) {
        match who {
            Who::Holder(holder) => self.holders.entry(holder).or_default(),
            Who::Daemon => &mut self.others[DAEMONS],
        }
    }

    fn shares(self) -> Vec<Share> {
        let holders = self.holders.into_iter().map(|(holder, both)| (To::Holder(holder), both));
        let others = OTHERS.into_iter().zip(self.others);
        holders
            .chain(others)
            .filter(|(_, (given, asked))| *given != [0; 2] || *asked != [0; 2])
            .map(|(to, (given, asked))| Share { to, given, asked })
            .collect()
    }
}

/// The divisions of a node, by day.
pub(super) fn divide<'w>(
    life: &'w Life,
    view: &View,
    take: &mut dyn FnMut(Division<'w>) -> Result<(), Refused>,
) -> Result<(), Refused> {
    for (index, facts) in life.facts.iter().enumerate() {
        let from = if index == 0 { life.start } else { facts.from.max(life.start) };
        let until = life.facts.get(index + 1).map_or(life.end, |next| next.from.min(life.end));
        for (day, start, end) in view.by_day(from, until) {
            if start < end {
                take(division(life, facts, view, (day, start, end))?)?;
            }
        }
    }
    Ok(())
}

fn division<'w>(
    life: &'w Life,
    facts: &Facts,
    view: &View,
    (day, start, end): (usize, i64, i64),
) -> Result<Division<'w>, Refused> {
    let stays: Vec<Stay> =
        life.stays.iter().filter_map(|stay| stay.within(start, end.min(life.pods_until))).collect();
    let quantities = quantities(life, facts, &stays, (start, end));
    let seconds = end - start;
    let shares = quantities.shares();
    for (index, capacity) in facts.capacity.iter().enumerate() {
        let found = shares.iter().map(|share| share.given[index]).sum();
        Refused::unless_conserved(
            || format!("the capacity of node `{}` in {}", life.name, window(start, end)),
            Amount::from_raw(capacity * i128::from(seconds)),
            Amount::from_raw(found),
        )?;
    }
    // A rate has no month of its own.
    let month = (!view.is_rate()).then(|| days_in_month(start));
    let cost = |price: Price| match month {
        Some(days) => price.amount_in_month(1, seconds, days),
        None => price.amount(1, seconds),
    };
    let volume = How::Whole(To::Node(Overhead::Volume), Part::Whole);
    let costs = [
        (Class::Ec2Compute, facts.instance, How::ByWeight),
        (Class::AutoModeFee, facts.fee, How::ByWeight),
        (Class::Ebs, facts.volume, volume),
    ];
    let costs =
        costs.into_iter().filter_map(|(class, price, how)| Some((class, cost(price?), how)));
    Ok(Division {
        cluster: life.cluster,
        origin: &life.origin,
        day,
        period: window(start, end),
        costs: costs.collect(),
        capacity: facts.capacity,
        shares,
    })
}

/// How many days the month of a moment has.
fn days_in_month(second: i64) -> i8 {
    let moment = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    moment.to_zoned(TimeZone::UTC).date().days_in_month()
}

fn quantities(life: &Life, facts: &Facts, stays: &[Stay], (start, end): (i64, i64)) -> Quantities {
    let mut changes: Vec<i64> = stays
        .iter()
        .flat_map(|stay| [stay.start, stay.end])
        .chain([start, end, life.ready.clamp(start, end), life.drained.clamp(start, end)])
        .collect();
    changes.sort_unstable();
    changes.dedup();
    let mut quantities = Quantities::default();
    let mut by_start: Vec<&Stay> = stays.iter().collect();
    by_start.sort_unstable();
    let mut coming = by_start.into_iter().peekable();
    let mut here: Vec<&Stay> = Vec::new();
    for stretch in changes.windows(2) {
        let (from, until) = (stretch[0], stretch[1]);
        here.retain(|stay| stay.end > from);
        while let Some(stay) = coming.next_if(|stay| stay.start <= from) {
            here.push(stay);
        }
        let rest = if from >= life.drained {
            Some(DRAIN)
        } else if from < life.ready {
            Some(BOOT)
        } else {
            None
        };
        for index in 0..2 {
            let room = Room {
                index,
                capacity: facts.capacity[index],
                allocatable: facts.allocatable[index],
                seconds: i128::from(until - from),
            };
            room.share(&here, rest, &mut quantities);
        }
    }
    quantities
}

/// One resource of a node while nothing changes.
struct Room {
    index: usize,
    capacity: i128,
    allocatable: i128,
    seconds: i128,
}

impl Room {
    fn share(&self, here: &[&Stay], rest: Option<usize>, into: &mut Quantities) {
        let index = self.index;
        let asked: i128 = here.iter().map(|stay| stay.asked[index]).sum();
        let all = self.allocatable * self.seconds;
        let reserve = (self.capacity - self.allocatable) * self.seconds;
        into.others[rest.unwrap_or(RESERVE)].0[index] += reserve;
        for stay in here {
            into.of(stay.who).1[index] += stay.asked[index] * self.seconds;
        }
        if asked <= self.allocatable {
            for stay in here {
                into.of(stay.who).0[index] += stay.asked[index] * self.seconds;
            }
            into.others[rest.unwrap_or(IDLE)].0[index] += all - asked * self.seconds;
            return;
        }
        let weights: Vec<i128> = here.iter().map(|stay| stay.asked[index]).collect();
        for (stay, share) in here.iter().zip(shares(all, &weights)) {
            into.of(stay.who).0[index] += share;
        }
    }
}
