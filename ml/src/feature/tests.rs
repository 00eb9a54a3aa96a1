use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use firesteel_core::rng::Draws;
use firesteel_core::testing::{on_ranks, on_ranks_with};
use firesteel_core::{Context, Error as CoreError};
use firesteel_table::{
    Batch, Schema, Table, Type, col, dense_vector_column, sparse_vector_column, sparse_vectors,
    when,
};

use super::*;
use crate::error::{Error, Result};
use crate::estimator::{Estimator, Transformer};
use crate::pipeline::{FittedStage, Loadable, Pipeline, PipelineModel, Stage};

fn uniform(seed: u64, purpose: &str, row: u64) -> f64 {
    Draws::new(seed, purpose).uniform(row)
}

/// A table of these columns, its rows spread over so many partitions, in uneven batches.
fn spread(ctx: &Context, schema: &Schema, columns: Vec<ArrayRef>, partitions: usize) -> Table {
    let rows = columns.first().map_or(0, |column| column.len());
    let whole = schema.batch(columns, rows).unwrap();
    let mut batches = Vec::new();
    let mut at = 0;
    while at < rows {
        let len = (1 + at % 700 * partitions).min(rows - at);
        batches.push(Batch(whole.slice(at, len)));
        at += len;
    }
    Table::from_dataset(schema.clone(), ctx.parallelize_in(batches, partitions))
}

fn table(columns: Vec<(&str, Type, ArrayRef)>) -> Table {
    let schema = Schema::of(columns.iter().map(|(name, of, _)| (*name, *of))).unwrap();
    let arrays = columns.into_iter().map(|(_, _, array)| array).collect();
    spread(&Context::builder().threads(1).build().unwrap(), &schema, arrays, 2)
}

fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn floats(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn integers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn text_of<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.to_string(),
    }
}

/// Rows as of a hospital, always the same.
fn patients(ctx: &Context, n: usize, partitions: usize) -> Table {
    let draw = |what: &'static str| (0..n as u64).map(move |row| uniform(7, what, row));
    let race = |u: f64| ["Caucasian", "Asian", "Other", "x"].get((u * u * 5.0) as usize).copied();
    let schema = Schema::of([
        ("race", Type::String),
        ("diag", Type::String),
        ("age", Type::I64),
        ("weight", Type::F64),
        ("same", Type::F64),
        ("ill", Type::Bool),
        ("labs", Type::Vector(2)),
        ("drugs", Type::SparseVector(50)),
    ]);
    let labs = draw("l").zip(draw("m")).flat_map(|(a, b)| [a * 1e6, b - 0.5]).collect();
    let drugs = draw("d").map(|u| ([(u * 49.0) as u32, 49], [u, 1.0 - u]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(draw("race").map(race).collect::<StringArray>()),
        Arc::new(
            draw("diag").map(|u| Some(format!("V{:.0}", u * u * 60.0))).collect::<StringArray>(),
        ),
        Arc::new(
            draw("age").map(|u| (u > 0.1).then_some((u * 90.0) as i64)).collect::<Int64Array>(),
        ),
        Arc::new(
            draw("weight")
                .map(|u| (u > 0.2).then_some(if u > 0.9 { f64::NAN } else { 50.0 + 1e3 * u * u }))
                .collect::<Float64Array>(),
        ),
        Arc::new(Float64Array::from(vec![0.1; n])),
        Arc::new(draw("ill").map(|u| Some(u < 0.3)).collect::<BooleanArray>()),
        dense_vector_column(2, labs).unwrap(),
        sparse_vector_column(50, drugs).unwrap(),
    ];
    spread(ctx, &schema.unwrap(), columns, partitions)
}

/// All stages in one.
fn everything() -> Pipeline {
    Pipeline::new()
        .stage(Derive::new("old", col("age").ge(65)).column(
            "group",
            when(col("diag").starts_with("V1")).then("ones").otherwise(col("diag")),
        ))
        .stage(StringIndexer::new(["race", "group"]).min_count(200).nulls(Nulls::Level))
        .stage(OneHotEncoder::new(["race", "group"]).drop_level(DropLevel::MostFrequent))
        .stage(Imputer::new(["weight"]).outputs(["mean"]).indicators(true))
        .stage(Imputer::new(["weight", "age"]).strategy(Strategy::Median))
        .stage(StandardScaler::new(["weight", "mean", "same", "labs", "drugs"]).with_mean(false))
        .stage(Bucketizer::new("age", [0.0, 30.0, 60.0, 120.0]).outputs(["decade"]))
        .stage(VectorAssembler::new([
            "race",
            "group",
            "weight",
            "weight_missing_",
            "labs",
            "drugs",
            "old",
            "same",
            "decade",
        ]))
}

fn everything_sound() -> Pipeline {
    let mut pipeline = everything();
    pipeline.stages.pop();
    pipeline.stage(
        VectorAssembler::new([
            "race",
            "group",
            "weight",
            "mean_missing",
            "labs",
            "drugs",
            "old",
            "same",
            "decade",
        ])
        .handle_invalid(HandleInvalid::Keep),
    )
}

#[test]
fn a_fitted_pipeline_has_the_same_bytes_on_any_threads_ranks_and_partitions() {
    let fit = |ctx: &Context, partitions: usize| {
        let table = patients(ctx, 20_000, partitions);
        let model = everything_sound().fit(&table).unwrap();
        let features = model.transform(&table).unwrap().column("features").unwrap();
        (model.to_bytes().unwrap(), format!("{:?}", features.slice(9_990, 20)))
    };
    let alone = fit(&Context::builder().threads(1).build().unwrap(), 1);
    assert!(alone.0.len() > 1000);
    for (ranks, threads, partitions) in [(1, 2, 3), (1, 7, 16), (3, 1, 1), (3, 2, 16), (2, 1, 3)] {
        let there = |ctx: &Context| fit(ctx, partitions);
        for model in on_ranks_with(ranks, |builder| builder.threads(threads), there) {
            assert!(model == alone, "{ranks} ranks, {threads} threads, {partitions} partitions");
        }
    }
    let back = PipelineModel::from_bytes("m.fsm", &alone.0).unwrap();
    assert_eq!(back.to_bytes().unwrap(), alone.0);
}

#[test]
fn a_pipeline_that_names_a_missing_column_says_which_stage_and_column_before_any_pass() {
    let ctx = Context::local();
    let table = patients(&ctx, 10, 1);
    let text = text_of(everything().fit(&table));
    assert!(text.starts_with("stage 7 (vector_assembler): no column `weight_missing_`"), "{text}");
    let text = text_of(Pipeline::new().stage(StringIndexer::new(["rase"])).fit(&table));
    assert_eq!(text, "stage 0 (string_indexer): no column `rase`; did you mean `race`?");
}

/// Every stage, on columns of `patients`.
fn stages() -> Vec<Box<dyn Stage>> {
    vec![
        Box::new(Derive::new("x", col("age") + 1)),
        Box::new(StringIndexer::new(["diag", "age"]).nulls(Nulls::Level)),
        Box::new(OneHotEncoder::new(["ill"]).outputs(["vector"])),
        Box::new(Imputer::new(["age", "weight"]).strategy(Strategy::Mode)),
        Box::new(StandardScaler::new(["labs", "drugs"])),
        Box::new(VectorAssembler::new(["labs", "ill"])),
        Box::new(Bucketizer::new("same", [0.0, 0.1, 0.5])),
    ]
}

#[test]
fn every_stage_checks_fits_twice_alike_and_comes_back_from_a_file() {
    let ctx = Context::local();
    let table = patients(&ctx, 500, 3);
    for stage in stages() {
        let kind = stage.kind().to_owned();
        let checked = stage.check(table.schema()).unwrap();
        let fitted = stage.fit_stage(&table).unwrap();
        let saved = fitted.to_saved().unwrap();
        assert_eq!((fitted.kind(), saved.kind()), (&*kind, &*kind));
        let schema = fitted.output_schema(table.schema()).unwrap();
        let names = |schema: &Schema| schema.names().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(names(&checked), names(&schema), "{kind}");
        assert_eq!(
            saved.to_bytes(),
            stage.fit_stage(&table).unwrap().to_saved().unwrap().to_bytes()
        );
        let one_stage = crate::file::Saved::from_bytes("m.fsm", &saved.to_bytes()).unwrap();
        let again: Box<dyn FittedStage> = match &*kind {
            "derive" => Box::new(DeriveModel::from_saved(&one_stage).unwrap()),
            "string_indexer" => Box::new(StringIndexerModel::from_saved(&one_stage).unwrap()),
            "one_hot_encoder" => Box::new(OneHotEncoderModel::from_saved(&one_stage).unwrap()),
            "imputer" => Box::new(ImputerModel::from_saved(&one_stage).unwrap()),
            "standard_scaler" => Box::new(StandardScalerModel::from_saved(&one_stage).unwrap()),
            "vector_assembler" => Box::new(VectorAssemblerModel::from_saved(&one_stage).unwrap()),
            _ => Box::new(BucketizerModel::from_saved(&one_stage).unwrap()),
        };
        assert_eq!(again.to_saved().unwrap().to_bytes(), saved.to_bytes(), "{kind}");
        for batch in table.collect().unwrap() {
            let (a, b) = (fitted.transform_batch(&batch), again.transform_batch(&batch));
            let a = a.unwrap();
            assert_eq!(format!("{a:?}"), format!("{:?}", b.unwrap()), "{kind}");
            assert_eq!(a.schema().fields(), schema.to_arrow().fields(), "{kind}");
        }
        let other = if kind == "derive" { "imputer" } else { "derive" };
        assert!(one_stage.expect_kind(other).is_err());
    }
}

#[test]
fn every_stage_without_rows_is_fitted_or_says_that_there_are_none() {
    let ctx = Context::local();
    let none = Table::empty(&ctx, patients(&ctx, 1, 1).schema().clone());
    for stage in stages() {
        match stage.fit_stage(&none) {
            Ok(fitted) => {
                let batch = none.schema().to_arrow();
                let batch = arrow_array::RecordBatch::new_empty(batch);
                assert_eq!(fitted.transform_batch(&batch).unwrap().num_rows(), 0);
            }
            Err(Error::Column { .. } | Error::EmptyData { .. }) => {}
            Err(error) => panic!("{}: {error}", stage.kind()),
        }
    }
}

#[test]
fn every_stage_names_columns_that_are_missing_or_wrong() {
    let ctx = Context::local();
    let other = table(vec![("z", Type::String, strings(&[Some("a")]))]);
    for stage in stages() {
        let error = stage.fit_stage(&other).unwrap_err();
        let missing = matches!(error, Error::Table(firesteel_table::Error::UnknownColumn { .. }));
        assert!(missing, "{}: {error}", stage.kind());
    }
    let patients = patients(&ctx, 5, 1);
    let wrong: Vec<Box<dyn Stage>> = vec![
        Box::new(Derive::new("x", col("race") + 1)),
        Box::new(StringIndexer::new(["labs"])),
        Box::new(OneHotEncoder::new(["race"])),
        Box::new(Imputer::new(["race"])),
        Box::new(StandardScaler::new(["race"])),
        Box::new(VectorAssembler::new(["race"])),
        Box::new(Bucketizer::new("race", [0.0, 1.0, 2.0])),
    ];
    for stage in wrong {
        let error = stage.check(patients.schema()).unwrap_err();
        let mismatch = matches!(error, Error::Table(firesteel_table::Error::TypeMismatch { .. }));
        assert!(mismatch, "{}: {error}", stage.kind());
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    let ctx = Context::local();
    let patients = patients(&ctx, 5, 1);
    let bad: Vec<(&str, Box<dyn Stage>)> = vec![
        ("min_count", Box::new(StringIndexer::new(["race"]).min_count(0))),
        ("inputs", Box::new(StringIndexer::new(["race", "race"]))),
        ("inputs", Box::new(Imputer::new::<String>([]))),
        ("outputs", Box::new(Imputer::new(["age"]).outputs(["a", "b"]))),
        ("outputs", Box::new(StandardScaler::new(["age", "weight"]).outputs(["a", "a"]))),
        (
            "drop_levels",
            Box::new(OneHotEncoder::new(["ill"]).drop_level_of("age", DropLevel::First)),
        ),
        ("splits", Box::new(Bucketizer::new("age", [0.0, 1.0]))),
        ("splits", Box::new(Bucketizer::new("age", [0.0, f64::NAN, 1.0]))),
        ("splits", Box::new(Bucketizer::new("age", [0.0, 0.0, 1.0]))),
        ("inputs", Box::new(VectorAssembler::new::<String>([]))),
        ("columns", Box::new(Derive::new("x", 1).column("x", 2))),
    ];
    for (parameter, stage) in bad {
        let error = stage.check(patients.schema()).unwrap_err();
        assert!(matches!(&error, Error::Parameter { name, .. } if name == parameter), "{error}");
    }
}

#[test]
fn levels_come_in_the_order_asked_for_with_ties_in_alphabetical_order() {
    let values = ["b", "a", "c", "b", "d", "c"].map(Some);
    let table = table(vec![("s", Type::String, strings(&values))]);
    let levels = |order| {
        let model = StringIndexer::new(["s"]).string_order(order).fit(&table).unwrap();
        model.levels("s").unwrap().concat()
    };
    assert_eq!(levels(StringOrder::FrequencyDesc), "bcad");
    assert_eq!(levels(StringOrder::FrequencyAsc), "adbc");
    assert_eq!(levels(StringOrder::AlphabetAsc), "abcd");
    assert_eq!(levels(StringOrder::AlphabetDesc), "dcba");
}

#[test]
fn rare_levels_and_nulls_are_merged_and_values_of_the_same_name_join_them() {
    let values =
        [Some("a"), Some("a"), Some("other"), Some("b"), None, Some("a"), Some("c"), Some("c")];
    let table = table(vec![("s", Type::String, strings(&values))]);
    let indexer = StringIndexer::new(["s"]).min_count(2).nulls(Nulls::Level);
    let model = indexer.clone().fit(&table).unwrap();
    assert_eq!(model.levels("s").unwrap(), ["a", "other", "c"]);
    assert_eq!(model.counts("s").unwrap(), [3, 3, 2]);
    assert_eq!(model.merged("s").unwrap(), ["b", "missing", "other"]);
    let indexed = model.transform(&table).unwrap();
    assert_eq!(indexed.column_f64("s").unwrap(), [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 2.0, 2.0]);
    let levels = Levels::of_field(indexed.schema().field("s").unwrap()).unwrap();
    assert_eq!((&*levels.of, levels.names.len()), ("s", 3));
    let text = text_of(StringIndexer::new(["s"]).fit(&table));
    assert!(text.contains("column `s`: has 1 nulls"), "{text}");
    let model = StringIndexer::new(["s"]).nulls(Nulls::Level).missing("?").fit(&table).unwrap();
    assert_eq!(model.levels("s").unwrap(), ["a", "c", "?", "b", "other"]);
    let model = StringIndexer::new(["s"]).nulls(Nulls::Skip).fit(&table).unwrap();
    assert_eq!(model.transform(&table).unwrap().count().unwrap(), 7);
}

#[test]
fn unseen_categories_fail_with_their_name_are_skipped_or_kept() {
    let seen = ["a", "a", "b"].map(Some);
    let seen = table(vec![("s", Type::String, strings(&seen))]);
    let new = table(vec![("s", Type::String, strings(&[Some("a"), Some("z"), None]))]);
    let indexer = StringIndexer::new(["s"]).nulls(Nulls::Level);
    let scored = |indexer: &StringIndexer| {
        indexer.fit(&seen).unwrap().transform(&new).unwrap().column_f64("s").map_err(Error::from)
    };
    match scored(&indexer) {
        Err(Error::Core(CoreError::BadValue { operation, row, column, value, expected })) => {
            assert!(operation.starts_with("string_indexer"), "{operation}");
            assert_eq!((row, &*column, &*value), (0, "s", "\"z\"")); // first of its partition
            assert_eq!(expected, "one of the 2 categories seen by the fit");
        }
        other => panic!("{other:?}"),
    }
    let keep = indexer.clone().handle_invalid(HandleInvalid::Keep);
    assert_eq!(scored(&keep).unwrap(), [0.0, 2.0, 2.0]);
    assert_eq!(scored(&keep.min_count(2)).unwrap(), [0.0, 1.0, 1.0]); // into the merged level
    assert_eq!(scored(&indexer.handle_invalid(HandleInvalid::Skip)).unwrap(), [0.0]);
    let nulls = StringIndexer::new(["s"]).handle_invalid(HandleInvalid::Keep);
    assert!(scored(&nulls).unwrap_err().to_string().contains("found null"));
}

#[test]
fn numbers_and_truth_values_are_categories_by_their_text() {
    let table = table(vec![
        ("n", Type::I64, integers(&[Some(7), Some(-1), Some(7)])),
        ("b", Type::Bool, Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("x", Type::F64, floats(&[Some(0.5), Some(2.0), Some(2.0)])),
    ]);
    let model = StringIndexer::new(["n", "b", "x"]).fit(&table).unwrap();
    assert_eq!(model.levels("n").unwrap(), ["7", "-1"]);
    assert_eq!(model.levels("b").unwrap(), ["true", "false"]);
    assert_eq!(model.levels("x").unwrap()[1], "0.5");
}

#[test]
fn a_column_without_values_cannot_be_learnt_from() {
    let table = table(vec![
        ("s", Type::String, strings(&[None, None])),
        ("x", Type::F64, floats(&[None, Some(f64::NAN)])),
        ("y", Type::F64, floats(&[None, None])),
    ]);
    let all: Vec<(&str, Box<dyn Stage>)> = vec![
        ("s", Box::new(StringIndexer::new(["s"]).nulls(Nulls::Skip))),
        ("x", Box::new(Imputer::new(["x"]))),
        ("x", Box::new(Imputer::new(["x"]).strategy(Strategy::Median))),
        ("x", Box::new(Imputer::new(["x"]).strategy(Strategy::Mode))),
        ("y", Box::new(StandardScaler::new(["y"]))),
        ("y", Box::new(OneHotEncoder::new(["y"]))),
    ];
    for (expected, stage) in all {
        let error = stage.fit_stage(&table).unwrap_err();
        assert!(matches!(&error, Error::Column { column, .. } if column == expected), "{error}");
    }
}

#[test]
fn one_level_has_no_indicator_whichever_way_it_is_chosen() {
    let values = ["b", "a", "b", "c", "b", "c"].map(Some);
    let table = table(vec![("s", Type::String, strings(&values))]);
    let indexed = StringIndexer::new(["s"])
        .string_order(StringOrder::AlphabetAsc)
        .outputs(["s_index"])
        .fit(&table)
        .unwrap()
        .transform(&table)
        .unwrap();
    let names = |drop: DropLevel| {
        let encoder = OneHotEncoder::new(["s_index"]).outputs(["v"]).drop_level(drop);
        let encoded = encoder.fit(&indexed)?.transform(&indexed)?;
        Ok(element_names(encoded.schema(), "v")?.join(" "))
    };
    assert_eq!(names(DropLevel::Last).unwrap(), "s=a s=b");
    assert_eq!(names(DropLevel::First).unwrap(), "s=b s=c");
    assert_eq!(names(DropLevel::MostFrequent).unwrap(), "s=a s=c");
    assert_eq!(names(DropLevel::Named("a".into())).unwrap(), "s=b s=c");
    assert_eq!(names(DropLevel::None).unwrap(), "s=a s=b s=c");
    let text = text_of(names(DropLevel::Named("z".into())));
    assert!(text.contains("no level `z`"), "{text}");
    let encoder = OneHotEncoder::new(["s_index"]).drop_level_of("s_index", DropLevel::None);
    let dense = encoder.clone().sparse(false).fit(&indexed).unwrap().transform(&indexed).unwrap();
    let sparse = encoder.fit(&indexed).unwrap().transform(&indexed).unwrap();
    let dense = dense.column("s_index").unwrap();
    let dense = firesteel_table::dense_vectors(&dense).unwrap().values().to_vec();
    assert_eq!(dense[..6], [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    let sparse = sparse.column("s_index").unwrap();
    let rows = sparse_vectors(&sparse).unwrap();
    assert_eq!(rows.row(3), Some((&[2][..], &[1.0][..])));
}

#[test]
fn numbers_that_are_no_level_fail_are_skipped_or_have_a_level_of_their_own() {
    let fitted = table(vec![("c", Type::F64, floats(&[Some(0.0), Some(2.0), Some(2.0)]))]);
    let new = table(vec![("c", Type::F64, floats(&[Some(0.0), Some(3.0), None, Some(0.5)]))]);
    let scored = |handle| {
        let encoder = OneHotEncoder::new(["c"]).drop_level(DropLevel::None).handle_invalid(handle);
        let column = encoder.fit(&fitted)?.transform(&new)?.column("c")?;
        let rows = sparse_vectors(&column)?;
        Ok((0..rows.len()).map(|i| rows.row(i).unwrap().0.to_vec()).collect::<Vec<_>>())
    };
    let text = text_of(scored(HandleInvalid::Error));
    assert!(text.contains("column `c`: expected a whole number from 0 to 2, found 3"), "{text}");
    assert_eq!(scored(HandleInvalid::Skip).unwrap(), [[0]]);
    assert_eq!(scored(HandleInvalid::Keep).unwrap(), [[0], [3], [3], [3]]);
}

#[test]
fn missing_values_are_filled_by_mean_median_and_mode() {
    let x = [Some(4.0), None, Some(1.0), Some(f64::NAN), Some(1.0), Some(-9.0), Some(8.0)];
    let n = [Some(3), None, Some(i64::MAX), None, Some(i64::MAX), None, Some(3)];
    let table = table(vec![("x", Type::F64, floats(&x)), ("n", Type::I64, integers(&n))]);
    let found = |imputer: Imputer| imputer.fit(&table).unwrap().surrogate("x").unwrap();
    assert_eq!(found(Imputer::new(["x"])), 1.0);
    assert_eq!(found(Imputer::new(["x"]).missing_value(-9.0)), 3.5);
    assert_eq!(found(Imputer::new(["x"]).strategy(Strategy::Median)), 1.0);
    let without = Imputer::new(["x"]).strategy(Strategy::Median).missing_value(-9.0);
    assert_eq!(found(without), 2.5);
    assert_eq!(found(Imputer::new(["x"]).strategy(Strategy::Mode)), 1.0);
    let mode = Imputer::new(["n"]).strategy(Strategy::Mode).indicators(true);
    let filled = mode.fit(&table).unwrap().transform(&table).unwrap();
    assert_eq!(filled.schema().type_of("n").unwrap(), Type::I64);
    let column = filled.column("n").unwrap();
    assert_eq!(firesteel_table::Value::at(&column, 1), 3.into());
    assert_eq!(firesteel_table::Value::at(&column, 2), i64::MAX.into());
    assert_eq!(filled.column_f64("n_missing").unwrap(), [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
    let mean = Imputer::new(["n"]).fit(&table).unwrap().transform(&table).unwrap();
    assert_eq!(mean.schema().type_of("n").unwrap(), Type::F64);
}

#[test]
fn infinite_and_missing_numbers_are_named_by_their_row_on_every_rank() {
    let fit = |ctx: &Context| {
        let mut x = vec![1.0; 20_000];
        x[10_123] = f64::INFINITY;
        let schema = Schema::of([("x", Type::F64)]).unwrap();
        let table = spread(ctx, &schema, vec![Arc::new(Float64Array::from(x))], 5);
        (StandardScaler::new(["x"]).fit(&table).unwrap_err(), Imputer::new(["x"]).fit(&table))
    };
    for (scaler, imputer) in on_ranks(3, fit) {
        let expected = "row 10123, column `x`: expected a finite number, found inf";
        assert_eq!(scaler.to_string(), format!("standard_scaler: {expected}"));
        assert_eq!(text_of(imputer), format!("imputer: {expected}"));
    }
}

#[test]
fn scaling_agrees_with_the_plain_formula() {
    let ctx = Context::local();
    let patients = patients(&ctx, 10_000, 3);
    let x = patients.filter(col("age").is_not_null()).unwrap();
    let values = x.column_f64("age").unwrap();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    for (scaling, divisor) in [(Scaling::Sample, n - 1.0), (Scaling::Population, n)] {
        // Nulls do not count.
        let model = StandardScaler::new(["age"]).scaling(scaling).with_mean(true);
        let model = model.fit(&patients).unwrap();
        approx::assert_relative_eq!(model.mean("age").unwrap()[0], mean, max_relative = 1e-14);
        let std = (squares / divisor).sqrt();
        approx::assert_relative_eq!(model.std("age").unwrap()[0], std, max_relative = 1e-13);
        let scaled = model.transform(&x).unwrap().column_f64("age").unwrap();
        approx::assert_relative_eq!(scaled[5], (values[5] - mean) / std, max_relative = 1e-12);
    }
}

#[test]
fn constant_columns_become_zero_and_nulls_stay() {
    let table = table(vec![("x", Type::F64, floats(&[Some(0.1), None, Some(0.1), Some(0.1)]))]);
    let scaled = |scaler: StandardScaler| {
        scaler.fit(&table).unwrap().transform(&table).unwrap().column_f64("x").unwrap()
    };
    let zeros = scaled(StandardScaler::new(["x"]));
    assert_eq!((zeros[0], zeros[1].is_nan(), zeros[3]), (0.0, true, 0.0));
    assert_eq!(scaled(StandardScaler::new(["x"]).with_std(false))[0], 0.1);
    assert_eq!(scaled(StandardScaler::new(["x"]).with_std(false).with_mean(true))[0], 0.0);
}

#[test]
fn sparse_vectors_are_scaled_as_their_dense_form_is() {
    let sparse = [(vec![0_u32, 2], vec![1.0, 4.0]), (vec![], vec![]), (vec![2], vec![-2.0])];
    let dense = vec![1.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, -2.0];
    let table = table(vec![
        ("s", Type::SparseVector(3), sparse_vector_column(3, sparse).unwrap()),
        ("d", Type::Vector(3), dense_vector_column(3, dense).unwrap()),
    ]);
    for with_mean in [false, true] {
        let model = StandardScaler::new(["s", "d"]).with_mean(with_mean).fit(&table).unwrap();
        for (s, d) in model.std("s").unwrap().iter().zip(model.std("d").unwrap()) {
            approx::assert_relative_eq!(s, d, max_relative = 1e-14);
        }
        let scaled = model.transform(&table).unwrap();
        let form = scaled.schema().type_of("s").unwrap();
        assert_eq!(form == Type::Vector(3), with_mean);
        let assembler = VectorAssembler::new(["s"]).form(VectorForm::Dense).output("a");
        let scaled = assembler.fit(&scaled).unwrap().transform(&scaled).unwrap();
        let (a, d) = (scaled.column("a").unwrap(), scaled.column("d").unwrap());
        let a = firesteel_table::dense_vectors(&a).unwrap().values();
        let d = firesteel_table::dense_vectors(&d).unwrap().values();
        for (a, d) in a.iter().zip(d) {
            approx::assert_abs_diff_eq!(a, d, epsilon = 1e-14);
        }
    }
}

#[test]
fn columns_side_by_side_are_one_vector_dense_or_sparse() {
    let table = table(vec![
        ("x", Type::F64, floats(&[Some(0.0), Some(2.0), None])),
        ("d", Type::Vector(2), dense_vector_column(2, vec![1.0, 0.0, 3.0, 4.0, 5.0, 6.0]).unwrap()),
        (
            "s",
            Type::SparseVector(3),
            sparse_vector_column(3, [([1], [7.0]), ([0], [8.0]), ([2], [9.0])]).unwrap(),
        ),
        ("b", Type::Bool, Arc::new(BooleanArray::from(vec![true, false, true]))),
    ]);
    let assembler = VectorAssembler::new(["x", "d", "s", "b"]);
    let text = text_of(
        assembler.fit(&table).unwrap().transform(&table).unwrap().count().map_err(Error::from),
    );
    assert!(text.contains("column `x`: expected a number, found null or NaN"), "{text}");
    let skip = assembler.clone().handle_invalid(HandleInvalid::Skip);
    let rows = skip.fit(&table).unwrap().transform(&table).unwrap();
    assert_eq!(rows.schema().type_of("features").unwrap(), Type::SparseVector(7));
    let names = element_names(rows.schema(), "features").unwrap().join(" ");
    assert_eq!(names, "x d[0] d[1] s[0] s[1] s[2] b");
    let column = rows.column("features").unwrap();
    let sparse = sparse_vectors(&column).unwrap();
    assert_eq!(sparse.len(), 2);
    assert_eq!(sparse.row(0), Some((&[1, 4, 6][..], &[1.0, 7.0, 1.0][..])));
    let keep = assembler.handle_invalid(HandleInvalid::Keep).form(VectorForm::Dense);
    let rows = keep.fit(&table).unwrap().transform(&table).unwrap();
    let column = rows.column("features").unwrap();
    let dense = firesteel_table::dense_vectors(&column).unwrap();
    assert_eq!(dense.row(1), Some([2.0, 3.0, 4.0, 8.0, 0.0, 0.0, 0.0].as_slice()));
    assert!(dense.row(2).unwrap()[0].is_nan());
}

#[test]
fn numbers_outside_the_splits_fail_and_missing_ones_as_asked_for() {
    let x = [Some(1.0), None, Some(2.0), Some(f64::NAN)];
    let numbers = table(vec![("x", Type::F64, floats(&x))]);
    let bucketizer = Bucketizer::new("x", [0.0, 1.0, 2.0]);
    let buckets = |handle, table: &Table| {
        let model = bucketizer.clone().handle_invalid(handle).fit(table)?;
        Ok(model.transform(table)?.column_f64("x")?)
    };
    assert_eq!(buckets(HandleInvalid::Keep, &numbers).unwrap(), [1.0, 2.0, 1.0, 2.0]);
    assert_eq!(buckets(HandleInvalid::Skip, &numbers).unwrap(), [1.0, 1.0]);
    assert!(text_of(buckets(HandleInvalid::Error, &numbers)).contains("found null"));
    let outside = table(vec![("x", Type::F64, floats(&[Some(2.5)]))]);
    let text = text_of(buckets(HandleInvalid::Keep, &outside));
    assert!(text.contains("expected a number from 0 to 2, found 2.5"), "{text}");
    let model = bucketizer.fit(&numbers).unwrap();
    let schema = model.output_schema(numbers.schema()).unwrap();
    let levels = Levels::of_field(schema.field("x").unwrap()).unwrap();
    assert_eq!(levels.names, ["[0, 1)", "[1, 2]"]);
}
