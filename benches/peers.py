#!/usr/bin/env python3
"""The benchmarks' tasks, done with what a user would take instead.

    peers.py TASK DIR PEER [--tol T] [--threads N] [--steps N]

Prints one line of JSON like the program `bench`; `seconds` covers the fit alone, with the data in memory.

    lr DIR sklearn-lbfgs | sklearn-newton-cholesky | spark    logistic regression on lr_x.npy, lr_y.npy
    gradstep DIR hadoop                                       one gradient step by MapReduce over lr.csv
    chain DIR numpy | spark-rdd | spark-sql                   10^8 integers: map, filter, map, sum
    start DIR sklearn | spark                                 process start to the first result of a 10 x 3 fit

What these need, made once (also when missing):

    optimum DIR                 the objective at the optimum, by Newton's method to rounding: lr_optimum.json
    make-csv DIR                lr.csv: label first, %.6g
    make-parquet DIR            lr.parquet, for Spark to load
    gd-steps DIR                steps that gradient descent needs at its best fixed step: lr_gd_steps.json
    tune DIR PEER               the loosest tolerance by which PEER reaches the optimum to 1e-8

The problem of `lr`: mean log loss + lambda/2 |w|^2, lambda 1e-3, intercept free, no standardisation.
Needs numpy, scikit-learn; pyspark, pyarrow and Java 17 for Spark and Hadoop (whose classes are in
pyspark's jars); javac for the two programs in benches/hadoop.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAMBDA = 1e-3
GAP = 1e-8  # relative distance from the optimal objective that counts as the same

# The loosest tolerance of 1, 0.5, 0.2, 0.1, ... that comes within GAP of the optimum on the full input
# (n = 10^6, d = 100), as `peers.py tune` finds it. Each solver means something else by it. What it
# came to: lbfgs 26 iterations and 9e-9, newton-cholesky 4 and 1e-12 (3 leave 8e-7; 2e-4 is enough here,
# 1e-4 takes the same 4 and serves the small input too), Spark 5 and 7e-11 (4 leave 3e-8; it scales the
# columns inside, which for these independent ones does most of the work).
TOL = {
    "sklearn-lbfgs": 2e-5,
    "sklearn-newton-cholesky": 1e-4,
    "spark": 1e-4,
}

CHAIN_N = 100_000_000


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("task")
    parser.add_argument("dir", type=Path)
    parser.add_argument("peer", nargs="?")
    parser.add_argument("--tol", type=float)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--system-blas", action="store_true", help="let Spark use the system's libblas.so.3")
    a = parser.parse_args()
    tasks = {
        ("lr", "sklearn-lbfgs"): lambda: lr_sklearn(a.dir, "lbfgs", a.tol or TOL["sklearn-lbfgs"]),
        ("lr", "sklearn-newton-cholesky"): lambda: lr_sklearn(a.dir, "newton-cholesky", a.tol or TOL["sklearn-newton-cholesky"]),
        ("lr", "spark"): lambda: lr_spark(a.dir, a.tol or TOL["spark"], a.threads, a.system_blas),
        ("gradstep", "hadoop"): lambda: gradstep_hadoop(a.dir, a.threads, a.steps),
        ("chain", "numpy"): chain_numpy,
        ("chain", "spark-rdd"): lambda: chain_spark_rdd(a.dir),
        ("chain", "spark-sql"): lambda: chain_spark_sql(a.threads),
        ("start", "sklearn"): lambda: start("sklearn"),
        ("start", "spark"): lambda: start("spark"),
        ("optimum", None): lambda: optimum(a.dir),
        ("make-csv", None): lambda: make_csv(a.dir),
        ("make-parquet", None): lambda: make_parquet(a.dir),
        ("gd-steps", None): lambda: gd_steps(a.dir),
        ("tune", a.peer): lambda: tune(a.dir, a.peer),
    }
    if (a.task, a.peer) not in tasks:
        sys.exit(__doc__)
    print(json.dumps({"task": a.task, "peer": a.peer, **tasks[a.task, a.peer]()}))


# ---- logistic regression ----


def load(dir):
    import numpy as np
    return np.load(dir / "lr_x.npy"), np.load(dir / "lr_y.npy")


def blocks(x, rows=16_384):
    return (slice(i, i + rows) for i in range(0, len(x), rows))


def loss_and_gradient(x, y, b, w):
    """Mean log loss + penalty and its gradient, intercept first; a block is read once, while in cache."""
    import numpy as np
    loss, g = 0.0, np.zeros(len(w) + 1)
    for s in blocks(x):
        eta = x[s] @ w + b
        loss += (np.logaddexp(0, eta) - y[s] * eta).sum()
        r = 1 / (1 + np.exp(-eta)) - y[s]
        g[0] += r.sum()
        g[1:] += x[s].T @ r
    n = len(y)
    g /= n
    g[1:] += LAMBDA * w
    return loss / n, loss / n + LAMBDA / 2 * (w @ w), g


def hessian(x, b, w):
    import numpy as np
    h = np.zeros((len(w) + 1, len(w) + 1))
    for s in blocks(x):
        p = 1 / (1 + np.exp(-(x[s] @ w + b)))
        v = p * (1 - p)
        xv = x[s] * v[:, None]
        h[0, 0] += v.sum()
        h[0, 1:] += xv.sum(0)
        h[1:, 1:] += xv.T @ x[s]
    h[1:, 0] = h[0, 1:]
    h /= len(x)
    h[1:, 1:] += LAMBDA * np.eye(len(w))
    return h


def optimum(dir):
    import numpy as np
    file = dir / "lr_optimum.json"
    if file.exists():
        return json.loads(file.read_text())
    x, y = load(dir)
    v = np.zeros(x.shape[1] + 1)
    for iteration in range(1, 31):
        logloss, objective, g = loss_and_gradient(x, y, v[0], v[1:])
        h = hessian(x, v[0], v[1:])
        step = np.linalg.solve(h, g)
        # g·step/2 is what is left to gain; far below the rounding of the objective there is nothing.
        if g @ step < 1e-20:
            break
        v -= step
    eigenvalues = np.linalg.eigvalsh(h)
    at_zero = loss_and_gradient(x, y, 0.0, np.zeros(x.shape[1]))[2]
    result = {"objective": objective, "logloss": logloss, "iterations": iteration, "largest_gradient": abs(g).max(),
              "smallest_eigenvalue": eigenvalues[0], "largest_eigenvalue": eigenvalues[-1], "gradient_norm_at_zero": float(np.linalg.norm(at_zero)), "n": len(y), "d": x.shape[1]}
    file.write_text(json.dumps(result))
    return result


def judged(dir, x, y, b, w):
    """Objective at a peer's answer and its distance from the optimum."""
    logloss, objective, _ = loss_and_gradient(x, y, b, w)
    return {"logloss": logloss, "objective": objective, "gap": objective / optimum(dir)["objective"] - 1}


def lr_sklearn(dir, solver, tol):
    from sklearn.linear_model import LogisticRegression
    x, y = load(dir)
    model = LogisticRegression(C=1 / (len(y) * LAMBDA), solver=solver, tol=tol, max_iter=10_000)
    start = time.perf_counter()
    model.fit(x, y)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, **judged(dir, x, y, model.intercept_[0], model.coef_[0]), "tol": tol,
            "iterations": int(model.n_iter_[0]), "version": version("scikit-learn")}


def spark_session(threads, memory="8g", system_blas=False):
    from pyspark.sql import SparkSession
    # Debian's plain libblas, where R has brought it, is slower than what Spark falls back to.
    options = "" if system_blas else "-Ddev.ludovic.netlib.blas.nativeLib=none"
    session = (SparkSession.builder.master(f"local[{threads}]").appName("bench").config("spark.ui.enabled", "false")
               .config("spark.driver.memory", memory).config("spark.driver.extraJavaOptions", options)
               .config("spark.sql.ansi.enabled", "false").getOrCreate())
    session.sparkContext.setLogLevel("ERROR")
    return session


def lr_spark(dir, tol, threads, system_blas=False):
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.functions import array_to_vector
    make_parquet(dir)
    spark = spark_session(threads, system_blas=system_blas)
    frame = spark.read.parquet(str(dir / "lr.parquet"))
    frame = frame.select(array_to_vector("features").alias("features"), "label").repartition(threads).cache()
    n = frame.count()
    lr = LogisticRegression(regParam=LAMBDA, elasticNetParam=0.0, standardization=False, tol=tol, maxIter=10_000,
                            family="binomial")
    seconds = []
    # The second fit finds its code compiled; a user pays for the first.
    for _ in range(2):
        start = time.perf_counter()
        model = lr.fit(frame)
        seconds.append(time.perf_counter() - start)
    blas = spark._jvm.dev.ludovic.netlib.blas.NativeBLAS if system_blas else spark._jvm.dev.ludovic.netlib.blas.JavaBLAS
    blas = blas.getInstance().getClass().getSimpleName()
    partitions = frame.rdd.getNumPartitions()
    b, w, iterations = model.intercept, model.coefficients.toArray(), model.summary.totalIterations
    spark.stop()
    x, y = load(dir)
    assert n == len(y)
    return {"seconds": seconds[0], "seconds_again": seconds[1], **judged(dir, x, y, b, w), "tol": tol,
            "iterations": iterations, "partitions": partitions, "blas": blas, "version": version("pyspark")}


def tune(dir, peer):
    """Tightens the tolerance until the objective is within GAP of the optimum."""
    tried = []
    for k in range(12):
        for digit in [1.0, 0.5, 0.2]:
            tol = digit * 10.0 ** -k
            run = subprocess.run([sys.executable, __file__, "lr", str(dir), peer, "--tol", repr(tol)], capture_output=True, text=True)
            if run.returncode:
                sys.exit(run.stderr)
            result = json.loads(run.stdout.splitlines()[-1])
            tried.append({key: result[key] for key in ["tol", "gap", "iterations", "seconds"]})
            print(tried[-1], file=sys.stderr, flush=True)
            if result["gap"] <= GAP:
                return {"tol": tol, "tried": tried}
    return {"tol": None, "tried": tried}


def make_parquet(dir):
    """Rows in 8 files, written a piece at a time."""
    folder = dir / "lr.parquet"
    if folder.exists():
        return {"made": False}
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    x, y = np.load(dir / "lr_x.npy", mmap_mode="r"), np.load(dir / "lr_y.npy")
    part = dir / "lr.parquet.part"
    part.mkdir(exist_ok=True)
    edges = np.linspace(0, len(y), 9).astype(int)
    for i, (low, high) in enumerate(zip(edges, edges[1:])):
        offsets = np.arange(high - low + 1, dtype=np.int32) * x.shape[1]
        features = pa.ListArray.from_arrays(offsets, np.ascontiguousarray(x[low:high]).ravel())
        table = pa.table({"features": features, "label": y[low:high]})
        pq.write_table(table, part / f"part-{i}.parquet", use_dictionary=False, compression="none", row_group_size=25_000)
    part.rename(folder)
    return {"made": True}


# ---- gradient steps over text ----


def make_csv(dir):
    import numpy as np
    file = dir / "lr.csv"
    if file.exists():
        return {"made": False, "bytes": file.stat().st_size}
    x, y = np.load(dir / "lr_x.npy", mmap_mode="r"), np.load(dir / "lr_y.npy")
    part, line = dir / "lr.csv.part", ",".join(["%.6g"] * (x.shape[1] + 1)) + "\n"
    with open(part, "w") as out:
        for s in blocks(x, 4096):
            rows = np.column_stack([y[s], x[s]])
            out.write(line * len(rows) % tuple(rows.ravel().tolist()))
    part.rename(file)
    return {"made": True, "bytes": file.stat().st_size}


def compiled():
    """Folder of the compiled Java programs, outside the sources; compiled anew when one has changed."""
    sources = sorted((HERE / "hadoop").glob("*.java"))
    folder = HERE.parent / "target" / "peers-java"
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.stat().st_mtime < max(s.stat().st_mtime for s in sources):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["javac", "-nowarn", "-cp", jars(), "-d", str(folder), *map(str, sources)], check=True)
        stamp.touch()
    return folder


def jars():
    import pyspark
    return str(Path(pyspark.__file__).parent / "jars" / "*")


def java(program, *arguments, memory="4g"):
    # What Spark's own launcher opens for Java 17.
    opened = [f"--add-opens=java.base/{p}=ALL-UNNAMED" for p in
              ["java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util",
               "java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar"]]
    run = subprocess.run(["java", f"-Xmx{memory}", *opened, "-cp", f"{compiled()}:{jars()}", program, *map(str, arguments)],
                         capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    return json.loads(run.stdout.splitlines()[-1])


def gradstep_hadoop(dir, threads, steps):
    import statistics
    make_csv(dir)
    best = optimum(dir)
    # Two map tasks a thread: fewer leave a core idle at the end, more cost starts.
    split = (dir / "lr.csv").stat().st_size // (2 * threads) + 1
    result = java("GradientDescent", dir / "lr.csv", best["d"], best["n"], LAMBDA, step_size(best), steps,
                  dir / "hadoop-out", threads, split)
    later = result["seconds"][1:6]
    out = {"step_seconds": statistics.median(later), "steps_seconds": result["seconds"], "objectives": result["objective"],
           "gradient_norm": result["gradient_norm"],
           "hadoop": next(Path(jars()[:-1]).glob("hadoop-client-api-*.jar")).stem.rsplit("-", 1)[1]}
    steps_file = dir / "lr_gd_steps.json"
    if steps_file.exists():
        out["steps_needed"] = json.loads(steps_file.read_text())["steps"]
    return out


def step_size(best):
    """Fastest where the curvature is that of the optimum."""
    return 2 / (best["largest_eigenvalue"] + best["smallest_eigenvalue"])


def gd_steps(dir):
    """Counts the steps of gradient descent from zero to GAP, for step sizes around the textbook's best.

    Run in numpy on the same rows, all of them: what MapReduce would do, without waiting for it.
    """
    import numpy as np
    file = dir / "lr_gd_steps.json"
    if file.exists():
        return json.loads(file.read_text())
    best = optimum(dir)
    x, y = load(dir)
    def count(factor, most):
        v, eta = np.zeros(x.shape[1] + 1), factor * step_size(best)
        for step in range(most):
            _, objective, g = loss_and_gradient(x, y, v[0], v[1:])
            if objective / best["objective"] - 1 <= GAP:
                return step
            # Diverging: no sense in going on.
            if not np.isfinite(objective) or objective > 10:
                return None
            v -= eta * g
        return None
    tried, most = {}, 100_000
    for factor in [1.0, 0.9, 0.95, 0.8, 1.05]:
        tried[factor] = count(factor, most)
        most = min([most] + [s + 1 for s in tried.values() if s is not None])
        print(factor, tried[factor], file=sys.stderr, flush=True)
    factor, steps = min(((f, s) for f, s in tried.items() if s is not None), key=lambda t: t[1])
    result = {"steps": steps, "step_size": factor * step_size(best), "tried": tried, "how": "counted by a numpy run over all rows"}
    file.write_text(json.dumps(result))
    return result


# ---- the chain of narrow operators ----


def chain_numpy(rows=1 << 16):
    """Block by block, so that the intermediate arrays stay in cache; one thread, as numpy has it."""
    import numpy as np
    start = time.perf_counter()
    total = 0.0
    with np.errstate(over="ignore"):
        for low in range(0, CHAIN_N, rows):
            z = np.arange(low, min(low + rows, CHAIN_N), dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            z = z[z % np.uint64(3) == 0]
            total += np.sqrt(z.astype(np.float64)).sum()
    return {"seconds": time.perf_counter() - start, "answer": total, "version": version("numpy")}


def chain_spark_rdd(dir):
    result = java("SparkChain", CHAIN_N, 2, 3, memory="4g")
    return {"seconds": result["seconds"][0], "seconds_again": min(result["seconds"][1:]), "answer": result["answer"],
            "version": version("pyspark")}


def chain_spark_sql(threads):
    """DataFrame expressions: Spark's fastest form, compiled to one loop. It has signed integers only."""
    from pyspark.sql import functions as f
    spark = spark_session(threads, "4g")
    def shifted(c, bits):
        return c.bitwiseXOR(f.shiftrightunsigned(c, bits))
    def signed(v):
        return f.lit(v - (1 << 64) if v >> 63 else v).cast("long")
    def query():
        frame = spark.range(0, CHAIN_N, 1, threads)
        frame = frame.select((f.col("id") + signed(0x9E3779B97F4A7C15)).alias("z"))
        frame = frame.select((shifted(f.col("z"), 30) * signed(0xBF58476D1CE4E5B9)).alias("z"))
        frame = frame.select((shifted(f.col("z"), 27) * signed(0x94D049BB133111EB)).alias("z"))
        frame = frame.select(shifted(f.col("z"), 31).alias("z"))
        # 2^64 leaves 1 when divided by 3.
        frame = frame.filter((f.pmod(f.col("z"), f.lit(3)) + f.when(f.col("z") < 0, 1).otherwise(0)) % 3 == 0)
        unsigned = f.col("z").cast("double") + f.when(f.col("z") < 0, 2.0 ** 64).otherwise(0.0)
        return frame.agg(f.sum(f.sqrt(unsigned)))
    seconds = []
    for _ in range(3):
        # A new frame each time: one that is asked twice remembers its shuffle.
        start = time.perf_counter()
        answer = query().collect()[0][0]
        seconds.append(time.perf_counter() - start)
    spark.stop()
    return {"seconds": seconds[0], "seconds_again": min(seconds[1:]), "answer": answer, "version": version("pyspark")}


# ---- from nothing to a first fit ----

START = {
    "sklearn": """
from sklearn.linear_model import LogisticRegression
x = [[i % 3, i * i % 7, i % 2] for i in range(10)]
y = [0, 1, 0, 0, 1, 1, 0, 1, 0, 1]
print(LogisticRegression().fit(x, y).coef_[0].tolist(), flush=True)
""",
    "spark": """
from pyspark.sql import SparkSession
from pyspark.ml.linalg import Vectors
from pyspark.ml.classification import LogisticRegression
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
y = [0, 1, 0, 0, 1, 1, 0, 1, 0, 1]
rows = [(float(y[i]), Vectors.dense(i % 3, i * i % 7, i % 2)) for i in range(10)]
print(LogisticRegression().fit(spark.createDataFrame(rows, ["label", "features"])).coefficients, flush=True)
""",
}


def start(peer):
    """From the start of the process to the line with the first result."""
    begin = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", START[peer]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    line = child.stdout.readline()
    seconds = time.perf_counter() - begin
    child.stdout.close()
    if child.wait() or not line:
        sys.exit(f"the {peer} process failed")
    return {"seconds": seconds, "version": version({"sklearn": "scikit-learn", "spark": "pyspark"}[peer])}


if __name__ == "__main__":
    main()
