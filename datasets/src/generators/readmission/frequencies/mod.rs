//! Frequencies of levels in the published table, rounded.
//!
//! A table is text, `level:share level:share …`; a share counts of the sum of all shares in its
//! line. The shares are aggregates of the "Diabetes 130-US hospitals" table (Clore, Cios, DeShazo
//! & Strack 2014, doi 10.24432/C5230J, CC BY 4.0), counted and rounded by
//! `datasets/scripts/readmission_frequencies.py`; the chapters of diagnoses are those of Strack et
//! al. 2014, table 2. No row of that table is here.

pub(crate) mod counts;
pub(crate) mod diagnoses;
pub(crate) mod people;
pub(crate) mod stays;

/// Every line of every table whose items are names of levels.
pub(crate) fn named() -> impl Iterator<Item = &'static str> {
    use {diagnoses as d, people as p, stays as s};
    let single = [p::AGE, p::WEIGHT, d::CODE_1_YOUNG, d::CODE_1_FERTILE].into_iter();
    let by_age = [p::RACE, p::PAYER, s::A1C].into_iter().flatten();
    let by_chapter = [d::CODE_1, d::CODE_2, d::CODE_3].into_iter().flatten();
    single.chain(by_age).chain(by_chapter).chain(s::SPECIALTY).chain(s::GLUCOSE)
}
