"""What the scripts of this folder share: the data, the design matrices, the JSON files.

The data lie outside the repository: FIRESTEEL_SHARED, or the folder `shared` beside the repository.
Only numbers computed from them are written here.
"""
import gzip
import json
import os
import platform
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("FIRESTEEL_SHARED", HERE.parents[2] / "shared"))
DATA = SHARED / "data"

# Death and hospice: stays after which nobody can come back.
NO_RETURN = ["11", "13", "14", "19", "20", "21"]


class Data:
    """A design matrix without the column of ones, labels 0/1, and optionally the group of each row."""

    def __init__(self, file, columns, x, y, groups=None, rows=""):
        self.file, self.columns, self.rows = file, list(columns), rows
        self.x = np.ascontiguousarray(x, dtype=np.float64)
        self.y = np.ascontiguousarray(y, dtype=np.float64)
        self.groups = groups
        assert self.x.shape == (len(self.y), len(self.columns)) and np.isfinite(self.x).all()

    def describe(self):
        return {"file": self.file, "rows_are": self.rows, "rows": len(self.y),
                "positives": int(self.y.sum()), "columns": self.columns}


def readmission():
    file = "diabetes130/readmission_shared.csv.gz"
    t = pd.read_csv(DATA / file, dtype=str, keep_default_na=False)
    t = t[~t.discharge_disposition_id.isin(NO_RETURN)]
    x = {c: t[c].astype(float) for c in
         ["time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications",
          "number_outpatient", "number_emergency", "number_inpatient", "number_diagnoses"]}
    x["age_mid"] = t.age.str.extract(r"\[(\d+)-")[0].astype(float) + 5
    x["male"] = t.gender == "Male"
    x["emergency_admit"] = t.admission_type_id == "1"
    x["insulin_used"] = t.insulin != "No"
    x["change_ch"] = t.change == "Ch"
    x["diabetesmed"] = t.diabetesMed == "Yes"
    x["a1c_measured"] = t.A1Cresult != "None"
    x = pd.DataFrame(x).astype(float)
    return Data(file, x.columns, x, t.readmitted == "<30", t.patient_nbr.astype(int).to_numpy(),
                "in the file's order, discharge codes 11, 13, 14, 19, 20, 21 left out; columns as in "
                "diabetes130/reference.json; label: readmitted == '<30'; group: patient_nbr")


def healthcareai():
    file = "healthcareai-diabetes/diabetes.csv"
    t = pd.read_csv(DATA / file, dtype=str, keep_default_na=False)
    t = t[~t.isin(["None", ""]).any(axis=1)]
    x = t[["SystolicBPNBR", "LDLNBR", "A1CNBR"]].astype(float)
    x["male"] = (t.GenderFLG == "M").astype(float)
    return Data(file, x.columns, x, t.ThirtyDayReadmitFLG == "Y", t.PatientID.astype(int).to_numpy(),
                "in the file's order, rows with a 'None' in any column left out; male = (GenderFLG == M); "
                "label: ThirtyDayReadmitFLG == Y; group: PatientID")


def heart():
    file = "heart-cleveland/processed.cleveland.data"
    names = "age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal num".split()
    t = pd.read_csv(DATA / file, names=names, na_values="?").dropna().reset_index(drop=True)
    x = t[["age", "sex", "trestbps", "chol", "thalach", "exang", "oldpeak", "ca"]]
    return Data(file, x.columns, x, t.num > 0, np.arange(len(t)) % 50,
                "in the file's order, rows with a '?' in any column left out (297 stay); label: num > 0; "
                "group: position among these rows, from 0, modulo 50")


def adult():
    file = "adult/adult.data.gz"
    names = ("age workclass fnlwgt education education-num marital-status occupation relationship race "
             "sex capital-gain capital-loss hours-per-week native-country income").split()
    t = pd.read_csv(DATA / file, names=names, skipinitialspace=True)
    x = t[["age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"]]
    return Data(file, x.columns, x, t.income == ">50K", None,
                "in the file's order, all of them; label: income == '>50K'")


def breast_cancer():
    file = "uci-small/breast_cancer.csv"
    t = np.loadtxt(DATA / file, delimiter=",", skiprows=1)
    return Data(file, [f"x{j}" for j in range(30)], t[:, :30], t[:, 30], None,
                "in the file's order, the first line left out; label: the last column (1 = benign)")


def spark_libsvm():
    file = "spark-samples/mllib/sample_libsvm_data.txt.gz"
    x, y = np.zeros((100, 692)), np.zeros(100)
    with gzip.open(DATA / file, "rt") as lines:
        for i, line in enumerate(lines):
            label, *entries = line.split()
            y[i] = float(label)
            for entry in entries:
                j, value = entry.split(":")
                x[i, int(j) - 1] = float(value)
    return Data(file, [f"x{j}" for j in range(692)], x, y, None, "in the file's order")


def spark_svm():
    file = "spark-samples/mllib/sample_svm_data.txt"
    t = np.loadtxt(DATA / file)
    return Data(file, [f"x{j}" for j in range(16)], t[:, 1:], t[:, 0], None,
                "in the file's order; label: the first column")


def weights_by_position(n):
    """1, 2, 3, 1, 2, 3, …: by the position of the row, from 0."""
    return 1.0 + np.arange(n) % 3


def python_versions(*packages):
    return {"python": platform.python_version(), **{p: version(p) for p in packages}}


def run_r(script, tables, *arguments):
    """Runs an R script on CSV files in a folder of their own; gives back the table it writes.

    R writes `case,term,value` with 17 digits itself, because jsonlite stops at 15.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, table in tables.items():
            table.to_csv(f"{folder}/{name}.csv", index=False)
        subprocess.run(["Rscript", "--vanilla", str(HERE / script), folder, *map(str, arguments)], check=True)
        out = pd.read_csv(f"{folder}/out.csv", dtype=str, keep_default_na=False)
    return {case: dict(zip(t.term, t.value)) for case, t in out.groupby("case", sort=False)}


def write(name, content):
    """Floats are written as the shortest text that reads back to the same bits (17 digits at most)."""
    text = json.dumps(plain(content), indent=1, allow_nan=False)
    (HERE / f"{name}.json").write_text(short_arrays(text) + "\n")
    print(f"{name}.json: {len(text)} bytes")


def plain(value):
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value)
    return value


def short_arrays(text):
    """Puts arrays of numbers or strings, which hold no brackets of their own, on one line."""
    out, rest = [], text
    while (start := rest.find("[")) >= 0:
        end = start + 1
        while rest[end] not in "[{]":
            end += 1
        if rest[end] == "]":
            out.append(rest[:start] + " ".join(rest[start:end + 1].split()))
            rest = rest[end + 1:]
        else:
            out.append(rest[:start + 1])
            rest = rest[start + 1:]
    return "".join(out) + rest
