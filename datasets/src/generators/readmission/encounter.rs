//! One row of the table.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::level::Level;

/// The columns, as the published table names and orders them.
static HEADER: [&str; 50] = [
    "encounter_id",
    "patient_nbr",
    "race",
    "gender",
    "age",
    "weight",
    "admission_type_id",
    "discharge_disposition_id",
    "admission_source_id",
    "time_in_hospital",
    "payer_code",
    "medical_specialty",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "diag_1",
    "diag_2",
    "diag_3",
    "number_diagnoses",
    "max_glu_serum",
    "A1Cresult",
    "metformin",
    "repaglinide",
    "nateglinide",
    "chlorpropamide",
    "glimepiride",
    "acetohexamide",
    "glipizide",
    "glyburide",
    "tolbutamide",
    "pioglitazone",
    "rosiglitazone",
    "acarbose",
    "miglitol",
    "troglitazone",
    "tolazamide",
    "examide",
    "citoglipton",
    "insulin",
    "glyburide-metformin",
    "glipizide-metformin",
    "glimepiride-pioglitazone",
    "metformin-rosiglitazone",
    "metformin-pioglitazone",
    "change",
    "diabetesMed",
    "readmitted",
];

/// Names of the 50 columns, in order.
#[must_use]
pub fn header() -> &'static [&'static str; 50] {
    &HEADER
}

/// Names of the 23 drug columns, in order.
#[must_use]
pub fn drugs() -> &'static [&'static str] {
    &HEADER[24..47]
}

/// What a stay did to a drug's dose.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Dose {
    /// Not prescribed.
    #[default]
    No,
    /// Prescribed, the dose as before.
    Steady,
    /// The dose was raised.
    Up,
    /// The dose was lowered.
    Down,
}

impl Dose {
    /// The level's name in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "No",
            Self::Steady => "Steady",
            Self::Up => "Up",
            Self::Down => "Down",
        }
    }
}

/// Whether the patient came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Readmitted {
    /// Not on record: `NO`.
    No,
    /// After more than 30 days: `>30`.
    Later,
    /// Within 30 days: `<30`.
    Within30,
}

impl Readmitted {
    /// The level's name in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "NO",
            Self::Later => ">30",
            Self::Within30 => "<30",
        }
    }
}

/// A stay in a hospital; made up. `Display` writes it as a line of CSV.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Encounter {
    /// Number of the stay; rows are in its order.
    pub encounter_id: u64,
    /// Number of the patient.
    pub patient_nbr: u64,
    /// `Caucasian`, `AfricanAmerican`, `Hispanic`, `Asian`, `Other` or `?`.
    pub race: Level,
    /// `Female`, `Male` or `Unknown/Invalid`.
    pub gender: Level,
    /// `[0-10)` to `[90-100)` years.
    pub age: Level,
    /// `[0-25)` to `>200` pounds, nearly always `?`.
    pub weight: Level,
    /// 1 emergency, 2 urgent, 3 elective, 4 newborn, 7 trauma; 5, 6 and 8 not known.
    pub admission_type_id: u8,
    /// 1 home, 3 nursing facility, 6 home with care, 11 expired, 13 and 14 hospice, …
    pub discharge_disposition_id: u8,
    /// 1 physician, 7 emergency room, …
    pub admission_source_id: u8,
    /// Days, 1 to 14.
    pub time_in_hospital: u8,
    /// Two letters, `MC` for Medicare, or `?`.
    pub payer_code: Level,
    /// The admitting physician's, or `?`.
    pub medical_specialty: Level,
    /// Laboratory tests.
    pub num_lab_procedures: u8,
    /// Other procedures.
    pub num_procedures: u8,
    /// Distinct generic names given.
    pub num_medications: u8,
    /// Outpatient visits in the year before.
    pub number_outpatient: u8,
    /// Emergency visits in the year before.
    pub number_emergency: u8,
    /// Inpatient visits in the year before.
    pub number_inpatient: u8,
    /// Primary diagnosis, ICD-9.
    pub diag_1: Level,
    /// Second diagnosis, `?` if there is none.
    pub diag_2: Level,
    /// Third diagnosis, `?` if there is none.
    pub diag_3: Level,
    /// Diagnoses entered.
    pub number_diagnoses: u8,
    /// Glucose in serum: `None` if not measured, `Norm`, `>200`, `>300`.
    pub max_glu_serum: Level,
    /// Haemoglobin A1c: `None` if not measured, `Norm`, `>7`, `>8`.
    pub a1c_result: Level,
    /// The drug columns, named by [`drugs`].
    pub drugs: [Dose; 23],
    /// Whether the medication for diabetes was changed: `Ch` or `No`.
    pub change: bool,
    /// Whether there was any: `Yes` or `No`.
    pub diabetes_med: bool,
    /// The outcome.
    pub readmitted: Readmitted,
}

impl Encounter {
    /// Whether the stay ended in death or hospice (discharge 11, 13, 14, 19, 20, 21), after which
    /// nobody comes back.
    #[must_use]
    pub fn ends_in_death_or_hospice(&self) -> bool {
        matches!(self.discharge_disposition_id, 11 | 13 | 14 | 19..=21)
    }

    /// The dose of a drug, by the name of its column.
    #[must_use]
    pub fn dose(&self, drug: &str) -> Option<Dose> {
        let place = drugs().iter().position(|&name| name == drug)?;
        Some(self.drugs[place])
    }
}

impl fmt::Display for Encounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},", self.encounter_id, self.patient_nbr, self.race)?;
        write!(f, "{},{},{},", self.gender, self.age, self.weight)?;
        write!(f, "{},{},", self.admission_type_id, self.discharge_disposition_id)?;
        write!(f, "{},{},", self.admission_source_id, self.time_in_hospital)?;
        write!(f, "{},{},", self.payer_code, self.medical_specialty)?;
        write!(f, "{},{},", self.num_lab_procedures, self.num_procedures)?;
        write!(f, "{},{},", self.num_medications, self.number_outpatient)?;
        write!(f, "{},{},", self.number_emergency, self.number_inpatient)?;
        write!(f, "{},{},{},", self.diag_1, self.diag_2, self.diag_3)?;
        write!(f, "{},{},{}", self.number_diagnoses, self.max_glu_serum, self.a1c_result)?;
        for dose in self.drugs {
            write!(f, ",{}", dose.as_str())?;
        }
        let change = if self.change { "Ch" } else { "No" };
        let diabetes_med = if self.diabetes_med { "Yes" } else { "No" };
        write!(f, ",{change},{diabetes_med},{}", self.readmitted.as_str())
    }
}
