#!/usr/bin/env python3
"""Measures of binary scores, with ties and weights: scikit-learn, statsmodels, MLlib.

Run: python3 tests/golden/metrics.py   (numpy, scikit-learn, statsmodels, pyspark, Java 17)
Writes metrics.json, with the rows inside.
"""
import numpy as np
import statsmodels.api as sm
from sklearn import metrics as skl

import golden

THRESHOLDS = [0.1, 0.25, 0.5, 0.75]


def rows(seed, n, decimals, shift, weighted):
    """Scores rounded until many are equal; labels drawn from probabilities that are off by `shift`."""
    g = np.random.default_rng(seed)
    p = np.clip(np.round(g.beta(1.2, 3.0, n), decimals), 10.0 ** -decimals, 1 - 10.0 ** -decimals)
    logit = np.log(p / (1 - p))
    y = (g.random(n) < 1 / (1 + np.exp(-(0.8 * logit + shift)))).astype(float)
    w = {None: np.ones(n), "whole": golden.weights_by_position(n), "real": np.round(g.gamma(2.0, 0.7, n) + 0.01, 3)}[weighted]
    return p, y, w


CASES = {
    "two_decimals": rows(1, 200, 2, 0.2, None),
    "two_decimals_whole_weights": rows(1, 200, 2, 0.2, "whole"),
    "two_decimals_real_weights": rows(1, 200, 2, 0.2, "real"),
    "one_decimal": rows(2, 200, 1, -0.5, None),
    "one_decimal_real_weights": rows(2, 200, 1, -0.5, "real"),
    "four_decimals": rows(3, 150, 4, 0.0, None),
    "all_scores_equal": (np.full(20, 0.25), (np.arange(20) % 4 == 0).astype(float), np.ones(20)),
    "zero_weights_do_not_count": (lambda p, y, w: (p, y, np.where(np.arange(len(p)) % 5 == 0, 0.0, w)))(*rows(4, 200, 2, 0.3, "real")),
}


def main():
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    cases = []
    for name, (p, y, w) in CASES.items():
        case = measure(p, y, w)
        case["mllib"] = mllib(spark, p, y, w)
        for area in ["auc_roc", "auc_pr_trapezoid"]:
            assert abs(case["mllib"][area] - case[area]) < 1e-12, (name, area, case["mllib"][area], case[area])
        cases.append({"name": name, "n": len(p), "score": p, "label": y.astype(int), "weight": w, **case})
        print(name, {k: round(v, 6) for k, v in case.items() if isinstance(v, float)}, case["calibration"])
    versions = {**golden.python_versions("numpy", "scikit-learn", "statsmodels", "pyspark"),
                "java": spark._jvm.System.getProperty("java.version")}
    spark.stop()
    golden.write("metrics", {
        "made_by": "tests/golden/metrics.py",
        "versions": versions,
        "definitions": {
            "auc_roc": "sklearn roc_auc_score(label, score, sample_weight)",
            "auc_pr_average_precision": "sklearn average_precision_score: sum of precision times step in recall",
            "auc_pr_trapezoid": "MLlib: trapezoids under (recall, precision) over the distinct scores from above, beginning at "
                                "(0, precision at the highest score); with areas from BinaryClassificationEvaluator, numBins 0, beside it in mllib",
            "log_loss": "weighted mean of -log of the probability of the label; no score is 0 or 1 but in log_loss_clipped",
            "brier": "weighted mean of (score - label)^2, sklearn brier_score_loss",
            "thresholds": "predicted positive when score > threshold, as MLlib's probability threshold (greater than, not at least); "
                          "at_least: the same with score >= threshold. tp, fp, tn, fn are sums of weights",
            "calibration": "logistic regression by maximum likelihood (statsmodels GLM, Newton to 1e-14) of label on log(score / (1 - score)): "
                           "intercept and slope together; in_the_large: intercept alone, the logit as offset; errors: weights as repeated rows. "
                           "null where the scores do not vary",
        },
        "log_loss_clipped": clipped(),
        "cases": cases,
    })


def measure(p, y, w):
    return {
        "auc_roc": skl.roc_auc_score(y, p, sample_weight=w),
        "auc_pr_average_precision": skl.average_precision_score(y, p, sample_weight=w),
        "auc_pr_trapezoid": trapezoid_pr(p, y, w),
        "log_loss": skl.log_loss(y, np.column_stack([1 - p, p]), sample_weight=w, labels=[0, 1]),
        "brier": skl.brier_score_loss(y, p, sample_weight=w),
        "thresholds": [at_threshold(p, y, w, t) for t in THRESHOLDS],
        "calibration": calibration(p, y, w),
    }


def trapezoid_pr(p, y, w):
    """Positive and negative weight above each distinct score, from the highest."""
    levels = np.unique(p[w > 0])[::-1]
    tp = np.array([w[(p >= s) & (y == 1)].sum() for s in levels])
    fp = np.array([w[(p >= s) & (y == 0)].sum() for s in levels])
    recall, precision = tp / tp[-1], tp / (tp + fp)
    return float(np.trapezoid(np.append(precision[0], precision), np.append(0.0, recall)))


def at_threshold(p, y, w, threshold):
    out = {"threshold": threshold}
    for name, said in [("above", p > threshold), ("at_least", p >= threshold)]:
        # Rows and columns of the matrix: label, then prediction.
        m = skl.confusion_matrix(y, said.astype(float), sample_weight=w, labels=[0.0, 1.0])
        out[name] = {"tn": float(m[0, 0]), "fp": float(m[0, 1]), "fn": float(m[1, 0]), "tp": float(m[1, 1]),
                     "accuracy": skl.accuracy_score(y, said.astype(float), sample_weight=w)}
    return out


def calibration(p, y, w):
    if np.ptp(p) == 0:
        return None
    keep = w > 0
    p, y, w = p[keep], y[keep], w[keep]
    logit = np.log(p / (1 - p))
    def newton(x, offset):
        model = sm.GLM(y, x, family=sm.families.Binomial(), freq_weights=w, offset=offset)
        fit = model.fit(method="newton", tol=1e-15, maxiter=50, disp=0)
        # statsmodels stops where it likes; a few steps of our own end in rounding.
        beta = fit.params
        for _ in range(5):
            mu = 1 / (1 + np.exp(-(x @ beta + offset)))
            h = (x.T * (w * mu * (1 - mu))) @ x
            beta = beta + np.linalg.solve(h, x.T @ (w * (y - mu)))
        assert np.allclose(beta, fit.params, rtol=1e-7, atol=1e-9)
        return beta, np.sqrt(np.diag(np.linalg.inv(h)))
    both, both_se = newton(np.column_stack([np.ones(len(p)), logit]), np.zeros(len(p)))
    large, large_se = newton(np.ones((len(p), 1)), logit)
    return {"intercept": both[0], "slope": both[1], "intercept_error": both_se[0], "slope_error": both_se[1],
            "in_the_large": large[0], "in_the_large_error": large_se[0]}


def mllib(spark, p, y, w):
    from pyspark.ml.evaluation import BinaryClassificationEvaluator
    frame = spark.createDataFrame([(float(a), float(b), float(c)) for a, b, c in zip(p, y, w)], ["score", "label", "weight"])
    area = lambda name: BinaryClassificationEvaluator(rawPredictionCol="score", weightCol="weight", metricName=name,
                                                      numBins=0).evaluate(frame)
    return {"auc_roc": area("areaUnderROC"), "auc_pr_trapezoid": area("areaUnderPR")}


def clipped():
    """Certain scores, right and wrong: probabilities moved inside [1e-15, 1 - 1e-15]."""
    p = np.array([0.0, 0.0, 1.0, 1.0, 0.3, 0.5])
    y = np.array([0, 1, 1, 0, 1, 0])
    inside = np.clip(p, 1e-15, 1 - 1e-15)
    loss = np.where(y == 1, -np.log(inside), -np.log1p(-inside))
    return {"epsilon": 1e-15, "score": p, "label": y, "log_loss": loss.mean(),
            "note": "1 - 1e-15 is not a 64-bit number: of the wrongly certain row at 1.0 the loss is -log(1 - (1 - 1e-15)) = "
                    f"{float(loss[3])!r}, by log1p of the rounded one; compare at 1e-3"}


if __name__ == "__main__":
    main()
