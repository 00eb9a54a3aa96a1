#!/usr/bin/env python3
"""Unpenalised logistic regression with plain, robust and clustered errors: R's sandwich and statsmodels.

Run: python3 tests/golden/logistic_clustered_se.py   (numpy, pandas, scipy, statsmodels; R with sandwich)
Writes logistic_clustered_se.json.

The coefficients and errors to test against are computed here in 80-bit floats; R's and statsmodels'
stand beside them. The three differ by the small-sample factor alone:
none (cadjust FALSE), G/(G−1) (R's default for a glm), G/(G−1)·(n−1)/(n−k) (statsmodels, R with HC1).
"""
import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.stats import norm

import golden
import optimum

SETS = {"readmission": golden.readmission, "healthcareai": golden.healthcareai, "heart": golden.heart}
LONG = np.longdouble
# Our name for each variance: the name in R's output.
R_NAMES = {"plain": "plain", "robust_hc0": "robust_hc0", "cluster_none": "cluster_hc0_cadjust_false",
           "cluster_groups": "cluster_hc0_cadjust_true", "cluster_groups_and_rows": "cluster_hc1_cadjust_true"}


def main():
    data = {name: load() for name, load in SETS.items()}
    tables = {name: pd.DataFrame(d.x, columns=d.columns).assign(
        y=d.y.astype(int), group=d.groups, weight=golden.weights_by_position(len(d.y)).astype(int))
        for name, d in data.items()}
    r = golden.run_r("logistic_clustered_se.R", tables)
    cases = []
    for name, d in data.items():
        for weighted in [False, True]:
            cases.append(case(name, d, weighted, r))
    golden.write("logistic_clustered_se", {
        "made_by": "tests/golden/logistic_clustered_se.py",
        "versions": {**golden.python_versions("numpy", "scipy", "pandas", "statsmodels"), **r["versions"]},
        "how_to_read": "lists run over the intercept, then the columns. coefficients and standard_errors: maximum likelihood "
                       "by tests/golden/optimum.py and the sandwich in 80-bit floats; r and statsmodels: what they give. "
                       "Weights are whole numbers that count as repeated rows: n is their sum; R and statsmodels were given "
                       "the repeated rows",
        "variances": {
            "plain": "inverse of X'DX, D = w p (1 - p)",
            "robust_hc0": "each (repeated) row its own cluster, no small-sample factor",
            "cluster_none": "no factor (sandwich: HC0, cadjust FALSE)",
            "cluster_groups": "G / (G - 1) (sandwich: HC0, cadjust TRUE)",
            "cluster_groups_and_rows": "G / (G - 1) * (n - 1) / (n - k), k with the intercept (statsmodels; sandwich: HC1, cadjust TRUE)",
        },
        "inference": "z = coefficient / error, p two-sided normal, 95 % interval coefficient +- 1.959963984540054 error "
                     "(scipy 64-bit, from the numbers above)",
        "weights": "1 + row % 3: position among the rows kept, from 0",
        "data": {name: d.describe() for name, d in data.items()},
        "cases": cases,
    })


def case(name, d, weighted, r):
    w = golden.weights_by_position(len(d.y)) if weighted else np.ones(len(d.y))
    best = optimum.fit(d.x, d.y, 0.0, 0.0, w)
    beta = np.append(best["intercept"], best["coefficients"])
    ours, n, groups = sandwich(d, w, beta)
    key = name + "_weighted" * weighted
    terms = ["(Intercept)", *d.columns]
    listed = lambda what: np.array([float(r[f"{key}/{what}"][t]) for t in terms])
    in_r = {ours_name: listed(theirs) for ours_name, theirs in R_NAMES.items()}
    in_sm = with_statsmodels(d, w)
    for other, values in [("R", {"coefficients": listed("coef"), **in_r}), ("statsmodels", in_sm)]:
        for what, v in values.items():
            mine = beta if what == "coefficients" else ours[what]
            print(f"{key} {other} {what}: largest relative difference {abs(v / mine - 1).max():.1e}")
    loglik = log_likelihood(d, w, beta)
    return {
        "name": key, "data": name, "weights": "1 + row % 3" if weighted else None,
        "n": n, "groups": groups, "k": len(beta), "terms": terms,
        "coefficients": beta, "log_likelihood": loglik, "standard_errors": ours,
        "inference": {v: inference(beta, ours[v]) for v in ["plain", "cluster_groups_and_rows"]},
        "r": {"coefficients": listed("coef"), "standard_errors": in_r,
              "log_likelihood": float(r[f"{key}/deviance"]["logLik"]),
              "residual_deviance": float(r[f"{key}/deviance"]["residual"]),
              "null_deviance": float(r[f"{key}/deviance"]["null"])},
        "statsmodels": {"coefficients": in_sm.pop("coefficients"), "standard_errors": in_sm},
    }


def design(d):
    return np.hstack([np.ones((len(d.y), 1)), d.x])


def sandwich(d, w, beta):
    x = design(d).astype(LONG)
    p = 1 / (1 + np.exp(-(x @ beta.astype(LONG))))
    bread = inverse((x.T * (w * p * (1 - p))) @ x)
    scores = x * (w * (d.y - p))[:, None]
    _, group = np.unique(d.groups, return_inverse=True)
    sums = np.zeros((group.max() + 1, x.shape[1]), LONG)
    np.add.at(sums, group, scores)
    n, k, g = int(w.sum()), x.shape[1], len(sums)
    clustered = bread @ (sums.T @ sums) @ bread
    single = x * (d.y - p)[:, None]  # a repeated row counts w times, not w² times
    robust = bread @ ((single.T * w) @ single) @ bread
    variances = {
        "plain": bread, "robust_hc0": robust, "cluster_none": clustered,
        "cluster_groups": clustered * LONG(g) / (g - 1),
        "cluster_groups_and_rows": clustered * LONG(g) / (g - 1) * LONG(n - 1) / (n - k),
    }
    return {name: np.sqrt(np.diag(v)).astype(float) for name, v in variances.items()}, n, g


def inverse(a):
    """A 64-bit inverse of the matrix scaled to a unit diagonal, refined twice in 80 bits."""
    s = np.sqrt(np.diag(a))
    a = a / np.outer(s, s)
    x = np.linalg.inv(a.astype(float)).astype(LONG)
    for _ in range(3):
        x = x + x @ (np.eye(len(a), dtype=LONG) - a @ x)
    return x / np.outer(s, s)


def with_statsmodels(d, w):
    again = np.repeat(np.arange(len(d.y)), w.astype(int))
    model = sm.Logit(d.y[again], design(d)[again])
    start = model.fit(disp=0, method="newton", tol=1e-14, maxiter=30, warn_convergence=False)
    # From the optimum, so that what fit gives back are the errors there; it cannot come closer.
    options = dict(disp=0, method="newton", maxiter=1, start_params=start.params, warn_convergence=False)
    by_group = lambda corrected: model.fit(cov_type="cluster", cov_kwds={
        "groups": d.groups[again], "use_correction": corrected}, **options).bse
    return {"coefficients": start.params, "plain": start.bse,
            "robust_hc0": model.fit(cov_type="HC0", **options).bse,
            "cluster_none": by_group(False), "cluster_groups_and_rows": by_group(True)}


def log_likelihood(d, w, beta):
    eta = design(d).astype(LONG) @ beta.astype(LONG)
    return float(w @ (d.y * eta - np.logaddexp(LONG(0), eta)))


def inference(beta, errors):
    z = beta / errors
    return {"z": z, "p": 2 * norm.sf(abs(z)), "lower": beta - norm.ppf(0.975) * errors,
            "upper": beta + norm.ppf(0.975) * errors}


if __name__ == "__main__":
    main()
