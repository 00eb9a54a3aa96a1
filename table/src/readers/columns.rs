//! The columns of files that make one table: they must agree; some are asked for, some are needed
//! by a filter, some come from folders.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::Schema as ArrowSchema;
use firesteel_core::Error as CoreError;
use serde::{Deserialize, Serialize};

use super::keys::KeyColumns;
use super::pruning::{Bounds, may_hold};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::schema::{Field, Schema, Type};

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Column {
    name: String,
    /// The table's type, or the name of an Arrow type that tables do not hold.
    of: Result<Type, String>,
}

impl Column {
    fn field(&self) -> Result<Field> {
        match &self.of {
            Ok(of) => Ok(Field::new(&self.name, *of)),
            Err(found) => {
                let (column, found) = (self.name.clone(), found.clone());
                Err(Error::UnsupportedType { column, found })
            }
        }
    }

    fn told(&self) -> String {
        match &self.of {
            Ok(of) => of.to_string(),
            Err(found) => found.clone(),
        }
    }
}

/// The columns of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FileColumns {
    file: String,
    columns: Vec<Column>,
}

impl FileColumns {
    /// # Errors
    ///
    /// The core's `File` if two columns have the same name.
    pub(super) fn of(file: &str, schema: &ArrowSchema) -> Result<Self, CoreError> {
        let mut columns: Vec<Column> = Vec::new();
        for field in schema.fields() {
            if columns.iter().any(|earlier| earlier.name == *field.name()) {
                let message = format!("two columns have the name `{}`", field.name());
                return Err(CoreError::file(file, message));
            }
            let alone = ArrowSchema::new(vec![Arc::clone(field)]);
            let of = match Schema::from_arrow(&alone) {
                Ok(schema) => Ok(schema.fields()[0].data_type),
                Err(_) => Err(field.data_type().to_string()),
            };
            columns.push(Column { name: field.name().clone(), of });
        }
        Ok(Self { file: file.to_owned(), columns })
    }

    fn get(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The type of a column that tables can hold.
    pub(super) fn type_of(&self, name: &str) -> Option<Type> {
        self.get(name)?.of.clone().ok()
    }

    /// Checks that the columns are those of the first file, or that those of `wanted` are.
    fn agrees(&self, first: &Self, wanted: Option<&Schema>) -> Result<(), CoreError> {
        let differs = |message: String| Err(CoreError::file(&*self.file, message));
        for column in &first.columns {
            if wanted.is_some_and(|wanted| !wanted.contains(&column.name)) {
                continue;
            }
            let (name, there) = (&column.name, &first.file);
            match self.get(name) {
                None => return differs(format!("has no column `{name}`, which {there} has")),
                Some(own) if own.of != column.of => {
                    let (here, known) = (own.told(), column.told());
                    return differs(format!(
                        "its column `{name}` is {here}, but {known} in {there}"
                    ));
                }
                Some(_) => {}
            }
        }
        match self.columns.iter().find(|own| first.get(&own.name).is_none()) {
            Some(own) if wanted.is_none() => {
                differs(format!("has a column `{}`, which {} has not", own.name, first.file))
            }
            _ => Ok(()),
        }
    }
}

/// What is made of files with the same columns.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    keys: KeyColumns,
    /// The columns that are put out.
    pub(super) schema: Schema,
    /// The same, and those that the filter needs.
    pub(super) all: Schema,
    filter: Option<Expr>,
}

impl Chosen {
    /// All columns, or those that are asked for, of one or more files.
    pub(super) fn new(
        keys: KeyColumns,
        files: &[&FileColumns],
        columns: Option<&[String]>,
        filter: Option<&Expr>,
    ) -> Result<Self> {
        let first = files[0]; // a listing has at least one
        let is_key = |name: &str| keys.fields.iter().any(|field| field.name == name);
        if let Some(column) = first.columns.iter().find(|column| is_key(&column.name)) {
            let message = format!("has a column `{}`, as its folders do", column.name);
            return Err(CoreError::file(&*first.file, message).into());
        }
        let known = || {
            let own = first.columns.iter().map(|column| column.name.as_str());
            own.chain(keys.fields.iter().map(|field| field.name.as_str()))
        };
        let field = |name: &str| -> Result<Field> {
            match keys.fields.iter().find(|field| field.name == name) {
                Some(key) => Ok(key.clone()),
                None => {
                    first.get(name).ok_or_else(|| Error::unknown_column(name, known()))?.field()
                }
            }
        };
        let out: Vec<&str> = match columns {
            Some(columns) => columns.iter().map(String::as_str).collect(),
            None => known().collect(),
        };
        let schema = Schema::new(out.into_iter().map(field).collect::<Result<_>>()?)?;
        let mut all = schema.clone();
        if let Some(filter) = filter {
            for name in filter.columns() {
                if !all.contains(name) {
                    all = all.with_field(field(name)?);
                }
            }
            let of = filter.output_type(&all)?;
            if of != Type::Bool {
                return Err(Error::mismatch(filter, "bool", Some(of)));
            }
        }
        for file in &files[1..] {
            file.agrees(first, columns.map(|_| &all))?;
        }
        Ok(Self { keys, schema, all, filter: filter.cloned() })
    }

    /// The columns that are read of files.
    pub(super) fn own_names(&self) -> impl Iterator<Item = &str> {
        self.all.names().filter(|name| self.keys.cell(0, name).is_none())
    }

    /// What the folders of a file say of a column.
    pub(super) fn key_bounds(&self, file: usize, name: &str, rows: u64) -> Option<Bounds> {
        let cell = self.keys.cell(file, name)?;
        Some(Bounds {
            min: Some(Arc::clone(cell)),
            max: Some(Arc::clone(cell)),
            may_be_nan: matches!(crate::Value::at(cell, 0), crate::Value::F64(x) if x.is_nan()),
            nulls: Some(if cell.is_null(0) { rows } else { 0 }),
            rows,
        })
    }

    /// Whether rows with those bounds can pass the filter.
    pub(super) fn may_hold(&self, bounds: &dyn Fn(&str) -> Option<Bounds>) -> bool {
        self.filter.as_ref().is_none_or(|filter| may_hold(filter, bounds))
    }

    /// File, number and size of each piece of the files whose folders do not rule them out, given the
    /// sizes of each file's pieces.
    pub(super) fn pieces(
        &self,
        files: impl Iterator<Item = Vec<u64>>,
    ) -> impl Iterator<Item = ((usize, usize), u64)> {
        let wanted = files
            .enumerate()
            .filter(|(file, _)| self.may_hold(&|name| self.key_bounds(*file, name, 1)));
        wanted.flat_map(|(file, sizes)| {
            (0..).zip(sizes).map(move |(number, size)| ((file, number), size))
        })
    }

    /// The table's rows of what was decoded from a file.
    pub(super) fn rows(&self, file: usize, decoded: &RecordBatch) -> Result<RecordBatch> {
        let rows = decoded.num_rows();
        let arrow = self.all.to_arrow();
        let (mut fields, mut columns) = (Vec::new(), Vec::<ArrayRef>::new());
        for field in arrow.fields() {
            let name = field.name();
            if let Some(column) = self.keys.column(file, name, rows) {
                fields.push(Arc::clone(field));
                columns.push(column?);
            } else {
                let own = decoded.schema_ref().index_of(name);
                let own = own.map_err(|_| Error::unknown_column(name, self.all.names()))?;
                fields.push(Arc::clone(&decoded.schema_ref().fields()[own]));
                columns.push(Arc::clone(decoded.column(own)));
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let own = Arc::new(ArrowSchema::new(fields));
        let batch = RecordBatch::try_new_with_options(own, columns, &options)
            .map_err(Error::arrow("making a batch"))?;
        let batch = self.all.conform(&batch)?;
        let Some(filter) = &self.filter else { return Ok(batch) };
        let keep = filter.selection(&batch)?;
        let places: Vec<usize> = (0..self.schema.len()).collect(); // they come first
        let batch = batch.project(&places).map_err(Error::arrow("selecting columns"))?;
        arrow_select::filter::filter_record_batch(&batch, &keep)
            .map_err(Error::arrow("filtering rows"))
    }
}
