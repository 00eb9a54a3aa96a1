//! A stay's columns, drawn in an order in which each may depend on those before: diagnoses on age
//! and on each other, counts on both, where and how the patient came in on the specialty,
//! discharge on age and days, drugs on age and HbA1c, the outcome on everything.

use std::sync::LazyLock;

use super::chapter::{Chapter, is_fertile, is_possible};
use super::choice::{Choice, Own, levels, names, numbers};
use super::counts::{
    DIAGNOSES, EMERGENCY, INPATIENT, LABS, MEDICATIONS, OUTPATIENT, PROCEDURES, TIME, counts,
};
use super::encounter::{Dose, Encounter, Readmitted};
use super::frequencies::{diagnoses, people, stays};
use super::level::Level;
use super::outcome;
use super::patient::{Patient, bracket, decade};
use super::plan::{Plan, Slot};
use super::treatment::{band, doses, is_changed};

/// Shares by tenth of the table, from the oldest stays to the newest.
const PAYER_MISSING: [f64; 10] = [1.0, 0.99, 0.65, 0.26, 0.31, 0.29, 0.13, 0.06, 0.10, 0.14];
const SPECIALTY_MISSING: [f64; 10] = [0.36, 0.43, 0.34, 0.21, 0.44, 0.53, 0.58, 0.65, 0.67, 0.68];
const TYPE_5: [f64; 10] = [0.055, 0.094, 0.085, 0.058, 0.042, 0.060, 0.077, 0.003, 0.002, 0.001];
const TYPE_6: [f64; 10] = [0.151, 0.068, 0.094, 0.065, 0.033, 0.016, 0.024, 0.021, 0.024, 0.024];
const WEIGHT_KNOWN: f64 = 0.032;
const DIAG_1_MISSING: f64 = 2e-4;
/// The specialties that `ADMISSION_TYPE` tells apart.
const BUSY: [&str; 9] = [
    "?",
    "InternalMedicine",
    "Emergency/Trauma",
    "Family/GeneralPractice",
    "Cardiology",
    "Surgery-General",
    "Orthopedics",
    "Orthopedics-Reconstructive",
    "Radiologist",
];
/// A code or specialty that does not fit the patient is drawn again, so many times.
const TRIES: u64 = 8;

struct Tables {
    chapters: [Vec<Choice<Chapter>>; 3],
    codes: [Vec<Choice<Level>>; 3],
    codes_young: Choice<Level>,
    codes_fertile: Choice<Level>,
    specialty: Vec<Choice<Level>>,
    admission_type: Vec<Choice<u8>>,
    admission_source: Vec<Choice<u8>>,
    glucose: Vec<Choice<Level>>,
    a1c: Vec<Choice<Level>>,
    discharge: Vec<Choice<u8>>,
    payer: Vec<Choice<Level>>,
    weight: Choice<Level>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let chapters = |rows: &[&'static str]| rows.iter().map(|row| names(row).map(chapter)).collect();
    let named = |rows: &[&'static str]| rows.iter().map(|row| levels(row)).collect();
    let numbered = |rows: &[&'static str]| rows.iter().map(|row| numbers(row)).collect();
    Tables {
        chapters: [
            chapters(&diagnoses::CHAPTER_1),
            chapters(&diagnoses::CHAPTER_2),
            chapters(&diagnoses::CHAPTER_3),
        ],
        codes: [named(&diagnoses::CODE_1), named(&diagnoses::CODE_2), named(&diagnoses::CODE_3)],
        codes_young: levels(diagnoses::CODE_1_YOUNG),
        codes_fertile: levels(diagnoses::CODE_1_FERTILE),
        specialty: named(&stays::SPECIALTY),
        admission_type: numbered(&stays::ADMISSION_TYPE),
        admission_source: numbered(&stays::ADMISSION_SOURCE),
        glucose: named(&stays::GLUCOSE),
        a1c: named(&stays::A1C),
        discharge: numbered(&stays::DISCHARGE),
        payer: named(&people::PAYER),
        weight: levels(people::WEIGHT),
    }
});

fn chapter(name: &str) -> Chapter {
    let found = Chapter::ALL.into_iter().find(|chapter| chapter.name() == name);
    found.expect("tables of chapters name chapters")
}

/// What a uniform number is for. `Code` and `Specialty` take `TRIES` numbers, `Drug` many.
#[derive(Clone, Copy)]
enum For {
    Chapter = 0,
    Payer = 4,
    PayerMissing = 5,
    Specialty = 6,
    SpecialtyMissing = 15,
    AdmissionType = 16,
    AdmissionTypeMissing = 17,
    AdmissionSource = 18,
    Glucose = 19,
    A1c = 20,
    Discharge = 21,
    Weight = 22,
    WeightKnown = 23,
    Readmitted = 24,
    Later = 25,
    DiagnosisMissing = 26,
    Code = 32,
    Drug = 64,
    Dose = 96,
}

/// The draws of a stay and of its patient.
struct Dice {
    habit: Own,
    stay: Own,
}

impl Dice {
    fn fresh(&self, what: For, index: u64) -> f64 {
        self.stay.uniform(2 * (what as u64 + index))
    }

    /// With probability `keep` the patient's own number, else a fresh one.
    fn kept(&self, what: For, index: u64, keep: f64) -> f64 {
        let index = what as u64 + index;
        let own = if self.stay.uniform(2 * index + 1) < keep { self.habit } else { self.stay };
        own.uniform(2 * index)
    }
}

impl Plan {
    /// The row's columns.
    pub(crate) fn encounter(&self, row: usize, slot: Slot) -> Encounter {
        let patient = Patient::new(&self.streams, slot.patient);
        let whose = u64::from(slot.patient);
        let which = whose * 64 + u64::from(slot.stay);
        let dice = Dice {
            habit: Own { draws: self.streams.habit, row: whose },
            stay: Own { draws: self.streams.stay, row: which },
        };
        let constitution = Own { draws: self.streams.constitution, row: whose };
        let course = Own { draws: self.streams.course, row: which };
        let years = patient.years_at(slot.time);
        let (decade, tenth) = (decade(years), self.tenth(row));
        let first = TABLES.chapters[0][decade].pick(dice.kept(For::Chapter, 0, 0.5));
        let severity = patient.severity;
        let counts = counts(decade, first as usize, severity, slot.stay, constitution, course);
        let [diag_1, diag_2, diag_3] = codes(&dice, first, &patient, years, counts[DIAGNOSES]);
        let medical_specialty = specialty(&dice, first, &patient, decade, tenth);
        let admission_type_id = admission_type(&dice, medical_specialty, tenth);
        let by_type = usize::from(admission_type_id - 1);
        let a1c_result = TABLES.a1c[decade].pick(dice.kept(For::A1c, 0, 0.4));
        let drugs = doses(
            decade,
            a1c_result,
            |i| dice.kept(For::Drug, i, if i == 0 { 0.6 } else { 0.85 }),
            |i| dice.fresh(For::Dose, i),
        );
        let mut stay = Encounter {
            encounter_id: self.encounter_id(row),
            patient_nbr: self.patient_nbr(slot.patient),
            race: patient.race,
            gender: patient.gender,
            age: bracket(years),
            weight: weight(&dice),
            admission_type_id,
            discharge_disposition_id: discharge(&dice, decade, counts[TIME]),
            admission_source_id: TABLES.admission_source[by_type]
                .pick(dice.fresh(For::AdmissionSource, 0)),
            time_in_hospital: counts[TIME],
            payer_code: payer(&dice, decade, tenth),
            medical_specialty,
            num_lab_procedures: counts[LABS],
            num_procedures: counts[PROCEDURES],
            num_medications: counts[MEDICATIONS],
            number_outpatient: counts[OUTPATIENT],
            number_emergency: counts[EMERGENCY],
            number_inpatient: counts[INPATIENT],
            diag_1,
            diag_2,
            diag_3,
            number_diagnoses: counts[DIAGNOSES],
            max_glu_serum: TABLES.glucose[by_type].pick(dice.fresh(For::Glucose, 0)),
            a1c_result,
            drugs,
            change: is_changed(&drugs),
            diabetes_med: drugs.iter().any(|&dose| dose != Dose::No),
            readmitted: Readmitted::No,
        };
        let (first, second) = (dice.fresh(For::Readmitted, 0), dice.fresh(For::Later, 0));
        stay.readmitted = outcome::readmitted(&stay, patient.effect(), first, second);
        stay
    }
}

/// As many of the three codes as there are diagnoses.
fn codes(dice: &Dice, first: Chapter, patient: &Patient, years: f64, diagnoses: u8) -> [Level; 3] {
    let mut chapter = first;
    std::array::from_fn(|place| {
        let index = place as u64;
        if place > 0 {
            chapter =
                TABLES.chapters[place][chapter as usize].pick(dice.fresh(For::Chapter, index));
        }
        let missing = match place {
            0 => dice.fresh(For::DiagnosisMissing, 0) < DIAG_1_MISSING,
            _ => usize::from(diagnoses) <= place,
        };
        if missing {
            return Level::MISSING;
        }
        let table = match chapter {
            Chapter::Diabetes if place == 0 && years < 30.0 => &TABLES.codes_young,
            Chapter::Other if place == 0 && is_fertile(patient.gender, years) => {
                &TABLES.codes_fertile
            }
            _ => &TABLES.codes[place][chapter as usize],
        };
        (0..TRIES)
            .map(|again| table.pick(dice.fresh(For::Code, TRIES * index + again)))
            .find(|&code| is_possible(code, patient.gender, years))
            .unwrap_or(table.first())
    })
}

fn specialty(dice: &Dice, first: Chapter, patient: &Patient, decade: usize, tenth: usize) -> Level {
    if dice.kept(For::SpecialtyMissing, 0, 0.9) < SPECIALTY_MISSING[tenth] {
        return Level::MISSING;
    }
    let row = if decade < 2 { Chapter::ALL.len() } else { first as usize };
    let table = &TABLES.specialty[row];
    let is_womens = |name: Level| name.contains("Gynecolog") || name.contains("Obstetric");
    (0..TRIES)
        .map(|again| table.pick(dice.kept(For::Specialty, again, 0.93)))
        .find(|&name| patient.gender != Level::MALE || !is_womens(name))
        .unwrap_or(Level::INTERNAL_MEDICINE)
}

fn admission_type(dice: &Dice, specialty: Level, tenth: usize) -> u8 {
    match dice.fresh(For::AdmissionTypeMissing, 0) {
        u if u < TYPE_5[tenth] => 5,
        u if u < TYPE_5[tenth] + TYPE_6[tenth] => 6,
        _ => {
            let busy = BUSY.iter().position(|&name| specialty == name).unwrap_or(BUSY.len());
            TABLES.admission_type[busy].pick(dice.fresh(For::AdmissionType, 0))
        }
    }
}

fn discharge(dice: &Dice, decade: usize, days: u8) -> u8 {
    let length = match days {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    TABLES.discharge[band(decade) * 3 + length].pick(dice.kept(For::Discharge, 0, 0.7))
}

fn payer(dice: &Dice, decade: usize, tenth: usize) -> Level {
    if dice.kept(For::PayerMissing, 0, 0.97) < PAYER_MISSING[tenth] {
        return Level::MISSING;
    }
    TABLES.payer[decade].pick(dice.kept(For::Payer, 0, 0.96))
}

fn weight(dice: &Dice) -> Level {
    if dice.fresh(For::WeightKnown, 0) < WEIGHT_KNOWN {
        return TABLES.weight.pick(dice.kept(For::Weight, 0, 0.9));
    }
    Level::MISSING
}
