//! Dividing whole numbers by whole weights so that nothing is lost: the method of the largest remainder.
//!
//! Everything that is divided here, seconds of a vCPU as well as money, is divided by [`shares`]. With
//! equal remainders the earlier share gets the unit, so callers order what they divide among.

/// Weights are kept below this sum, so that every product fits into 128 bits.
const MOST: u32 = 62;

/// Shares of an amount in proportion to weights; they add up to it. Weights below zero count as none;
/// all weights none: equal shares. No weights: no shares.
pub(super) fn shares(amount: i128, weights: &[i128]) -> Vec<i128> {
    if weights.is_empty() {
        return Vec::new();
    }
    if let [_] = weights {
        return vec![amount];
    }
    let shift = shift(weights);
    let reduced = |weight: i128| weight.max(0) >> shift;
    let total: i128 = weights.iter().map(|weight| reduced(*weight)).sum();
    let is_even = total == 0;
    let total = if is_even { count(weights.len()) } else { total };
    // Dividing first keeps every product small, whatever the amount.
    let (each, over) = (amount.div_euclid(total), amount.rem_euclid(total));
    let mut shares = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    let mut given = 0;
    for (index, weight) in weights.iter().enumerate() {
        let weight = if is_even { 1 } else { reduced(*weight) };
        let share = each * weight + over * weight / total;
        given += share;
        shares.push(share);
        remainders.push((over * weight % total, index));
    }
    let missing = usize::try_from(amount - given).unwrap_or(0);
    if missing > 0 && missing < remainders.len() {
        let by_remainder = |left: &(i128, usize), right: &(i128, usize)| {
            right.0.cmp(&left.0).then(left.1.cmp(&right.1))
        };
        remainders.select_nth_unstable_by(missing - 1, by_remainder);
    }
    for (_, index) in remainders.iter().take(missing) {
        shares[*index] += 1;
    }
    shares
}

/// By how many bits weights are too fine.
fn shift(weights: &[i128]) -> u32 {
    let most = weights.iter().copied().max().unwrap_or(0).max(0);
    let bits = (128 - most.leading_zeros()) + (usize::BITS - weights.len().leading_zeros());
    bits.saturating_sub(MOST)
}

fn count(length: usize) -> i128 {
    i128::try_from(length).unwrap_or(i128::MAX).max(1)
}

/// `amount · numerator / denominator`, towards zero, for any sizes; none for a denominator of nothing.
pub(super) fn scaled(amount: i128, numerator: i128, denominator: i128) -> Option<i128> {
    if denominator <= 0 {
        return None;
    }
    let most = numerator.unsigned_abs().max(denominator.unsigned_abs());
    let shift = (128 - most.leading_zeros()).saturating_sub(48);
    let (numerator, denominator) = (numerator >> shift, denominator >> shift);
    if denominator == 0 {
        return None;
    }
    let (whole, rest) = (amount / denominator, amount % denominator);
    Some(whole.saturating_mul(numerator).saturating_add(rest * numerator / denominator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_remainder_gets_the_unit() {
        assert_eq!(shares(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(shares(10, &[6, 3, 1]), [6, 3, 1]);
        assert_eq!(shares(11, &[6, 3, 1]), [7, 3, 1]);
        assert_eq!(shares(7, &[0, 0]), [4, 3]);
        assert_eq!(shares(7, &[0, 5, 0]), [0, 7, 0]);
        assert_eq!(shares(-7, &[1, 1]), [-3, -4]);
        assert_eq!(shares(7, &[]), [0; 0]);
        assert_eq!(scaled(100, 3, 2), Some(150));
        assert_eq!(scaled(100, -1, 3), Some(-33));
        assert_eq!(scaled(100, 1, 0), None);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(amount in -(1_i128 << 90)..(1_i128 << 90), weights in prop::collection::vec(0_i128..(1 << 100), 1..40)) {
            let shares = shares(amount, &weights);
            prop_assert_eq!(shares.iter().sum::<i128>(), amount);
            prop_assert_eq!(shares.len(), weights.len());
        }

        #[test]
        fn every_share_is_within_a_unit_of_its_proportion(amount in 0_i128..1_000_000_000, weights in prop::collection::vec(0_i128..1_000_000, 1..40)) {
            let total: i128 = weights.iter().sum();
            prop_assume!(total > 0);
            for (share, weight) in shares(amount, &weights).iter().zip(&weights) {
                prop_assert!((share * total - amount * weight).abs() < total, "{} of {}", share, weight);
            }
        }
    }
}
