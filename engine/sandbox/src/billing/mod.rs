//! What the account used, and what that costs: the sandbox's side of a bill.
//!
//! The [`meter`] writes down when things that are billed began and ended, in the very transaction in
//! which they did, so that what was deleted long ago is billed all the same. A bill is a function of
//! those records, of the scenario's [`Billing`] and of world time ([`lines`]): lines of one resource,
//! one usage type and one hour, whose amounts are whole numbers of 10⁻¹⁰ $, so that every sum of them
//! is exact. Cost Explorer ([`crate::aws::ce`]) and the exports ([`cur`], [`focus`]) add them up.

mod cur;
mod days;
mod document;
mod focus;
pub(crate) mod lines;
pub(crate) mod meter;
mod places;
mod rates;
mod settings;
mod split;
mod summary;
mod tags;

pub use document::{BillFormat, Window, WindowError};
pub use settings::SettingsError;

pub(crate) use days::{HOUR, date, day_of, hour_of, month_after, month_of, start_of};
pub(crate) use document::write;
pub(crate) use lines::{Account, Line, Record};
pub(crate) use settings::{Billing, change, settings};
#[cfg(test)]
pub(crate) use tags::switch_at;
pub(crate) use tags::{Activation, activations, switch};

/// 10⁻¹⁰ $ or 10⁻¹⁰ of a unit as a decimal number: `0.0118000000`.
pub(crate) fn decimal(value: i128) -> String {
    let (sign, value) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
    format!("{sign}{}.{:010}", value / 10_000_000_000, value % 10_000_000_000)
}

#[cfg(test)]
mod tests {
    #[test]
    fn decimals_keep_their_sign_and_all_their_places() {
        assert_eq!(super::decimal(118_000_000), "0.0118000000");
        assert_eq!(super::decimal(-1), "-0.0000000001");
        assert_eq!(super::decimal(25_000_000_000), "2.5000000000");
    }
}
