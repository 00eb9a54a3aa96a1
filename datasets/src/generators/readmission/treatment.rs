//! The drug columns.
//!
//! Insulin depends on age and HbA1c. Drugs by mouth go to a patient who takes any at all: at most
//! one sulfonylurea, at most one glitazone, metformin, and rare ones. The dose is steady, up or
//! down in each drug's own proportions. `change` and `diabetesMed` follow from the doses, as they
//! do in every row of the published table.

use std::sync::LazyLock;

use super::choice::{Choice, levels};
use super::encounter::Dose;
use super::frequencies::stays;
use super::level::Level;

/// Places among the drug columns.
pub(crate) const METFORMIN: usize = 0;
pub(crate) const INSULIN: usize = 17;
const SULFONYLUREAS: [usize; 3] = [6, 7, 4]; // glipizide, glyburide, glimepiride
const GLITAZONES: [usize; 2] = [9, 10]; // pioglitazone, rosiglitazone

/// Share of stays on a drug that no class above holds.
const RARE: [(usize, f64); 14] = [
    (1, 0.0151), // repaglinide
    (2, 0.0067),
    (3, 0.0008),
    (5, 1.2e-5),
    (8, 2.5e-4),
    (11, 0.0031), // acarbose
    (12, 3e-4),
    (13, 4e-5),
    (14, 4e-4),
    (18, 0.0070), // glyburide-metformin
    (19, 1.4e-4),
    (20, 1.2e-5),
    (21, 2.5e-5),
    (22, 1.2e-5),
];

/// Shares of `Up` and `Down` among the stays on a drug; the drugs not named are always steady.
const MOVED: [(usize, f64, f64); 13] = [
    (METFORMIN, 0.053, 0.029),
    (1, 0.071, 0.031),
    (2, 0.035, 0.016),
    (3, 0.059, 0.015),
    (4, 0.063, 0.036),
    (6, 0.060, 0.044),
    (7, 0.079, 0.053),
    (9, 0.031, 0.016),
    (10, 0.029, 0.013),
    (11, 0.032, 0.012),
    (12, 0.042, 0.042),
    (14, 0.031, 0.0),
    (18, 0.009, 0.004),
];

/// Share of stays that may be on drugs by mouth, and on metformin, a sulfonylurea, a glitazone.
struct Mouth {
    any: f64,
    metformin: f64,
    sulfonylureas: [f64; 3],
    glitazones: [f64; 2],
}

const WITH_INSULIN: Mouth = Mouth {
    any: 0.68,
    metformin: 0.182,
    sulfonylureas: [0.113, 0.082, 0.053],
    glitazones: [0.074, 0.064],
};
const WITHOUT_INSULIN: Mouth = Mouth {
    any: 0.78,
    metformin: 0.211,
    sulfonylureas: [0.136, 0.131, 0.050],
    glitazones: [0.070, 0.062],
};

/// How age moves metformin, sulfonylureas and glitazones, by [`band`].
const BY_AGE: [[f64; 3]; 6] = [
    [0.40, 0.15, 0.20],
    [1.15, 0.80, 0.95],
    [1.20, 0.90, 1.10],
    [1.10, 1.00, 1.10],
    [0.95, 1.10, 1.00],
    [0.70, 1.10, 0.85],
];

static INSULIN_BY_AGE: LazyLock<Vec<[f64; 4]>> =
    LazyLock::new(|| stays::INSULIN_BY_AGE.into_iter().map(dose_shares).collect());
static INSULIN_BY_A1C: LazyLock<Vec<[f64; 4]>> =
    LazyLock::new(|| stays::INSULIN_BY_A1C.into_iter().map(dose_shares).collect());
/// Insulin in all stays: no, steady, up, down.
const INSULIN_OF_ALL: [f64; 4] = [0.463, 0.306, 0.111, 0.120];

const DOSES: [Dose; 4] = [Dose::No, Dose::Steady, Dose::Up, Dose::Down];

fn dose_shares(table: &'static str) -> [f64; 4] {
    let shares: Choice<Level> = levels(table);
    let share_of = |dose: Dose| {
        shares.shares().find(|(name, _)| *name == dose.as_str()).map_or(0.0, |(_, share)| share)
    };
    DOSES.map(share_of)
}

/// The quantile of a table by dose that age and HbA1c shift independently of each other.
fn insulin(decade: usize, a1c: Level, u: f64) -> Dose {
    let measured = match a1c.as_str() {
        "Norm" => 1,
        ">7" => 2,
        ">8" => 3,
        _ => 0,
    };
    let (by_age, by_a1c) = (INSULIN_BY_AGE[decade], INSULIN_BY_A1C[measured]);
    let shares: [f64; 4] = std::array::from_fn(|i| by_age[i] * by_a1c[i] / INSULIN_OF_ALL[i]);
    let at = u * shares.iter().sum::<f64>();
    let mut upto = 0.0;
    for (dose, share) in DOSES.into_iter().zip(shares) {
        upto += share;
        if at < upto {
            return dose;
        }
    }
    Dose::Down
}

/// Bands of age: below 30, 50, 60, 70, 80, above.
pub(crate) fn band(decade: usize) -> usize {
    match decade {
        0..=2 => 0,
        3 | 4 => 1,
        5..=7 => decade - 3,
        _ => 5,
    }
}

/// The doses of a stay. `habit(i)` gives uniform numbers that a patient tends to keep, `fresh(i)`
/// others.
pub(crate) fn doses(
    decade: usize,
    a1c: Level,
    habit: impl Fn(u64) -> f64,
    fresh: impl Fn(u64) -> f64,
) -> [Dose; 23] {
    let mut doses = [Dose::No; 23];
    doses[INSULIN] = insulin(decade, a1c, habit(0));
    let mouth = if doses[INSULIN] == Dose::No { WITHOUT_INSULIN } else { WITH_INSULIN };
    let by_age = BY_AGE[band(decade)];
    let mut taken = Vec::new();
    if habit(1) < mouth.any {
        if habit(2) < mouth.metformin / mouth.any * by_age[0] {
            taken.push(METFORMIN);
        }
        let one_of = |drugs: &[usize], shares: &[f64], factor: f64, u: f64| {
            let mut upto = 0.0;
            drugs.iter().zip(shares).find_map(|(&drug, share)| {
                upto += share / mouth.any * factor;
                (u < upto).then_some(drug)
            })
        };
        taken.extend(one_of(&SULFONYLUREAS, &mouth.sulfonylureas, by_age[1], habit(3)));
        taken.extend(one_of(&GLITAZONES, &mouth.glitazones, by_age[2], habit(4)));
        let rare = RARE.into_iter().zip(5..);
        taken
            .extend(rare.filter(|((_, share), i)| habit(*i) < share / mouth.any).map(|(r, _)| r.0));
    }
    for drug in taken {
        doses[drug] = moved(drug, fresh(drug as u64));
    }
    doses
}

fn moved(drug: usize, u: f64) -> Dose {
    let (_, up, down) = MOVED.into_iter().find(|row| row.0 == drug).unwrap_or((drug, 0.0, 0.0));
    if u < up {
        Dose::Up
    } else if u < up + down {
        Dose::Down
    } else {
        Dose::Steady
    }
}

/// Whether the medication changed: a dose moved, or there are several drugs.
pub(crate) fn is_changed(doses: &[Dose; 23]) -> bool {
    let moved = |dose: &Dose| matches!(dose, Dose::Up | Dose::Down);
    doses.iter().any(moved) || doses.iter().filter(|&&dose| dose != Dose::No).count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readmission::drugs;

    #[test]
    fn drugs_are_where_their_columns_are() {
        assert_eq!(drugs().len(), 23);
        let name = |i: usize| drugs()[i];
        assert_eq!((name(METFORMIN), name(INSULIN)), ("metformin", "insulin"));
        assert_eq!(SULFONYLUREAS.map(name), ["glipizide", "glyburide", "glimepiride"]);
        assert_eq!(GLITAZONES.map(name), ["pioglitazone", "rosiglitazone"]);
        assert_eq!(
            (name(1), name(11), name(18)),
            ("repaglinide", "acarbose", "glyburide-metformin")
        );
    }

    #[test]
    fn insulin_has_its_shares() {
        let n = 1000;
        let doses = (0..n).map(|i| insulin(7, Level::NONE, f64::from(i) / f64::from(n)));
        let without = doses.filter(|&dose| dose == Dose::No).count();
        assert!((480..530).contains(&without), "{without}");
    }
}
