//! The tables that the references were computed on, as the scripts of this folder read them.

use std::io::Read;
use std::path::Path;

use firesteel::prelude::*;
use flate2::read::GzDecoder;
use ndarray::{Array1, Array2};

use crate::support::shared;

/// Rows with labels, and groups where the references have them.
#[derive(Clone)]
pub(super) struct Labelled {
    pub(super) x: Array2<f64>,
    pub(super) y: Array1<f64>,
    pub(super) groups: Option<Vec<u64>>,
}

/// The data set of that name; none if it is not there.
pub(super) fn load(name: &str) -> Option<Labelled> {
    match name {
        "readmission" => readmission(),
        "breast_cancer" => breast_cancer(),
        "heart" => heart(),
        "adult" => adult(),
        "healthcareai" => healthcareai(),
        "higgs" => higgs(),
        "spark_svm" => spark_svm(),
        "spark_libsvm" => spark_libsvm(),
        other => panic!("no data set `{other}`"),
    }
}

fn text(path: &str) -> Option<String> {
    let path = shared(Path::new("data").join(path))?;
    let bytes = std::fs::read(&path).unwrap();
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    Some(text)
}

fn rows(text: &str, separator: char) -> Vec<Vec<String>> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split(separator).map(|field| field.trim().to_owned()).collect())
        .collect()
}

fn labelled(rows: Vec<(Vec<f64>, f64)>, groups: Option<Vec<u64>>) -> Option<Labelled> {
    let d = rows[0].0.len();
    let y = rows.iter().map(|row| row.1).collect();
    let flat = rows.iter().flat_map(|row| row.0.iter().copied()).collect();
    let x = Array2::from_shape_vec((rows.len(), d), flat).unwrap();
    Some(Labelled { x, y, groups })
}

fn breast_cancer() -> Option<Labelled> {
    let rows = rows(&text("uci-small/breast_cancer.csv")?, ',');
    let of = |row: &Vec<String>| {
        let numbers: Vec<f64> = row.iter().map(|field| field.parse().unwrap()).collect();
        (numbers[..30].to_vec(), numbers[30])
    };
    labelled(rows[1..].iter().map(of).collect(), None)
}

fn heart() -> Option<Labelled> {
    let rows = rows(&text("heart-cleveland/processed.cleveland.data")?, ',');
    let columns = [0, 1, 3, 4, 7, 8, 9, 11]; // age sex trestbps chol thalach exang oldpeak ca
    let of = |row: &Vec<String>| {
        let x = columns.iter().map(|&j| row[j].parse().unwrap()).collect();
        (x, f64::from(u8::from(row[13].parse::<f64>().unwrap() > 0.0)))
    };
    let kept: Vec<_> = rows.iter().filter(|row| !row.iter().any(|f| f == "?")).map(of).collect();
    let groups = (0..kept.len() as u64).map(|i| i % 50).collect();
    labelled(kept, Some(groups))
}

fn adult() -> Option<Labelled> {
    let rows = rows(&text("adult/adult.data.gz")?, ',');
    let of = |row: &Vec<String>| {
        let x = [0, 2, 4, 10, 11, 12].iter().map(|&j: &usize| row[j].parse().unwrap()).collect();
        (x, f64::from(u8::from(row[14] == ">50K")))
    };
    labelled(rows.iter().map(of).collect(), None)
}

fn healthcareai() -> Option<Labelled> {
    let rows = rows(&text("healthcareai-diabetes/diabetes.csv")?, ',');
    let at = |name: &str| rows[0].iter().position(|column| column == name).unwrap();
    let numeric = ["SystolicBPNBR", "LDLNBR", "A1CNBR"].map(at);
    let (gender, flag, patient) = (at("GenderFLG"), at("ThirtyDayReadmitFLG"), at("PatientID"));
    let kept = || rows[1..].iter().filter(|row| !row.iter().any(|field| field == "None"));
    let of = |row: &Vec<String>| {
        let mut x: Vec<f64> = numeric.iter().map(|&j| row[j].parse().unwrap()).collect();
        x.push(f64::from(u8::from(row[gender] == "M")));
        (x, f64::from(u8::from(row[flag] == "Y")))
    };
    let groups = kept().map(|row| row[patient].parse().unwrap()).collect();
    labelled(kept().map(of).collect(), Some(groups))
}

fn higgs() -> Option<Labelled> {
    let rows = rows(&text("higgs-7k/higgs.train.tsv.gz")?, '\t');
    let of = |row: &Vec<String>| {
        let numbers: Vec<f64> = row.iter().map(|field| field.parse().unwrap()).collect();
        (numbers[1..].to_vec(), numbers[0])
    };
    labelled(rows.iter().map(of).collect(), None)
}

fn spark_svm() -> Option<Labelled> {
    let rows = rows(&text("spark-samples/mllib/sample_svm_data.txt")?, ' ');
    let of = |row: &Vec<String>| {
        let numbers: Vec<f64> = row.iter().map(|field| field.parse().unwrap()).collect();
        (numbers[1..].to_vec(), numbers[0])
    };
    labelled(rows.iter().map(of).collect(), None)
}

fn spark_libsvm() -> Option<Labelled> {
    let rows = rows(&text("spark-samples/mllib/sample_libsvm_data.txt.gz")?, ' ');
    let of = |row: &Vec<String>| {
        let mut x = vec![0.0; 692];
        for field in &row[1..] {
            let (index, value) = field.split_once(':').unwrap();
            x[index.parse::<usize>().unwrap() - 1] = value.parse().unwrap();
        }
        (x, row[0].parse().unwrap())
    };
    labelled(rows.iter().map(of).collect(), None)
}

/// The readmission table's columns, by the table reader and expressions.
fn readmission() -> Option<Labelled> {
    let path = shared("data/diabetes130/readmission_shared.csv.gz")?;
    readmission_of(&path)
}

const COUNTS: [&str; 8] = [
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
];

pub(super) fn readmission_of(path: &Path) -> Option<Labelled> {
    let table = CsvReader::new(path).null_tokens(["?"]).read(&Context::local()).unwrap();
    let ended = [11, 13, 14, 19, 20, 21];
    let flag = |column: &str, value: &str| col(column).eq(value).cast(Type::F64);
    let differs = |column: &str, value: &str| col(column).ne(value).cast(Type::F64);
    let age = col("age").substr(1, 1).cast(Type::F64) * 10.0 + 5.0;
    let age = when(col("age").eq("[100-110)")).then(105.0).otherwise(age);
    let table = table
        .filter(!col("discharge_disposition_id").is_in(ended))
        .and_then(|t| t.with_column("age_mid", age))
        .and_then(|t| t.with_column("male", flag("gender", "Male")))
        .and_then(|t| {
            t.with_column("emergency_admit", col("admission_type_id").eq(1).cast(Type::F64))
        })
        .and_then(|t| t.with_column("insulin_used", differs("insulin", "No")))
        .and_then(|t| t.with_column("change_ch", flag("change", "Ch")))
        .and_then(|t| t.with_column("diabetesmed", flag("diabetesMed", "Yes")))
        .and_then(|t| t.with_column("a1c_measured", differs("A1Cresult", "None")))
        .and_then(|t| t.with_column("label", flag("readmitted", "<30")))
        .unwrap();
    let made = [
        "age_mid",
        "male",
        "emergency_admit",
        "insulin_used",
        "change_ch",
        "diabetesmed",
        "a1c_measured",
    ];
    let names: Vec<&str> = COUNTS.iter().chain(&made).copied().collect();
    let columns: Vec<Vec<f64>> = names.iter().map(|name| table.column_f64(name).unwrap()).collect();
    let n = columns[0].len();
    let x = Array2::from_shape_fn((n, names.len()), |(i, j)| columns[j][i]);
    let y = Array1::from(table.column_f64("label").unwrap());
    let patients = table.column_f64("patient_nbr").unwrap();
    Some(Labelled { x, y, groups: Some(patients.into_iter().map(|p| p as u64).collect()) })
}
