//! A set of instance types as bits.

/// Bits by position in the table of types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TypeSet(Vec<u64>);

impl TypeSet {
    /// The empty set over so many types.
    pub(crate) fn none(types: usize) -> Self {
        Self(vec![0; types.div_ceil(64)])
    }

    /// The set of all of so many types.
    pub(crate) fn all(types: usize) -> Self {
        let mut set = Self::none(types);
        (0..types).for_each(|index| set.insert(index));
        set
    }

    pub(crate) fn insert(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    pub(crate) fn remove(&mut self, index: usize) {
        self.0[index / 64] &= !(1 << (index % 64));
    }

    pub(crate) fn contains(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        let ones: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        usize::try_from(ones).unwrap_or(usize::MAX)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Keeps what `other` has too.
    pub(crate) fn keep(&mut self, other: &Self) {
        for (word, kept) in self.0.iter_mut().zip(&other.0) {
            *word &= kept;
        }
    }

    /// Adds what `other` has.
    pub(crate) fn add(&mut self, other: &Self) {
        for (word, added) in self.0.iter_mut().zip(&other.0) {
            *word |= added;
        }
    }

    /// Whether there is a type in both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(left, right)| left & right != 0)
    }

    /// Positions, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                (bits != 0).then(|| {
                    let bit = usize::try_from(bits.trailing_zeros()).unwrap_or(0);
                    bits &= bits - 1;
                    word * 64 + bit
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn bits_behave_like_a_set(left in prop::collection::btree_set(0_usize..200, 0..40), right in prop::collection::btree_set(0_usize..200, 0..40)) {
            let set = |of: &BTreeSet<usize>| { let mut set = TypeSet::none(200); of.iter().for_each(|index| set.insert(*index)); set };
            let (mut both, mut either) = (set(&left), set(&left));
            both.keep(&set(&right));
            either.add(&set(&right));
            prop_assert_eq!(both.iter().collect::<Vec<_>>(), left.intersection(&right).copied().collect::<Vec<_>>());
            prop_assert_eq!(either.iter().collect::<Vec<_>>(), left.union(&right).copied().collect::<Vec<_>>());
            prop_assert_eq!(set(&left).meets(&set(&right)), !both.is_empty());
        }
    }
}
