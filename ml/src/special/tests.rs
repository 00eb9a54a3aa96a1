//! Expected values: mpmath 1.4.1 with 50 digits, `erfc(x/√2)/2`, its inverse and `gammainc`.

use super::*;
use proptest::prelude::*;

fn assert_near(got: f64, expected: f64, relative: f64) {
    assert!((got - expected).abs() <= relative * expected.abs(), "{got:e}, not {expected:e}");
}

#[test]
fn tails_have_their_digits() {
    for (x, survival) in [
        (-8.0, 0.9999999999999993),
        (-1.5, 0.9331927987311419),
        (-0.1, 0.539827837277029),
        (0.0, 0.5),
        (0.5, 0.3085375387259869),
        (1.0, 0.15865525393145705),
        (1.96, 0.024997895148220435),
        (3.0, 0.0013498980316300946),
        (6.0, 9.86587645037698e-10),
        (10.0, 7.619853024160525e-24),
        (20.0, 2.7536241186062337e-89),
        (30.0, 4.906713927148187e-198),
        (37.0, 5.725571222524577e-300),
    ] {
        assert_near(normal_survival(x), survival, 1e-12);
        assert_near(normal_cdf(-x), survival, 1e-12);
        if x >= 0.0 {
            assert_near(two_sided_p(x), 2.0 * survival, 1e-12);
            assert_near(two_sided_p(-x), 2.0 * survival, 1e-12);
        }
    }
}

#[test]
fn quantiles_are_those_of_mpmath() {
    for (p, x) in [
        (1e-300, -37.0470962993612),
        (1e-100, -21.273453560965326),
        (1e-20, -9.262340089798407),
        (1e-10, -6.361340902404057),
        (1e-05, -4.264890793922825),
        (0.001, -3.0902323061678136),
        (0.0125, -2.2414027276049455),
        (0.025, -1.9599639845400543),
        (0.05, -1.6448536269514726),
        (0.1, -1.2815515655446004),
        (0.25, -0.6744897501960817),
        (0.4, -0.2533471031357997),
        (0.49, -0.025068908258711057),
        (0.6, 0.2533471031357997),
        (0.75, 0.6744897501960817),
        (0.9, 1.2815515655446006),
        (0.95, 1.6448536269514722),
        (0.975, 1.9599639845400538),
        (0.995, 2.5758293035489004),
        (0.9999, 3.7190164854557084),
    ] {
        assert_near(normal_quantile(p), x, 1e-12);
    }
    assert!(normal_quantile(0.5).abs() < 1e-15);
}

#[test]
fn chi_square_tails_are_those_of_mpmath() {
    for (x, k, survival) in [
        (0.5, 1.0, 0.4795001221869535),
        (3.84, 1.0, 0.050043521248705106),
        (30.0, 1.0, 4.3204630578274975e-08),
        (1.0, 3.0, 0.8012519569012008),
        (11.3, 5.0, 0.04574583257311164),
        (80.0, 5.0, 8.391825114831611e-16),
        (100.0, 100.0, 0.48119168452795674),
        (250.0, 100.0, 7.766936403539178e-15),
    ] {
        assert_near(chi_square_survival(x, k), survival, 1e-10);
    }
    for z in [0.1, 1.0, 4.0] {
        assert_near(chi_square_survival(z * z, 1.0), two_sided_p(z), 1e-10);
    }
}

#[test]
#[expect(clippy::float_cmp, reason = "ends are exact")]
fn what_lies_outside_is_nan_and_ends_are_exact() {
    for p in [-0.1, 1.1, f64::NAN] {
        assert!(normal_quantile(p).is_nan());
    }
    assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
    assert_eq!(normal_quantile(1.0), f64::INFINITY);
    assert!(normal_quantile(f64::from_bits(1)).is_finite());
    assert_eq!((two_sided_p(0.0), two_sided_p(f64::INFINITY)), (1.0, 0.0));
    assert!(chi_square_survival(-1.0, 1.0).is_nan() && chi_square_survival(1.0, 0.0).is_nan());
    assert_eq!(chi_square_survival(0.0, 2.0), 1.0);
    assert_eq!(chi_square_survival(f64::INFINITY, 2.0), 0.0);
}

proptest! {
    #[test]
    fn the_quantile_undoes_the_distribution(x in -37.0f64..8.0) {
        let p = normal_cdf(x);
        let back = normal_quantile(p);
        // p is rounded: in the upper tail that alone moves x.
        let density = exp(-0.5 * x * x) / (2.0 * PI).sqrt();
        let rounding = f64::EPSILON * p / density.max(1e-300);
        prop_assert!((back - x).abs() <= 1e-12 * x.abs() + 4.0 * rounding + 1e-15, "{x} {back}");
    }
}
