//! Rounding from the top down: a whole is rounded once, and its parts are made to add up to it.
//!
//! [`parts`] gives each part what it holds in full and one more to those with the largest remainders.
//! [`table`] does so for every row of a table whose rows have their totals already, and remembers what
//! each column is owed: a column of forty equal rows is then as near to its exact sum as one row is,
//! where plain largest remainder would favour the same column forty times.

use runbook_capacity::money::Amount;

/// The parts of a rounded whole; none of no parts.
pub(in crate::render) fn parts(whole: i128, exact: &[Amount], unit: i128) -> Vec<i128> {
    row(whole, exact, unit, &mut vec![0; exact.len()])
}

/// The cells of rows whose totals are rounded.
pub(in crate::render) fn table<Row: AsRef<[Amount]>>(
    totals: &[i128],
    rows: &[Row],
    unit: i128,
) -> Vec<Vec<i128>> {
    let columns = rows.first().map_or(0, |first| first.as_ref().len());
    let mut owed = vec![0; columns];
    totals
        .iter()
        .zip(rows)
        .map(|(total, exact)| row(*total, exact.as_ref(), unit, &mut owed))
        .collect()
}

/// One row; `owed` is what each column has got too little so far.
fn row(whole: i128, exact: &[Amount], unit: i128, owed: &mut [i128]) -> Vec<i128> {
    if exact.is_empty() {
        return Vec::new();
    }
    let mut counts: Vec<i128> = exact.iter().map(|part| part.raw().div_euclid(unit)).collect();
    let missing = whole - counts.iter().sum::<i128>();
    let count = counts.len() as i128;
    // When the whole is a rounding of the sum, `each` is nothing and `over` is fewer than have a rest.
    let (each, over) = (missing.div_euclid(count), missing.rem_euclid(count));
    let mut order: Vec<usize> = (0..counts.len()).collect();
    let rest = |index: usize| exact[index].raw().rem_euclid(unit);
    // Whoever has no rest has all of it: nothing turns into a cent.
    let debt = |index: usize| owed.get(index).copied().unwrap_or_default() + rest(index);
    order.sort_by_key(|index| (rest(*index) == 0, -debt(*index), *index));
    for (place, index) in order.into_iter().enumerate() {
        let extra = i128::from((place as i128) < over);
        counts[index] += each + extra;
    }
    for ((owed, exact), count) in owed.iter_mut().zip(exact).zip(&counts) {
        *owed += exact.raw() - count * unit;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amounts(raws: &[i128]) -> Vec<Amount> {
        raws.iter().map(|raw| Amount::from_raw(*raw)).collect()
    }

    #[test]
    fn the_largest_remainders_get_what_is_missing() {
        assert_eq!(parts(10, &amounts(&[333, 333, 334]), 100), [3, 3, 4]);
        assert_eq!(parts(0, &amounts(&[-50, 50]), 100), [0, 0]);
        assert_eq!(parts(0, &amounts(&[-60, 60]), 100), [-1, 1]);
        assert_eq!(parts(5, &[], 100), Vec::<i128>::new());
    }

    #[test]
    fn equal_rows_do_not_favour_the_same_column() {
        // Forty rows of a third each: plain largest remainder gives the last column forty cents.
        let rows = vec![amounts(&[33, 33, 34]); 40];
        let cells = table(&vec![1; 40], &rows, 100);
        let columns: Vec<i128> =
            (0..3).map(|column| cells.iter().map(|row| row[column]).sum()).collect();
        assert_eq!(columns, [13, 13, 14]);
    }

    fn rounded(raw: i128, unit: i128) -> i128 {
        (raw * 2 + unit).div_euclid(2 * unit)
    }

    proptest! {
        #[test]
        fn parts_add_up_and_none_is_a_unit_off(raws in prop::collection::vec(-10_i128.pow(15)..10_i128.pow(15), 1..40), unit in 1_i128..10_i128.pow(9)) {
            let whole = rounded(raws.iter().sum(), unit);
            let counts = parts(whole, &amounts(&raws), unit);
            prop_assert_eq!(counts.iter().sum::<i128>(), whole);
            for (count, raw) in counts.iter().zip(&raws) {
                prop_assert!((count * unit - raw).abs() < unit, "{} of {}", count, raw);
            }
        }

        #[test]
        fn cells_add_up_and_columns_stay_near(rows in prop::collection::vec(prop::collection::vec(0_i128..10_i128.pow(6), 6), 1..60)) {
            let unit = 1000;
            let exact: Vec<Vec<Amount>> = rows.iter().map(|row| amounts(row)).collect();
            let totals: Vec<i128> = rows.iter().map(|row| rounded(row.iter().sum(), unit)).collect();
            let cells = table(&totals, &exact, unit);
            for ((cells, total), row) in cells.iter().zip(&totals).zip(&rows) {
                prop_assert_eq!(cells.iter().sum::<i128>(), *total);
                for (cell, raw) in cells.iter().zip(row) {
                    prop_assert!((cell * unit - raw).abs() < unit);
                    prop_assert!(*raw != 0 || *cell == 0, "nothing has become something");
                }
            }
            let whole: i128 = rows.iter().flatten().sum::<i128>() - totals.iter().sum::<i128>() * unit;
            for column in 0..6 {
                let exact: i128 = rows.iter().map(|row| row[column]).sum();
                let given: i128 = cells.iter().map(|row| row[column]).sum();
                // What the rows' own rounding left over, and a few units.
                prop_assert!((given * unit - exact).abs() <= whole.abs() + 4 * unit);
            }
        }
    }
}
