//! Who comes back: the model that draws the outcome.
//!
//! A patient returns within 30 days with probability `logistic(log_odds + b)`, and otherwise later
//! with probability `logistic(log_odds_later + b)`. The patient's effect `b` is normal with
//! standard deviation 0.32: mostly its own number, a little the severity that also makes for many
//! stays and visits. The effects are close to what an unpenalised fit finds
//! in the published table, and the intercepts are such that about 11.3 % of all stays are `<30`
//! and 35 % `>30`:
//!
//! | | `<30` | `>30` instead of `NO` |
//! |---|---|---|
//! | `number_inpatient`, any at all | 0.30 | 0 |
//! | … each up to 10 | 0.22 | 0.33 |
//! | `number_emergency`, each up to 10 | 0.06 | 0.20 |
//! | `number_outpatient`, each up to 10 | 0 | 0.11 |
//! | `number_diagnoses`, each | 0.045 | 0.07 |
//! | ten years of age | 0.03 | 0.04 |
//! | day in hospital; procedure; medication | 0.012; −0.015; 0.003 | 0.01; −0.04; 0.003 |
//! | some medication for diabetes; metformin | 0.16; −0.12 | 0.33; −0.17 |
//! | insulin steady, up, down | 0.03, 0.09, 0.17 | 0 |
//! | HbA1c measured | −0.14 | −0.09 |
//! | discharge to rehabilitation (22) | 1.3 | −0.28 |
//! | … another institution (5), hospital (2) | 1.0, 0.55 | −0.15, −0.17 |
//! | … nursing (3), home with care (6) | 0.45, 0.23 | −0.17, 0.14 |
//! | first diagnosis: musculoskeletal, respiratory, injury | −0.22, −0.18, −0.12 | 0 |
//!
//! and some smaller ones, below. Nobody returns from death or hospice.

use super::chapter::Chapter;
use super::choice::logistic;
use super::encounter::{Dose, Encounter, Readmitted};
use super::level::Level;
use super::treatment::{INSULIN, METFORMIN};

const INTERCEPT: f64 = -3.32;
const INTERCEPT_LATER: f64 = -1.78;

/// The log odds of a return within 30 days for a patient of average severity: the truth that a
/// fitted model should come near.
///
/// # Examples
///
/// ```
/// use firesteel_datasets::readmission::{Readmission, Readmitted, log_odds};
///
/// let stays: Vec<_> = Readmission::new(5_000).rows().collect();
/// let mean = |wanted: bool| {
///     let all: Vec<f64> = stays
///         .iter()
///         .filter(|stay| (stay.readmitted == Readmitted::Within30) == wanted)
///         .map(log_odds)
///         .collect();
///     all.iter().sum::<f64>() / all.len() as f64
/// };
/// assert!(mean(true) > mean(false) + 0.2);
/// ```
#[must_use]
pub fn log_odds(stay: &Encounter) -> f64 {
    INTERCEPT
        + 0.22 * up_to_10(stay.number_inpatient)
        + when(stay.number_inpatient > 0, 0.30)
        + 0.06 * up_to_10(stay.number_emergency)
        + 0.045 * f64::from(stay.number_diagnoses)
        + 0.03 * decades(stay.age)
        + 0.012 * f64::from(stay.time_in_hospital)
        - 0.015 * f64::from(stay.num_procedures)
        + 0.003 * f64::from(stay.num_medications)
        + discharge(stay.discharge_disposition_id)
        + Chapter::of(&stay.diag_1).map_or(0.0, diagnosis)
        + insulin(stay.drugs[INSULIN])
        + when(stay.diabetes_med, 0.16)
        + when(stay.drugs[METFORMIN] != Dose::No, -0.12)
        + when(stay.a1c_result != Level::NONE, -0.14)
        + when(stay.race == Level::MISSING, -0.15)
}

/// The log odds of a return after 30 days against none, for a patient of average severity who
/// did not return earlier.
#[must_use]
pub fn log_odds_later(stay: &Encounter) -> f64 {
    INTERCEPT_LATER
        + 0.33 * up_to_10(stay.number_inpatient)
        + 0.20 * up_to_10(stay.number_emergency)
        + 0.11 * up_to_10(stay.number_outpatient)
        + 0.07 * f64::from(stay.number_diagnoses)
        + 0.04 * decades(stay.age)
        + 0.01 * f64::from(stay.time_in_hospital)
        - 0.04 * f64::from(stay.num_procedures)
        + 0.003 * f64::from(stay.num_medications)
        + discharge_later(stay.discharge_disposition_id)
        + when(stay.diabetes_med, 0.33)
        + when(stay.drugs[METFORMIN] != Dose::No, -0.17)
        + when(stay.a1c_result != Level::NONE, -0.09)
        + when(stay.admission_source_id == 7, 0.24)
        + when(stay.race == Level::MISSING, -0.40)
}

/// The outcome, from the patient's effect and two uniform numbers.
pub(crate) fn readmitted(stay: &Encounter, patient: f64, first: f64, second: f64) -> Readmitted {
    if stay.ends_in_death_or_hospice() {
        Readmitted::No
    } else if first < logistic(log_odds(stay) + patient) {
        Readmitted::Within30
    } else if second < logistic(log_odds_later(stay) + patient) {
        Readmitted::Later
    } else {
        Readmitted::No
    }
}

fn up_to_10(count: u8) -> f64 {
    f64::from(count.min(10))
}

fn when(holds: bool, effect: f64) -> f64 {
    if holds { effect } else { 0.0 }
}

/// Middle of the bracket, in tens of years: 7.5 for `[70-80)`.
fn decades(age: Level) -> f64 {
    let low = age.trim_start_matches('[').split('-').next().unwrap_or_default();
    low.parse::<f64>().map_or(0.0, |years| years / 10.0 + 0.5)
}

fn discharge(code: u8) -> f64 {
    match code {
        2 => 0.55,
        3 => 0.45,
        4 => 0.25,
        5 => 1.0,
        6 => 0.23,
        7 => 0.35,
        8 => 0.4,
        9 => 1.2,
        12 => 2.0,
        15 => 1.8,
        18 => 0.37,
        22 => 1.3,
        23 => -0.5,
        28 => 1.5,
        _ => 0.0,
    }
}

fn discharge_later(code: u8) -> f64 {
    match code {
        2 | 3 => -0.17,
        5 => -0.15,
        6 => 0.14,
        18 => -0.35,
        22 => -0.28,
        _ => 0.0,
    }
}

fn diagnosis(chapter: Chapter) -> f64 {
    match chapter {
        Chapter::Circulatory | Chapter::Neoplasms => 0.0,
        Chapter::Respiratory => -0.18,
        Chapter::Digestive => -0.05,
        Chapter::Diabetes => 0.04,
        Chapter::Injury => -0.12,
        Chapter::Musculoskeletal => -0.22,
        Chapter::Genitourinary => -0.09,
        Chapter::Other => -0.03,
    }
}

fn insulin(dose: Dose) -> f64 {
    match dose {
        Dose::No => 0.0,
        Dose::Steady => 0.03,
        Dose::Up => 0.09,
        Dose::Down => 0.17,
    }
}
