//! The order in which Go's `sort.Slice` leaves equal elements.
//!
//! Karpenter sorts its open claims by their number of pods before every pod, with Go's unstable
//! sort, and the claim that comes first takes the pod. So which claim that is among equals decides
//! nodes and price, and a stable sort in its place gives other answers (from thirteen claims on).
//! This is the same algorithm, pattern-defeating quicksort with Go's constants, step for step:
//! insertion sort up to twelve elements, a ninther pivot from fifty on, at most five shifts when the
//! input looks sorted, heap sort when pivots keep being bad. The tests compare it with orders that
//! Go printed.

/// Sorts like Go's `sort.Slice` with `less`.
pub(crate) fn sort<T>(data: &mut [T], less: impl Fn(&T, &T) -> bool) {
    let end = data.len();
    let limit = bits(end);
    Sorter { data, less }.quick_sort(0, end, limit);
}

/// How many bits a number needs.
fn bits(number: usize) -> u32 {
    usize::BITS - number.leading_zeros()
}

const LARGEST_INSERTION: usize = 12;
const SMALLEST_NINTHER: usize = 50;
const SMALLEST_SHIFTING: usize = 50;
const MOST_SHIFTS: usize = 5;
/// Swaps that a ninther makes on a descending input.
const MOST_SWAPS: usize = 12;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    Increasing,
    Decreasing,
    Unknown,
}

struct Sorter<'a, T, F> {
    data: &'a mut [T],
    less: F,
}

impl<T, F: Fn(&T, &T) -> bool> Sorter<'_, T, F> {
    fn less(&self, left: usize, right: usize) -> bool {
        (self.less)(&self.data[left], &self.data[right])
    }

    fn swap(&mut self, left: usize, right: usize) {
        self.data.swap(left, right);
    }

    fn quick_sort(&mut self, mut start: usize, mut end: usize, mut limit: u32) {
        let mut was_balanced = true;
        let mut was_partitioned = true;
        loop {
            let length = end - start;
            if length <= LARGEST_INSERTION {
                return self.insertion_sort(start, end);
            }
            if limit == 0 {
                return self.heap_sort(start, end);
            }
            if !was_balanced {
                self.break_patterns(start, end);
                limit -= 1;
            }
            let (mut pivot, mut looks) = self.choose_pivot(start, end);
            if looks == Looks::Decreasing {
                self.data[start..end].reverse();
                pivot = (end - 1) - (pivot - start);
                looks = Looks::Increasing;
            }
            if was_balanced
                && was_partitioned
                && looks == Looks::Increasing
                && self.shift_into_order(start, end)
            {
                return;
            }
            if start > 0 && !self.less(start - 1, pivot) {
                start = self.partition_equal(start, end, pivot);
                continue;
            }
            let (middle, already_partitioned) = self.partition(start, end, pivot);
            was_partitioned = already_partitioned;
            let (left, right) = (middle - start, end - middle);
            if left < right {
                was_balanced = left >= length / 8;
                self.quick_sort(start, middle, limit);
                start = middle + 1;
            } else {
                was_balanced = right >= length / 8;
                self.quick_sort(middle + 1, end, limit);
                end = middle;
            }
        }
    }

    fn insertion_sort(&mut self, start: usize, end: usize) {
        for index in start + 1..end {
            let mut at = index;
            while at > start && self.less(at, at - 1) {
                self.swap(at, at - 1);
                at -= 1;
            }
        }
    }

    fn heap_sort(&mut self, start: usize, end: usize) {
        let length = end - start;
        for root in (0..=(length - 1) / 2).rev() {
            self.sift_down(root, length, start);
        }
        for last in (0..length).rev() {
            self.swap(start, start + last);
            self.sift_down(0, last, start);
        }
    }

    fn sift_down(&mut self, mut root: usize, end: usize, offset: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= end {
                return;
            }
            if child + 1 < end && self.less(offset + child, offset + child + 1) {
                child += 1;
            }
            if !self.less(offset + root, offset + child) {
                return;
            }
            self.swap(offset + root, offset + child);
            root = child;
        }
    }

    /// Elements below the pivot to the left, the others to the right; also whether it was so already.
    fn partition(&mut self, start: usize, end: usize, pivot: usize) -> (usize, bool) {
        self.swap(start, pivot);
        let (mut low, mut high) = (start + 1, end - 1);
        let mut was_partitioned = true;
        loop {
            while low <= high && self.less(low, start) {
                low += 1;
            }
            while low <= high && !self.less(high, start) {
                high -= 1;
            }
            if low > high {
                break;
            }
            was_partitioned = false;
            self.swap(low, high);
            low += 1;
            high -= 1;
        }
        self.swap(high, start);
        (high, was_partitioned)
    }

    /// Elements equal to the pivot to the left; none is below it.
    fn partition_equal(&mut self, start: usize, end: usize, pivot: usize) -> usize {
        self.swap(start, pivot);
        let (mut low, mut high) = (start + 1, end - 1);
        loop {
            while low <= high && !self.less(start, low) {
                low += 1;
            }
            while low <= high && self.less(start, high) {
                high -= 1;
            }
            if low > high {
                return low;
            }
            self.swap(low, high);
            low += 1;
            high -= 1;
        }
    }

    /// Repairs a few neighbours out of order; true if all is sorted then.
    fn shift_into_order(&mut self, start: usize, end: usize) -> bool {
        let mut index = start + 1;
        for _ in 0..MOST_SHIFTS {
            while index < end && !self.less(index, index - 1) {
                index += 1;
            }
            if index == end {
                return true;
            }
            if end - start < SMALLEST_SHIFTING {
                return false;
            }
            self.swap(index, index - 1);
            if index - start >= 2 {
                // Go walks on below `start` if it must, and so does this.
                let mut at = index - 1;
                while at >= 1 && self.less(at, at - 1) {
                    self.swap(at, at - 1);
                    at -= 1;
                }
            }
            if end - index >= 2 {
                let mut at = index + 1;
                while at < end && self.less(at, at - 1) {
                    self.swap(at, at - 1);
                    at += 1;
                }
            }
        }
        false
    }

    fn break_patterns(&mut self, start: usize, end: usize) {
        let length = end - start;
        if length < 8 {
            return;
        }
        let mut random = length as u64;
        let modulus = 1_usize << bits(length);
        let first = start + (length / 4) * 2 - 1;
        for index in first..first + 3 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut other = usize::try_from(random).unwrap_or(usize::MAX) & (modulus - 1);
            if other >= length {
                other -= length;
            }
            self.swap(index, start + other);
        }
    }

    fn choose_pivot(&self, start: usize, end: usize) -> (usize, Looks) {
        let length = end - start;
        let mut swaps = 0;
        let mut quarters = [1, 2, 3].map(|quarter| start + length / 4 * quarter);
        if length >= SMALLEST_NINTHER {
            quarters = quarters.map(|at| self.median(at - 1, at, at + 1, &mut swaps));
        }
        let [first, second, third] = quarters;
        let pivot = self.median(first, second, third, &mut swaps);
        let looks = match swaps {
            0 => Looks::Increasing,
            MOST_SWAPS => Looks::Decreasing,
            _ => Looks::Unknown,
        };
        (pivot, looks)
    }

    fn median(&self, first: usize, second: usize, third: usize, swaps: &mut usize) -> usize {
        let (first, second) = self.in_order(first, second, swaps);
        let (second, _) = self.in_order(second, third, swaps);
        let (_, second) = self.in_order(first, second, swaps);
        second
    }

    fn in_order(&self, left: usize, right: usize, swaps: &mut usize) -> (usize, usize) {
        if self.less(right, left) {
            *swaps += 1;
            (right, left)
        } else {
            (left, right)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Go 1.26.8 printed for the keys that [`keys`] makes: length, shape, then the FNV-1a hash
    /// of the permutation `sort.Slice` left.
    const GO: &str = include_str!("../../tests/data/go_sort_slice.csv");

    /// The keys of a line; a small linear congruential generator, the same in Go.
    fn keys(length: usize, shape: u32) -> Vec<u32> {
        let mut state = u32::try_from(length)
            .expect("a small length")
            .wrapping_mul(2_654_435_761)
            .wrapping_add(shape);
        (0..length)
            .map(|index| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let index = u32::try_from(index).expect("a small index");
                match shape {
                    0 => (state >> 16) % 4,
                    1 => (state >> 16) % 1000,
                    2 => index / 7,
                    3 => 1000 - index / 3,
                    4 => index / 5 + u32::from((state >> 16) % 11 == 0),
                    5 => u32::from(u64::from(index) + 1 == length as u64 / 2) * 9,
                    _ => index % 13,
                }
            })
            .collect()
    }

    fn hash(order: &[usize]) -> u64 {
        order.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, index| {
            (hash ^ *index as u64).wrapping_mul(0x100_0000_01b3)
        })
    }

    #[test]
    fn equal_elements_end_where_go_puts_them() {
        let mut lines = 0;
        for line in GO.lines().filter(|line| !line.starts_with('#')) {
            let [length, shape, expected] = line.split(',').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let (length, shape): (usize, u32) =
                (length.parse().expect("length"), shape.parse().expect("shape"));
            let keys = keys(length, shape);
            let mut order: Vec<usize> = (0..length).collect();
            sort(&mut order, |left, right| keys[*left] < keys[*right]);
            assert_eq!(hash(&order).to_string(), expected, "length {length}, shape {shape}");
            lines += 1;
        }
        assert!(lines > 500, "{lines}");
    }

    proptest! {
        #[test]
        fn the_result_is_sorted_and_a_permutation(mut keys in prop::collection::vec(0_u32..50, 0..300)) {
            let mut expected = keys.clone();
            expected.sort_unstable();
            sort(&mut keys, |left, right| left < right);
            prop_assert_eq!(keys, expected);
        }
    }
}
