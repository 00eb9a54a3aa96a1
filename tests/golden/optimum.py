"""Penalised binomial logistic regression, solved to the last digits: slow, plain, independent.

Minimises over the intercept b and the coefficients w

    Σ wᵢ log(1 + exp(−(2yᵢ−1)(b + xᵢ·w))) / Σ wᵢ  +  λ (α Σ sⱼ|wⱼ| + (1−α)/2 Σ (sⱼwⱼ)²)

where sⱼ is the standard deviation of column j (standardised) or 1. A proximal Newton method finds the
support; Newton steps on the support, with gradients in 80-bit floats, then take the rounding of 64-bit
gradients out of the answer. The optimality conditions are checked at the end on all coordinates.
"""
import numpy as np

LONG = np.longdouble


def column_scales(x, weights, rule):
    """Standard deviations of the columns, by the rule for the divisor of the weighted sum of squares."""
    x, w = x.astype(LONG), weights.astype(LONG)
    total = w.sum()
    mean = w @ x / total
    squares = w @ (x - mean) ** 2
    divisor = {
        "population": total,                              # glmnet
        "mllib": total - (w * w).sum() / total,           # MLlib's Summarizer; n − 1 without weights
        "repeated_rows": total - 1,                       # a weight of 2 is the row twice
    }[rule]
    # A constant column has no spread but that of its rounded mean.
    constant = x.max(axis=0) == x.min(axis=0)
    return np.where(constant, LONG(0), np.sqrt(squares / divisor))


def fit(x, y, lam, alpha, weights=None, rule="population", standardization=True, intercept=True):
    """The optimum on the original scale, the objective there, and how far from optimal it can be."""
    weights = np.ones(len(y)) if weights is None else weights
    scales = column_scales(x, weights, rule)
    used = scales > 0  # MLlib and glmnet give constant columns a coefficient of 0
    s = scales[used]
    wl = weights.astype(LONG) / weights.astype(LONG).sum()
    z = x[:, used].astype(LONG)
    mean = wl @ z if intercept else np.zeros(used.sum(), LONG)
    z = (z - mean) / s
    # In terms of v = s·w the penalty is on t·v, t = 1 if standardised, else 1/s.
    t = np.ones(len(s), LONG) if standardization else 1 / s
    z = np.hstack([np.ones((len(y), 1), LONG), z])
    l1 = np.concatenate([[0], lam * alpha * t]).astype(LONG)
    l2 = np.concatenate([[0], lam * (1 - alpha) * t * t]).astype(LONG)
    problem = Problem(z, y.astype(LONG), wl, l1, l2, free=slice(0 if intercept else 1, None))

    v = problem.polish(problem.proximal_newton())
    coefficients = np.zeros(x.shape[1], LONG)
    coefficients[used] = v[1:] / s
    b = v[0] - coefficients[used] @ mean
    return {
        "intercept": float(b),
        "coefficients": coefficients.astype(float),
        "objective": float(problem.objective(v)),
        "optimality_violation": float(problem.violation(v)),
        "error_estimate_scaled": float(problem.error_estimate(v)),
        "scales": scales.astype(float),
    }


def objective(x, y, result, lam, alpha, scales, weights=None, standardization=True):
    """The objective at somebody else's intercept and coefficients, on the original scale."""
    w = np.ones(len(y)) if weights is None else weights
    w = w.astype(LONG) / w.astype(LONG).sum()
    c = np.asarray(result["coefficients"], LONG)
    eta = x.astype(LONG) @ c + LONG(result["intercept"])
    v = c * np.asarray(scales, LONG) if standardization else c
    loss = w @ (np.logaddexp(LONG(0), eta) - y * eta)
    return float(loss + lam * (alpha * abs(v).sum() + (1 - alpha) / 2 * (v * v).sum()))


class Problem:
    def __init__(self, z, y, w, l1, l2, free):
        self.z, self.y, self.w, self.l1, self.l2 = z, y, w, l1, l2
        self.z64, self.w64 = z.astype(float), w.astype(float)
        self.free = np.zeros(z.shape[1], bool)
        self.free[free] = True

    def objective(self, v):
        eta = self.z @ v
        loss = self.w @ (np.logaddexp(LONG(0), eta) - self.y * eta)
        return loss + self.l1 @ abs(v) + self.l2 @ (v * v) / 2

    def gradient(self, v):
        """Of the smooth part: the loss and the squared penalty."""
        p = 1 / (1 + np.exp(-(self.z @ v)))
        return self.z.T @ (self.w * (p - self.y)) + self.l2 * v

    def hessian(self, v):
        p = 1 / (1 + np.exp(-(self.z64 @ v.astype(float))))
        return (self.z64.T * (self.w64 * p * (1 - p))) @ self.z64 + np.diag(self.l2.astype(float))

    def violation(self, v):
        """Largest distance of any coordinate from its optimality condition."""
        g = self.gradient(v)
        off = np.where(v != 0, abs(g + self.l1 * np.sign(v)), np.maximum(abs(g) - self.l1, 0))
        return off[self.free].max()

    def error_estimate(self, v):
        """Length of the Newton step that is left, in the scaled coefficients."""
        return abs(self.newton_step(v)).max()

    def newton_step(self, v):
        support = self.free & ((v != 0) | (self.l1 == 0))
        g = (self.gradient(v) + self.l1 * np.sign(v))[support].astype(float)
        step = np.zeros(len(v))
        step[support] = -np.linalg.solve(self.hessian(v)[np.ix_(support, support)], g)
        return step

    def proximal_newton(self, tol=1e-11):
        v = np.zeros(self.z.shape[1], LONG)
        for _ in range(200):
            g, h = self.gradient(v).astype(float), self.hessian(v)
            target = coordinate_descent(v.astype(float), g, h, self.l1.astype(float), self.free)
            direction, size, before = target - v, LONG(1), self.objective(v)
            while self.objective(v + size * direction) > before and size > 1e-6:
                size /= 2
            # A full step lands on exact zeros; a shortened one must not blur them.
            v = target.astype(LONG) if size == 1 else v + size * direction
            if self.violation(v) < tol:
                return v
        print("  proximal Newton stopped at a violation of", float(self.violation(v)))
        return v

    def polish(self, v):
        """Newton's steps on the support with signs held, until they are lost in rounding."""
        last = np.inf
        for _ in range(30):
            step = self.newton_step(v)
            if abs(step).max() >= last or abs(step).max() == 0:
                break
            last, moved = abs(step).max(), v + step
            assert (np.sign(moved) == np.sign(v))[self.l1 > 0].all(), "the support is not settled"
            v = moved
        return v


def coordinate_descent(start, g, h, l1, free):
    """Minimises g·d + d·h·d/2 + l1·|start + d| over start + d, a coordinate at a time."""
    v, slope = start.copy(), g.copy()  # slope: gradient of the quadratic at v
    if not l1.any():
        v[free] -= np.linalg.solve(h[np.ix_(free, free)], g[free])
        return v
    order = np.flatnonzero(free & (np.diag(h) > 0))
    for sweep in range(20_000):
        largest = 0.0
        # After a first full round only the support moves; every tenth round looks at all again.
        for j in order if sweep % 10 == 0 else order[v[order] != 0]:
            want = v[j] - slope[j] / h[j, j]
            new = np.sign(want) * max(abs(want) - l1[j] / h[j, j], 0.0)
            if new != v[j]:
                change = new - v[j]
                largest = max(largest, abs(change) * h[j, j])
                slope += change * h[:, j]
                v[j] = new
        if largest < 1e-13 and sweep % 10 == 0:
            break
    return v
