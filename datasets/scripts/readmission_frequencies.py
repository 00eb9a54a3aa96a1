"""Prints the frequency tables of datasets/src/generators/readmission/frequencies.

    python3 readmission_frequencies.py readmission_shared.csv.gz OUT_DIR

The input is the 'Diabetes 130-US hospitals' table (UCI, doi 10.24432/C5230J, CC BY 4.0), whole or
in part. Only rounded shares of levels leave this script, no rows. pandas 3, numpy 2, SciPy 1.
With a third argument, `latent`, it prints the shifts and loadings of counts.rs instead.
"""

import sys

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

COUNTS = ["time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications",
          "number_diagnoses", "number_outpatient", "number_emergency", "number_inpatient"]
CHAPTERS = ["circulatory", "respiratory", "digestive", "diabetes", "injury", "musculoskeletal",
            "genitourinary", "neoplasms", "other"]
AGES = [f"[{i * 10}-{i * 10 + 10})" for i in range(10)]
SPECIALTIES = ["?", "InternalMedicine", "Emergency/Trauma", "Family/GeneralPractice", "Cardiology",
               "Surgery-General", "Orthopedics", "Orthopedics-Reconstructive", "Radiologist"]
# How strongly a patient's severity moves each count, in standard deviations of its latent score.
SEVERITY = np.array([0.12, 0.0, -0.08, 0.10, 0.18, 0.20, 0.30, 0.15])
# The generator gives what belongs to one sex to that sex only, so its share there is larger.
WOMEN, MEN = 0.538, 0.462


def chapter(code):
    """ICD-9 groups of Strack et al. 2014, table 2."""
    if code == "?":
        return "missing"
    if code[0] in "EV":
        return "other"
    i = int(float(code))
    for name, low, high, extra in [("diabetes", 250, 250, 0), ("circulatory", 390, 459, 785),
                                   ("respiratory", 460, 519, 786), ("digestive", 520, 579, 787),
                                   ("injury", 800, 999, 0), ("musculoskeletal", 710, 739, 0),
                                   ("genitourinary", 580, 629, 788), ("neoplasms", 140, 239, 0)]:
        if low <= i <= high or i == extra:
            return name
    return "other"


def read(path):
    d = pd.read_csv(path, dtype=str, keep_default_na=False)
    for c in COUNTS:
        d[c] = d[c].astype(int)
    d["encounter"] = d.encounter_id.astype(int)
    d = d.sort_values("encounter").reset_index(drop=True)
    d["stay"] = d.groupby("patient_nbr").cumcount()
    d["stays"] = d.groupby("patient_nbr").encounter.transform("size")
    d["decade"] = d.age.str.extract(r"\[(\d+)-")[0].astype(int) // 10
    d["tenth"] = np.arange(len(d)) * 10 // len(d)
    d["stage"] = pd.cut(d.stay, [-1, 0, 1, 2, 4, 1000]).cat.codes
    for i in (1, 2, 3):
        d[f"chapter_{i}"] = d[f"diag_{i}"].map(chapter)
    return d


def of_its_sex(level):
    if "Gynecolog" in level or "Obstetric" in level:
        return WOMEN
    i = int(level.split(".")[0]) if level[0].isdigit() else 0
    if i in (174, 256) or 179 <= i <= 184 or 218 <= i <= 221 or 614 <= i <= 629:
        return WOMEN
    return MEN if i in (175, 222) or 185 <= i <= 187 or 600 <= i <= 608 else 1


def shares(column, per=1000, by_value=False, least=1, share=lambda level: 1):
    """`level:share` pairs; a level that occurs at all has a share of at least 1."""
    counts = column.value_counts()
    counts = counts[counts >= least].sort_index()
    if not by_value:
        counts = counts.sort_values(ascending=False, kind="stable")
    parts = ((level, k / share(level) / len(column)) for level, k in counts.items())
    return " ".join(f"{level}:{max(1, round(part * per))}" for level, part in parts)


def wrapped(text, indent):
    lines, line = [], ""
    for word in text.split(" "):
        if len(line) + len(word) > 90 - indent:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return (" \\\n" + " " * (indent + 1)).join([*lines, line])


class Module:
    def __init__(self, folder, name, head):
        self.out = open(f"{folder}/{name}.rs", "w")
        self.out.write("".join(f"//! {line}\n".replace(" \n", "\n") for line in head.split("\n")))

    def one(self, name, doc, text):
        self.out.write(f'\n/// {doc}\npub(crate) const {name}: &str = "\\\n     {wrapped(text, 4)}";\n')

    def many(self, name, doc, rows):
        self.out.write(f"\n/// {doc}\npub(crate) const {name}: [&str; {len(rows)}] = [\n")
        for comment, text in rows:
            self.out.write(f'    // {comment}\n    "{wrapped(text, 4)}",\n')
        self.out.write("];\n")


def people(d, folder):
    m = Module(folder, "people", "What stays with a patient, and who pays.\n\n"
               "Rounded shares of levels; the parent module says of what and how to read them.")
    first = d[d.stay == 0]
    m.one("STAYS", "Stays of a patient, of 100 000 patients; the published table goes up to 40.",
          shares(first.stays, 100_000, True) + " 32:1 36:1 40:1")
    m.one("AGE", "Age at the first stay, of 10 000 patients.", shares(first.age, 10_000, True))
    m.many("RACE", "Race by age.", [(AGES[i], shares(d[d.decade == i].race)) for i in range(10)])
    m.one("WEIGHT", "Weight in pounds where it is known.", shares(d.weight[d.weight != "?"]))
    payer = d[d.payer_code != "?"]
    m.many("PAYER", "Payer by age, where it is known.",
           [(AGES[i], shares(payer[payer.decade == i].payer_code)) for i in range(10)])


def stays(d, folder):
    m = Module(folder, "stays", "How a stay begins, what is measured, and how it ends.\n\n"
               "Rounded shares of levels; the parent module says of what and how to read them.")
    grown = d[(d.decade >= 2) & (d.medical_specialty != "?")]
    young = d[(d.decade < 2) & (d.medical_specialty != "?")]
    m.many("SPECIALTY", "Specialty by chapter of the first diagnosis, of 10 000; last, below twenty.",
           [(c, shares(grown[grown.chapter_1 == c].medical_specialty, 10_000, share=of_its_sex))
            for c in CHAPTERS]
           + [("below twenty", shares(young.medical_specialty, 10_000, share=of_its_sex))])
    known = d[~d.admission_type_id.isin(["5", "6"])]
    others = known[~known.medical_specialty.isin(SPECIALTIES)]
    m.many("ADMISSION_TYPE", "Type by specialty (in the order of `BUSY`), without 5 and 6.",
           [(s, shares(known[known.medical_specialty == s].admission_type_id)) for s in SPECIALTIES]
           + [("all others", shares(others.admission_type_id))])
    by_type = [(t, d[d.admission_type_id == t]) for t in "12345678"]
    m.many("ADMISSION_SOURCE", "Source by admission type 1 to 8, of 10 000.",
           [(t, shares(rows.admission_source_id, 10_000)) for t, rows in by_type])
    m.many("GLUCOSE", "Glucose in serum by admission type 1 to 8.",
           [(t, shares(rows.max_glu_serum)) for t, rows in by_type])
    m.many("A1C", "HbA1c by age.", [(AGES[i], shares(d[d.decade == i].A1Cresult)) for i in range(10)])
    bands = [("below 30", d.decade < 3), ("30 to 49", d.decade.between(3, 4)), ("50 to 59", d.decade == 5),
             ("60 to 69", d.decade == 6), ("70 to 79", d.decade == 7), ("80 and older", d.decade > 7)]
    days = [("1 or 2 days", d.time_in_hospital <= 2), ("3 to 5 days", d.time_in_hospital.between(3, 5)),
            ("6 and more days", d.time_in_hospital > 5)]
    m.many("DISCHARGE", "Discharge by age and days in hospital, of 10 000.",
           [(f"{a}, {t}", shares(d[at & tt].discharge_disposition_id, 10_000))
            for a, at in bands for t, tt in days])
    m.many("INSULIN_BY_AGE", "Insulin by age.",
           [(AGES[i], shares(d[d.decade == i].insulin)) for i in range(10)])
    m.many("INSULIN_BY_A1C", "Insulin by HbA1c: None, Norm, >7, >8.",
           [(a, shares(d[d.A1Cresult == a].insulin)) for a in ["None", "Norm", ">7", ">8"]])


def counts(d, folder):
    m = Module(folder, "counts", "The eight counts: of 100 000 stays, and their ties.\n\n"
               "Rounded shares of levels; the parent module says of what and how to read them.")
    for c in COUNTS[:-1]:
        m.one(c.upper(), f"`{c}`.", shares(d[c], 100_000, True))
    stages = ["first stay", "second", "third", "fourth and fifth", "sixth and later"]
    m.many("NUMBER_INPATIENT", "`number_inpatient` by the stay's place among the patient's, of 10 000.",
           [(s, shares(d[d.stage == i].number_inpatient, 10_000, True)) for i, s in enumerate(stages)])


def diagnoses(d, folder):
    m = Module(folder, "diagnoses", "ICD-9 chapters and codes.\n\n"
               "Rounded shares of levels; the parent module says of what and how to read them.\n"
               "Codes below three stays are left out. Chapters come in the order of `Chapter`.")
    m.many("CHAPTER_1", "Chapter of the first diagnosis by age.",
           [(AGES[i], shares(d[(d.decade == i) & (d.chapter_1 != "missing")].chapter_1)) for i in range(10)])
    for i, before in ((2, "first"), (3, "second")):
        rows = d[d[f"chapter_{i}"] != "missing"]
        m.many(f"CHAPTER_{i}", f"Chapter of diagnosis {i} by that of the {before}.",
               [(c, shares(rows[rows[f"chapter_{i - 1}"] == c][f"chapter_{i}"])) for c in CHAPTERS])
    young = (d.decade < 3) & (d.chapter_1 == "diabetes")
    fertile = d.decade.between(1, 4) & (d.gender == "Female") & (d.chapter_1 == "other")
    for i in (1, 2, 3):
        rows = d[~young & ~fertile] if i == 1 else d
        m.many(f"CODE_{i}", f"Codes of diagnosis {i} by chapter, of 10 000.",
               [(c, shares(rows[rows[f"chapter_{i}"] == c][f"diag_{i}"], 10_000, least=3,
                           share=of_its_sex)) for c in CHAPTERS])
    m.one("CODE_1_YOUNG", "Codes of diagnosis 1, diabetes, below thirty years.",
          shares(d[young].diag_1, least=3))
    m.one("CODE_1_FERTILE", "Codes of diagnosis 1, other, women from 10 to 49 years.",
          shares(d[fertile].diag_1, least=3))


def latent(d):
    """Latent normal scores: what age and chapter shift, and how the rest hangs together.

    The correlations are moved until counts cut from the scores correlate as the real ones do.
    """
    n = len(d)
    score = np.column_stack([norm.ppf((rankdata(d[c]) - 0.5) / n) for c in COUNTS])
    for s in range(5):
        m = (d.stage == s).values
        score[m, 7] = norm.ppf((rankdata(d.number_inpatient[m]) - 0.5) / m.sum())
    score -= score.mean(axis=0)
    blur = score.std(axis=0)  # ties make scores less than normal; undo it for the shifts
    score /= blur
    ages = pd.get_dummies(d.decade).values.astype(float)
    chapters = pd.get_dummies(pd.Categorical(d.chapter_1.replace("missing", "other"), CHAPTERS))
    x = np.hstack([ages, chapters.values.astype(float)])
    ridge = np.vstack([x, 1e-3 * np.eye(19)]), np.vstack([score, np.zeros((19, 8))])
    b = np.linalg.lstsq(*ridge, rcond=None)[0]
    centred = [(b[part] - x.mean(axis=0)[part] @ b[part]) / blur for part in (slice(10), slice(10, 19))]
    shift = x[:, :10] @ centred[0] + x[:, 10:] @ centred[1]
    rest = np.sqrt(1 - shift.var(axis=0) - SEVERITY**2)
    rng = np.random.default_rng(1)
    m = 80_000
    noise, pick, severity = rng.standard_normal((m, 8)), rng.integers(0, n, m), rng.standard_normal(m)
    stage = d.stage.values[pick]
    target, r = np.corrcoef(score.T), np.corrcoef((score - x @ b).T)
    upto = [np.cumsum(np.bincount(d[c])) / n for c in COUNTS[:-1]]
    for _ in range(25):
        w, v = np.linalg.eigh(r)
        r = (v * np.clip(w, 1e-3, None)) @ v.T
        r /= np.sqrt(np.outer(np.diag(r), np.diag(r)))
        lower = np.linalg.cholesky(r) * rest[:, None]
        u = norm.cdf(shift[pick] + SEVERITY * severity[:, None] + noise @ lower.T)
        got = np.empty((m, 8))
        for j in range(7):
            got[:, j] = norm.ppf((rankdata(np.searchsorted(upto[j], u[:, j])) - 0.5) / m)
        for s in range(5):
            k = stage == s
            cut = np.cumsum(np.bincount(d.number_inpatient[d.stage == s])) / (d.stage == s).sum()
            got[k, 7] = norm.ppf((rankdata(np.searchsorted(cut, u[k, 7])) - 0.5) / k.sum())
        r = np.clip(r + 0.9 * (target - np.corrcoef(got.T)), -0.95, 0.95)
        np.fill_diagonal(r, 1)
    with np.printoptions(suppress=True, precision=3, sign=" "):
        print("by age", *centred[0].round(2).tolist(), "by chapter", *centred[1].round(2).tolist(),
              "loadings", *lower.round(2).tolist(), sep="\n")


if __name__ == "__main__":
    table = read(sys.argv[1])
    if sys.argv[3:] == ["latent"]:
        latent(table)
    else:
        for part in (people, stays, counts, diagnoses):
            part(table, sys.argv[2])
