//! The answer: class by class what we say, what the bill says, and the causes of the difference.

use jiff::Timestamp;
use jiff::civil::Date;
use runbook_capacity::money::{Amount, Price, Unit};

use crate::bill::{Category, Class, Scope};
use crate::observed::{Finding, Window};

/// Above this share of the larger side, in hundredths of a per cent, what is unexplained makes a class
/// not reconciled.
pub const TOLERANCE: i64 = 200;

/// Why what we say and what the bill says differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Nobody looked at the time.
    NoSamples,
    /// The list rate of the bill is another than the book's, or a spot price moved.
    Price,
    /// The account pays less than list.
    Discount,
    /// Something that is not ours to see: other clusters, other services, other accounts.
    OutsideScope,
    /// AWS may still change it.
    Estimated,
    /// None of these.
    Unexplained,
}

impl Cause {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::NoSamples,
        Self::Price,
        Self::Discount,
        Self::OutsideScope,
        Self::Estimated,
        Self::Unexplained,
    ];

    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSamples => "no_samples",
            Self::Price => "price",
            Self::Discount => "discount",
            Self::OutsideScope => "outside_scope",
            Self::Estimated => "estimated",
            Self::Unexplained => "unexplained",
        }
    }

    /// As people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::NoSamples => "no samples",
            Self::OutsideScope => "outside scope",
            other => other.name(),
        }
    }
}

/// An amount for each cause; what we say less what the bill says is their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Causes([Amount; 6]);

impl Causes {
    /// What a cause has.
    pub fn of(&self, cause: Cause) -> Amount {
        self.0[cause as usize]
    }

    /// Adds to a cause.
    pub fn add(&mut self, cause: Cause, amount: Amount) {
        self.0[cause as usize] += amount;
    }

    /// Adds all of another.
    pub fn add_all(&mut self, other: &Self) {
        for cause in Cause::ALL {
            self.add(cause, other.of(cause));
        }
    }

    /// All together: the difference.
    pub fn sum(&self) -> Amount {
        self.0.iter().copied().sum()
    }
}

/// A class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassLine {
    /// Which.
    pub class: Class,
    /// What we say, at list prices.
    pub list: Amount,
    /// The same use at the rates that the bill really had.
    pub effective: Amount,
    /// What the bill says.
    pub billed: Amount,
    /// What makes up `list - billed`.
    pub causes: Causes,
    /// How far the bill reaches for this class, when that is not as far as the whole bill.
    pub is_account_scope: bool,
    /// Whether what is unexplained is above the tolerance.
    pub is_reconciled: bool,
    /// What explains the causes, in sentences.
    pub remarks: Vec<String>,
}

impl ClassLine {
    /// A class without anything.
    pub(super) fn empty(class: Class) -> Self {
        Self {
            class,
            list: Amount::ZERO,
            effective: Amount::ZERO,
            billed: Amount::ZERO,
            causes: Causes::default(),
            is_account_scope: false,
            is_reconciled: true,
            remarks: Vec::new(),
        }
    }

    /// All classes together.
    pub(super) fn total(classes: &[Self]) -> Self {
        let mut total = Self::empty(Class::Other);
        for line in classes {
            total.list += line.list;
            total.effective += line.effective;
            total.billed += line.billed;
            total.causes.add_all(&line.causes);
            total.is_account_scope |= line.is_account_scope;
            total.is_reconciled &= line.is_reconciled;
        }
        total
    }

    /// Decides whether what is unexplained is too much: above 2 % of the larger side, and a cent.
    pub(super) fn judge(&mut self) {
        let unexplained = self.causes.of(Cause::Unexplained).raw().abs();
        let larger = self.list.raw().abs().max(self.billed.raw().abs());
        let cent = Price::new(100_000_000, Unit::Piece).amount(1, 0).raw();
        let is_too_much = unexplained.saturating_mul(10_000)
            > larger.saturating_mul(i128::from(TOLERANCE))
            && unexplained > cent;
        self.is_reconciled = !is_too_much;
    }

    /// What we say less what the bill says.
    pub fn difference(&self) -> Amount {
        self.list - self.billed
    }
}

/// On which side a resource was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// It is on the bill, and nobody saw it.
    Billed,
    /// It was seen, and is not on the bill.
    Seen,
}

/// A resource that only one side has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceLine {
    /// Which side.
    pub side: Side,
    /// Of what class.
    pub class: Class,
    /// Its id on the bill, or its name in the cluster.
    pub id: String,
    /// The usage type, or the instance type.
    pub kind: String,
    /// What it cost there.
    pub amount: Amount,
}

/// A part of the bill that is no use of anything: shown, never compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCompared {
    /// What it is.
    pub category: Category,
    /// How much.
    pub amount: Amount,
}

/// Whether the two agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconciliation {
    /// What was asked for.
    pub window: Window,
    /// The whole UTC days that were compared.
    pub days: Vec<Date>,
    /// Days of the window that had not settled.
    pub unsettled: Vec<Date>,
    /// When it was made, as a moment of the world.
    pub as_of: Timestamp,
    /// Where the bill is from.
    pub source: String,
    /// How far it reaches.
    pub scope: Scope,
    /// The classes, those without any money left out.
    pub classes: Vec<ClassLine>,
    /// All classes together.
    pub total: ClassLine,
    /// Credits, refunds, tax, fees.
    pub not_compared: Vec<NotCompared>,
    /// Whether resources were compared by their ids.
    pub by_resource: bool,
    /// Resources of one side only, dearest first.
    pub resources: Vec<ResourceLine>,
    /// What asking for the bill cost.
    pub asking: Amount,
    /// The rest that a reader has to know.
    pub findings: Vec<Finding>,
}

impl Reconciliation {
    /// Whether every class is within the tolerance.
    pub fn is_reconciled(&self) -> bool {
        self.classes.iter().all(|one| one.is_reconciled)
    }
}
