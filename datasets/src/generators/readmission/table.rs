//! The rows as a table.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use firesteel_core::{Context, Error as CoreError};
use firesteel_table::{Batch, Result, Schema, Table, Type};

use super::encounter::{Encounter, header};
use super::level::Level;
use super::{ROWS, Readmission, Rows, partitions};

/// The columns that hold whole numbers; all others hold text.
const NUMBERS: [&str; 13] = [
    "encounter_id",
    "patient_nbr",
    "admission_type_id",
    "discharge_disposition_id",
    "admission_source_id",
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
];

impl Readmission {
    /// The rows as a table, as if their CSV had been read with `?` as the token of nulls:
    /// identifiers and counts are whole numbers, the rest is text, and `None` is a level.
    ///
    /// # Errors
    ///
    /// None that a caller could cause; the table's own on making its schema.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_datasets::readmission::Readmission;
    ///
    /// # fn main() -> firesteel_table::Result<()> {
    /// let table = Readmission::new(500).table(&Context::local())?;
    /// assert_eq!(table.schema().len(), 50);
    /// assert!(table.count()? > 500);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn table(&self, ctx: &Context) -> Result<Table> {
        let type_of = |name| if NUMBERS.contains(&name) { Type::I64 } else { Type::String };
        let schema = Schema::of(header().iter().map(|&name| (name, type_of(name))))?;
        let plan = Arc::new(self.plan());
        let partitions = partitions(&plan);
        let made = schema.clone();
        let batches = ctx.generate("readmission", partitions, move |partition| {
            let rows = Rows::of_partition(&plan, partition, partitions);
            Ok(Batches { rows, schema: made.clone() })
        });
        Ok(Table::from_dataset(schema, batches))
    }
}

/// Rows of a partition, some thousand at a time.
struct Batches {
    rows: Rows,
    schema: Schema,
}

impl Iterator for Batches {
    type Item = Result<Batch, CoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let stays: Vec<Encounter> = self.rows.by_ref().take(ROWS).collect();
        (!stays.is_empty()).then(|| {
            let batch = self.schema.batch(columns(&stays), stays.len());
            batch.map(Batch).map_err(CoreError::from)
        })
    }
}

/// The columns in the order of the header.
fn columns(stays: &[Encounter]) -> Vec<ArrayRef> {
    let long = |value: fn(&Encounter) -> u64| -> ArrayRef {
        // Numbers of stays and patients are far below 2⁶³.
        Arc::new(stays.iter().map(|stay| value(stay) as i64).collect::<Int64Array>())
    };
    let small = |value: fn(&Encounter) -> u8| -> ArrayRef {
        Arc::new(stays.iter().map(|stay| i64::from(value(stay))).collect::<Int64Array>())
    };
    let level = |value: fn(&Encounter) -> Level| -> ArrayRef {
        let known = |level: Level| (level != Level::MISSING).then_some(level.as_str());
        Arc::new(stays.iter().map(|stay| known(value(stay))).collect::<StringArray>())
    };
    let text = |value: fn(&Encounter) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(stays.iter().map(value)))
    };
    let drug = |place: usize| -> ArrayRef {
        let doses = stays.iter().map(|stay| stay.drugs[place].as_str());
        Arc::new(StringArray::from_iter_values(doses))
    };
    let mut columns = vec![
        long(|stay| stay.encounter_id),
        long(|stay| stay.patient_nbr),
        level(|stay| stay.race),
        level(|stay| stay.gender),
        level(|stay| stay.age),
        level(|stay| stay.weight),
        small(|stay| stay.admission_type_id),
        small(|stay| stay.discharge_disposition_id),
        small(|stay| stay.admission_source_id),
        small(|stay| stay.time_in_hospital),
        level(|stay| stay.payer_code),
        level(|stay| stay.medical_specialty),
        small(|stay| stay.num_lab_procedures),
        small(|stay| stay.num_procedures),
        small(|stay| stay.num_medications),
        small(|stay| stay.number_outpatient),
        small(|stay| stay.number_emergency),
        small(|stay| stay.number_inpatient),
        level(|stay| stay.diag_1),
        level(|stay| stay.diag_2),
        level(|stay| stay.diag_3),
        small(|stay| stay.number_diagnoses),
        level(|stay| stay.max_glu_serum),
        level(|stay| stay.a1c_result),
    ];
    columns.extend((0..super::drugs().len()).map(drug));
    columns.push(text(|stay| if stay.change { "Ch" } else { "No" }));
    columns.push(text(|stay| if stay.diabetes_med { "Yes" } else { "No" }));
    columns.push(text(|stay| stay.readmitted.as_str()));
    columns
}
