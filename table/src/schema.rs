//! The names and types of a table's columns, and their Arrow counterparts.
//!
//! Tables hold few types on purpose: truth values, whole numbers, floats, text, dates, points in time,
//! lists of these, and vectors of features. Narrower Arrow numbers, large strings and dictionaries are widened when they come in
//! ([`Schema::conform`]), so expressions, readers and learning see one form of each. Every column
//! may hold nulls.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field as ArrowField, Schema as ArrowSchema, SchemaRef, TimeUnit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::value::Value;
use crate::vectors;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Type {
    /// True or false; Arrow's `Boolean`.
    Bool,
    /// A whole number of 64 bits; Arrow's `Int64`.
    I64,
    /// A number in double precision; Arrow's `Float64`.
    F64,
    /// Text in UTF-8; Arrow's `Utf8`.
    String,
    /// A day of the calendar; Arrow's `Date32`, days from 1970-01-01.
    Date,
    /// A point in time without a zone of its own: in UTC, unless whoever made the column means the clocks
    /// of a place. Arrow's `Timestamp` of microseconds from 1970-01-01T00:00:00.
    Timestamp,
    /// Any number of values; Arrow's `List`.
    List(Item),
    /// So many numbers in every row; Arrow's `FixedSizeList<Float64>`.
    Vector(usize),
    /// So many numbers in every row, of which only those that are not zero are kept; Arrow's
    /// `Struct{size, indices, values}`.
    SparseVector(usize),
}

/// The type of a list's values: one of the single values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Item {
    /// [`Type::Bool`].
    Bool,
    /// [`Type::I64`].
    I64,
    /// [`Type::F64`].
    F64,
    /// [`Type::String`].
    String,
    /// [`Type::Date`].
    Date,
    /// [`Type::Timestamp`].
    Timestamp,
}

impl Item {
    /// The type as that of a single value; none of lists and vectors.
    #[must_use]
    pub fn of(single: Type) -> Option<Self> {
        match single {
            Type::Bool => Some(Self::Bool),
            Type::I64 => Some(Self::I64),
            Type::F64 => Some(Self::F64),
            Type::String => Some(Self::String),
            Type::Date => Some(Self::Date),
            Type::Timestamp => Some(Self::Timestamp),
            Type::List(_) | Type::Vector(_) | Type::SparseVector(_) => None,
        }
    }
}

impl From<Item> for Type {
    fn from(item: Item) -> Self {
        match item {
            Item::Bool => Self::Bool,
            Item::I64 => Self::I64,
            Item::F64 => Self::F64,
            Item::String => Self::String,
            Item::Date => Self::Date,
            Item::Timestamp => Self::Timestamp,
        }
    }
}

impl Type {
    /// Whether cells of the type are single values, which have an order: neither lists nor vectors.
    #[must_use]
    pub fn is_single(self) -> bool {
        Item::of(self).is_some()
    }

    /// Whether values of the type are dates or points in time.
    #[must_use]
    pub fn is_time(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp)
    }

    /// Whether values of the type are numbers: [`Type::I64`] or [`Type::F64`].
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::I64 | Self::F64)
    }

    /// The Arrow type that columns of this type have.
    #[must_use]
    pub fn to_arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::I64 => DataType::Int64,
            Self::F64 => DataType::Float64,
            Self::String => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::List(item) => {
                let item = ArrowField::new_list_field(Self::from(item).to_arrow(), true);
                DataType::List(Arc::new(item))
            }
            Self::Vector(size) => vectors::dense_type(size),
            Self::SparseVector(_) => vectors::sparse_type(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::I64 => f.write_str("i64"),
            Self::F64 => f.write_str("f64"),
            Self::String => f.write_str("string"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::List(item) => write!(f, "list[{}]", Self::from(*item)),
            Self::Vector(size) => write!(f, "vector[{size}]"),
            Self::SparseVector(size) => write!(f, "sparse_vector[{size}]"),
        }
    }
}

/// A column's name and type, and what its maker has noted about it.
///
/// Fields are equal if names and types are; the notes do not count.
#[derive(Clone, Debug)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// The column's type.
    pub data_type: Type,
    /// Notes of whoever made the column, for whoever reads it: the names of a vector's positions,
    /// for instance. They stay with the table's schema and do not enter its batches.
    pub metadata: BTreeMap<String, Arc<str>>,
}

impl Field {
    /// A column of that name and type.
    pub fn new(name: impl Into<String>, data_type: Type) -> Self {
        Self { name: name.into(), data_type, metadata: BTreeMap::new() }
    }

    /// The same column with one more note, or with another text for it.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        self.metadata.insert(key.into(), text.into());
        self
    }
}

/// A field as it is written: without notes if there are none, where the format can tell.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Field")]
struct ReadableField {
    name: String,
    #[serde(rename = "type")]
    data_type: Type,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, Arc<str>>,
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { name, data_type, metadata } = self.clone();
        if serializer.is_human_readable() {
            ReadableField { name, data_type, metadata }.serialize(serializer)
        } else {
            (name, data_type, metadata).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (name, data_type, metadata) = if deserializer.is_human_readable() {
            let field = ReadableField::deserialize(deserializer)?;
            (field.name, field.data_type, field.metadata)
        } else {
            Deserialize::deserialize(deserializer)?
        };
        Ok(Self { name, data_type, metadata })
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.data_type) == (&other.name, other.data_type)
    }
}

impl Eq for Field {}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.data_type)
    }
}

/// The columns of a table in order; no two have the same name.
///
/// Cheap to clone. In files it is a list of names and types:
/// `[{"name":"age","type":"i64"}, {"name":"features","type":{"vector":3}}]`.
///
/// # Examples
///
/// ```
/// use firesteel_table::{Schema, Type};
///
/// let schema = Schema::of([("age", Type::I64), ("race", Type::String)])?;
/// assert_eq!(schema.type_of("age")?, Type::I64);
/// assert_eq!(schema.to_string(), "age: i64, race: string");
/// assert_eq!(
///     schema.type_of("rcae").unwrap_err().to_string(),
///     "no column `rcae`; did you mean `race`?"
/// );
/// # Ok::<(), firesteel_table::Error>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<Field>", into = "Vec<Field>")]
pub struct Schema {
    fields: Arc<[Field]>,
    arrow: SchemaRef, // made once, shared by all batches
}

impl Schema {
    /// Columns in the given order.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateColumn`] if a name comes twice.
    pub fn new(fields: Vec<Field>) -> Result<Self> {
        let mut seen = std::collections::BTreeSet::new();
        if let Some(field) = fields.iter().find(|field| !seen.insert(field.name.as_str())) {
            return Err(Error::DuplicateColumn { name: field.name.clone() });
        }
        let arrow = Arc::new(ArrowSchema::new(fields.iter().map(arrow_field).collect::<Vec<_>>()));
        Ok(Self { fields: fields.into(), arrow })
    }

    /// Columns from pairs of name and type.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateColumn`] if a name comes twice.
    pub fn of<N: Into<String>>(columns: impl IntoIterator<Item = (N, Type)>) -> Result<Self> {
        Self::new(columns.into_iter().map(|(name, of)| Field::new(name, of)).collect())
    }

    /// The table schema of an Arrow schema: narrower numbers, other strings and dictionaries of
    /// strings count as the type that they are widened to.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedType`] for a column that tables do not hold, [`Error::DuplicateColumn`].
    pub fn from_arrow(schema: &ArrowSchema) -> Result<Self> {
        let field = |field: &Arc<ArrowField>| {
            type_of_arrow(field).map(|data_type| Field::new(field.name(), data_type))
        };
        Self::new(schema.fields().iter().map(field).collect::<Result<_>>()?)
    }

    /// The table schema of a batch. Unlike [`Schema::from_arrow`] it can look at the rows for the
    /// size of a sparse vector that the Arrow schema does not tell.
    ///
    /// # Errors
    ///
    /// Those of [`Schema::from_arrow`].
    pub fn of_batch(batch: &RecordBatch) -> Result<Self> {
        let field = |(field, array): (&Arc<ArrowField>, &ArrayRef)| {
            let data_type = match vectors::sparse_size(array) {
                Some(size) if !field.metadata().contains_key(SIZE_KEY) => Type::SparseVector(size),
                _ => type_of_arrow(field)?,
            };
            Ok(Field::new(field.name(), data_type))
        };
        let fields = batch.schema_ref().fields().iter().zip(batch.columns());
        Self::new(fields.map(field).collect::<Result<_>>()?)
    }

    /// The columns, in order.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The names of the columns, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// The number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether there is a column of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The position of a column.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], with the names that come near.
    pub fn index_of(&self, name: &str) -> Result<usize> {
        let position = self.names().position(|known| known == name);
        position.ok_or_else(|| Error::unknown_column(name, self.names()))
    }

    /// The type of a column.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], with the names that come near.
    pub fn type_of(&self, name: &str) -> Result<Type> {
        Ok(self.fields[self.index_of(name)?].data_type)
    }

    /// The named columns, in the order of the names.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], [`Error::DuplicateColumn`].
    pub fn select<S: AsRef<str>>(&self, names: &[S]) -> Result<Self> {
        let field = |name: &S| Ok(self.fields[self.index_of(name.as_ref())?].clone());
        Self::new(names.iter().map(field).collect::<Result<_>>()?)
    }

    /// All columns but the named ones.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`] for a name that is not there.
    pub fn without<S: AsRef<str>>(&self, names: &[S]) -> Result<Self> {
        for name in names {
            self.index_of(name.as_ref())?;
        }
        let stays = |field: &&Field| !names.iter().any(|name| name.as_ref() == field.name);
        Self::new(self.fields.iter().filter(stays).cloned().collect())
    }

    /// The same columns, one under another name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], [`Error::DuplicateColumn`].
    pub fn renamed(&self, old: &str, new: &str) -> Result<Self> {
        let position = self.index_of(old)?;
        let mut fields = self.fields.to_vec();
        fields[position].name = new.to_owned();
        Self::new(fields)
    }

    /// A column with what is noted about it.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], with the names that come near.
    pub fn field(&self, name: &str) -> Result<&Field> {
        Ok(&self.fields[self.index_of(name)?])
    }

    /// The columns with one more at the end, or with the column of that name replaced in its place.
    #[must_use]
    pub fn with(&self, name: &str, data_type: Type) -> Self {
        self.with_field(Field::new(name, data_type))
    }

    /// [`Schema::with`] for a column with notes.
    #[must_use]
    pub fn with_field(&self, field: Field) -> Self {
        let mut fields = self.fields.to_vec();
        match fields.iter_mut().find(|known| known.name == field.name) {
            Some(known) => *known = field,
            None => fields.push(field),
        }
        Self::new(fields).expect("the name is either new or replaced in its place")
    }

    /// Checks that two tables have the same columns, in the same order.
    ///
    /// # Errors
    ///
    /// [`Error::SchemaMismatch`] at the first difference.
    pub fn require_same(&self, other: &Self) -> Result<()> {
        let longest = self.len().max(other.len());
        let at = |schema: &Self, i: usize| schema.fields.get(i).cloned();
        match (0..longest).find(|&i| at(self, i) != at(other, i)) {
            None => Ok(()),
            Some(position) => {
                let name = |schema: &Self| {
                    at(schema, position).map_or("nothing".to_owned(), |field| field.to_string())
                };
                Err(Error::SchemaMismatch { position, left: name(self), right: name(other) })
            }
        }
    }

    /// The Arrow schema that batches of this schema have.
    #[must_use]
    pub fn to_arrow(&self) -> SchemaRef {
        Arc::clone(&self.arrow)
    }

    /// A batch of these columns.
    ///
    /// # Errors
    ///
    /// [`Error::Arrow`] if the columns differ in length, number or type.
    pub fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.to_arrow(), columns, &options)
            .map_err(Error::arrow("making a batch"))
    }

    /// Brings a batch with the same column names to these types: narrower numbers are widened,
    /// large strings and dictionaries become plain strings.
    ///
    /// # Errors
    ///
    /// [`Error::SchemaMismatch`] where names or types differ, [`Error::Arrow`] for a value that
    /// does not fit (an unsigned number above `i64::MAX`).
    pub fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.schema_ref() == &self.arrow {
            return Ok(batch.clone());
        }
        self.require_same(&Self::of_batch(batch)?)?;
        let columns = batch.columns().iter().zip(self.fields.iter()).map(conformed);
        self.batch(columns.collect::<Result<_>>()?, batch.num_rows())
    }

    /// A batch of one row from named values; the order of the names does not matter. A whole
    /// number is welcome in a float column, a null in any column but one of vectors.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`] for a value without a column, [`Error::Column`] for a column
    /// without a value, [`Error::DuplicateColumn`], [`Error::TypeMismatch`].
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_table::{Schema, Type, Value};
    ///
    /// let schema = Schema::of([("age", Type::F64), ("race", Type::String)])?;
    /// let row = schema.row(&[("race", "Asian".into()), ("age", 61.into())])?;
    /// assert_eq!(row.num_rows(), 1);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn row<S: AsRef<str>>(&self, values: &[(S, Value)]) -> Result<RecordBatch> {
        for (i, (name, _)) in values.iter().enumerate() {
            self.index_of(name.as_ref())?;
            if values[..i].iter().any(|(earlier, _)| earlier.as_ref() == name.as_ref()) {
                return Err(Error::DuplicateColumn { name: name.as_ref().to_owned() });
            }
        }
        let column = |field: &Field| {
            let value = values.iter().find(|(name, _)| name.as_ref() == field.name);
            let (_, value) = value.ok_or_else(|| Error::Column {
                column: field.name.clone(),
                problem: "the row has no value for it".to_owned(),
            })?;
            cell(field, value)
        };
        self.batch(self.fields.iter().map(column).collect::<Result<_>>()?, 1)
    }
}

/// A batch of one row whose types are those of the values; a null makes a column of text.
///
/// [`Schema::row`] is for a row whose types are known.
///
/// # Errors
///
/// [`Error::DuplicateColumn`] if a name comes twice.
pub fn one_row<S: AsRef<str>>(values: &[(S, Value)]) -> Result<RecordBatch> {
    let field = |(name, value): &(S, Value)| {
        Field::new(name.as_ref(), value.data_type().unwrap_or(Type::String))
    };
    Schema::new(values.iter().map(field).collect())?.row(values)
}

/// A column of one cell.
fn cell(field: &Field, value: &Value) -> Result<ArrayRef> {
    use arrow_array::{BooleanArray, Float64Array, Int64Array, StringArray, new_null_array};
    Ok(match (field.data_type, value) {
        (Type::Vector(_) | Type::SparseVector(_), _) => {
            return Err(Error::mismatch(
                format_args!("the value for column {}", field.name),
                &field.data_type.to_string(),
                value.data_type(),
            ));
        }
        (of, Value::Null) => new_null_array(&of.to_arrow(), 1),
        (Type::Date, Value::Date(_)) | (Type::Timestamp, Value::Timestamp(_)) => value.to_array(),
        (Type::Bool, Value::Bool(value)) => Arc::new(BooleanArray::from(vec![*value])),
        (Type::I64, Value::I64(value)) => Arc::new(Int64Array::from(vec![*value])),
        (Type::F64, Value::F64(value)) => Arc::new(Float64Array::from(vec![*value])),
        (Type::F64, Value::I64(value)) => Arc::new(Float64Array::from(vec![*value as f64])),
        (Type::String, Value::String(value)) => Arc::new(StringArray::from(vec![value.as_str()])),
        (expected, value) => {
            return Err(Error::mismatch(
                format_args!("the value {value} for column {}", field.name),
                &expected.to_string(),
                value.data_type(),
            ));
        }
    })
}

const SIZE_KEY: &str = "firesteel.size";

fn arrow_field(field: &Field) -> ArrowField {
    let arrow = ArrowField::new(&field.name, field.data_type.to_arrow(), true);
    match field.data_type {
        Type::SparseVector(size) => {
            arrow.with_metadata(HashMap::from([(SIZE_KEY.to_owned(), size.to_string())]))
        }
        _ => arrow,
    }
}

fn type_of_arrow(field: &ArrowField) -> Result<Type> {
    use DataType::{
        Boolean, Date32, Date64, Dictionary, FixedSizeList, Float16, Float32, Float64, Int8, Int16,
        Int32, Int64, LargeList, LargeUtf8, List, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8,
        Utf8View,
    };
    let unsupported = || Error::UnsupportedType {
        column: field.name().clone(),
        found: field.data_type().to_string(),
    };
    match field.data_type() {
        Boolean => Ok(Type::Bool),
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => Ok(Type::I64),
        Float16 | Float32 | Float64 => Ok(Type::F64),
        Utf8 | LargeUtf8 | Utf8View => Ok(Type::String),
        Date32 | Date64 => Ok(Type::Date),
        Timestamp(..) => Ok(Type::Timestamp),
        List(item) | LargeList(item) => {
            let item = type_of_arrow(item).ok().and_then(Item::of);
            item.map(Type::List).ok_or_else(unsupported)
        }
        Dictionary(_, of) if matches!(**of, Utf8 | LargeUtf8 | Utf8View) => Ok(Type::String),
        FixedSizeList(item, size) if matches!(item.data_type(), Float32 | Float64) => {
            usize::try_from(*size).map(Type::Vector).map_err(|_| unsupported())
        }
        sparse if *sparse == vectors::sparse_type() => {
            let size = field.metadata().get(SIZE_KEY).and_then(|size| size.parse().ok());
            size.map(Type::SparseVector).ok_or_else(unsupported)
        }
        _ => Err(unsupported()),
    }
}

fn conformed((array, field): (&ArrayRef, &Field)) -> Result<ArrayRef> {
    let wanted = field.data_type.to_arrow();
    if *array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    check_nanoseconds(array, field)?;
    let strict = arrow_cast::CastOptions { safe: false, ..Default::default() };
    // A zone says how points in time are shown; they are those of UTC with it or without.
    let array = match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            let utc = DataType::Timestamp(*unit, Some("+00:00".into()));
            arrow_cast::cast_with_options(array, &utc, &strict)
                .and_then(|array| {
                    arrow_cast::cast_with_options(
                        &array,
                        &DataType::Timestamp(*unit, None),
                        &strict,
                    )
                })
                .map_err(Error::arrow(&format!("taking the zone of column `{}`", field.name)))?
        }
        _ => Arc::clone(array),
    };
    arrow_cast::cast_with_options(&array, &wanted, &strict)
        .map_err(Error::arrow(&format!("bringing column `{}` to {}", field.name, field.data_type)))
}

/// Parts of a microsecond would be lost.
fn check_nanoseconds(array: &ArrayRef, field: &Field) -> Result<()> {
    let Some(times) = array.as_primitive_opt::<TimestampNanosecondType>() else { return Ok(()) };
    match times.iter().flatten().find(|nanos| nanos % 1000 != 0) {
        None => Ok(()),
        Some(nanos) => Err(Error::Column {
            column: field.name.clone(),
            problem: format!("{nanos} nanoseconds from 1970 are no whole microseconds"),
        }),
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Eq for Schema {}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({self})")
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, field) in self.fields.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{field}")?;
        }
        Ok(())
    }
}

impl TryFrom<Vec<Field>> for Schema {
    type Error = Error;

    fn try_from(fields: Vec<Field>) -> Result<Self> {
        Self::new(fields)
    }
}

impl From<Schema> for Vec<Field> {
    fn from(schema: Schema) -> Self {
        schema.fields.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::types::{Float64Type, Int64Type};
    use arrow_array::{Float32Array, Int32Array, LargeStringArray, UInt64Array};

    fn schema() -> Schema {
        Schema::of([
            ("ok", Type::Bool),
            ("n", Type::I64),
            ("x", Type::F64),
            ("name", Type::String),
            ("day", Type::Date),
            ("at", Type::Timestamp),
            ("tags", Type::List(Item::String)),
            ("v", Type::Vector(3)),
            ("s", Type::SparseVector(7)),
        ])
        .unwrap()
    }

    #[test]
    fn a_schema_survives_json_and_arrow() {
        let json = serde_json::to_string(&schema()).unwrap();
        assert!(json.contains(r#"{"name":"v","type":{"vector":3}}"#), "{json}");
        assert_eq!(serde_json::from_str::<Schema>(&json).unwrap(), schema());
        assert_eq!(Schema::from_arrow(&schema().to_arrow()).unwrap(), schema());
        let twice = r#"[{"name":"a","type":"i64"},{"name":"a","type":"f64"}]"#;
        let error = serde_json::from_str::<Schema>(twice).unwrap_err();
        assert!(error.to_string().contains("two columns"), "{error}");
    }

    #[test]
    fn a_schema_survives_the_wire_with_and_without_notes() {
        let noted = Field::new("n", Type::I64).with_metadata("unit", "days");
        for schema in [schema(), schema().with_field(noted)] {
            let bytes = postcard::to_stdvec(&schema).unwrap();
            let back: Schema = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(back, schema);
            assert_eq!(back.field("n").unwrap().metadata, schema.field("n").unwrap().metadata);
            let json = serde_json::to_string(&schema).unwrap();
            let back: Schema = serde_json::from_str(&json).unwrap();
            assert_eq!(back.field("n").unwrap().metadata, schema.field("n").unwrap().metadata);
        }
    }

    #[test]
    fn narrower_arrow_types_are_widened() {
        let batch = RecordBatch::try_from_iter([
            ("n", Arc::new(Int32Array::from(vec![1, -2])) as ArrayRef),
            ("x", Arc::new(Float32Array::from(vec![0.5, 2.0]))),
            ("s", Arc::new(LargeStringArray::from(vec!["a", "b"]))),
        ])
        .unwrap();
        let schema = Schema::of_batch(&batch).unwrap();
        assert_eq!(schema.to_string(), "n: i64, x: f64, s: string");
        let wide = schema.conform(&batch).unwrap();
        assert_eq!(wide.column(0).as_primitive::<Int64Type>().values(), &[1, -2]);
        assert_eq!(wide.column(1).as_primitive::<Float64Type>().values(), &[0.5, 2.0]);
        assert_eq!(wide.column(2).as_string::<i32>().value(1), "b");
        let big = RecordBatch::try_from_iter([(
            "n",
            Arc::new(UInt64Array::from(vec![u64::MAX])) as ArrayRef,
        )])
        .unwrap();
        let error = Schema::of_batch(&big).unwrap().conform(&big).unwrap_err();
        assert!(error.to_string().contains("column `n`"), "{error}");
    }

    #[test]
    fn times_of_other_units_and_zones_are_the_same_points_in_time() {
        use arrow_array::types::TimestampMicrosecondType;
        use arrow_array::{Date64Array, TimestampNanosecondArray, TimestampSecondArray};
        let nanos = |at: i64| Arc::new(TimestampNanosecondArray::from(vec![Some(at), None]));
        let batch = RecordBatch::try_from_iter([
            ("s", Arc::new(TimestampSecondArray::from(vec![Some(60), None])) as ArrayRef),
            ("z", Arc::new(TimestampSecondArray::from(vec![7, 8]).with_timezone("+05:00"))),
            ("n", nanos(2_000)),
            ("d", Arc::new(Date64Array::from(vec![86_400_000, 0]))),
        ])
        .unwrap();
        let schema = Schema::of_batch(&batch).unwrap();
        assert_eq!(schema.to_string(), "s: timestamp, z: timestamp, n: timestamp, d: date");
        let wide = schema.conform(&batch).unwrap();
        let micros = |i: usize| wide.column(i).as_primitive::<TimestampMicrosecondType>().value(0);
        assert_eq!([micros(0), micros(1), micros(2)], [60_000_000, 7_000_000, 2]);
        assert_eq!(Value::at(wide.column(3), 0), Value::Date(1));
        let fine = RecordBatch::try_from_iter([("n", nanos(2_001) as ArrayRef)]).unwrap();
        let error = Schema::of_batch(&fine).unwrap().conform(&fine).unwrap_err();
        assert!(error.to_string().contains("column `n`: 2001 nanoseconds"), "{error}");
    }

    #[test]
    fn a_row_is_checked_by_name_and_type() {
        let schema = Schema::of([("n", Type::I64), ("x", Type::F64)]).unwrap();
        let row = schema.row(&[("x", 2.into()), ("n", Value::Null)]).unwrap();
        assert!(row.column(0).is_null(0));
        assert_eq!(row.column(1).as_primitive::<Float64Type>().values(), &[2.0]);
        let text = |values: &[(&str, Value)]| schema.row(values).unwrap_err().to_string();
        assert_eq!(text(&[("n", 1.into())]), "column `x`: the row has no value for it");
        assert!(text(&[("m", 1.into())]).starts_with("no column `m`"));
        assert!(text(&[("n", 1.into()), ("n", 2.into())]).contains("two columns"));
        assert_eq!(
            text(&[("n", 1.5.into()), ("x", 1.into())]),
            "`the value 1.5 for column n` is f64, expected i64"
        );
    }
}
