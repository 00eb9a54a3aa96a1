//! `H += Xᵀ·diag(h)·X` with the column of ones that stands for the intercept.
//!
//! A tile of rows is packed twice, as it is and scaled by `h`, into panels that are eight columns
//! wide, with a column of ones after the last; then every eight-by-sixteen (or four-by-eight) block
//! of the lower triangle is held in registers while the tile's rows run through it. Each entry
//! is one chain of fused multiply–adds over the rows in their order, starting from what `H` held:
//! neither the tile nor the register block can be seen in the result.

use super::dense::{DenseRows, Element};
use super::level::{Job, Vector, dispatch};
use super::{ShapeError, expect_len};

/// Columns of a panel.
const PANEL: usize = 8;
/// Rows packed at once: 128 rows keep two panels in the nearest cache, and a tile of 100 columns
/// in the next one.
const TILE_ROWS: usize = 128;

/// Tiles, packed: panel after panel, in each row after row, eight columns.
struct Panels {
    plain: Vec<[f64; PANEL]>,
    scaled: Vec<[f64; PANEL]>,
    rows: usize,
    count: usize,
}

impl Panels {
    /// Room for tiles of `rows` rows, `d` columns and the ones; an even number of panels.
    fn new(rows: usize, d: usize) -> Self {
        let count = (d + 1).div_ceil(2 * PANEL) * 2;
        let empty = vec![[0.0; PANEL]; count * rows];
        Self { plain: empty.clone(), scaled: empty, rows: 0, count }
    }

    #[inline(always)]
    fn pack<E: Element>(&mut self, x: &DenseRows<'_, E>, h: &[f64]) {
        let (n, d) = (x.n(), x.d());
        self.rows = n;
        for p in 0..self.count {
            let columns = (p * PANEL).min(d)..((p + 1) * PANEL).min(d);
            // The column of ones, where this panel is the one that holds it.
            let one = (d / PANEL == p).then_some(d % PANEL);
            let plain = &mut self.plain[p * n..][..n];
            let scaled = &mut self.scaled[p * n..][..n];
            for (i, ((plain, scaled), &h)) in plain.iter_mut().zip(scaled).zip(h).enumerate() {
                let row = &x.values()[i * d..][..d][columns.clone()];
                let mut lanes = [0.0; PANEL];
                if let Some(row) = row.first_chunk::<PANEL>() {
                    for l in 0..PANEL {
                        lanes[l] = row[l].widen();
                    }
                } else {
                    for (lane, x) in lanes.iter_mut().zip(row) {
                        *lane = x.widen();
                    }
                    if let Some(one) = one {
                        lanes[one] = 1.0;
                    }
                }
                *plain = lanes;
                for l in 0..PANEL {
                    scaled[l] = h * lanes[l];
                }
            }
        }
    }

    #[inline(always)]
    fn panel(of: &[[f64; PANEL]], p: usize, rows: usize) -> &[[f64; PANEL]] {
        &of[p * rows..][..rows]
    }
}

/// A block of `M` rows and `8·N` columns of the triangle: `c += aᵀ·b` over the tile's rows.
#[inline(always)]
fn block<V: Vector, const M: usize, const N: usize>(
    a: &[[f64; PANEL]],
    first: usize,
    b: [&[[f64; PANEL]]; N],
    c: &mut [[[f64; PANEL]; N]; M],
) {
    let rows = a.len();
    let mut panels: [&[[f64; PANEL]]; N] = [&[]; N];
    let mut sums = [[V::splat(0.0); N]; M];
    for q in 0..N {
        panels[q] = &b[q][..rows];
        for i in 0..M {
            sums[i][q] = V::load(&c[i][q]);
        }
    }
    for (r, a) in a.iter().enumerate() {
        let mut b = [V::splat(0.0); N];
        for q in 0..N {
            b[q] = V::load(&panels[q][r]);
        }
        for i in 0..M {
            let a = V::splat(a[first + i]);
            for q in 0..N {
                sums[i][q] = a.mul_add(b[q], sums[i][q]);
            }
        }
    }
    for i in 0..M {
        for q in 0..N {
            sums[i][q].store(&mut c[i][q]);
        }
    }
}

/// How many columns of a block's row `i` lie on or below the diagonal.
#[inline(always)]
fn width(row: usize, left: usize, columns: usize) -> usize {
    (row + 1).saturating_sub(left).min(columns)
}

/// Adds a tile's rows to the block of the triangle whose corner is `(top, left)`; what lies above
/// the diagonal or outside stays as it is.
#[inline(always)]
fn update<V: Vector, const M: usize, const N: usize>(
    gram: &mut [f64],
    side: usize,
    (top, left): (usize, usize),
    a: &[[f64; PANEL]],
    b: [&[[f64; PANEL]]; N],
) {
    let mut c = [[[0.0; PANEL]; N]; M];
    let height = M.min(side.saturating_sub(top));
    for (i, c) in c.iter_mut().enumerate().take(height) {
        let width = width(top + i, left, N * PANEL);
        let row = &gram[(top + i) * side + left..][..width];
        c.as_flattened_mut()[..width].copy_from_slice(row);
    }
    block::<V, M, N>(a, top % PANEL, b, &mut c);
    for (i, c) in c.iter().enumerate().take(height) {
        let width = width(top + i, left, N * PANEL);
        let row = &mut gram[(top + i) * side + left..][..width];
        row.copy_from_slice(&c.as_flattened()[..width]);
    }
}

#[inline(always)]
fn add_tile<V: Vector>(panels: &Panels, side: usize, gram: &mut [f64]) {
    let rows = panels.rows;
    for q in (0..panels.count).step_by(if V::WIDE { 2 } else { 1 }) {
        let left = q * PANEL;
        for p in q..side.div_ceil(PANEL) {
            let top = p * PANEL;
            let a = Panels::panel(&panels.plain, p, rows);
            if V::WIDE {
                let b = [
                    Panels::panel(&panels.scaled, q, rows),
                    Panels::panel(&panels.scaled, q + 1, rows),
                ];
                update::<V, 8, 2>(gram, side, (top, left), a, b);
            } else {
                let b = [Panels::panel(&panels.scaled, q, rows)];
                update::<V, 4, 1>(gram, side, (top, left), a, b);
                update::<V, 4, 1>(gram, side, (top + 4, left), a, b);
            }
        }
    }
}

struct Gram<'a, E> {
    x: DenseRows<'a, E>,
    h: &'a [f64],
    gram: &'a mut [f64],
}

impl<E: Element> Job for Gram<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { x, h, gram } = self;
        let mut panels = Panels::new(x.n().min(TILE_ROWS), x.d());
        for from in (0..x.n()).step_by(TILE_ROWS) {
            let to = (from + TILE_ROWS).min(x.n());
            panels.pack(&x.rows(from, to), &h[from..to]);
            add_tile::<V>(&panels, x.d() + 1, gram);
        }
    }
}

/// Adds `[X 1]ᵀ·diag(h)·[X 1]` to the lower triangle of `gram`.
///
/// # Shape and units
///
/// `h` has one number a row; `gram` is square with `d + 1` rows, row after row, the intercept
/// last: its last row holds the `h`-weighted column sums and `Σ h`. Nothing above the diagonal is
/// read or written.
///
/// # Errors
///
/// [`ShapeError::Length`] if `h` or `gram` does not fit `x`.
///
/// # Cost
///
/// `n·(d + 1)·(d + 2)` operations; packs `256·(d + 16)` numbers at a time.
pub fn weighted_gram<E: Element>(
    x: &DenseRows<'_, E>,
    h: &[f64],
    gram: &mut [f64],
) -> Result<(), ShapeError> {
    expect_len("h", h.len(), x.n())?;
    expect_len("gram", gram.len(), (x.d() + 1).saturating_mul(x.d() + 1))?;
    dispatch(Gram { x: *x, h, gram });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Level;
    use crate::kernel::testing::{numbers, shapes};

    #[test]
    fn the_gram_matrix_is_that_of_the_plain_loop() {
        for (n, d) in shapes() {
            let x = numbers(1, n * d);
            let h: Vec<f64> = numbers(2, n).iter().map(|h| h * h).collect();
            let before = numbers(3, (d + 1) * (d + 1));
            let mut gram = before.clone();
            weighted_gram(&DenseRows::new(&x, n, d).unwrap(), &h, &mut gram).unwrap();
            let at = |i: usize, j: usize| if j == d { 1.0 } else { x[i * d + j] };
            for r in 0..=d {
                for c in 0..=d {
                    let sum: f64 = (0..n).map(|i| h[i] * at(i, r) * at(i, c)).sum();
                    let expected = before[r * (d + 1) + c] + if c <= r { sum } else { 0.0 };
                    let got = gram[r * (d + 1) + c];
                    let scale = 1.0 + n as f64;
                    assert!((got - expected).abs() < 1e-14 * scale, "{n} x {d} at {r}, {c}");
                }
            }
        }
    }

    #[test]
    fn the_gram_matrix_has_the_same_bits_at_every_level() {
        for (n, d) in shapes() {
            let x = numbers(4, n * d);
            let narrow: Vec<f32> = x.iter().map(|&x| x as f32).collect();
            let h = numbers(5, n);
            let run = |level: Level| {
                level.force(|| {
                    let mut gram = vec![0.0; (d + 1) * (d + 1)];
                    weighted_gram(&DenseRows::new(&x, n, d).unwrap(), &h, &mut gram).unwrap();
                    weighted_gram(&DenseRows::new(&narrow, n, d).unwrap(), &h, &mut gram).unwrap();
                    gram.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
                })
            };
            let baseline = run(Level::Baseline);
            for level in Level::ALL {
                assert_eq!(run(level), baseline, "{n} x {d} at {level:?}");
            }
        }
    }

    #[test]
    fn operands_that_do_not_fit_are_refused() {
        let rows = DenseRows::new(&[1.0, 2.0], 2, 1).unwrap();
        assert!(weighted_gram(&rows, &[1.0], &mut [0.0; 4]).is_err());
        assert!(weighted_gram(&rows, &[1.0; 2], &mut [0.0; 3]).is_err());
    }
}
