#!/usr/bin/env python3
"""Mixed elastic net, population standardisation: R's glmnet, and the same optimum found independently.

Run: python3 tests/golden/logistic_elastic_net.py   (numpy, pandas; R with glmnet; about a minute)
Writes logistic_elastic_net.json.
"""
import numpy as np
import pandas as pd

import golden
import optimum

SETS = {
    "readmission": (golden.readmission, [0.002, 0.005, 0.02]),
    "breast_cancer": (golden.breast_cancer, [0.01, 0.05, 0.2]),
    "heart": (golden.heart, [0.01, 0.05, 0.2]),
    "adult": (golden.adult, [0.002, 0.01, 0.05]),
}
ALPHAS = [0.25, 0.5, 0.75]


def main():
    data = {name: load() for name, (load, _) in SETS.items()}
    cases = [(f"{name}_alpha_{alpha}_lambda_{lam}", name, alpha, lam)
             for name, (_, lambdas) in SETS.items() for alpha in ALPHAS for lam in lambdas]
    tables = {name: pd.DataFrame(d.x, columns=d.columns).assign(y=d.y) for name, d in data.items()}
    tables["cases"] = pd.DataFrame(cases, columns=["case", "set", "alpha", "lambda"])
    glmnet = golden.run_r("logistic_elastic_net.R", tables)

    results = []
    for case, name, alpha, lam in cases:
        d = data[name]
        best = optimum.fit(d.x, d.y, lam, alpha)
        theirs = {"intercept": float(glmnet[case]["(Intercept)"]),
                  "coefficients": np.array([float(glmnet[case][c]) for c in d.columns])}
        gap = np.append((theirs["coefficients"] - best["coefficients"]) * best["scales"],
                        theirs["intercept"] - best["intercept"])
        print(f"{case}: {np.count_nonzero(best['coefficients'])} of {d.x.shape[1]} nonzero, violation "
              f"{best['optimality_violation']:.1e}, glmnet off by {abs(gap).max():.1e}")
        theirs_at = optimum.objective(d.x, d.y, theirs, lam, alpha, best["scales"])
        results.append({
            "name": case, "data": name, "reg_param": lam, "elastic_net_param": alpha,
            **{k: best[k] for k in ["intercept", "coefficients", "objective", "optimality_violation",
                                    "error_estimate_scaled"]},
            "glmnet": {**theirs, "objective": theirs_at,
                       "largest_difference": {"scaled_coefficients": abs(gap[:-1]).max(), "intercept": abs(gap[-1])}},
        })
    golden.write("logistic_elastic_net", {
        "made_by": "tests/golden/logistic_elastic_net.py",
        "versions": {**golden.python_versions("numpy", "pandas"), **glmnet["versions"]},
        "objective": "mean log loss + reg_param * (elastic_net_param * sum |v| + (1 - elastic_net_param) / 2 * sum v^2), "
                     "v = coefficient * population standard deviation of its column (divisor n); "
                     "intercept not penalised; coefficients on the original scale",
        "glmnet_settings": "family binomial, standardize TRUE, thresh 1e-16, maxit 1e8, "
                           "glmnet.control(fdev = 0, devmax = 1, pmin = 1e-15), a decreasing path of lambdas",
        "how_to_read": "intercept and coefficients are the optimum by tests/golden/optimum.py (gradients in 80-bit floats); "
                       "optimality_violation: largest departure from the optimality conditions over all columns, scaled; "
                       "error_estimate_scaled: largest entry of the Newton step that is left, in v; "
                       "glmnet.largest_difference: glmnet's values against these",
        "data": {name: d.describe() for name, d in data.items()},
        "cases": results,
    })


if __name__ == "__main__":
    main()
