#!/usr/bin/env python3
"""Groups, joins, windows, times, texts and lists on real tables: polars and DuckDB, which must agree.

Run: python3 tests/golden/tables.py   (polars, duckdb)
Writes tables.json: aggregates alone, no rows of the tables.
"""
import gzip
import json
import math
from importlib.metadata import version

import duckdb
import polars as pl

import golden

ADULT = ["age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship",
         "race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income"]


def stays():
    path = golden.DATA / "diabetes130" / "readmission_shared.csv.gz"
    return pl.read_csv(gzip.open(path).read(), null_values=["?"], infer_schema_length=None,
                       schema_overrides={"diag_1": pl.String, "diag_2": pl.String, "diag_3": pl.String})


def adult():
    text = gzip.open(golden.DATA / "adult" / "adult.data.gz").read().decode().replace(", ", ",").strip()
    return pl.read_csv(text.encode(), has_header=False, new_columns=ADULT, null_values=["?"])


def rows(frame):
    return [list(row) for row in frame.rows()]


def same(a, b):
    if isinstance(a, float) and isinstance(b, (int, float)) or isinstance(b, float) and isinstance(a, int):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return a == b


def agree(name, one, other):
    """Both programs' rows, in the order of the first."""
    one, other = rows(one), [list(row) for row in other.fetchall()]
    assert len(one) == len(other), (name, len(one), len(other))
    for a, b in zip(one, other):
        assert len(a) == len(b) and all(same(x, y) for x, y in zip(a, b)), (name, a, b)
    return one


def main():
    d, a = stays(), adult()
    db = duckdb.connect()
    db.register("d", d.to_arrow())
    db.register("a", a.to_arrow())
    c = pl.col
    found = {}

    keys = ["age", "gender"]
    found["groups"] = agree("groups", d.group_by(keys).agg(
        pl.len(), c("patient_nbr").n_unique(), c("time_in_hospital").sum(), c("num_medications").mean(),
        c("num_lab_procedures").std().alias("std"), c("num_lab_procedures").min().alias("min"),
        c("num_lab_procedures").max().alias("max"), c("num_medications").median().alias("median"),
        c("num_medications").quantile(0.9, "linear").alias("q"), c("medical_specialty").count()).sort(keys), db.sql("""
        select age, gender, count(*), count(distinct patient_nbr), sum(time_in_hospital)::bigint, avg(num_medications),
        stddev_samp(num_lab_procedures), min(num_lab_procedures), max(num_lab_procedures), median(num_medications),
        quantile_cont(num_medications, 0.9), count(medical_specialty) from d group by age, gender order by age, gender"""))

    found["rollup"] = [list(row) for row in db.sql("""
        select race, gender, grouping_id(race, gender), count(*) from d group by rollup(race, gender)
        order by grouping_id(race, gender), race nulls last, gender nulls last""").fetchall()]

    over = lambda e: e.over("patient_nbr", order_by="encounter_id")
    windows = d.with_columns(
        number=over(pl.int_range(1, pl.len() + 1)), before=over(c("time_in_hospital").shift(1)),
        running=over(c("time_in_hospital").cum_sum()),
        moving=over(c("time_in_hospital").shift(1).rolling_sum(3, min_samples=1)))
    of = "admission_type_id"
    found["windows"] = agree("windows", windows.group_by(of).agg(
        c("number").sum(), c("before").sum(), c("running").sum(), c("moving").sum()).sort(of), db.sql("""
        select admission_type_id, sum(number)::bigint, coalesce(sum(before), 0)::bigint, sum(running)::bigint, coalesce(sum(moving), 0)::bigint from (
        select admission_type_id, row_number() over w as number, lag(time_in_hospital) over w as before,
        sum(time_in_hospital) over w as running, sum(time_in_hospital) over (w rows between 3 preceding and 1 preceding) as moving
        from d window w as (partition by patient_nbr order by encounter_id)) group by 1 order by 1"""))
    found["ranges"] = [list(row) for row in db.sql("""
        select admission_type_id, sum(n)::bigint, sum(r)::bigint, sum(dr)::bigint from (select admission_type_id,
        count(*) over (partition by patient_nbr order by encounter_id range between 10000000 preceding and 1 preceding) as n,
        rank() over (partition by patient_nbr order by time_in_hospital) as r,
        dense_rank() over (partition by patient_nbr order by time_in_hospital) as dr from d) group by 1 order by 1""").fetchall()]

    many = d.group_by("patient_nbr").agg(pl.len().alias("n")).filter(c("n") >= 5)
    joined = [d.join(many, on="patient_nbr", how=how).height for how in ["inner", "left", "semi", "anti"]]
    sql = [db.sql(f"""select count(*) from d {how} (select patient_nbr, count(*) as n from d group by 1 having count(*) >= 5) m
        using (patient_nbr)""").fetchall()[0][0] for how in ["join", "left join", "semi join", "anti join"]]
    assert joined == sql, (joined, sql)
    found["joins"] = joined

    left = d.filter(c(of) == 1).select("encounter_id", "patient_nbr").sort("encounter_id")
    right = d.filter(c(of) == 3).select("encounter_id", "patient_nbr", "time_in_hospital", pl.col("encounter_id").alias("then")).sort("encounter_id")
    asof = []
    for strategy in ["backward", "forward", "nearest"]:
        for tolerance in [None, 20_000_000]:
            met = left.join_asof(right, on="encounter_id", by="patient_nbr", strategy=strategy, tolerance=tolerance)
            asof.append([strategy, tolerance, met["then"].count(), met["time_in_hospital"].sum(), met["then"].sum()])
    for i, sign, order in [(0, ">=", ""), (2, "<=", "")]:
        sql = db.sql(f"""select count(r.encounter_id), sum(r.time_in_hospital)::bigint, sum(r.encounter_id)::bigint from
            (select * from d where admission_type_id = 1) l asof left join (select * from d where admission_type_id = 3) r
            on l.patient_nbr = r.patient_nbr and l.encounter_id {sign} r.encounter_id""").fetchall()[0]
        assert asof[i][2:] == list(sql), (asof[i], sql)
    found["asof"] = asof

    texts = d.with_columns(
        digits=c("diag_1").str.extract(r"^[VE]?(\d+)", 1), part=c("diag_1").str.split(".").list.get(1, null_on_oob=True),
        race=c("race").str.to_uppercase()).group_by("race").agg(
        c("digits").cast(pl.Int64).sum().alias("digits"), c("part").count(), c("diag_1").str.len_chars().sum().cast(pl.Int64).alias("len"),
        c("diag_1").str.replace_all("0", "oo").str.len_chars().sum().cast(pl.Int64).alias("long")).sort("race", nulls_last=True)
    found["texts"] = agree("texts", texts, db.sql(r"""
        select upper(race), sum(nullif(regexp_extract(diag_1, '^[VE]?(\d+)', 1), '')::bigint)::bigint,
        count(nullif(split_part(diag_1, '.', 2), '')), sum(length(diag_1))::bigint, sum(length(replace(diag_1, '0', 'oo')))::bigint
        from d group by 1 order by 1 nulls last"""))

    day = pl.lit("1999-01-01").str.to_date() + pl.duration(days=c("encounter_id") % 3653)
    at = day.cast(pl.Datetime("us")) + pl.duration(seconds=c("encounter_id") % 86_400)
    times = d.with_columns(day=day, at=at).with_columns(year=c("day").dt.year().cast(pl.Int64), quarter=c("day").dt.quarter().cast(pl.Int64))
    berlin = c("at").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    whole = lambda e: e.cast(pl.Int64).sum()
    times = times.group_by("year", "quarter").agg(
        pl.len(), whole(c("day").dt.weekday()).alias("weekday"), whole(c("day").dt.week()).alias("week"),
        whole(c("day").dt.ordinal_day()).alias("ordinal"),
        whole((c("day") - c("day").dt.truncate("1mo")).dt.total_days()).alias("in_month"),
        whole((c("day").dt.offset_by("1mo") - c("day")).dt.total_days()).alias("month"),
        whole((c("day") - c("day").dt.truncate("1w")).dt.total_days()).alias("in_week"),
        whole(c("at").dt.hour()).alias("hour"), whole(berlin.dt.hour()).alias("berlin"),
        whole(c("at").dt.minute()).alias("minute"), whole((c("at") - c("at").dt.truncate("1h")).dt.total_seconds()).alias("in_hour")).sort("year", "quarter")
    db.sql("set timezone = 'UTC'")
    found["times"] = agree("times", times, db.sql("""
        select year(day)::bigint as y, quarter(day)::bigint as q, count(*), sum(isodow(day))::bigint, sum(weekofyear(day))::bigint, sum(dayofyear(day))::bigint,
        sum(day - date_trunc('month', day)::date)::bigint, sum((day + interval 1 month)::date - day)::bigint, sum(day - date_trunc('week', day)::date)::bigint,
        sum(hour(t))::bigint, sum(hour((t at time zone 'UTC') at time zone 'Europe/Berlin'))::bigint, sum(minute(t))::bigint,
        sum(epoch(t - date_trunc('hour', t)))::bigint from (select date '1999-01-01' + (encounter_id % 3653)::int as day,
        (date '1999-01-01' + (encounter_id % 3653)::int)::timestamp + to_seconds((encounter_id % 86400)::int) as t from d) group by y, q order by y, q"""))

    codes = d.select(pl.concat_list("diag_1", "diag_2", "diag_3").alias("code")).explode("code").drop_nulls()
    codes = codes.group_by("code").agg(pl.len().alias("n")).sort(["n", "code"], descending=[True, False]).head(25)
    found["codes"] = agree("codes", codes, db.sql("""select code, count(*) as n from (select unnest([diag_1, diag_2, diag_3]) as code from d)
        where code is not null group by 1 order by n desc, code limit 25"""))

    pivot = d.pivot("readmitted", index="age", values="encounter_id", aggregate_function="len").select("age", "<30", ">30", "NO").sort("age")
    found["pivot"] = agree("pivot", pivot, db.sql("""select age, count(*) filter (where readmitted = '<30'), count(*) filter (where readmitted = '>30'),
        count(*) filter (where readmitted = 'NO') from d group by age order by age"""))

    numbers = ["time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications", "number_inpatient", "number_diagnoses"]
    found["corr"] = agree("corr", d.select([pl.corr(x, y).alias(f"{x} {y}") for x in numbers for y in numbers]),
                          db.sql("select " + ", ".join(f"corr({x}, {y})" for x in numbers for y in numbers) + " from d"))[0]

    by = ["capital_gain", "age", "fnlwgt", "occupation"]
    top = a.sort(by, descending=[True, False, True, False], nulls_last=True).head(40).select(by)
    found["sorted"] = agree("sorted", top, db.sql("""select capital_gain, age, fnlwgt, occupation from a
        order by capital_gain desc, age, fnlwgt desc, occupation nulls last limit 40"""))
    hours = a.group_by("education").agg(pl.len(), c("hours_per_week").mean(), c("fnlwgt").sum(), c("age").quantile(0.25, "linear").alias("q"),
                                         c("occupation").n_unique().alias("u") - c("occupation").is_null().any().cast(pl.UInt32)).sort("education")
    found["adult"] = agree("adult", hours, db.sql("""select education, count(*), avg(hours_per_week), sum(fnlwgt)::bigint, quantile_cont(age, 0.25),
        count(distinct occupation) from a group by education order by education"""))

    made = {"made_with": {name: version(name) for name in ["polars", "duckdb"]}, "numbers": numbers, **found}
    (golden.HERE / "tables.json").write_text(json.dumps(made, indent=None, separators=(",", ":")).replace("]],", "]],\n") + "\n")


if __name__ == "__main__":
    main()
