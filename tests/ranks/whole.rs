//! The main job's shape, small: one pipeline, its file and its metrics, to the bit on any ranks,
//! threads, partitions, and orders of rows.

use firesteel::prelude::*;
use firesteel_datasets::readmission::Readmission;

use crate::support::{bits, grid};

const PARTITIONS: [usize; 3] = [1, 3, 16];

fn stays(ctx: &Context, partitions: usize, shuffled: bool) -> Table {
    let whole = Readmission::new(400).seed(3).table(ctx).unwrap().to_batch().unwrap();
    let n = whole.num_rows();
    let mut rows: Vec<usize> = (0..n).collect();
    if shuffled {
        rows.sort_by_key(|&row| firesteel::core::hash::mix(row as u64));
    }
    // One batch a row where the order changed; runs of rows otherwise.
    let height = if shuffled { 1 } else { n.div_ceil(partitions) };
    let batches: Vec<_> = rows.chunks(height).map(|run| whole.slice(run[0], run.len())).collect();
    let schema = firesteel::table::Schema::of_batch(&whole).unwrap();
    let batches: Vec<_> = batches.into_iter().map(firesteel::table::Batch).collect();
    Table::from_dataset(schema, ctx.parallelize_in(batches, partitions))
}

/// With rows brought into the order of a key, or taken as they come.
fn pipeline(has_key: bool) -> Pipeline {
    let numbers = ["time_in_hospital", "num_medications", "number_inpatient"];
    let categories = ["gender", "insulin", "A1Cresult"];
    let features: Vec<&str> = numbers.iter().chain(&categories).copied().collect();
    let regression = LogisticRegression::new().group("patient_nbr");
    Pipeline::new()
        .stage(Derive::new("label", col("readmitted").eq("<30").cast(Type::F64)))
        .stage(StringIndexer::new(categories).min_count(20))
        .stage(OneHotEncoder::new(categories))
        .stage(Imputer::new(numbers))
        .stage(StandardScaler::new(numbers).with_mean(true))
        .stage(VectorAssembler::new(features))
        .stage(if has_key { regression.row_key("encounter_id") } else { regression })
}

/// The saved file's bytes, and the bits of the metrics and of the odds ratios' table.
fn file_and_metrics(ctx: &Context, table: &Table, has_key: bool) -> (Vec<u8>, Vec<f64>) {
    let model = pipeline(has_key).fit(table).unwrap();
    let scored = model.transform(table).unwrap();
    let (p, y) = (scored.column_f64("probability").unwrap(), scored.column_f64("label").unwrap());
    let metrics = BinaryMetrics::new(&Scored::from_slices(ctx, &p, &y).unwrap()).unwrap();
    let line = metrics.calibration_line().unwrap();
    let mut found = vec![
        line.slope.value,
        line.intercept.value,
        metrics.area_under_roc().unwrap(),
        metrics.average_precision().unwrap(),
        metrics.brier().unwrap(),
        metrics.log_loss().unwrap(),
    ];
    let logistic: &LogisticRegressionStage = model.find().unwrap();
    for row in logistic.model.summary.standard_errors.best().unwrap().table(0.95).unwrap() {
        found.extend([row.estimate, row.std_error, row.p_value, row.lower, row.upper]);
    }
    (model.to_bytes().unwrap(), found)
}

#[test]
fn a_pipeline_and_its_metrics_have_the_same_bits_everywhere() {
    // Without a key the rows must come in one order; with one, in any.
    for (has_key, orders) in [(true, &[false, true][..]), (false, &[false])] {
        let mut first = None;
        for (&partitions, &shuffled) in PARTITIONS
            .iter()
            .flat_map(|partitions| orders.iter().map(move |order| (partitions, order)))
        {
            let order = if shuffled { "shuffled" } else { "in order" };
            let name = format!("{partitions} partitions, {order}, key: {has_key}");
            let run =
                |ctx: &Context| file_and_metrics(ctx, &stays(ctx, partitions, shuffled), has_key);
            let found = bits(&grid(&name, run));
            assert!(*first.get_or_insert_with(|| found.clone()) == found, "{name}: other bits");
        }
    }
}
