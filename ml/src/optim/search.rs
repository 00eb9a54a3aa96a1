//! How far to go along a direction.
//!
//! The whole step is tried first, so that in the quick phase one pass is step, check and next
//! gradient at once. It is taken if the value falls enough and the slope flattens (the strong Wolfe
//! conditions). Near the minimum two values no longer tell points apart; there a slope that
//! flattens and does not overshoot is proof enough (the approximate conditions of Hager & Zhang
//! 2005). Otherwise the minimum of the cubic through both ends, kept away from them, comes next.

use super::{Objective, Point};
use crate::linalg::dot;

/// Share of the first-order gain that a step must bring.
const ENOUGH: f64 = 1e-4;
/// Share of the slope that may be left.
const FLAT: f64 = 0.9;
/// Values closer than this fraction count as equal.
const SAME: f64 = 1e-13;
/// Passes for one step, at most.
const MOST: usize = 25;

/// One end of the interval that holds the step.
#[derive(Clone, Copy)]
struct End {
    step: f64,
    value: f64,
    slope: f64,
}

/// Goes from `from` along `direction`, whose slope there is negative. `None` if nothing improves.
pub(super) fn search<O: Objective>(
    objective: &mut O,
    from: &Point,
    direction: &[f64],
    first: f64,
    passes: &mut usize,
) -> Result<Option<(Point, f64)>, O::Error> {
    let start = End { step: 0.0, value: from.value, slope: dot(&from.gradient, direction) };
    let (mut low, mut high): (End, Option<End>) = (start, None);
    let mut best: Option<(Point, f64)> = None;
    let mut step = first;
    // Where the objective ceased to be finite, if it did.
    let mut limit = f64::INFINITY;
    for _ in 0..MOST {
        let w = from.w.iter().zip(direction).map(|(w, p)| step.mul_add(*p, *w)).collect();
        let point = Point::evaluate(objective, w, passes)?;
        let here = End { step, value: point.value, slope: dot(&point.gradient, direction) };
        if !point.is_finite() || !here.slope.is_finite() {
            // Too far for the objective, and no value to learn from: a tenth of the way.
            limit = step;
            step = low.step + 0.1 * (step - low.step);
            if step <= low.step * (1.0 + 1e-12) {
                break;
            }
            continue;
        }
        if is_enough(&start, &here) {
            if here.slope.abs() <= FLAT * start.slope.abs() {
                return Ok(Some((point, step)));
            }
            if best.as_ref().is_none_or(|(b, _)| point.value <= b.value) {
                best = Some((point, step));
            }
            if here.slope < 0.0 {
                low = here;
            } else {
                high = Some(here);
            }
        } else {
            high = Some(here);
        }
        step = match high {
            Some(high) => between(&low, &high),
            None => beyond(&start, &low).min(0.5 * (low.step + limit)),
        };
        if !step.is_finite() || step <= low.step || step <= 1e-20 {
            break;
        }
    }
    Ok(best)
}

fn is_enough(start: &End, here: &End) -> bool {
    let falls = here.value <= start.value + ENOUGH * here.step * start.slope;
    let is_same = here.value <= start.value + SAME * start.value.abs();
    falls || (is_same && here.slope <= (1.0 - 2.0 * ENOUGH) * start.slope.abs())
}

/// Minimum of the cubic with the ends' values and slopes, inside the middle four fifths.
fn between(low: &End, high: &End) -> f64 {
    let length = high.step - low.step;
    let a = low.slope + high.slope - 3.0 * (high.value - low.value) / length;
    let root = (a * a - low.slope * high.slope).max(0.0).sqrt().copysign(length);
    let share = 1.0 - (high.slope + root - a) / (high.slope - low.slope + 2.0 * root);
    let share = if share.is_finite() { share.clamp(0.1, 0.9) } else { 0.5 };
    low.step + share * length
}

/// A longer step where the slope is still steep: where the secant of the slopes meets zero, but
/// two to ten times as far.
fn beyond(start: &End, here: &End) -> f64 {
    let secant = here.step * start.slope / (start.slope - here.slope);
    let secant = if secant.is_finite() && secant > 0.0 { secant } else { 4.0 * here.step };
    secant.clamp(2.0 * here.step, 10.0 * here.step)
}
