use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use firesteel_core::hash::fixed_hash;
use firesteel_core::testing::on_ranks;
use firesteel_table::CsvReader;
use flate2::read::MultiGzDecoder;

use super::*;

fn lines(rows: impl IntoIterator<Item = Encounter>) -> Vec<String> {
    rows.into_iter().map(|stay| stay.to_string()).collect()
}

fn csv(generator: &Readmission) -> String {
    let mut out = Vec::new();
    generator.write_csv_to(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The real table, or `None` with a note that it is not at hand.
fn real_table() -> Option<String> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    let shared = std::env::var_os("FIRESTEEL_SHARED").map_or_else(|| beside.into(), PathBuf::from);
    let path = shared.join("data/diabetes130/readmission_shared.csv.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("skipped: no {} (FIRESTEEL_SHARED says where)", path.display());
        return None;
    };
    let mut text = String::new();
    MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    Some(text)
}

/// Values of each column, by name.
fn columns(csv: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut lines = csv.lines();
    let names: Vec<_> = lines.next().unwrap().split(',').collect();
    let mut columns = vec![Vec::new(); names.len()];
    for line in lines {
        let fields: Vec<_> = line.split(',').collect();
        assert_eq!(fields.len(), names.len(), "{line}");
        columns.iter_mut().zip(fields).for_each(|(column, field)| column.push(field));
    }
    names.into_iter().zip(columns).collect()
}

#[test]
fn rows_have_the_same_bits_on_any_ranks_and_partitions() {
    let table = Readmission::new(700).seed(3);
    let expected = lines(table.rows());
    assert!(expected.len() > 700);
    for ranks in [1, 3] {
        for partitions in [1, 3, 16] {
            let made = on_ranks(ranks, |ctx| table.dataset_in(ctx, partitions).collect().unwrap());
            for rows in made {
                assert!(lines(rows) == expected, "{ranks} ranks, {partitions} partitions");
            }
        }
    }
    let ctx = Context::builder().threads(7).build().unwrap();
    assert!(lines(table.dataset(&ctx).collect().unwrap()) == expected);
    assert!(lines(Readmission::new(700).seed(4).rows()) != expected);
}

#[test]
fn the_rows_are_those_of_every_release() {
    // Written once from this program: a change here changes everybody's generated table.
    let text = csv(&Readmission::new(1_000).seed(1));
    let first =
        "202795,3704940,AfricanAmerican,Female,[40-50),?,3,1,1,4,?,ObstetricsandGynecology,";
    assert!(text.lines().nth(1).unwrap().starts_with(first), "{:?}", text.lines().nth(1));
    assert_eq!(fixed_hash(&text), 13_260_769_578_857_119_968);
}

#[test]
fn no_patients_make_no_rows() {
    assert_eq!(Readmission::new(0).rows().count(), 0);
    assert_eq!(csv(&Readmission::new(0)), header().join(",") + "\r\n");
    assert_eq!(Readmission::new(0).dataset(&Context::local()).count().unwrap(), 0);
    assert!(Readmission::new(1).rows().count() >= 1);
}

#[test]
fn rows_are_in_order_and_patients_stay_who_they_are() {
    let rows: Vec<_> = Readmission::new(3_000).rows().collect();
    assert!(rows.windows(2).all(|pair| pair[0].encounter_id < pair[1].encounter_id));
    let together = rows.windows(2).filter(|pair| pair[0].patient_nbr == pair[1].patient_nbr);
    assert!(together.count() < 100, "stays of patients are interleaved");
    let mut seen = BTreeMap::new();
    for stay in &rows {
        let before = seen.insert(stay.patient_nbr, stay).unwrap_or(stay);
        assert_eq!((before.race, before.gender), (stay.race, stay.gender));
        assert!(before.age <= stay.age, "{before} then {stay}");
    }
    assert_eq!(seen.len(), 3_000);
}

#[test]
fn columns_agree_with_each_other() {
    for stay in Readmission::new(20_000).rows() {
        let on: Vec<_> = stay.drugs.into_iter().filter(|&dose| dose != Dose::No).collect();
        assert_eq!(stay.diabetes_med, !on.is_empty(), "{stay}");
        let moved = on.iter().any(|&dose| dose != Dose::Steady);
        assert_eq!(stay.change, moved || on.len() > 1, "{stay}");
        assert!(!stay.ends_in_death_or_hospice() || stay.readmitted == Readmitted::No, "{stay}");
        assert!((1..=14).contains(&stay.time_in_hospital), "{stay}");
        assert_eq!(stay.diag_3 == "?", stay.number_diagnoses < 3, "{stay}");
        assert_eq!(stay.dose("insulin"), Some(stay.drugs[17]));
    }
}

#[test]
fn marginals_are_near_the_published_ones() {
    // Per cent of the 101,766 stays: the levels' frequencies as the table was published.
    let published = [
        ("race", "Caucasian", 74.8),
        ("race", "AfricanAmerican", 18.9),
        ("race", "?", 2.2),
        ("gender", "Female", 53.8),
        ("age", "[70-80)", 25.6),
        ("age", "[60-70)", 22.1),
        ("age", "[50-60)", 17.0),
        ("age", "[80-90)", 16.9),
        ("weight", "?", 96.9),
        ("admission_type_id", "1", 53.1),
        ("admission_type_id", "3", 18.5),
        ("discharge_disposition_id", "1", 59.2),
        ("discharge_disposition_id", "3", 13.7),
        ("discharge_disposition_id", "11", 1.6),
        ("discharge_disposition_id", "22", 2.0),
        ("admission_source_id", "7", 56.5),
        ("payer_code", "?", 39.6),
        ("medical_specialty", "?", 49.1),
        ("medical_specialty", "InternalMedicine", 14.4),
        ("diag_1", "428", 6.7),
        ("diag_3", "250", 11.4),
        ("max_glu_serum", "None", 94.7),
        ("A1Cresult", "None", 83.3),
        ("A1Cresult", ">8", 8.1),
        ("metformin", "No", 80.4),
        ("glipizide", "Steady", 11.2),
        ("insulin", "No", 46.6),
        ("insulin", "Up", 11.1),
        ("change", "Ch", 46.2),
        ("diabetesMed", "Yes", 77.0),
        ("number_inpatient", "0", 66.5),
        ("number_emergency", "0", 88.8),
        ("time_in_hospital", "3", 17.4),
        ("readmitted", "NO", 53.9),
        ("readmitted", ">30", 34.9),
        ("readmitted", "<30", 11.2),
    ];
    let text = csv(&Readmission::new(40_000).seed(9));
    let made = columns(&text);
    for (column, level, expected) in published {
        let values = &made[column];
        let count = values.iter().filter(|&&value| value == level).count();
        let share = 100.0 * count as f64 / values.len() as f64;
        // One and a half points: rounding, the copula's approximations, and chance.
        assert!((share - expected).abs() < 1.5, "{column} = {level}: {share:.2}, not {expected}");
    }
    for (column, mean, tolerance) in [
        ("time_in_hospital", 4.40, 0.1),
        ("num_lab_procedures", 43.1, 0.7),
        ("num_procedures", 1.34, 0.06),
        ("num_medications", 16.0, 0.3),
        ("number_outpatient", 0.37, 0.05),
        ("number_emergency", 0.20, 0.05),
        ("number_inpatient", 0.64, 0.05),
        ("number_diagnoses", 7.42, 0.1),
    ] {
        let values = &made[column];
        let sum: f64 = values.iter().map(|value| value.parse::<f64>().unwrap()).sum();
        let found = sum / values.len() as f64;
        assert!((found - mean).abs() < tolerance, "{column}: {found:.3}, not {mean}");
    }
}

#[test]
fn columns_and_levels_are_spelled_as_in_the_real_table() {
    let Some(text) = real_table() else { return };
    let (real, made_text) = (columns(&text), csv(&Readmission::new(20_000)));
    assert_eq!(text.split_once("\r\n").unwrap().0, header().join(","));
    for (column, values) in columns(&made_text) {
        if ["encounter_id", "patient_nbr"].contains(&column) {
            continue;
        }
        let known: BTreeSet<_> = real[column].iter().collect();
        for value in values {
            assert!(known.contains(&value), "{column}: {value} does not occur");
        }
    }
}

/// Slope and intercept of a logistic regression on one column, by Newton's method.
fn fit(x: &[f64], y: &[bool]) -> (f64, f64) {
    let (mut a, mut b) = (0.0, 0.0);
    for _ in 0..30 {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (&x, &y) in x.iter().zip(y) {
            let p = choice::logistic(a + b * x);
            let (residual, weight) = (f64::from(y) - p, p * (1.0 - p));
            (ga, gb) = (ga + residual, gb + residual * x);
            (haa, hab, hbb) = (haa + weight, hab + weight * x, hbb + weight * x * x);
        }
        let det = haa * hbb - hab * hab;
        (a, b) = (a + (hbb * ga - hab * gb) / det, b + (haa * gb - hab * ga) / det);
    }
    (a, b)
}

/// Share of pairs of a positive and a negative that the score puts right.
fn auc(x: &[f64], y: &[bool]) -> f64 {
    let mut order: Vec<_> = x.iter().zip(y).collect();
    order.sort_by(|a, b| a.0.total_cmp(b.0));
    let (mut below, mut pairs) = (0.0, 0.0);
    for (_, &y) in order {
        if y { pairs += below } else { below += 1.0 }
    }
    pairs / (below * (y.len() as f64 - below))
}

#[test]
fn a_fit_finds_the_stated_model() {
    let stays = Readmission::new(50_000).seed(5).rows();
    let (mut x, mut y, mut inpatient) = (vec![], vec![], vec![]);
    for stay in stays.filter(|stay| !stay.ends_in_death_or_hospice()) {
        x.push(log_odds(&stay));
        y.push(stay.readmitted == Readmitted::Within30);
        inpatient.push(f64::from(stay.number_inpatient.min(10)));
    }
    // The patient's effect flattens the slope a little and ties to severity make it steeper.
    let (intercept, slope) = fit(&x, &y);
    assert!((0.93..1.10).contains(&slope), "slope {slope}");
    assert!(intercept.abs() < 0.25, "intercept {intercept}");
    let best = auc(&x, &y);
    assert!((0.645..0.685).contains(&best), "AUC {best}");
    // The strongest column alone: between 0.22 and 0.22 + 0.30 for the first visit.
    let (_, by_visit) = fit(&inpatient, &y);
    assert!((0.24..0.40).contains(&by_visit), "{by_visit} per inpatient visit");
}

#[test]
fn a_file_is_the_same_plain_and_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let table = Readmission::new(300).seed(8);
    let (plain, gz) = (folder.path().join("stays.csv"), folder.path().join("stays.csv.gz"));
    table.write_csv(&plain).unwrap();
    table.write_csv(&gz).unwrap();
    let plain = std::fs::read_to_string(plain).unwrap();
    let mut unpacked = String::new();
    let packed = std::fs::read(gz).unwrap();
    MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut unpacked).unwrap();
    assert!(plain == unpacked && plain == csv(&table));
    assert!(!plain.contains('"'));
    assert_eq!(plain.matches("\r\n").count(), plain.matches('\n').count());
    assert_eq!(plain.lines().count(), table.rows().len() + 1);
}

#[test]
fn a_folder_that_is_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let failed = Readmission::new(1).write_csv(file.join("stays.csv"));
    assert!(matches!(failed, Err(Error::File { file, .. }) if file.ends_with("stays.csv")));
}

#[test]
fn a_table_is_what_reading_the_file_gives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stays.csv");
    let generator = Readmission::new(9_000).seed(2);
    generator.write_csv(&path).unwrap();
    let ctx = Context::local();
    let read = CsvReader::new(&path).null_tokens(["?"]).read(&ctx).unwrap();
    let made = generator.table(&ctx).unwrap();
    assert_eq!(made.schema().to_string(), read.schema().to_string());
    assert!(made.to_batch().unwrap() == read.to_batch().unwrap());
}
