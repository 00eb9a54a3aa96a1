//! One vector of many columns.

use arrow_array::{ArrayRef, RecordBatch};
use firesteel_table::{
    Field, Schema, SparseVectorBuilder, Table, Type, dense_vector_column, dense_vectors,
    sparse_vectors,
};
use serde::{Deserialize, Serialize};

use super::numbers::{Numbers, bad_value, kept};
use super::pairs::{distinct, wrong_type};
use super::{HandleInvalid, element_names, with_element_names};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::file::Saved;
use crate::pipeline::{FittedStage, Loadable, Output, Stage, UNKNOWN_WIDTH, column, with_columns};

/// How the vectors are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VectorForm {
    /// Sparse if any of the columns is a sparse vector, else dense.
    #[default]
    Auto,
    /// All numbers.
    Dense,
    /// Only those that are not zero.
    Sparse,
}

/// Puts numbers, truth values and vectors side by side into one vector.
///
/// The positions of the vector have names ([`element_names`]): a single value's that of its
/// column, a vector's its own.
///
/// A null or NaN, also inside of a vector, is invalid: [`HandleInvalid::Error`] fails,
/// [`HandleInvalid::Skip`] leaves the row out, [`HandleInvalid::Keep`] puts NaN in its place.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::feature::{VectorAssembler, element_names};
/// use firesteel_ml::{Estimator, Transformer};
/// use firesteel_table::{Table, Type, one_row};
///
/// let row = one_row(&[("age", 61.into()), ("old", false.into())])?;
/// let table = Table::from_batches(&Context::local(), vec![row])?;
/// let assembled = VectorAssembler::new(["age", "old"]).fit(&table)?.transform(&table)?;
/// assert_eq!(assembled.schema().type_of("features")?, Type::Vector(2));
/// assert_eq!(element_names(assembled.schema(), "features")?, ["age", "old"]);
/// # Ok::<(), firesteel_ml::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct VectorAssembler {
    /// The columns, in the order of their numbers in the vector.
    pub inputs: Vec<String>,
    /// The name of the vector column. Default `features`.
    pub output: String,
    /// What to do with nulls and NaN. Default: an error.
    pub handle_invalid: HandleInvalid,
    /// How the vectors are held. Default: as the columns ask for.
    pub form: VectorForm,
}

impl VectorAssembler {
    /// Puts these columns into one vector; everything else starts at its default.
    pub fn new<S: Into<String>>(inputs: impl IntoIterator<Item = S>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            output: "features".to_owned(),
            handle_invalid: HandleInvalid::default(),
            form: VectorForm::default(),
        }
    }

    /// Sets the name of the vector column.
    pub fn output(self, output: impl Into<String>) -> Self {
        Self { output: output.into(), ..self }
    }

    /// Sets what to do with nulls and NaN.
    pub fn handle_invalid(self, handle_invalid: HandleInvalid) -> Self {
        Self { handle_invalid, ..self }
    }

    /// Sets how the vectors are held.
    pub fn form(self, form: VectorForm) -> Self {
        Self { form, ..self }
    }

    fn parts(&self, schema: &Schema) -> Result<Vec<Part>> {
        if self.inputs.is_empty() {
            return Err(Error::parameter("inputs", "none", "at least one column"));
        }
        distinct("inputs", &self.inputs)?;
        self.inputs.iter().map(|input| Part::of(schema, input)).collect()
    }

    fn is_sparse(&self, parts: &[Part]) -> bool {
        match self.form {
            VectorForm::Auto => parts.iter().any(|part| part.form == PartForm::Sparse),
            VectorForm::Dense => false,
            VectorForm::Sparse => true,
        }
    }
}

impl Estimator<Table> for VectorAssembler {
    type Model = VectorAssemblerModel;

    /// Notes the widths of the columns; reads no rows.
    fn fit(&self, table: &Table) -> Result<VectorAssemblerModel> {
        let schema = table.schema();
        let parts = self.parts(schema)?;
        let names = self.inputs.iter().map(|input| element_names(schema, input));
        let names = names.collect::<Result<Vec<_>>>()?.concat();
        if names.is_empty() {
            let problem = "would be a vector of no numbers";
            return Err(Error::column(VectorAssemblerModel::KIND, &self.output, problem));
        }
        Ok(VectorAssemblerModel {
            sparse: self.is_sparse(&parts),
            parts,
            output: self.output.clone(),
            names,
            handle_invalid: self.handle_invalid,
        })
    }
}

impl Stage for VectorAssembler {
    fn kind(&self) -> &str {
        VectorAssemblerModel::KIND
    }

    fn check(&self, input: &Schema) -> Result<Schema> {
        let parts = self.parts(input)?;
        let known = parts.iter().all(|part| part.width != UNKNOWN_WIDTH);
        let width = if known { parts.iter().map(|part| part.width).sum() } else { UNKNOWN_WIDTH };
        Ok(input.with(&self.output, vector(self.is_sparse(&parts), width)))
    }

    fn fit_stage(&self, table: &Table) -> Result<Box<dyn FittedStage>> {
        Ok(Box::new(self.fit(table)?))
    }
}

fn vector(sparse: bool, width: usize) -> Type {
    if sparse { Type::SparseVector(width) } else { Type::Vector(width) }
}

/// One column's share of the vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    input: String,
    form: PartForm,
    width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PartForm {
    Scalar,
    Dense,
    Sparse,
}

impl Part {
    fn of(schema: &Schema, input: &str) -> Result<Self> {
        let (form, width) = match schema.type_of(input)? {
            Type::Bool | Type::I64 | Type::F64 => (PartForm::Scalar, 1),
            Type::Vector(width) => (PartForm::Dense, width),
            Type::SparseVector(width) => (PartForm::Sparse, width),
            other => return Err(wrong_type(input, "a number, bool or vector", other)),
        };
        Ok(Self { input: input.to_owned(), form, width })
    }

    /// Calls `put` with row, position and number of everything that is not zero; a null counts
    /// as NaN at all positions.
    fn each(&self, batch: &RecordBatch, mut put: impl FnMut(usize, usize, f64)) -> Result<()> {
        let fits = |found: usize| match found == self.width {
            true => Ok(()),
            false => {
                let expected = format!("of width {}", self.width);
                Err(wrong_type(&self.input, &expected, Type::Vector(found)))
            }
        };
        let mut put_row = |row: usize, values: &mut dyn Iterator<Item = (usize, f64)>| {
            values.filter(|&(_, x)| x != 0.0).for_each(|(i, x)| put(row, i, x));
        };
        let gap = || (0..self.width).map(|i| (i, f64::NAN));
        match self.form {
            PartForm::Scalar => {
                let numbers = Numbers::of(batch, &self.input)?;
                for (row, x) in numbers.iter(batch.num_rows()).enumerate() {
                    put_row(row, &mut std::iter::once((0, x.unwrap_or(f64::NAN))));
                }
            }
            PartForm::Dense => {
                let vectors = dense_vectors(column(batch, &self.input)?)?;
                fits(vectors.size())?;
                for row in 0..vectors.len() {
                    match vectors.row(row) {
                        Some(values) => put_row(row, &mut values.iter().copied().enumerate()),
                        None => put_row(row, &mut gap()),
                    }
                }
            }
            PartForm::Sparse => {
                let vectors = sparse_vectors(column(batch, &self.input)?)?;
                if !vectors.is_empty() {
                    fits(vectors.size())?;
                }
                for row in 0..vectors.len() {
                    match vectors.row(row) {
                        Some((indices, values)) => {
                            let places = indices.iter().map(|&i| i as usize);
                            put_row(row, &mut places.zip(values.iter().copied()));
                        }
                        None => put_row(row, &mut gap()),
                    }
                }
            }
        }
        Ok(())
    }
}

/// Columns with their widths, ready to be put together; made by [`VectorAssembler`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorAssemblerModel {
    parts: Vec<Part>,
    output: String,
    names: Vec<String>,
    handle_invalid: HandleInvalid,
    sparse: bool,
}

impl VectorAssemblerModel {
    /// The names of the vector's positions.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of the vector column.
    #[must_use]
    pub fn output(&self) -> &str {
        &self.output
    }

    fn dense(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let width = self.names.len();
        let mut all = vec![0.0; width * batch.num_rows()];
        let mut start = 0;
        for part in &self.parts {
            part.each(batch, |row, i, x| all[row * width + start + i] = x)?;
            start += part.width;
        }
        Ok(dense_vector_column(width, all)?)
    }

    fn sparse(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let mut rows: Vec<(Vec<u32>, Vec<f64>)> = vec![Default::default(); batch.num_rows()];
        let mut start = 0;
        for part in &self.parts {
            part.each(batch, |row, i, x| {
                rows[row].0.push((start + i) as u32);
                rows[row].1.push(x);
            })?;
            start += part.width;
        }
        let mut builder = SparseVectorBuilder::new(self.names.len())?;
        for (indices, values) in &rows {
            builder.push(indices, values)?;
        }
        Ok(builder.finish()?)
    }

    /// The rows that stay, or an error that names the first that is invalid.
    fn valid(&self, batch: &RecordBatch) -> Result<Vec<bool>> {
        let mut keep = vec![true; batch.num_rows()];
        if self.handle_invalid == HandleInvalid::Keep {
            return Ok(keep);
        }
        let mut first: Option<(usize, &str)> = None;
        for part in &self.parts {
            part.each(batch, |row, _, x| {
                if x.is_nan() {
                    keep[row] = false;
                    first = first.filter(|&(known, _)| known <= row).or(Some((row, &part.input)));
                }
            })?;
        }
        match first {
            Some((row, input)) if self.handle_invalid == HandleInvalid::Error => {
                Err(bad_value(Self::KIND, row, input, "null or NaN", "a number"))
            }
            _ => Ok(keep),
        }
    }
}

impl FittedStage for VectorAssemblerModel {
    fn kind(&self) -> &str {
        Self::KIND
    }

    fn outputs(&self) -> Vec<Output> {
        vec![Output::new(&self.output, self.parts.iter().map(|part| &part.input))]
    }

    fn output_schema(&self, input: &Schema) -> Result<Schema> {
        for part in &self.parts {
            let found = Part::of(input, &part.input)?;
            if found != *part {
                let expected = match part.form {
                    PartForm::Scalar => "a number or bool".to_owned(),
                    PartForm::Dense => Type::Vector(part.width).to_string(),
                    PartForm::Sparse => Type::SparseVector(part.width).to_string(),
                };
                return Err(wrong_type(&part.input, &expected, input.type_of(&part.input)?));
            }
        }
        let field = Field::new(&self.output, vector(self.sparse, self.names.len()));
        Ok(input.with_field(with_element_names(field, &self.names)))
    }

    fn transform_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = kept(batch, &self.valid(batch)?)?;
        let vectors = if self.sparse { self.sparse(&batch) } else { self.dense(&batch) }?;
        let of = vector(self.sparse, self.names.len());
        with_columns(&batch, vec![(&self.output, of, vectors)])
    }

    fn to_saved(&self) -> Result<Saved> {
        Saved::new(Self::KIND, self)
    }
}

impl Loadable for VectorAssemblerModel {
    const KIND: &'static str = "vector_assembler";

    fn from_saved(saved: &Saved) -> Result<Self> {
        let model: Self = saved.expect_kind(Self::KIND)?.body()?;
        let width = model.parts.iter().try_fold(0_usize, |n, part| n.checked_add(part.width));
        let scalars = model.parts.iter().filter(|part| part.form == PartForm::Scalar);
        let sound = width == Some(model.names.len())
            && !model.names.is_empty()
            && scalars.into_iter().all(|part| part.width == 1);
        if !sound {
            return Err(saved.wrong(format!("names and widths of vector `{}`", model.output)));
        }
        let inputs: Vec<String> = model.parts.iter().map(|part| part.input.clone()).collect();
        distinct("inputs", &inputs).map_err(|error| saved.wrong(error.to_string()))?;
        Ok(model)
    }
}
