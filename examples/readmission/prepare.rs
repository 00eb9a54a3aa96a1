//! From raw rows to what the model sees: a value that is saved with the model.

use std::path::Path;

use firesteel::ml::feature::{DropLevel, Nulls, Strategy};
use firesteel::prelude::*;
use firesteel::table::Expr;

use crate::Outcome;

/// The column that says which stays are one patient's.
pub(crate) const PATIENT: &str = "patient_nbr";
const LABEL: &str = "readmitted_within_30_days";
const MALE: &str = "male";
const CHAPTER: [&str; 3] = ["diag_1_chapter", "diag_2_chapter", "diag_3_chapter"];

/// Discharge codes of stays that end in death or hospice: nobody returns from these.
const ENDED: [i64; 6] = [11, 13, 14, 19, 20, 21];

/// Levels with fewer stays are merged into one.
const RARE: u64 = 100;

const NUMBERS: [&str; 9] = [
    "age_mid",
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
];

const CATEGORIES: [&str; 14] = [
    "race",
    "admission_type_id",
    "discharge_disposition_id",
    "admission_source_id",
    "payer_code",
    "medical_specialty",
    "max_glu_serum",
    "A1Cresult",
    "metformin",
    "glipizide",
    "glyburide",
    "insulin",
    "change",
    "diabetesMed",
];

/// Columns of text, some of which look like numbers in a short file; the others of [`CATEGORIES`]
/// are numbered codes.
const TEXTS: [&str; 18] = [
    "race",
    "gender",
    "age",
    "payer_code",
    "medical_specialty",
    "diag_1",
    "diag_2",
    "diag_3",
    "max_glu_serum",
    "A1Cresult",
    "metformin",
    "glipizide",
    "glyburide",
    "insulin",
    "change",
    "diabetesMed",
    "weight",
    "readmitted",
];

/// Columns of whole numbers that are codes; all of [`NUMBERS`] but the derived first one are counts.
const CODES: [&str; 5] = [
    "encounter_id",
    PATIENT,
    "admission_type_id",
    "discharge_disposition_id",
    "admission_source_id",
];

/// A reader of raw stays, their types given, so that any part of the table is read alike.
pub(crate) fn reader(path: &Path) -> CsvReader {
    let reader = CsvReader::new(path).null_tokens(["?"]);
    let reader = TEXTS.iter().fold(reader, |reader, name| reader.column_type(name, Type::String));
    let whole = CODES.iter().chain(&NUMBERS[1..]);
    whole.fold(reader, |reader, name| reader.column_type(name, Type::I64))
}

/// The stays after which a patient can return.
pub(crate) fn without_deaths(table: &Table) -> Outcome<Table> {
    if table.count()? == 0 {
        return Err("the table has no rows".into());
    }
    Ok(table.filter(!col("discharge_disposition_id").is_in(ENDED))?)
}

/// Whether the patient was readmitted within 30 days: 1 or 0.
fn label() -> Expr {
    col("readmitted").eq("<30").cast(Type::F64)
}

/// Raw rows with their label, for measuring.
pub(crate) fn with_label(table: &Table) -> Outcome<Table> {
    Ok(table.with_column(LABEL, label())?)
}

/// The chapter of an ICD-9 code, as Strack et al. group them.
fn chapter(diagnosis: &str) -> Expr {
    let code = || col(diagnosis);
    let number = || code().substr(0, 3).try_cast(Type::I64);
    when(code().is_null())
        .then("missing")
        .when(code().starts_with("250"))
        .then("diabetes")
        .when(number().between(390, 459).or(number().eq(785)))
        .then("circulatory")
        .when(number().between(460, 519).or(number().eq(786)))
        .then("respiratory")
        .when(number().between(520, 579).or(number().eq(787)))
        .then("digestive")
        .when(number().between(580, 629).or(number().eq(788)))
        .then("genitourinary")
        .when(number().between(140, 239))
        .then("neoplasms")
        .when(number().between(710, 739))
        .then("musculoskeletal")
        .when(number().between(800, 999))
        .then("injury")
        .otherwise("other")
}

/// The middle of an age bracket such as `[70-80)`.
fn age_mid() -> Expr {
    col("age").substr(1, 1).cast(Type::F64) * 10.0 + 5.0
}

/// Index, one-hot against the most frequent level, impute, scale, logistic regression; `more` are columns
/// of numbers beside the usual ones.
pub(crate) fn pipeline(more: &[&str]) -> Pipeline {
    let numbers: Vec<&str> = NUMBERS.iter().chain(more).copied().collect();
    let derive = Derive::new("age_mid", age_mid())
        .column(CHAPTER[0], chapter("diag_1"))
        .column(CHAPTER[1], chapter("diag_2"))
        .column(CHAPTER[2], chapter("diag_3"))
        // Of three patients the sex is not known; a level of their own would separate the classes.
        .column(MALE, col("gender").eq("Male"))
        .column(LABEL, label());
    let categories: Vec<&str> = CATEGORIES.iter().chain(&CHAPTER).copied().collect();
    let features: Vec<&str> = numbers.iter().chain(&[MALE]).chain(&categories).copied().collect();
    Pipeline::new()
        .stage(derive)
        .stage(
            StringIndexer::new(categories.clone())
                .min_count(RARE)
                .other("rare")
                .nulls(Nulls::Level)
                .handle_invalid(HandleInvalid::Keep),
        )
        .stage(OneHotEncoder::new(categories).drop_level(DropLevel::MostFrequent))
        .stage(Imputer::new(numbers.clone()).strategy(Strategy::Median))
        .stage(StandardScaler::new(numbers).with_mean(true))
        .stage(VectorAssembler::new(features))
        .stage(LogisticRegression::new().label(LABEL).group(PATIENT).row_key("encounter_id"))
}

/// The columns of a scored table that are worth keeping.
pub(crate) fn scores(scored: &Table) -> Outcome<Table> {
    let wanted = ["encounter_id", PATIENT, LABEL, "raw_prediction", "probability", "prediction"];
    let there: Vec<&str> =
        wanted.into_iter().filter(|name| scored.schema().contains(name)).collect();
    Ok(scored.select(&there)?)
}

/// (probability, label) of a scored table with labels.
pub(crate) fn probabilities_and_labels(scored: &Table) -> Outcome<(Vec<f64>, Vec<f64>)> {
    Ok((scored.column_f64("probability")?, scored.column_f64(LABEL)?))
}
