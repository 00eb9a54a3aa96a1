use std::sync::Arc;

use arrow_array::{Float64Array, RecordBatch};
use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, Error as CoreError};
use firesteel_table::{CsvReader, Field, Type, Value, col, when};
use proptest::prelude::*;

use super::*;
use crate::estimator::Transformer;
use crate::feature::{
    Derive, DropLevel, HandleInvalid, Imputer, Nulls, OneHotEncoder, StandardScaler, StringIndexer,
    StringIndexerModel, VectorAssembler, VectorAssemblerModel, element_names,
};
use crate::file::Saved;

const CSV: &str = "id,race,age,weight,readmitted\n\
    1,Asian,41,70.5,<30\n2,?,67,?,NO\n3,Caucasian,35,81,>30\n4,Caucasian,?,60,<30\n";

fn csv(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn reader(path: &str) -> CsvReader {
    CsvReader::new(path).null_tokens(["?"])
}

fn pipeline() -> Pipeline {
    let label = when(col("readmitted").eq("<30")).then(1).otherwise(0);
    Pipeline::new()
        .stage(Derive::new("label", label).column("old", col("age").ge(65).fill_null(false)))
        .stage(StringIndexer::new(["race"]).nulls(Nulls::Level))
        .stage(OneHotEncoder::new(["race"]).drop_level(DropLevel::MostFrequent))
        .stage(Imputer::new(["age", "weight"]))
        .stage(StandardScaler::new(["age", "weight"]).with_mean(true))
        .stage(VectorAssembler::new(["race", "old", "age", "weight"]))
        .fit_only(["label"])
        .csv_format(reader("").format)
}

fn fitted(ctx: &Context) -> (PipelineModel, Table) {
    let folder = tempfile::tempdir().unwrap();
    let table = reader(&csv(&folder, "train.csv", CSV)).read(ctx).unwrap();
    (pipeline().fit(&table).unwrap(), table)
}

fn text_of<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn raw_rows_are_scored_by_the_file_alone() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let (model, table) = fitted(&ctx);
    let path = folder.path().join("model.fsm");
    model.save(&ctx, &path).unwrap();
    let loaded = PipelineModel::load(&path).unwrap();
    assert_eq!(loaded.to_bytes().unwrap(), model.to_bytes().unwrap());
    let expected = model.transform(&table).unwrap().column("features").unwrap();
    // Other order of columns, a new one, no label, and `race` without a text in any row.
    let new = "weight,note,age,race\n70.5,x,41,Asian\n?,y,67,?\n";
    let raw = loaded.csv_reader(csv(&folder, "new.csv", new)).read(&ctx).unwrap();
    let scored = loaded.transform(&raw).unwrap();
    assert_eq!(scored.column("features").unwrap().to_data(), expected.slice(0, 2).to_data());
    assert!(!scored.schema().contains("label"));
    assert_eq!(scored.column_strings("note").unwrap()[1], Some("y".to_owned()));
    let lacking = loaded.csv_reader(csv(&folder, "bad.csv", "weight,race\n1,Asian\n"));
    assert!(lacking.read(&ctx).unwrap_err().to_string().contains("`age`"));
}

#[test]
fn one_row_is_scored_like_the_table() {
    let (model, table) = fitted(&Context::local());
    let scored = model.transform(&table).unwrap().to_batch().unwrap();
    let rows = firesteel_table::dense_vectors(scored.column_by_name("features").unwrap());
    assert!(rows.is_err(), "indicators make it sparse");
    let rows = scored.column_by_name("features").unwrap();
    let rows = firesteel_table::sparse_vectors(rows).unwrap();
    let row = model
        .predict_row(&[("age", 41.into()), ("race", "Asian".into()), ("weight", 70.5.into())])
        .unwrap();
    let vector = row.vector("features").unwrap();
    let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let mut first = vec![0.0; vector.len()];
    let (indices, values) = rows.row(0).unwrap();
    indices.iter().zip(values).for_each(|(&i, &x)| first[i as usize] = x);
    assert_eq!(bits(&vector), bits(&first));
    assert_eq!(row.value("old").unwrap(), Value::Bool(false));
    assert_eq!(row.f64("old").unwrap(), 0.0);
    let names = element_names(&model.output_schema(table.schema()).unwrap(), "features").unwrap();
    assert_eq!(names, ["race=Asian", "race=missing", "old", "age", "weight"]);
}

#[test]
fn a_row_with_the_wrong_values_says_so() {
    let (model, _) = fitted(&Context::local());
    let predict = |values: &[(&str, Value)]| model.predict_row(values);
    let age = ("age", 41.into());
    let text = text_of(predict(std::slice::from_ref(&age)));
    assert_eq!(text, "pipeline: no column `race`, `weight`");
    let text = text_of(predict(&[age.clone(), ("rase", "Asian".into())]));
    assert!(text.contains("did you mean `race`?"), "{text}");
    let row = |race: &str| [age.clone(), ("race", race.into()), ("weight", Value::Null)];
    let unseen = predict(&row("Martian")).unwrap_err();
    let bad =
        matches!(&unseen, Error::Core(CoreError::BadValue { value, .. }) if value == "\"Martian\"");
    assert!(bad, "{unseen}");
    let wrong = [("age", "old".into()), ("race", "Asian".into()), ("weight", Value::Null)];
    assert!(text_of(predict(&wrong)).contains("age"));
    assert!(predict(&row("Asian")).is_ok());
    assert!(predict(&row("Asian")).unwrap().value("nothing").is_err());
}

#[test]
fn needed_columns_must_be_there_and_of_the_right_type() {
    let ctx = Context::local();
    let (model, table) = fitted(&ctx);
    assert_eq!(model.needed_schema().to_string(), "race: string, age: i64, weight: f64");
    let without = |columns: &[&str]| model.transform(&table.drop_columns(columns).unwrap());
    assert_eq!(text_of(without(&["race", "age"])), "pipeline: no column `race`, `age`");
    assert!(without(&["id", "readmitted"]).unwrap().count().is_ok());
    let text = text_of(model.transform(&table.with_column("race", 7).unwrap()));
    assert!(
        text.contains("`race` is i64, expected string, as the pipeline was fitted on"),
        "{text}"
    );
    // Whole numbers where there were floats, a label of another type.
    let other = table.with_column("weight", 70).unwrap().with_column("readmitted", 1).unwrap();
    let scored = model.transform(&other).unwrap();
    assert!(!scored.schema().contains("label"));
    assert_eq!(scored.schema().type_of("weight").unwrap(), Type::F64);
    assert_eq!(scored.count().unwrap(), 4);
}

#[test]
fn stages_are_found_by_position_and_by_type() {
    let (model, _) = fitted(&Context::local());
    assert_eq!(model.stages().len(), 6);
    let kinds: Vec<_> = model.stages().map(|stage| stage.kind().to_owned()).collect();
    assert_eq!(kinds[..2], ["derive", "string_indexer"]);
    let indexer = model.stage::<StringIndexerModel>(1).unwrap();
    assert_eq!(indexer.levels("race").unwrap(), ["Caucasian", "Asian", "missing"]);
    assert!(model.stage::<StringIndexerModel>(0).is_none());
    assert!(model.stage::<StringIndexerModel>(9).is_none());
    assert!(model.find::<VectorAssemblerModel>().is_some());
    let pipeline = pipeline();
    assert!(pipeline.stage_at::<StringIndexer>(1).is_some());
}

#[test]
fn a_row_that_a_stage_leaves_out_has_no_answer() {
    let ctx = Context::local();
    let (_, table) = fitted(&ctx);
    let skipping =
        StringIndexer::new(["race"]).nulls(Nulls::Skip).handle_invalid(HandleInvalid::Skip);
    let model = Pipeline::new().stage(skipping).fit(&table).unwrap();
    assert_eq!(model.transform(&table).unwrap().count().unwrap(), 3);
    let text = text_of(model.predict_row(&[("race", "Martian".into())]));
    assert_eq!(text, "a stage left the row out: no rows");
}

#[test]
fn unseen_categories_are_the_same_error_on_every_rank() {
    let scored = |ctx: &Context| {
        let (model, table) = fitted(ctx);
        let other =
            table.with_column("race", when(col("id").eq(3)).then("?!").otherwise(col("race")));
        let other = model.transform(&other.unwrap()).unwrap();
        (other.count().unwrap_err(), table.count().unwrap())
    };
    for (error, rows) in on_ranks(3, scored) {
        assert!(error.to_string().contains("string_indexer"), "{error}");
        assert!(error.to_string().contains("row 2, column `race`"), "{error}");
        assert_eq!(rows, 4); // the context goes on
    }
}

/// A user's own stage: adds a number to a column.
#[derive(Clone, Debug)]
struct Add(f64);

impl Stage for Add {
    fn kind(&self) -> &str {
        "test/add"
    }

    fn check(&self, input: &Schema) -> Result<Schema> {
        self.output_schema(input)
    }

    fn fit_stage(&self, _: &Table) -> Result<Box<dyn FittedStage>> {
        Ok(Box::new(self.clone()))
    }
}

impl FittedStage for Add {
    fn kind(&self) -> &str {
        Self::KIND
    }

    fn outputs(&self) -> Vec<Output> {
        vec![Output::new("sum", ["x"])]
    }

    fn output_schema(&self, input: &Schema) -> Result<Schema> {
        input.index_of("x")?;
        Ok(input.with_field(Field::new("sum", Type::F64)))
    }

    fn transform_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let x = (col("x") + self.0).evaluate(batch)?;
        with_columns(batch, vec![("sum", Type::F64, x)])
    }

    fn to_saved(&self) -> Result<Saved> {
        Saved::new(Self::KIND, &())?.with("number", &[1], vec![self.0])
    }
}

impl Loadable for Add {
    const KIND: &'static str = "test/add";

    fn from_saved(saved: &Saved) -> Result<Self> {
        match saved.expect_kind(Self::KIND)?.vector("number")? {
            [number] => Ok(Self(*number)),
            _ => Err(saved.wrong("not one number")),
        }
    }
}

#[test]
fn a_stage_of_ones_own_is_loaded_once_it_is_registered() {
    let ctx = Context::local();
    let x = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    let batch = RecordBatch::try_from_iter([("x", x as _)]).unwrap();
    let table = Table::from_batches(&ctx, vec![batch]).unwrap();
    let bytes = Pipeline::new().stage(Add(0.5)).fit(&table).unwrap().to_bytes().unwrap();
    let text = text_of(PipelineModel::from_bytes("own.fsm", &bytes));
    assert!(text.contains("own.fsm") && text.contains("`test/add`"), "{text}");
    register::<Add>().unwrap();
    register::<Add>().unwrap();
    let model = PipelineModel::from_bytes("own.fsm", &bytes).unwrap();
    assert_eq!(model.transform(&table).unwrap().column_f64("sum").unwrap(), [1.5, 2.5]);
    assert_eq!(model.find::<Add>().unwrap().0, 0.5);
    assert_eq!(model.predict_row(&[("x", 1.into())]).unwrap().f64("sum").unwrap(), 1.5);
}

#[test]
fn files_of_another_kind_or_cut_short_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (model, _) = fitted(&Context::local());
    let path = folder.path().join("m.fsm");
    model.stages().next().unwrap().to_saved().unwrap().write(&path).unwrap();
    let text = text_of(PipelineModel::load(&path));
    assert!(text.contains("m.fsm: holds a `derive`, expected a `pipeline`"), "{text}");
    let bytes = model.to_bytes().unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(text_of(PipelineModel::load(&path)).contains("m.fsm: is cut short"));
    std::fs::write(&path, CSV).unwrap();
    assert!(text_of(PipelineModel::load(&path)).contains("is not a Firesteel model file"));
    let gone = PipelineModel::load(folder.path().join("gone.fsm")).unwrap_err();
    assert!(matches!(gone, Error::Core(CoreError::File { .. })));
    let below = path.join("below.fsm");
    let failed = model.save(&Context::local(), &below).unwrap_err();
    assert!(matches!(failed, Error::Core(CoreError::File { .. })), "{failed}");
}

#[test]
fn a_pipeline_without_stages_changes_nothing() {
    let (_, table) = fitted(&Context::local());
    let model = Pipeline::new().fit(&table).unwrap();
    assert_eq!(model.transform(&table).unwrap().schema(), table.schema());
    assert!(model.needed_schema().is_empty());
    assert_eq!(
        PipelineModel::from_bytes("m", &model.to_bytes().unwrap()).unwrap().stages().len(),
        0
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn a_forged_file_never_panics_whatever_is_done_with_it(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(
            b"0123456789-[]{}\",:aeinlstru\x00\xff".to_vec(),
        )), 1..3),
    ) {
        static BYTES: std::sync::LazyLock<Vec<u8>> =
            std::sync::LazyLock::new(|| fitted(&Context::local()).0.to_bytes().unwrap());
        let mut bytes = BYTES.clone();
        let end = bytes.len() - 4;
        for (at, byte) in changes {
            let at = 32 + at.index(end - 32);
            bytes[at] = byte;
        }
        let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&checksum);
        if let Ok(model) = PipelineModel::from_bytes("m.fsm", &bytes) {
            let row = [("age", 41.into()), ("race", "Asian".into()), ("weight", Value::Null)];
            let _ = (model.predict_row(&row), model.to_bytes());
        }
    }
}
