//! From uniform numbers to levels, counts and normal numbers.
//!
//! The functions `ln`, `cos` and `erfc` come from the `libm` crate, not from the system's
//! library, so that draws have the same bits everywhere.

use std::f64::consts::{SQRT_2, TAU};

use firesteel_core::rng::Draws;

use super::level::Level;

/// Items with shares.
#[derive(Debug)]
pub(crate) struct Choice<T> {
    items: Vec<T>,
    /// Sum of the shares up to and with the item of the same place.
    upto: Vec<f64>,
}

impl<T: Copy> Choice<T> {
    fn read(table: &'static str, item: impl Fn(&'static str) -> T) -> Self {
        let (mut items, mut upto, mut sum) = (Vec::new(), Vec::new(), 0.0);
        for entry in table.split_whitespace() {
            let (name, share) = entry.rsplit_once(':').expect("a table's entries are level:share");
            sum += share.parse::<f64>().expect("a share is a number");
            items.push(item(name));
            upto.push(sum);
        }
        assert!(!items.is_empty(), "a table has entries");
        Self { items, upto }
    }

    /// The item at the quantile `u` in `[0, 1]`, items lying in the table's order.
    pub(crate) fn pick(&self, u: f64) -> T {
        let last = self.items.len() - 1;
        let at = u * self.upto[last];
        self.items[self.upto.partition_point(|&upto| upto <= at).min(last)]
    }

    /// The table's first item.
    pub(crate) fn first(&self) -> T {
        self.items[0]
    }

    /// The same shares of other items.
    pub(crate) fn map<U>(self, item: impl FnMut(T) -> U) -> Choice<U> {
        Choice { items: self.items.into_iter().map(item).collect(), upto: self.upto }
    }

    /// Items with their shares of one.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (T, f64)> {
        let sum = self.upto[self.upto.len() - 1];
        let before = std::iter::once(0.0).chain(self.upto.iter().copied());
        self.items.iter().zip(&self.upto).zip(before).map(move |((&item, upto), before)| {
            let share = (upto - before) / sum;
            (item, share)
        })
    }
}

/// A table of names.
pub(crate) fn levels(table: &'static str) -> Choice<Level> {
    Choice::read(table, Level::named)
}

/// A table of names, as these stand.
pub(crate) fn names(table: &'static str) -> Choice<&'static str> {
    Choice::read(table, |name| name)
}

/// A table of small numbers.
pub(crate) fn numbers(table: &'static str) -> Choice<u8> {
    Choice::read(table, |name| name.parse().expect("a table of numbers has numbers"))
}

/// The draws that belong to one patient or one stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    pub(crate) draws: Draws,
    pub(crate) row: u64,
}

impl Own {
    /// A number in `[0, 1)`.
    pub(crate) fn uniform(&self, index: u64) -> f64 {
        self.draws.uniform_at(self.row, index)
    }

    /// A standard normal number (Box & Muller 1958) from the uniform ones `2·index` and
    /// `2·index + 1`.
    pub(crate) fn normal(&self, index: u64) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform(2 * index))).sqrt();
        radius * libm::cos(TAU * self.uniform(2 * index + 1))
    }
}

/// The share of standard normal numbers below `z`.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / SQRT_2)
}

/// The probability at log odds `eta`.
pub(crate) fn logistic(eta: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-eta))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_finds_its_item() {
        let choice = numbers("1:2 5:1 9:1");
        let picked = [0.0, 0.49, 0.5, 0.74, 0.75, 1.0].map(|u| choice.pick(u));
        assert_eq!(picked, [1, 1, 5, 5, 9, 9]);
        assert_eq!(choice.shares().collect::<Vec<_>>(), [(1, 0.5), (5, 0.25), (9, 0.25)]);
    }

    #[test]
    fn normal_numbers_are_normal() {
        let own = |row| Own { draws: Draws::new(1, "test"), row };
        let n = 50_000;
        let below = |z: f64| (0..n).filter(|&row| own(row).normal(3) < z).count() as f64 / n as f64;
        for z in [-2.0, -1.0, 0.0, 0.5, 1.5] {
            assert!((below(z) - normal_cdf(z)).abs() < 0.01, "{z}");
        }
        assert!((normal_cdf(1.959_963_984_540_054) - 0.975).abs() < 1e-15);
    }
}
