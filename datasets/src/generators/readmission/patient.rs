//! Patients: what stays the same over their stays, and when these are.

use std::sync::LazyLock;

use firesteel_core::rng::Draws;

use super::choice::{Choice, Own, levels, normal_cdf, numbers};
use super::frequencies::people;
use super::level::Level;

/// Years that the table covers.
const YEARS: f64 = 10.0;
/// Mean time from a patient's first stay to the last, as a share of the table's years.
const MEAN_SPAN: f64 = 0.13;
/// The longest such time.
const LONGEST: f64 = 0.85;
/// How much of the number of stays is due to severity.
const STAYS_BY_SEVERITY: f64 = 0.5;
/// What a patient's own proneness and severity add to the log odds of a return.
const PRONENESS: f64 = 0.3;
const SEVERITY: f64 = 0.1;
/// Share of women by age.
const FEMALE: [f64; 10] = [0.538, 0.575, 0.658, 0.571, 0.499, 0.498, 0.492, 0.538, 0.613, 0.707];
/// Share of patients of unknown sex.
const UNKNOWN_SEX: f64 = 4e-5;

static STAYS: LazyLock<Choice<u8>> = LazyLock::new(|| numbers(people::STAYS));
static AGE: LazyLock<Choice<Level>> = LazyLock::new(|| levels(people::AGE));
static RACE: LazyLock<Vec<Choice<Level>>> =
    LazyLock::new(|| people::RACE.into_iter().map(levels).collect());

/// The streams of draws, all from one seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams {
    person: Draws,
    times: Draws,
    pub(crate) habit: Draws,
    pub(crate) constitution: Draws,
    pub(crate) stay: Draws,
    pub(crate) course: Draws,
    pub(crate) number: Draws,
}

impl Streams {
    pub(crate) fn new(seed: u64) -> Self {
        let stream = |purpose| Draws::new(seed, purpose);
        Self {
            person: stream("readmission: person"),
            times: stream("readmission: times of stays"),
            habit: stream("readmission: habit"),
            constitution: stream("readmission: constitution"),
            stay: stream("readmission: stay"),
            course: stream("readmission: course"),
            number: stream("readmission: numbers"),
        }
    }
}

/// A made-up person.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patient {
    /// Standard normal.
    pub(crate) severity: f64,
    /// Standard normal; moves nothing but the outcome.
    proneness: f64,
    /// Number of stays, 1 to 40.
    pub(crate) stays: u8,
    /// Time of the first stay, as a share of the table's years.
    first: f64,
    /// From the first stay to the last.
    span: f64,
    /// Age at the first stay.
    years: f64,
    pub(crate) race: Level,
    pub(crate) gender: Level,
}

impl Patient {
    /// The patient of this number.
    pub(crate) fn new(streams: &Streams, patient: u32) -> Self {
        let own = Own { draws: streams.person, row: patient.into() };
        let severity = own.normal(0);
        let proneness = own.normal(6);
        let rest = (1.0 - STAYS_BY_SEVERITY * STAYS_BY_SEVERITY).sqrt();
        let stays = STAYS.pick(normal_cdf(STAYS_BY_SEVERITY * severity + rest * own.normal(1)));
        let span = if stays > 1 {
            (-MEAN_SPAN * libm::log(1.0 - own.uniform(4))).min(LONGEST)
        } else {
            0.0
        };
        let first = own.uniform(5) * (1.0 - span);
        let bracket = AGE.pick(own.uniform(6));
        let years = lower_bound(bracket) + 10.0 * own.uniform(7);
        let decade = decade(years);
        let race = RACE[decade].pick(own.uniform(8));
        let gender = match own.uniform(9) {
            u if u < UNKNOWN_SEX => Level::UNKNOWN,
            _ if own.uniform(10) < FEMALE[decade] => Level::FEMALE,
            _ => Level::MALE,
        };
        Self { severity, proneness, stays, first, span, years, race, gender }
    }

    /// When the stays begin, in order.
    pub(crate) fn times(&self, streams: &Streams, patient: u32) -> Vec<f64> {
        let own = Own { draws: streams.times, row: patient.into() };
        let last = u64::from(self.stays) - 1;
        let mut times: Vec<f64> = (0..=last)
            .map(|stay| match stay {
                0 => self.first,
                _ if stay == last => self.first + self.span,
                _ => self.first + self.span * own.uniform(stay),
            })
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        times
    }

    /// The random effect: what the patient adds to the log odds of a return.
    pub(crate) fn effect(&self) -> f64 {
        PRONENESS * self.proneness + SEVERITY * self.severity
    }

    /// Age at a time.
    pub(crate) fn years_at(&self, time: f64) -> f64 {
        (self.years + YEARS * (time - self.first)).min(99.9)
    }
}

fn lower_bound(bracket: Level) -> f64 {
    let low = bracket.trim_start_matches('[').split('-').next().unwrap_or_default();
    low.parse().expect("a bracket begins with a number")
}

/// The place of an age's bracket in tables by age.
pub(crate) fn decade(years: f64) -> usize {
    ((years / 10.0) as usize).min(9)
}

/// The bracket of an age.
pub(crate) fn bracket(years: f64) -> Level {
    static BRACKETS: [&str; 10] = [
        "[0-10)", "[10-20)", "[20-30)", "[30-40)", "[40-50)", "[50-60)", "[60-70)", "[70-80)",
        "[80-90)", "[90-100)",
    ];
    Level::named(BRACKETS[decade(years)])
}
