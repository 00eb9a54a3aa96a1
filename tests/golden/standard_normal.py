#!/usr/bin/env python3
"""The standard normal's tails and quantiles, from mpmath at 60 digits.

Run: python3 tests/golden/standard_normal.py   (mpmath)
Writes standard_normal.json.
"""
from mpmath import erfc, findroot, log, mp, mpf, sqrt

import golden

mp.dps = 60

# Exact 64-bit arguments; the answers are those of the number as stored, rounded once.
Z = [0.0, 1e-300, 1e-10, 1e-5, 0.001, 0.1, 0.25, 0.5, 0.6744897501960817, 1.0, 1.2815515655446004, 1.5, 1.6448536269514722,
     1.959963984540054, 2.0, 2.5, 2.5758293035489004, 3.0, 3.2905267314919255, 4.0, 5.0, 6.0, 7.0, 8.0, 8.3, 10.0, 12.0, 15.0,
     20.0, 25.0, 30.0, 35.0, 37.0, 37.5, 38.0, 38.4, 39.0, 40.0, 100.0]
P = [1e-320, 1e-307, 1e-300, 1e-200, 1e-100, 1e-50, 1e-30, 1e-20, 1e-16, 1e-12, 1e-8, 1e-6, 1e-4, 0.001, 0.005, 0.01, 0.02425,
     0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.97575, 0.975, 0.99, 0.995, 0.999, 0.9999,
     0.999999, 1 - 1e-8, 1 - 1e-12, 1 - 1e-16]


def below(x):
    return erfc(-x / sqrt(mpf(2))) / 2


def quantile(p):
    p = mpf(p)
    if p == mpf(1) / 2:
        return mpf(0)
    tail = min(p, 1 - p)
    # Solved for the logarithm of the smaller tail, where Newton's steps are well behaved.
    start = -sqrt(-2 * log(tail)) if tail < mpf("0.1") else (tail - mpf(1) / 2) * mpf("2.5")
    x = findroot(lambda x: log(below(x)) - log(tail), start, tol=mpf(10) ** -50)
    return x if p < mpf(1) / 2 else -x


def main():
    golden.write("standard_normal", {
        "made_by": "tests/golden/standard_normal.py",
        "versions": golden.python_versions("mpmath"),
        "two_sided": "p = erfc(|z| / sqrt 2); sizes below 2.2e-308 are subnormal, 0 where a 64-bit float has none",
        "quantile": "z with P(Z <= z) = p, for p as stored",
        "two_sided_p": [{"z": z, "p": float(erfc(mpf(z) / sqrt(mpf(2)))),
                         "p_40_digits": mp.nstr(erfc(mpf(z) / sqrt(mpf(2))), 40)} for z in Z],
        "cumulative": [{"z": z, "p": float(below(mpf(z)))} for z in [-z for z in reversed(Z) if z > 0] + Z],
        "quantiles": [{"p": p, "z": float(quantile(p)), "z_40_digits": mp.nstr(quantile(p), 40)} for p in P],
    })
    # Round trip: the check is on the digits, not on the 64-bit numbers.
    assert all(abs(below(quantile(p)) / mpf(p) - 1) < mpf(10) ** -45 for p in P)


if __name__ == "__main__":
    main()
