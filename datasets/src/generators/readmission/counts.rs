//! The eight counts of a stay, which hang together.
//!
//! Each count has a standard normal score, `shifts + severity + Lε`, with shifts by
//! age, by the first diagnosis and by the place among the patient's stays; the count is the quantile of its frequency table at the score's probability (a Gaussian copula).
//! `ε` has a part that stays with the patient. Shifts, `L` and frequencies were computed from the
//! published table by `datasets/scripts/readmission_frequencies.py … latent`.

use std::sync::LazyLock;

use super::choice::{Choice, Own, normal_cdf, numbers};
use super::frequencies::counts as frequencies;

/// Places of the counts in what follows.
pub(crate) const TIME: usize = 0;
pub(crate) const LABS: usize = 1;
pub(crate) const PROCEDURES: usize = 2;
pub(crate) const MEDICATIONS: usize = 3;
pub(crate) const DIAGNOSES: usize = 4;
pub(crate) const OUTPATIENT: usize = 5;
pub(crate) const EMERGENCY: usize = 6;
pub(crate) const INPATIENT: usize = 7;

const BY_AGE: [[f64; 8]; 10] = [
    [-0.74, -0.25, -0.58, -1.47, -2.83, -0.69, -0.70, -0.35],
    [-0.57, -0.08, -0.53, -1.08, -2.08, -0.42, -0.23, -0.12],
    [-0.36, -0.05, -0.14, -0.48, -0.95, -0.14, 0.45, 0.16],
    [-0.28, -0.04, 0.03, -0.20, -0.61, -0.17, 0.34, -0.01],
    [-0.14, -0.02, 0.09, -0.04, -0.27, -0.08, 0.21, 0.02],
    [-0.10, -0.02, 0.15, 0.06, -0.11, -0.04, 0.08, 0.00],
    [-0.01, -0.02, 0.12, 0.12, 0.06, 0.05, -0.07, -0.01],
    [0.09, 0.01, -0.02, 0.04, 0.14, 0.04, -0.10, 0.03],
    [0.16, 0.05, -0.23, -0.07, 0.27, 0.05, -0.03, -0.04],
    [0.18, 0.06, -0.47, -0.27, 0.25, -0.10, -0.16, -0.13],
];

const BY_CHAPTER: [[f64; 8]; 9] = [
    [-0.10, 0.03, 0.33, 0.08, 0.01, -0.07, -0.11, -0.03],
    [-0.08, 0.06, -0.52, 0.07, 0.04, -0.01, 0.09, -0.05],
    [0.02, 0.09, 0.13, -0.16, 0.00, 0.03, 0.07, 0.00],
    [0.08, 0.14, -0.31, -0.16, -0.11, 0.10, 0.21, 0.08],
    [0.08, -0.15, 0.33, 0.17, 0.13, -0.03, -0.05, 0.09],
    [-0.11, -0.52, 0.39, 0.46, -0.47, 0.02, -0.19, -0.18],
    [-0.06, 0.18, -0.21, -0.11, 0.14, 0.11, 0.07, -0.03],
    [0.30, -0.15, 0.64, 0.14, -0.17, -0.02, -0.21, -0.10],
    [0.15, -0.04, -0.35, -0.22, 0.07, 0.05, 0.06, 0.09],
];

/// By the stay's place among the patient's, as `NUMBER_INPATIENT` tells them apart.
const BY_STAGE: [[f64; 8]; 5] = [
    [-0.01, 0.00, 0.04, -0.03, -0.06, -0.09, -0.11, 0.00],
    [0.02, -0.02, -0.09, 0.02, 0.10, 0.09, 0.06, 0.00],
    [0.03, 0.01, -0.13, 0.09, 0.20, 0.24, 0.24, 0.00],
    [0.03, 0.02, -0.15, 0.16, 0.26, 0.42, 0.42, 0.00],
    [0.04, 0.08, -0.12, 0.19, 0.23, 0.71, 0.95, 0.00],
];

/// What one standard deviation of severity adds.
const BY_SEVERITY: [f64; 8] = [0.12, 0.0, -0.08, 0.10, 0.18, 0.20, 0.30, 0.15];

/// Mean and standard deviation of severity over stays: patients with many stays count often.
const SEVERITY_OF_STAYS: (f64, f64) = (0.251, 1.052);

/// `L`, row by row up to the diagonal.
const LOADINGS: [&[f64]; 8] = [
    &[0.98],
    &[0.36, 0.92],
    &[0.23, 0.00, 0.88],
    &[0.48, 0.13, 0.27, 0.78],
    &[0.22, 0.10, 0.07, 0.20, 0.86],
    &[-0.05, -0.02, -0.01, 0.13, 0.13, 0.94],
    &[-0.03, 0.01, -0.03, 0.09, 0.14, 0.20, 0.88],
    &[0.07, 0.06, 0.00, 0.00, 0.00, 0.06, 0.08, 0.98],
];

/// Share of the variance of each `ε` that stays with the patient.
const LASTING: [f64; 8] = [0.22, 0.29, 0.27, 0.29, 0.55, 0.90, 0.90, 0.30];

static TABLES: LazyLock<[Choice<u8>; 7]> = LazyLock::new(|| {
    [
        numbers(frequencies::TIME_IN_HOSPITAL),
        numbers(frequencies::NUM_LAB_PROCEDURES),
        numbers(frequencies::NUM_PROCEDURES),
        numbers(frequencies::NUM_MEDICATIONS),
        numbers(frequencies::NUMBER_DIAGNOSES),
        numbers(frequencies::NUMBER_OUTPATIENT),
        numbers(frequencies::NUMBER_EMERGENCY),
    ]
});

static INPATIENT_TABLES: LazyLock<[Choice<u8>; 5]> =
    LazyLock::new(|| frequencies::NUMBER_INPATIENT.map(numbers));

/// The counts of a stay of a patient of this age, chapter and severity; `constitution` is the
/// patient's stream, `course` the stay's.
pub(crate) fn counts(
    decade: usize,
    chapter: usize,
    severity: f64,
    stay: u8,
    constitution: Own,
    course: Own,
) -> [u8; 8] {
    let noise: [f64; 8] = std::array::from_fn(|count| {
        let (index, lasting) = (count as u64, LASTING[count]);
        lasting.sqrt() * constitution.normal(index) + (1.0 - lasting).sqrt() * course.normal(index)
    });
    let severity = (severity - SEVERITY_OF_STAYS.0) / SEVERITY_OF_STAYS.1;
    std::array::from_fn(|count| {
        let rest: f64 = LOADINGS[count].iter().zip(noise).map(|(l, e)| l * e).sum();
        let shift =
            BY_AGE[decade][count] + BY_CHAPTER[chapter][count] + BY_STAGE[stage(stay)][count];
        let u = normal_cdf(shift + BY_SEVERITY[count] * severity + rest);
        TABLES.get(count).unwrap_or(&INPATIENT_TABLES[stage(stay)]).pick(u)
    })
}

/// The place of a stay among the patient's, as `NUMBER_INPATIENT` tells them apart.
fn stage(stay: u8) -> usize {
    match stay {
        0..=2 => usize::from(stay),
        3 | 4 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_about_unit_variance() {
        for (count, loadings) in LOADINGS.iter().enumerate() {
            let rest: f64 = loadings.iter().map(|l| l * l).sum();
            let variance = rest + BY_SEVERITY[count].powi(2);
            assert!((0.80..1.05).contains(&variance), "{count}: {variance}"); // shifts come on top
        }
    }
}
