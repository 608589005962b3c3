//! The time that a question is about: whole UTC days, the end exclusive.

use jiff::civil::Date;

use super::{invalid, unavailable};
use crate::aws::{Call, Refusal};
use crate::billing::{date, meter, month_after, month_of, start_of};

/// Months back for which an account has data, unless it asked for more.
const MONTHS: i32 = 14;
/// Months back for which AWS has data at all.
const MOST_MONTHS: i32 = 38;

/// Seconds from and to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Period {
    pub(super) fn of(call: &Call<'_, '_>) -> Result<Self, Refusal> {
        let asked = call.input.value("TimePeriod");
        if asked.is_null() {
            return Err(Refusal::missing("timePeriod"));
        }
        let day = |name: &str| {
            let text = asked[name].as_str();
            let text = text
                .ok_or_else(|| Refusal::missing(&format!("timePeriod.{}", name.to_lowercase())))?;
            let wrong =
                || invalid(format!("{name} time {text} is invalid. Valid format is: yyyy-MM-dd."));
            text.parse::<Date>().ok().filter(|_| text.len() == 10).ok_or_else(wrong)
        };
        let (start, end) = (day("Start")?, day("End")?);
        if start >= end {
            return Err(invalid("Start date (and hour) should be before end date (and hour)"));
        }
        let now = call.transaction.now().as_second();
        let next_month = month_after(now);
        if start_of(start) >= next_month {
            return Err(invalid("start date past the beginning of next month"));
        }
        if start_of(end) > next_month {
            return Err(invalid("end date past the beginning of next month"));
        }
        let back = |months: i32| {
            let span = jiff::Span::new().months(months);
            date(month_of(now)).checked_sub(span).map_or(i64::MIN, start_of)
        };
        if start_of(start) < back(MOST_MONTHS) {
            let why = "The requested report expired. Update the date interval and try again.";
            return Err(Refusal::bad("BillExpirationException", why));
        }
        if start_of(start) < back(MONTHS) {
            return Err(invalid("You haven't enabled historical data beyond 14 months"));
        }
        let since = meter::since(call.transaction).unwrap_or(now);
        if end <= date(since) {
            return Err(unavailable());
        }
        Ok(Self { from: start_of(start), to: start_of(end) })
    }

    /// Its days or months; those at the ends may be parts of months.
    pub(super) fn parts(self, is_monthly: bool) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let next = if is_monthly { month_after(from) } else { from + 24 * 3600 };
            let to = next.min(self.to);
            parts.push(Self { from, to });
            from = to;
        }
        parts
    }
}
