#!/usr/bin/env python3
"""MLlib's logistic regression: penalties on coefficients scaled by the weighted sample deviation.

Run: python3 tests/golden/logistic_sample_scaling.py   (numpy, pandas, pyspark, Java 17; ten minutes)
Writes logistic_sample_scaling.json.

Spark says where it stops, not how far it is from the optimum; the numbers to test against are those of
optimum.py, and Spark's stand beside them to show that the problem solved is the same.

Two rules for the divisor of a weighted variance are stored. MLlib's is Σw − Σw²/Σw. It is not the one
by which a row of weight 2 is the row twice: that is Σw − 1. Without weights both are n − 1.
"""
import numpy as np

import golden
import optimum

SETS = {
    "breast_cancer": (golden.breast_cancer, [(0.1, 0.0), (0.02, 1.0), (0.05, 0.5)]),
    "spark_svm": (golden.spark_svm, [(0.1, 0.0), (0.02, 1.0), (0.05, 0.5)]),
    "spark_libsvm": (golden.spark_libsvm, [(0.1, 0.0), (0.1, 1.0), (0.3, 0.8)]),
}
SPARK = {"maxIter": 1000, "tol": 1e-12}


def variants():
    """(weighted, standardization, intercept)"""
    for standardization in [True, False]:
        for intercept in [True, False]:
            yield False, standardization, intercept
        yield True, standardization, True


def main():
    from pyspark.sql import SparkSession
    spark = (SparkSession.builder.master("local[1]").appName("golden").config("spark.ui.enabled", "false")
             .config("spark.driver.memory", "2g").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    data, results = {}, []
    for name, (load, penalties) in SETS.items():
        data[name] = d = load()
        weights = golden.weights_by_position(len(d.y))
        frame = spark_frame(spark, d, weights)
        for lam, alpha in penalties:
            for weighted, standardization, intercept in variants():
                case = {
                    "name": "_".join([name, f"lambda_{lam}_alpha_{alpha}",
                                      "standardized" if standardization else "raw",
                                      "intercept" if intercept else "no_intercept"] + ["weighted"] * weighted),
                    "data": name, "reg_param": lam, "elastic_net_param": alpha,
                    "standardization": standardization, "fit_intercept": intercept,
                    "weights": "1 + row % 3" if weighted else None,
                }
                results.append(solve(case, d, weights if weighted else None))
                results[-1]["spark"] = compare(spark_fit(frame, case), d, results[-1], weights if weighted else None)
                if weighted and standardization:
                    again = {**case, "name": case["name"] + "_repeated_rows"}
                    results.append(solve(again, d, weights, "repeated_rows"))
    versions = {**golden.python_versions("numpy", "pandas", "pyspark"),
                "java": spark._jvm.System.getProperty("java.version")}
    spark.stop()
    golden.write("logistic_sample_scaling", {
        "made_by": "tests/golden/logistic_sample_scaling.py",
        "versions": versions,
        "objective": "weighted mean log loss + reg_param * (elastic_net_param * sum |v| + (1 - elastic_net_param) / 2 * sum v^2); "
                     "v = coefficient * standard deviation of its column with standardization, else the coefficient; "
                     "intercept not penalised; coefficients on the original scale; constant columns have coefficient 0",
        "scaling": "mllib: variance divisor W - sum w^2 / W, W = sum w (n - 1 without weights); "
                   "repeated_rows: divisor W - 1, so that weight 2 is the row twice; means are weighted",
        "weights": "1 + row % 3: position of the row in the file, from 0",
        "spark_settings": {**SPARK, "master": "local[1]"},
        "how_to_read": "intercept and coefficients are the optimum by tests/golden/optimum.py (gradients in 80-bit floats); "
                       "coefficients of more than 100 columns are a list of [column, value] of those not zero; "
                       "spark: what MLlib gave (of up to 100 coefficients), the objective there, and the largest "
                       "differences from the optimum (coefficients times the deviation of the column); not converged: "
                       "stopped by maxIter, and then far off, because MLlib works in scaled columns and a penalty on raw "
                       "coefficients of unlike columns is badly conditioned there",
        "data": {name: d.describe() for name, d in data.items()},
        "cases": results,
    })


def solve(case, d, weights, rule="mllib"):
    best = optimum.fit(d.x, d.y, case["reg_param"], case["elastic_net_param"], weights, rule,
                       case["standardization"], case["fit_intercept"])
    return {**case, "scaling": rule, "intercept": best["intercept"], "coefficients": maybe_sparse(best["coefficients"]),
            **{k: best[k] for k in ["objective", "optimality_violation", "error_estimate_scaled"]}}


def spark_frame(spark, d, weights):
    from pyspark.ml.linalg import Vectors
    rows = [(float(y), Vectors.dense(x), float(w)) for x, y, w in zip(d.x, d.y, weights)]
    return spark.createDataFrame(rows, ["label", "features", "weight"]).repartition(1).cache()


def spark_fit(frame, case):
    from pyspark.ml.classification import LogisticRegression
    lr = LogisticRegression(regParam=case["reg_param"], elasticNetParam=case["elastic_net_param"],
                            standardization=case["standardization"], fitIntercept=case["fit_intercept"],
                            family="binomial", **SPARK)
    if case["weights"]:
        lr = lr.setWeightCol("weight")
    model = lr.fit(frame)
    return {"intercept": model.intercept, "coefficients": model.coefficients.toArray(),
            "iterations": model.summary.totalIterations}


def compare(theirs, d, case, weights):
    scales = optimum.column_scales(d.x, np.ones(len(d.y)) if weights is None else weights, "mllib")
    gap = (theirs["coefficients"] - dense(case["coefficients"], d.x.shape[1])) * scales.astype(float)
    at = optimum.objective(d.x, d.y, theirs, case["reg_param"], case["elastic_net_param"], scales, weights,
                           case["standardization"])
    print(f"{case['name']}: violation {case['optimality_violation']:.1e}, Spark off by {abs(gap).max():.1e}, objective "
          f"by {at - case['objective']:.1e}, {theirs['iterations']} iterations", flush=True)
    coefficients = {"coefficients": theirs["coefficients"]} if d.x.shape[1] <= 100 else {}
    return {"intercept": theirs["intercept"], **coefficients, "objective": at,
            "iterations": theirs["iterations"], "converged": theirs["iterations"] < SPARK["maxIter"],
            "largest_difference": {"scaled_coefficients": abs(gap).max(),
                                   "intercept": abs(theirs["intercept"] - case["intercept"])}}


def maybe_sparse(coefficients):
    """Column numbers with values, where a full list would be mostly zeros."""
    if len(coefficients) <= 100:
        return coefficients
    return [[int(j), coefficients[j]] for j in np.flatnonzero(coefficients)]


def dense(coefficients, d):
    if len(np.shape(coefficients)) == 1 and len(coefficients) == d:
        return np.asarray(coefficients)
    out = np.zeros(d)
    for j, value in coefficients:
        out[j] = value
    return out


if __name__ == "__main__":
    main()
