#![doc = include_str!("../README.md")]

pub use firesteel_core as core;
pub use firesteel_datasets as datasets;
pub use firesteel_ml as ml;
pub use firesteel_table as table;

/// What most programs use, in one line: `use firesteel::prelude::*;`.
pub mod prelude {
    pub use firesteel_core::{Broadcast, Context, Dataset, StorageLevel};
    pub use firesteel_ml::classification::{
        LogisticRegression, LogisticRegressionModel, LogisticRegressionStage, SmallSample,
    };
    pub use firesteel_ml::evaluation::{BinaryMetrics, Scored};
    pub use firesteel_ml::feature::{
        Bucketizer, Derive, HandleInvalid, Imputer, OneHotEncoder, Scaling, StandardScaler,
        StringIndexer, VectorAssembler,
    };
    pub use firesteel_ml::{
        ArraySamples, Estimator, Pipeline, PipelineModel, Predict, Samples, TableSamples,
        Transformer,
    };
    pub use firesteel_table::{
        AsOf, CsvReader, CsvWriter, Frame, IpcReader, IpcWriter, JoinType, JsonReader, JsonWriter,
        LibsvmReader, LibsvmWriter, OnBadRecord, ParquetReader, ParquetWriter, Schema, SortKey,
        Table, TimeUnit, Type, WriteMode, coalesce, col, count_rows, date, lit, row_number,
        timestamp, when,
    };
}
