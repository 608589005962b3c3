//! A bill in a few lines: sums by service, usage type and kind of charge.

use std::collections::BTreeMap;

use super::decimal;
use super::lines::{Line, Record};

type Key<'a> = (&'a str, &'a str, Record, &'a str);

/// Writes sums, the whole last.
pub(super) fn write(lines: &[Line], out: &mut csv::Writer<Vec<u8>>) -> Result<(), csv::Error> {
    let mut sums: BTreeMap<Key<'_>, [i128; 4]> = BTreeMap::new();
    let mut whole = [0; 4];
    for line in lines {
        let item = &line.item;
        let key = (item.place.service, item.usage_type.as_str(), line.record, item.place.unit);
        let sum = sums.entry(key).or_default();
        let values = [line.quantity, line.list, line.unblended, line.net];
        for (place, value) in values.into_iter().enumerate() {
            sum[place] += value;
            whole[place] += value;
        }
    }
    out.write_record([
        "service",
        "usage_type",
        "charge",
        "unit",
        "quantity",
        "list",
        "unblended",
        "net",
    ])?;
    for ((service, usage_type, record, unit), sum) in sums {
        let [quantity, list, unblended, net] = sum.map(decimal);
        out.write_record([
            service,
            usage_type,
            record.cur(),
            unit,
            &quantity,
            &list,
            &unblended,
            &net,
        ])?;
    }
    let [_, list, unblended, net] = whole.map(decimal);
    out.write_record(["total", "", "", "", "", &list, &unblended, &net])
}
