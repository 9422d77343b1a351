//! Sums of numbers to twice the precision of a number.

/// The part of a sum that the order of its addends may move: 2⁻⁹⁰.
const SLACK: f64 = f64::EPSILON * f64::EPSILON * 16_384.0;

/// A sum as two numbers that do not overlap, about 106 bits.
///
/// Each addition is off by at most 3·2⁻¹⁰⁶ of its result (Joldes, Muller, Popescu, "Tight and
/// rigorous error bounds for basic building blocks of double-word arithmetic", 2017, algorithm 6).
/// So ten times 0.1 is 1.0, in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Twofold {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

impl Twofold {
    /// One number.
    pub(crate) const fn of(number: f64) -> Self {
        Self {
            high: number,
            low: 0.0,
        }
    }

    /// The nearest number.
    pub(crate) const fn number(self) -> f64 {
        self.high
    }

    /// Returns the least number that the same addends may add up to in another order. Additions are
    /// off by 3·2⁻¹⁰⁶ each, so that 2⁻⁹⁰ is enough for some ten thousand of them where all have
    /// one sign.
    pub(crate) fn least(self) -> f64 {
        self.moved_by(-SLACK)
    }

    /// Returns the greatest number that the same addends may add up to in another order.
    pub(crate) fn most(self) -> f64 {
        self.moved_by(SLACK)
    }

    /// Returns the number that is nearest to the sum and so great a part of it more.
    fn moved_by(self, part: f64) -> f64 {
        if self.high.is_finite() {
            self.high + (self.low + self.high.abs() * part)
        } else {
            self.high
        }
    }

    /// Adds another sum.
    #[must_use]
    pub(crate) fn add(self, other: Self) -> Self {
        let (high, rest) = two_sum(self.high, other.high);
        if !high.is_finite() {
            // Beyond what a number holds there is nothing to correct.
            return Self::of(high);
        }
        let (low, lowest) = two_sum(self.low, other.low);
        let (high, rest) = fast_two_sum(high, rest + low);
        let (high, low) = fast_two_sum(high, lowest + rest);
        Self { high, low }
    }
}

/// The rounded sum and what rounding lost, exactly (Knuth).
fn two_sum(left: f64, right: f64) -> (f64, f64) {
    let sum = left + right;
    let of_left = sum - right;
    let of_right = sum - of_left;
    (sum, (left - of_left) + (right - of_right))
}

/// The same where the left one is not smaller (Dekker).
fn fast_two_sum(left: f64, right: f64) -> (f64, f64) {
    let sum = left + right;
    (sum, right - (sum - left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(numbers: impl IntoIterator<Item = f64>) -> f64 {
        let sum = |sum: Twofold, number| sum.add(Twofold::of(number));
        numbers.into_iter().fold(Twofold::default(), sum).number()
    }

    #[test]
    fn what_people_add_up_is_what_they_expect() {
        assert!(sum([0.1; 10]) >= 1.0);
        assert!((sum(std::iter::repeat_n(0.1, 1_000_000)) - 100_000.0).abs() < 1e-11);
        assert!(sum([1e16, 1.0, 1.0, -1e16]) > 1.9);
        assert!(sum([1e100, 1.0, -1e100, -1.0]).abs() < 2.0);
        assert_eq!(sum([f64::MAX, f64::MAX]), f64::INFINITY);
    }

    #[test]
    fn the_least_and_the_most_of_a_sum_differ_only_where_no_number_tells() {
        assert_eq!(SLACK, (-90.0_f64).exp2());
        for number in [0.0, 0.1, 1.0, 1e16, 1e300, f64::MAX] {
            let sum = Twofold::of(number);
            assert_eq!((sum.least(), sum.most()), (number, number));
        }
        // Half-way between two numbers, where the order of addends may tell.
        let between = Twofold::of(1.0).add(Twofold::of(f64::EPSILON / 2.0));
        assert_eq!(between.least(), 1.0);
        assert_eq!(between.most(), 1.0_f64.next_up());
        assert_eq!(Twofold::of(f64::INFINITY).least(), f64::INFINITY);
    }

    #[test]
    fn order_and_grouping_do_not_matter() {
        let numbers: Vec<f64> = (0..1_000).map(|n| f64::from(n * 7 % 13) * 0.01).collect();
        let reversed = numbers.iter().rev().copied();
        let grouped = numbers.chunks(7).map(|part| {
            let add = |sum: Twofold, number: &f64| sum.add(Twofold::of(*number));
            part.iter().fold(Twofold::default(), add)
        });
        let grouped = grouped.fold(Twofold::default(), Twofold::add);
        assert_eq!(sum(numbers.iter().copied()), sum(reversed));
        assert_eq!(sum(numbers.iter().copied()), grouped.number());
    }
}
