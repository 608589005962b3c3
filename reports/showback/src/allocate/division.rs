//! What an origin cost for a part of a day, and by what measure that is divided.
//!
//! A division holds quantities, not shares of money: how much of its vCPU-seconds and byte-seconds went
//! to whom. A weight turns it into [`Piece`]s of money, so that two weights read the same division. Money
//! is divided once per origin, part of a day and part of its price, by largest remainder; the quantities
//! themselves add up to capacity times seconds, exactly.

use std::sync::Arc;

use runbook_capacity::money::Amount;

use super::Refused;
use super::charge::{Origin, Overhead, Part};
use super::share::shares;
use crate::bill::Class;
use crate::observed::Window;

/// vCPU in thousandths and memory in bytes, or those times seconds.
pub(super) type Two = [i128; 2];

const GIBIBYTE: i128 = 1 << 30;

/// To whom something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    /// The holder of that index.
    Holder(usize),
    /// The node itself.
    Node(Overhead),
    /// Nobody.
    Idle,
    /// The shared cost of that index.
    Shared(usize),
}

/// How a cost is divided.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    /// By the weight into vCPU and memory, and those by quantities.
    ByWeight,
    /// It goes to one.
    Whole(To, Part),
}

/// What one of those among whom a node is divided has of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) to: To,
    /// What it is given of the capacity times seconds.
    pub(super) given: Two,
    /// What it asked for or used, times seconds.
    pub(super) asked: Two,
}

/// What an origin cost for a part of a day.
pub(super) struct Division<'w> {
    pub(super) cluster: usize,
    pub(super) origin: &'w Arc<Origin>,
    pub(super) day: usize,
    pub(super) period: Window,
    pub(super) costs: Vec<(Class, Amount, How)>,
    /// The capacity of a node.
    pub(super) capacity: Two,
    /// Those among whom it is divided, in a fixed order.
    pub(super) shares: Vec<Share>,
}

/// A piece of money.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) to: To,
    pub(super) class: Class,
    pub(super) part: Part,
    pub(super) amount: Amount,
}

/// What two resources weigh together, in units of its own.
pub(super) fn weighed(ratio: (i128, i128), amounts: Two) -> i128 {
    ratio
        .0
        .saturating_mul(amounts[0])
        .saturating_mul(GIBIBYTE)
        .saturating_add(ratio.1.saturating_mul(amounts[1]).saturating_mul(1000))
}

impl Division<'_> {
    /// The money, under a weight of vCPU and GiB.
    pub(super) fn pieces(&self, ratio: (i128, i128)) -> Result<Vec<Piece>, Refused> {
        let mut pieces = Vec::with_capacity(self.costs.len() * (2 * self.shares.len() + 1));
        for (class, cost, how) in &self.costs {
            match *how {
                How::Whole(to, part) => {
                    pieces.push(Piece { to, class: *class, part, amount: *cost });
                }
                How::ByWeight => {
                    let weights = [
                        weighed(ratio, [self.capacity[0], 0]),
                        weighed(ratio, [0, self.capacity[1]]),
                    ];
                    let halves = shares(cost.raw(), &weights);
                    for (index, (half, part)) in
                        halves.into_iter().zip([Part::Cpu, Part::Memory]).enumerate()
                    {
                        let given: Vec<i128> =
                            self.shares.iter().map(|share| share.given[index]).collect();
                        let amounts = shares(half, &given);
                        pieces.extend(self.shares.iter().zip(amounts).map(|(share, amount)| {
                            let amount = Amount::from_raw(amount);
                            Piece { to: share.to, class: *class, part, amount }
                        }));
                    }
                }
            }
        }
        pieces.retain(|piece| piece.amount != Amount::ZERO);
        let cost = self.costs.iter().map(|(_, cost, _)| *cost).sum();
        let found = pieces.iter().map(|piece| piece.amount).sum();
        let step = || format!("dividing `{}` in {}", self.origin.name, self.period);
        Refused::unless_conserved(step, cost, found)?;
        Ok(pieces)
    }
}
