//! The laws of the metrics: a slow oracle, numbers of other systems, and equal bits however the
//! rows lie.

use approx::assert_relative_eq;
use firesteel_core::Context;
use firesteel_core::testing::on_ranks_with;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::Error;

type Row = (f64, f64, f64);

fn measured(rows: &[Row]) -> BinaryMetrics {
    BinaryMetrics::new(&scored(&Context::local(), rows, 1)).unwrap()
}

fn scored(ctx: &Context, rows: &[Row], partitions: usize) -> Scored {
    Scored::from_weighted_rows(&ctx.parallelize_in(rows.to_vec(), partitions))
}

fn refused(rows: &[Row]) -> String {
    BinaryMetrics::new(&scored(&Context::local(), rows, 3)).unwrap_err().to_string()
}

/// Everything there is to say of the rows, as text that shows every bit.
fn everything(scored: &Scored) -> Vec<String> {
    let m = BinaryMetrics::new(scored).unwrap();
    let numbers = [m.area_under_roc(), m.average_precision(), m.area_under_pr()];
    let losses = [m.log_loss(), m.brier(), m.accuracy(0.3)];
    let weights = [m.weight(), m.positive_weight(), m.negative_weight()].map(f64::to_bits);
    let table = m.calibration_table(&CalibrationGroups::EqualCount(7)).unwrap();
    let split = m.calibration_table(&CalibrationGroups::SplitAt(vec![0.2, 0.5])).unwrap();
    vec![
        format!("{:?}", (m.rows(), m.distinct_scores(), weights)),
        format!("{:?}", numbers.map(|x| x.unwrap().to_bits())),
        format!("{:?}", losses.map(|x| x.unwrap().to_bits())),
        format!("{:?}", (m.confusion(0.5).unwrap(), m.confusion_at_least(0.25).unwrap())),
        format!("{:?}", (m.roc_curve().unwrap(), m.pr_curve().unwrap())),
        format!("{table:?} {split:?}"),
        format!("{:?}", (m.calibration_line(), m.calibration_in_the_large())),
    ]
}

/// Scores with ties, labels that follow them, weights of very different sizes.
fn many_rows(n: u64) -> Vec<Row> {
    let draws = firesteel_core::rng::Draws::new(5, "evaluation tests");
    (0..n)
        .map(|i| {
            let score = (draws.uniform(i) * 300.0).round() / 300.0;
            let score = if i % 3 == 0 { score } else { draws.uniform_at(i, 1) };
            let label = f64::from(draws.uniform_at(i, 2) < 0.1 + 0.7 * score);
            let weight = 0.1 + draws.uniform_at(i, 3) / libm::exp2((i % 40) as f64);
            (score, label, weight)
        })
        .collect()
}

#[test]
fn measures_have_the_same_bits_on_any_ranks_threads_and_partitions() {
    // More distinct scores than fit into one block, so that sums are joined over the tree.
    let rows = many_rows(30_000);
    let expected = everything(&scored(&Context::local(), &rows, 1));
    let mut reversed = rows.clone();
    reversed.reverse();
    assert_eq!(everything(&scored(&Context::local(), &reversed, 5)), expected, "reversed");
    for ranks in [1, 3] {
        for threads in [1, 2] {
            let program = |ctx: &Context| {
                [1, 3, 16].map(|partitions| everything(&scored(ctx, &rows, partitions)))
            };
            for run in on_ranks_with(ranks, |builder| builder.threads(threads), program) {
                for (partitions, got) in [1, 3, 16].into_iter().zip(run) {
                    assert_eq!(got, expected, "{ranks} ranks, {threads} threads, {partitions}");
                }
            }
        }
    }
}

#[test]
fn scores_beyond_one_piece_are_cut_and_merged_in_order() {
    let n = 200_000_u64;
    let rows: Vec<Row> =
        (0..n).map(|i| ((i * 7919 % n) as f64, f64::from(i % 7 == 0), 1.0)).collect();
    let ctx = Context::local();
    let expected = BinaryMetrics::new(&scored(&ctx, &rows, 16)).unwrap();
    let one = BinaryMetrics::new(&scored(&ctx, &rows, 1)).unwrap();
    assert_eq!(expected.distinct_scores(), n);
    let curve = expected.roc_curve().unwrap();
    assert!(curve.windows(2).all(|pair| pair[0].threshold > pair[1].threshold));
    assert_eq!(curve, one.roc_curve().unwrap());
    assert_eq!(expected.area_under_roc(), one.area_under_roc());
}

/// The measures by their definitions, row by row and pair by pair.
struct Oracle {
    roc: f64,
    average_precision: f64,
    trapezoids: f64,
    log_loss: f64,
    brier: f64,
}

fn oracle(rows: &[Row]) -> Oracle {
    let weight_of = |keep: &dyn Fn(&Row) -> bool| -> f64 {
        rows.iter().filter(|row| keep(row)).map(|row| row.2).sum()
    };
    let positive = weight_of(&|row| row.1 == 1.0);
    let (mut won, mut pairs) = (0.0, 0.0);
    for one in rows.iter().filter(|row| row.1 == 1.0) {
        for zero in rows.iter().filter(|row| row.1 == 0.0) {
            let share = if one.0 > zero.0 { 1.0 } else { f64::from(one.0 == zero.0) / 2.0 };
            won += share * one.2 * zero.2;
            pairs += one.2 * zero.2;
        }
    }
    let mut scores: Vec<f64> = rows.iter().filter(|r| r.2 > 0.0).map(|r| r.0).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    scores.dedup();
    let (mut steps, mut trapezoids, mut before) = (0.0, 0.0, None);
    for score in scores {
        let hits = weight_of(&|row| row.0 >= score && row.1 == 1.0);
        let (recall, precision) = (hits / positive, hits / weight_of(&|row| row.0 >= score));
        let (last_recall, last_precision) = before.unwrap_or((0.0, precision));
        steps += (recall - last_recall) * precision;
        trapezoids += (recall - last_recall) * (precision + last_precision) / 2.0;
        before = Some((recall, precision));
    }
    let all = weight_of(&|_| true);
    let mean = |loss: &dyn Fn(f64, f64) -> f64| {
        rows.iter().map(|row| row.2 * loss(row.0, row.1)).sum::<f64>() / all
    };
    let log_loss = |p: f64, y: f64| {
        let p = p.clamp(1e-15, 1.0 - 1e-15);
        if y == 1.0 { -p.ln() } else { -(-p).ln_1p() }
    };
    Oracle {
        roc: won / pairs,
        average_precision: steps,
        trapezoids,
        log_loss: mean(&log_loss),
        brier: mean(&|p, y| (p - y) * (p - y)),
    }
}

fn some_rows() -> impl Strategy<Value = Vec<Row>> {
    let score = prop_oneof![(0_u32..=6).prop_map(|s| f64::from(s) / 6.0), 0.0..=1.0];
    let weight = prop_oneof![3 => Just(1.0), 1 => (0_u32..4).prop_map(f64::from), 2 => 0.01..5.0];
    let row = (score, any::<bool>().prop_map(f64::from), weight);
    let both = |rows: &Vec<Row>| {
        [0.0, 1.0].iter().all(|&label| rows.iter().any(|row| row.1 == label && row.2 > 0.0))
    };
    prop::collection::vec(row, 2..40).prop_filter("both classes", both)
}

fn bits(rows: &[Row]) -> Vec<String> {
    let mut all = everything(&scored(&Context::local(), rows, 2));
    // Numbers of rows are not weights.
    all.remove(0);
    all.remove(4);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn measures_are_those_of_their_definitions(rows in some_rows()) {
        let (m, o) = (measured(&rows), oracle(&rows));
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * b.abs().max(1.0);
        prop_assert!(near(m.area_under_roc().unwrap(), o.roc));
        prop_assert!(near(m.average_precision().unwrap(), o.average_precision));
        prop_assert!(near(m.area_under_pr().unwrap(), o.trapezoids));
        prop_assert!(near(m.log_loss().unwrap(), o.log_loss));
        prop_assert!(near(m.brier().unwrap(), o.brier));
    }

    #[test]
    fn a_row_of_weight_two_is_the_row_twice(rows in some_rows(), partitions in 1_usize..4) {
        let double: Vec<Row> = rows.iter().map(|&(s, y, w)| (s, y, 2.0 * w)).collect();
        let twice: Vec<Row> = rows.iter().flat_map(|&row| [row, row]).collect();
        prop_assert_eq!(bits(&double), bits(&twice));
        let rotated: Vec<Row> = rows.iter().cycle().skip(1).take(rows.len()).copied().collect();
        let ctx = Context::local();
        let one = everything(&scored(&ctx, &rows, 1));
        prop_assert_eq!(everything(&scored(&ctx, &rotated, partitions)), one);
    }

    #[test]
    fn groups_hold_every_row_once_and_ties_stay_together(rows in some_rows(), k in 1_usize..9) {
        let m = measured(&rows);
        let table = m.calibration_table(&CalibrationGroups::EqualCount(k)).unwrap();
        prop_assert!(table.groups.len() <= k);
        prop_assert_eq!(table.groups.iter().map(|g| g.rows).sum::<u64>(), m.rows());
        for pair in table.groups.windows(2) {
            prop_assert!(pair[0].highest < pair[1].lowest);
        }
        for g in &table.groups {
            let inside: Vec<&Row> =
                rows.iter().filter(|r| r.2 > 0.0 && (g.lowest..=g.highest).contains(&r.0)).collect();
            prop_assert_eq!(inside.len() as u64, g.rows);
            let weight: f64 = inside.iter().map(|r| r.2).sum();
            let ones: f64 = inside.iter().map(|r| r.2 * r.1).sum();
            prop_assert!((g.weight - weight).abs() < 1e-12 * weight);
            prop_assert!((g.observed - ones / weight).abs() < 1e-12);
            prop_assert!(g.lower <= g.observed + 1e-12 && g.observed <= g.upper + 1e-12);
        }
    }
}

#[test]
fn decisions_are_the_points_of_the_curve() {
    let rows = many_rows(500);
    let m = measured(&rows);
    for point in m.roc_curve().unwrap().iter().step_by(37) {
        let confusion = m.confusion_at_least(point.threshold).unwrap();
        assert_eq!(confusion.true_positives / m.positive_weight(), point.true_positive_rate);
        assert_eq!(confusion.false_positives / m.negative_weight(), point.false_positive_rate);
    }
    let last = *m.roc_curve().unwrap().last().unwrap();
    assert_eq!((last.false_positive_rate, last.true_positive_rate), (1.0, 1.0));
}

#[test]
fn a_perfect_order_and_its_reverse_have_area_one_and_zero() {
    let rows = |flip: f64| -> Vec<Row> {
        (0..10).map(|i| (f64::from(i) - 5.0, (flip - f64::from(i >= 4)).abs(), 0.3)).collect()
    };
    assert_relative_eq!(measured(&rows(0.0)).area_under_roc().unwrap(), 1.0, epsilon = 1e-15);
    assert_relative_eq!(measured(&rows(1.0)).area_under_roc().unwrap(), 0.0);
    let infinite = [(f64::INFINITY, 1.0, 1.0), (f64::NEG_INFINITY, 0.0, 1.0), (0.0, 0.0, 1.0)];
    assert_eq!(measured(&infinite).area_under_roc(), Ok(1.0));
}

#[test]
fn weights_near_the_ends_of_the_numbers_do_no_harm() {
    let rows = many_rows(200);
    let by = |factor: f64| -> Vec<Row> {
        rows.iter().map(|&(s, y, w)| (s, y, (w * 1024.0).round() * factor)).collect()
    };
    let (small, middle, large) = (by(2_f64.powi(-900)), by(1.0), by(2_f64.powi(900)));
    for (a, b) in [(&small, &middle), (&large, &middle)] {
        let (a, b) = (measured(a), measured(b));
        let near = |a: f64, b: f64| assert_relative_eq!(a, b, max_relative = 1e-13);
        near(a.area_under_roc().unwrap(), b.area_under_roc().unwrap());
        near(a.log_loss().unwrap(), b.log_loss().unwrap());
        let slope = |m: &BinaryMetrics| m.calibration_line().unwrap().slope.value;
        near(slope(&a), slope(&b));
    }
}

#[test]
fn what_cannot_be_measured_is_named_by_row_and_value() {
    let good = (0.5, 1.0, 1.0);
    let with = |bad: Row| [&[good; 6][..], &[bad], &[good; 3], &[(0.5, 9.0, 1.0)]].concat();
    assert_eq!(refused(&[]), "binary metrics: no rows");
    assert_eq!(refused(&[(0.5, 1.0, 0.0)]), "binary metrics: all weights are zero");
    assert_eq!(refused(&with((f64::NAN, 1.0, 1.0))), "row 6, score: expected a number, found NaN");
    assert_eq!(refused(&with((0.5, 0.5, 1.0))), "row 6, label: expected 0 or 1, found 0.5");
    assert_eq!(
        refused(&with((0.5, 1.0, -2.0))),
        "row 6, weight: expected a number from 0 to 1e288, found -2.0"
    );
    assert!(refused(&with((0.5, 1.0, f64::INFINITY))).ends_with("found inf"));
    assert!(refused(&with((0.5, f64::NAN, 1.0))).starts_with("row 6, label"));
    assert!(refused(&with((0.5, 1.0, f64::NAN))).starts_with("row 6, weight"));
}

#[test]
fn measures_that_need_more_say_what_is_missing() {
    let zeros = measured(&[(0.5, 0.0, 1.0), (0.25, 0.0, 2.0), (0.75, 1.0, 0.0)]);
    let one_class = "area under the ROC curve: all labels are 0; both classes are needed";
    assert_eq!(zeros.area_under_roc().unwrap_err().to_string(), one_class);
    assert!(matches!(zeros.pr_curve(), Err(Error::OneClass { .. })));
    assert!(matches!(zeros.calibration_in_the_large(), Err(Error::OneClass { .. })));
    assert_relative_eq!(zeros.brier().unwrap(), (0.25 + 2.0 * 0.0625) / 3.0);
    let confusion = zeros.confusion(0.9).unwrap();
    assert_eq!((confusion.precision(), confusion.recall(), confusion.f1()), (None, None, None));
    assert_eq!((confusion.accuracy(), confusion.specificity()), (1.0, Some(1.0)));

    let margins = measured(&[(0.5, 0.0, 1.0), (1.5, 1.0, 2.0)]);
    assert_eq!(margins.area_under_roc(), Ok(1.0));
    let expected = "row 1, score: expected a probability from 0 to 1, found 1.5";
    assert_eq!(margins.log_loss().unwrap_err().to_string(), expected);
    assert!(margins.brier().is_err() && margins.calibration_line().is_err());
    assert!(margins.confusion(f64::NAN).is_err());

    let groups = |groups| zeros.calibration_table(&groups).unwrap_err().to_string();
    let none = groups(CalibrationGroups::EqualCount(0));
    assert_eq!(none, "parameter `groups` must be from 1 to a million, got 0");
    assert!(groups(CalibrationGroups::SplitAt(vec![0.5, 0.5])).contains("`split_at`"));
    assert!(groups(CalibrationGroups::SplitAt(vec![f64::NAN])).contains("`split_at`"));
}

#[test]
fn a_line_that_no_data_decide_is_an_error() {
    let line = |rows: &[Row]| measured(rows).calibration_line().unwrap_err().to_string();
    let equal = line(&[(0.5, 0.0, 1.0), (0.5, 1.0, 1.0)]);
    assert_eq!(equal, "calibration line: all scores are equal");
    let parted = [(0.1, 0.0, 1.0), (0.5, 0.0, 1.0), (0.5, 1.0, 1.0), (0.7, 1.0, 1.0)];
    assert!(line(&parted).contains("a threshold parts the labels"));
    assert!(line(&parted.map(|(s, y, w)| (s, 1.0 - y, w))).contains("parts the labels"));
}

#[test]
fn certain_and_wrong_predictions_still_have_a_calibration() {
    let rows =
        [(0.0, 1.0, 1.0), (0.0, 0.0, 3.0), (1.0, 0.0, 1.0), (1.0, 1.0, 3.0), (0.5, 1.0, 1.0)];
    let m = measured(&rows);
    let line = m.calibration_line().unwrap();
    assert!(line.converged);
    // At ±34.5, three of four: the slope that makes log 3 of it, with the middle row's pull.
    assert_relative_eq!(line.slope.value, libm::log(3.0) / 34.54, max_relative = 0.1);
    // Raising all log odds makes as many expected as came true: 5 of 9.
    let large = m.calibration_in_the_large().unwrap().value;
    let expected = |p: f64| {
        let p = p.clamp(1e-15, 1.0 - 1e-15);
        1.0 / (1.0 + libm::exp(-(libm::log(p) - libm::log1p(-p) + large)))
    };
    let sum: f64 = rows.iter().map(|row| row.2 * expected(row.0)).sum();
    assert_relative_eq!(sum, 5.0, max_relative = 1e-10);
}

fn golden() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/metrics.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn golden_rows(case: &Value) -> Vec<Row> {
    let column = |name: &str| -> Option<Vec<f64>> {
        Some(case.get(name)?.as_array()?.iter().map(number).collect())
    };
    let (scores, labels) = (column("score").unwrap(), column("label").unwrap());
    let weights = column("weight").unwrap_or_else(|| vec![1.0; scores.len()]);
    scores.into_iter().zip(labels).zip(weights).map(|((s, y), w)| (s, y, w)).collect()
}

#[test]
fn measures_are_those_of_scikit_learn_statsmodels_and_mllib() {
    let golden = golden();
    for case in golden["cases"].as_array().unwrap() {
        let m = measured(&golden_rows(case));
        let near = |name: &str, got: f64, expected: &Value, tolerance: f64| {
            let expected = number(expected);
            let off = (got - expected).abs() / expected.abs().max(0.1);
            assert!(off <= tolerance, "{}, {name}: {got} is not {expected}", case["name"]);
        };
        near("roc", m.area_under_roc().unwrap(), &case["auc_roc"], 1e-13);
        near("roc", m.area_under_roc().unwrap(), &case["mllib"]["auc_roc"], 1e-13);
        let steps = m.average_precision().unwrap();
        near("average precision", steps, &case["auc_pr_average_precision"], 1e-13);
        near("pr", m.area_under_pr().unwrap(), &case["auc_pr_trapezoid"], 1e-13);
        near("pr", m.area_under_pr().unwrap(), &case["mllib"]["auc_pr_trapezoid"], 1e-13);
        near("log loss", m.log_loss().unwrap(), &case["log_loss"], 1e-13);
        near("brier", m.brier().unwrap(), &case["brier"], 1e-13);
        for at in case["thresholds"].as_array().unwrap() {
            let threshold = number(&at["threshold"]);
            let (above, at_least) = (m.confusion(threshold), m.confusion_at_least(threshold));
            for (got, expected) in [(above, &at["above"]), (at_least, &at["at_least"])] {
                let got = got.unwrap();
                near("tp", got.true_positives, &expected["tp"], 1e-13);
                near("fp", got.false_positives, &expected["fp"], 1e-13);
                near("tn", got.true_negatives, &expected["tn"], 1e-13);
                near("fn", got.false_negatives, &expected["fn"], 1e-13);
                near("accuracy", got.accuracy(), &expected["accuracy"], 1e-13);
            }
        }
        let calibration = &case["calibration"];
        if calibration.is_null() {
            assert!(matches!(m.calibration_line(), Err(Error::Undefined { .. })));
            continue;
        }
        let (line, large) = (m.calibration_line().unwrap(), m.calibration_in_the_large().unwrap());
        assert!(line.converged && line.iterations < 10, "{line:?}");
        near("intercept", line.intercept.value, &calibration["intercept"], 1e-12);
        near("slope", line.slope.value, &calibration["slope"], 1e-12);
        let errors = (line.intercept.standard_error, line.slope.standard_error);
        near("intercept", errors.0, &calibration["intercept_error"], 1e-12);
        near("slope", errors.1, &calibration["slope_error"], 1e-12);
        near("large", large.value, &calibration["in_the_large"], 1e-12);
        near("large", large.standard_error, &calibration["in_the_large_error"], 1e-12);
    }
}

#[test]
fn certain_mistakes_cost_what_the_clamp_says() {
    let golden = golden();
    let clipped = &golden["log_loss_clipped"];
    let loss = measured(&golden_rows(clipped)).log_loss().unwrap();
    assert_relative_eq!(loss, number(&clipped["log_loss"]), max_relative = 1e-14);
}

#[test]
fn constructors_agree_and_lengths_are_checked() {
    let ctx = Context::local();
    let (scores, labels, weights) = ([0.1, 0.8, 0.4], [0.0, 1.0, 1.0], [1.0, 2.0, 0.5]);
    let matrix = ndarray::array![[0.1, 0.0, 1.0], [0.8, 1.0, 2.0], [0.4, 1.0, 0.5]];
    let (s, y, w) = (matrix.column(0), matrix.column(1), matrix.column(2));
    let block = ScoredBlock::new(scores.into(), labels.into(), Some(weights.into())).unwrap();
    let expected: Vec<Row> = block.rows().collect();
    for scored in [
        Scored::from_weighted_slices(&ctx, &scores, &labels, &weights).unwrap(),
        Scored::from_arrays(&ctx, s, y, Some(w)).unwrap(),
        Scored::from_weighted_rows(&ctx.parallelize(expected.clone())),
        Scored::from_blocks(ctx.parallelize(vec![block])),
    ] {
        let blocks = scored.blocks().collect().unwrap();
        let rows: Vec<Row> = blocks.iter().flat_map(ScoredBlock::rows).collect();
        assert_eq!(rows, expected);
    }
    let error = Scored::from_slices(&ctx, &scores, &labels[..2]).unwrap_err();
    assert_eq!(error.to_string(), "labels: expected 3, got 2");
    assert!(Scored::from_weighted_slices(&ctx, &scores, &labels, &weights[..1]).is_err());
    assert!(ScoredBlock::new(vec![0.5], vec![], None).is_err());
}
