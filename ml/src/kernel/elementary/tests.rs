use super::*;
use crate::kernel::Level;

/// A counter-based generator is enough here: splitmix64, mapped to [0, 1).
fn uniform(i: u64) -> f64 {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Distance in units in the last place of the reference, with subnormals on the same scale.
fn ulps(got: f64, reference: f64) -> f64 {
    if got.to_bits() == reference.to_bits() || (got.is_nan() && reference.is_nan()) {
        return 0.0;
    }
    let unit = (reference.abs().next_up() - reference.abs()).max(f64::from_bits(1));
    ((got - reference) / unit).abs()
}

fn worst(f: fn(f64) -> f64, reference: fn(f64) -> f64, xs: impl Iterator<Item = f64>) -> f64 {
    xs.map(|x| ulps(f(x), reference(x))).fold(0.0, f64::max)
}

fn between(low: f64, high: f64) -> impl Iterator<Item = f64> {
    (0..100_000).map(move |i| low + (high - low) * uniform(i))
}

fn magnitudes(low: i32, high: i32) -> impl Iterator<Item = f64> {
    (0..100_000).map(move |i| {
        let exponent = f64::from(low) + f64::from(high - low) * uniform(2 * i);
        libm::exp2(exponent) * (1.0 + uniform(2 * i + 1))
    })
}

#[test]
fn exp_is_within_a_unit_of_the_reference_everywhere() {
    for (low, high) in
        [(-745.5, 710.0), (-1.0, 1.0), (-0.01, 0.01), (-745.2, -708.0), (700.0, 709.8)]
    {
        let off = worst(exp, libm::exp, between(low, high));
        assert!(off <= 1.0, "{off} ulp in [{low}, {high}]");
    }
    let off = worst(exp, libm::exp, magnitudes(-60, 9).flat_map(|x| [x, -x]));
    assert!(off <= 1.0, "{off} ulp");
}

#[test]
fn ln_is_within_two_units_of_the_reference_everywhere() {
    for xs in [(-1074, 1023), (-2, 2), (-1, 0)] {
        let off = worst(ln, libm::log, magnitudes(xs.0, xs.1));
        assert!(off <= 2.0, "{off} ulp in 2^{xs:?}");
    }
    let off = worst(ln, libm::log, between(0.999, 1.001));
    assert!(off <= 1.0, "{off} ulp near 1");
}

#[test]
fn ln_1p_is_within_two_units_of_the_reference_everywhere() {
    for (low, high) in [(-0.999, 2.0), (-0.01, 0.01), (0.0, 1.0), (-1e-9, 1e-9)] {
        let off = worst(ln_1p, libm::log1p, between(low, high));
        assert!(off <= 2.0, "{off} ulp in [{low}, {high}]");
    }
    let off = worst(ln_1p, libm::log1p, magnitudes(-1074, 1022));
    assert!(off <= 2.0, "{off} ulp");
}

#[test]
fn sigmoid_and_softplus_keep_their_relative_accuracy_in_both_tails() {
    // For x ≤ 0 both are e^x·(1 + O(e^x)): the references below lose nothing there.
    let logistic = |x: f64| {
        if x < 0.0 { libm::exp(x) / (1.0 + libm::exp(x)) } else { 1.0 / (1.0 + libm::exp(-x)) }
    };
    let soft = |x: f64| {
        if x < 0.0 { libm::log1p(libm::exp(x)) } else { x + libm::log1p(libm::exp(-x)) }
    };
    assert!(worst(sigmoid, logistic, between(-745.0, 745.0)) <= 3.0);
    assert!(worst(sigmoid, logistic, between(-5.0, 5.0)) <= 3.0);
    assert!(worst(softplus, soft, between(-745.0, 745.0)) <= 3.0);
    assert!(worst(softplus, soft, between(-5.0, 5.0)) <= 3.0);
}

#[test]
#[expect(clippy::float_cmp, reason = "special values are exact")]
fn special_values_are_those_of_ieee_754() {
    let inf = f64::INFINITY;
    for (f, cases) in [
        (
            exp as fn(f64) -> f64,
            vec![(0.0, 1.0), (-0.0, 1.0), (inf, inf), (-inf, 0.0), (1e300, inf)],
        ),
        (ln, vec![(1.0, 0.0), (0.0, -inf), (-0.0, -inf), (inf, inf)]),
        (ln_1p, vec![(0.0, 0.0), (-1.0, -inf), (inf, inf), (5e-324, 5e-324)]),
        (sigmoid, vec![(0.0, 0.5), (inf, 1.0), (-inf, 0.0)]),
        (softplus, vec![(0.0, std::f64::consts::LN_2), (inf, inf), (-inf, 0.0)]),
    ] {
        for (x, y) in cases {
            assert_eq!(f(x), y, "at {x}");
        }
        assert!(f(f64::NAN).is_nan());
    }
    assert!(ln(-1.0).is_nan() && ln(-inf).is_nan() && ln_1p(-1.5).is_nan());
    assert!(ln_1p(-0.0).is_sign_negative());
    assert_eq!(exp(-745.0), f64::from_bits(1));
    assert_eq!(exp(709.782_712_893_384), libm::exp(709.782_712_893_384));
}

#[test]
fn slices_scalars_and_all_levels_give_the_same_bits() {
    type Forms = (fn(f64) -> f64, fn(&mut [f64]));
    let functions: [Forms; 5] = [
        (exp, exp_in_place),
        (ln, ln_in_place),
        (ln_1p, ln_1p_in_place),
        (sigmoid, sigmoid_in_place),
        (softplus, softplus_in_place),
    ];
    for (one, all) in functions {
        let xs: Vec<f64> = between(-30.0, 30.0)
            .take(2003)
            .chain(magnitudes(-1074, 1023).take(1000))
            .chain([0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY])
            .collect();
        let expected: Vec<f64> = xs.iter().map(|&x| one(x)).collect();
        for level in Level::ALL {
            let mut got = xs.clone();
            level.force(|| all(&mut got));
            for ((x, a), b) in xs.iter().zip(&expected).zip(&got) {
                assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "{x} {level:?}");
            }
        }
    }
}
