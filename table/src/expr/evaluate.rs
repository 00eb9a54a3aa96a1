//! Evaluating an expression on a batch of rows.
//!
//! The tree is walked once per batch; each operator works on whole columns. Constants stay single
//! cells until the end. `when` and `coalesce` decide row by row which branch applies and evaluate
//! a branch that could fail on those rows only; a branch that cannot fail is evaluated on the
//! whole batch, which is faster than picking rows out.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Datum, RecordBatch, RecordBatchOptions, UInt32Array,
    new_null_array,
};
use arrow_schema::DataType;
use firesteel_core::Error::BadValue;

use super::kernels::{self, Arithmetic, Comparison, Rounding};
use super::{Expr, Node, cast, strings};
use crate::error::{Error, Result};
use crate::schema::{Schema, Type};
use crate::value::Value;

impl Expr {
    /// The expression's value for every row of the batch.
    ///
    /// # Errors
    ///
    /// Those of [`Expr::output_type`]; the core's `BadValue` for a value that does not work, with
    /// its row in the batch: overflow of whole numbers, their division by zero, a strict cast.
    ///
    /// # Examples
    ///
    /// ```
    /// use arrow_array::{Array, Int64Array};
    /// use firesteel_table::{col, one_row};
    ///
    /// let row = one_row(&[("n", 20.into()), ("k", 22.into())])?;
    /// let sum = (col("n") + col("k")).evaluate(&row)?;
    /// assert_eq!(sum.as_any().downcast_ref(), Some(&Int64Array::from(vec![42])));
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let rows = Rows::of(batch, &self.columns())?;
        let to = self.output_type(&rows.schema)?;
        self.part(&rows)?.into_column(to, rows.len())
    }

    /// The rows, marked true, on which the expression is true; null counts as false.
    pub(crate) fn selection(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let truth = self.evaluate(batch)?;
        match truth.as_boolean_opt() {
            Some(truth) => Ok(without_nulls(truth)),
            None => Err(Error::mismatch(
                self.shown(),
                "bool",
                self.output_type(&Schema::of_batch(batch)?).ok(),
            )),
        }
    }

    /// The value on these rows: a column, or one cell that stands for all of them.
    fn part(&self, rows: &Rows) -> Result<Part> {
        let two = |a: &Self, b: &Self| Ok::<_, Error>((a.part(rows)?, b.part(rows)?));
        let compare = |a, b, how| {
            let (a, b) = two(a, b)?;
            kernels::compare(how, &a, &b)
        };
        let reckon = |a, b, how| {
            let (a, b) = two(a, b)?;
            kernels::reckon(self, how, &a, &b)
        };
        let fold = |terms: &[Self], join: &dyn Fn(Part, Part) -> Result<Part>| {
            let mut parts = terms.iter().map(|term| term.part(rows));
            let first = parts.next().unwrap_or_else(|| Ok(Part::null(&DataType::Null)))?;
            parts.try_fold(first, |so_far, part| join(so_far, part?))
        };
        match self.node() {
            Node::Column(name) => rows.column(name),
            Node::Literal(value) => Ok(Part::constant(value)),
            Node::Add(terms) => fold(terms, &|a, b| kernels::reckon(self, Arithmetic::Add, &a, &b)),
            Node::Mul(terms) => fold(terms, &|a, b| kernels::reckon(self, Arithmetic::Mul, &a, &b)),
            Node::Sub(a, b) => reckon(a, b, Arithmetic::Sub),
            Node::Div(a, b) => reckon(a, b, Arithmetic::Div),
            Node::Rem(a, b) => reckon(a, b, Arithmetic::Rem),
            Node::Neg(a) => kernels::negate(self, &a.part(rows)?),
            Node::Abs(a) => kernels::absolute(self, &a.part(rows)?),
            Node::Floor(a) => kernels::round(Rounding::Floor, a.part(rows)?),
            Node::Ceil(a) => kernels::round(Rounding::Ceil, a.part(rows)?),
            Node::Round(a) => kernels::round(Rounding::Nearest, a.part(rows)?),
            Node::Eq(a, b) => compare(a, b, Comparison::Eq),
            Node::Ne(a, b) => compare(a, b, Comparison::Ne),
            Node::Lt(a, b) => compare(a, b, Comparison::Lt),
            Node::Le(a, b) => compare(a, b, Comparison::Le),
            Node::Gt(a, b) => compare(a, b, Comparison::Gt),
            Node::Ge(a, b) => compare(a, b, Comparison::Ge),
            Node::And(terms) => fold(terms, &|a, b| kernels::and(a, b, rows.len())),
            Node::Or(terms) => fold(terms, &|a, b| kernels::or(a, b, rows.len())),
            Node::Not(a) => kernels::not(&a.part(rows)?),
            Node::Between(a, low, high) => {
                let a = a.part(rows)?;
                let above = kernels::compare(Comparison::Ge, &a, &low.part(rows)?)?;
                let below = kernels::compare(Comparison::Le, &a, &high.part(rows)?)?;
                kernels::and(above, below, rows.len())
            }
            Node::IsIn(a, values) => kernels::is_in(&a.part(rows)?, values),
            Node::IsNull(a) => kernels::is_null(&a.part(rows)?),
            Node::IsNotNull(a) => kernels::not(&kernels::is_null(&a.part(rows)?)?),
            Node::When { branches, otherwise } => self.choose(rows, branches, otherwise),
            Node::Coalesce(terms) => self.first_value(rows, terms),
            Node::Cast(a, to) => cast::cast(self, &a.part(rows)?, *to, true),
            Node::TryCast(a, to) => cast::cast(self, &a.part(rows)?, *to, false),
            Node::StartsWith(a, b) => {
                strings::search(strings::Where::Start, &a.part(rows)?, &b.part(rows)?)
            }
            Node::EndsWith(a, b) => {
                strings::search(strings::Where::End, &a.part(rows)?, &b.part(rows)?)
            }
            Node::Contains(a, b) => {
                strings::search(strings::Where::Anywhere, &a.part(rows)?, &b.part(rows)?)
            }
            Node::Substr(a, start, len) => strings::part_of(&a.part(rows)?, *start, *len),
            Node::Length(a) => strings::length(&a.part(rows)?),
            Node::Concat(terms) => {
                let parts = terms.iter().map(|term| term.part(rows)).collect::<Result<Vec<_>>>()?;
                strings::concat(&parts, rows.len())
            }
            Node::Call(function, operands) => {
                let parts =
                    operands.iter().map(|term| term.part(rows)).collect::<Result<Vec<_>>>()?;
                function.apply(self, &parts, self.known_type(&rows.schema)?, rows.len())
            }
            Node::Invalid(problem) => {
                Err(Error::Expression { expression: "…".to_owned(), problem: problem.clone() })
            }
        }
    }

    /// `case when … end`: rows leave `open` with the first branch whose condition is true.
    fn choose(&self, rows: &Rows, branches: &[(Self, Self)], otherwise: &Self) -> Result<Part> {
        let mut chosen = Chosen::new(self, rows)?;
        let mut open = rows.all();
        for (condition, value) in branches {
            if open.is_empty() {
                break;
            }
            let met = condition.on(rows, &open)?;
            let truth = met.part.array.as_boolean_opt(); // a null without a type is never true
            let is_met = |&(at, _): &(usize, &u32)| {
                let i = met.index(at, &open);
                truth.is_some_and(|truth| truth.is_valid(i) && truth.value(i))
            };
            let (hits, rest): (Vec<_>, Vec<_>) = open.iter().enumerate().partition(is_met);
            let numbers =
                |picked: Vec<(usize, &u32)>| picked.into_iter().map(|(_, &row)| row).collect();
            let (hits, rest): (Vec<u32>, Vec<u32>) = (numbers(hits), numbers(rest));
            chosen.take(value, &hits)?;
            open = rest;
        }
        chosen.take(otherwise, &open)?;
        chosen.finish()
    }

    /// `coalesce(…)`: rows leave `open` with the first term that has a value there.
    fn first_value(&self, rows: &Rows, terms: &[Self]) -> Result<Part> {
        let mut chosen = Chosen::new(self, rows)?;
        let mut open = rows.all();
        for term in terms {
            if open.is_empty() {
                break;
            }
            let values = term.on(rows, &open)?;
            open = chosen.take_valid(values, &open);
        }
        chosen.take(&super::null(), &open)?;
        chosen.finish()
    }

    /// The value on some of the rows; on all of them if that cannot fail.
    fn on(&self, rows: &Rows, picked: &[u32]) -> Result<Picked> {
        if picked.len() == rows.len() || !self.can_fail(&rows.schema) {
            return Ok(Picked { part: self.part(rows)?, whole: true });
        }
        let numbered = |mut error: Error| {
            if let Error::Core(BadValue { row, .. }) = &mut error {
                *row = picked.get(*row as usize).map_or(*row, |&row| u64::from(row));
            }
            error
        };
        let part = rows.pick(picked).and_then(|few| self.part(&few)).map_err(numbered)?;
        Ok(Picked { part, whole: false })
    }

    /// Whether some row could make the evaluation fail.
    fn can_fail(&self, schema: &Schema) -> bool {
        let whole = |node: &Self| node.known_type(schema).ok().flatten() != Some(Type::F64);
        let own = match self.node() {
            Node::Cast(..) | Node::Invalid(_) => true,
            Node::Call(function, _) => function.can_fail(),
            Node::Add(_) | Node::Sub(..) | Node::Mul(_) | Node::Rem(..) => whole(self),
            Node::Neg(_) | Node::Abs(_) => whole(self),
            Node::Div(a, b) => whole(a) && whole(b),
            _ => false,
        };
        own || self.node().children().iter().any(|child| child.can_fail(schema))
    }

    /// The error for a value in a row of the batch.
    pub(super) fn bad_value(&self, row: usize, value: String, expected: &str) -> Error {
        Error::Core(BadValue {
            operation: self.shown(),
            row: row as u64,
            column: self.columns().join(", "),
            value,
            expected: expected.to_owned(),
        })
    }
}

/// The rows that an expression is evaluated on, with the columns that it reads.
struct Rows {
    schema: Schema,
    batch: RecordBatch,
}

impl Rows {
    fn of(batch: &RecordBatch, columns: &[&str]) -> Result<Self> {
        let names = || batch.schema_ref().fields().iter().map(|field| field.name().as_str());
        let position = |name: &&str| {
            names()
                .position(|known| known == *name)
                .ok_or_else(|| Error::unknown_column(name, names()))
        };
        let positions = columns.iter().map(position).collect::<Result<Vec<_>>>()?;
        let batch = batch.project(&positions).map_err(Error::arrow("picking columns"))?;
        let schema = Schema::of_batch(&batch)?;
        let batch = schema.conform(&batch)?;
        Ok(Self { schema, batch })
    }

    fn len(&self) -> usize {
        self.batch.num_rows()
    }

    fn all(&self) -> Vec<u32> {
        (0..self.len() as u32).collect() // Arrow's string batches end long before u32 does
    }

    fn column(&self, name: &str) -> Result<Part> {
        let array = Arc::clone(self.batch.column(self.schema.index_of(name)?));
        Ok(Part { array, scalar: false })
    }

    fn pick(&self, picked: &[u32]) -> Result<Self> {
        let indices = UInt32Array::from(picked.to_vec());
        let columns = arrow_select::take::take_arrays(self.batch.columns(), &indices, None)
            .map_err(Error::arrow("picking rows"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(picked.len()));
        let batch = RecordBatch::try_new_with_options(self.batch.schema(), columns, &options)
            .map_err(Error::arrow("picking rows"))?;
        Ok(Self { schema: self.schema.clone(), batch })
    }
}

/// A column, or one cell that stands for every row. Arrow's kernels take either.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) array: ArrayRef,
    pub(super) scalar: bool,
}

impl Part {
    pub(super) fn constant(value: &Value) -> Self {
        Self { array: value.to_array(), scalar: true }
    }

    pub(super) fn null(of: &DataType) -> Self {
        Self { array: new_null_array(of, 1), scalar: true }
    }

    /// Whether it is a null whose type is open.
    pub(super) fn is_untyped(&self) -> bool {
        *self.array.data_type() == DataType::Null
    }

    /// Where the value of a row is in the array.
    pub(super) fn index(&self, row: usize) -> usize {
        if self.scalar { 0 } else { row }
    }

    /// The number of rows in the array.
    pub(super) fn len(&self) -> usize {
        self.array.len()
    }

    /// With floats for whole numbers and nulls of that type for nulls without one.
    pub(super) fn widened(self, to: &DataType) -> Self {
        let Self { array, scalar } = self;
        let array = match (array.data_type(), to) {
            (DataType::Null, to) => new_null_array(to, array.len()),
            (DataType::Int64, DataType::Float64) => {
                let whole = array.as_primitive::<Int64Type>();
                let float: arrow_array::Float64Array = whole.unary(|n| n as f64);
                Arc::new(float)
            }
            _ => array,
        };
        Self { array, scalar }
    }

    pub(super) fn into_column(self, to: Type, rows: usize) -> Result<ArrayRef> {
        let Self { array, scalar } = self.widened(&to.to_arrow());
        if !scalar {
            return Ok(array);
        }
        let zeros = UInt32Array::from(vec![0; rows]);
        arrow_select::take::take(&array, &zeros, None).map_err(Error::arrow("repeating a constant"))
    }
}

impl Datum for Part {
    fn get(&self) -> (&dyn Array, bool) {
        (&self.array, self.scalar)
    }
}

/// Values for some picked rows, either for those alone or for the whole batch.
struct Picked {
    part: Part,
    whole: bool,
}

impl Picked {
    /// Where the value of the `at`-th picked row is in the array.
    fn index(&self, at: usize, picked: &[u32]) -> usize {
        self.part.index(if self.whole { picked[at] as usize } else { at })
    }
}

/// Which branch gave the value of each row, and where in it.
struct Chosen<'a> {
    rows: &'a Rows,
    to: Option<Type>,
    parts: Vec<Part>,
    places: Vec<(usize, usize)>,
}

impl<'a> Chosen<'a> {
    fn new(expression: &Expr, rows: &'a Rows) -> Result<Self> {
        let to = expression.known_type(&rows.schema)?;
        Ok(Self { rows, to, parts: Vec::new(), places: vec![(0, 0); rows.len()] })
    }

    /// The picked rows get their value from the expression.
    fn take(&mut self, expression: &Expr, picked: &[u32]) -> Result<()> {
        if !picked.is_empty() {
            let values = expression.on(self.rows, picked)?;
            for (at, &row) in picked.iter().enumerate() {
                self.places[row as usize] = (self.parts.len(), values.index(at, picked));
            }
            self.parts.push(values.part);
        }
        Ok(())
    }

    /// The picked rows that have a value get it; the others are returned.
    fn take_valid(&mut self, values: Picked, picked: &[u32]) -> Vec<u32> {
        let mut open = Vec::new();
        let nulls = values.part.array.logical_nulls();
        for (at, &row) in picked.iter().enumerate() {
            let i = values.index(at, picked);
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(i)) {
                open.push(row);
            } else {
                self.places[row as usize] = (self.parts.len(), i);
            }
        }
        self.parts.push(values.part);
        open
    }

    fn finish(self) -> Result<Part> {
        let of = self.to.map_or(DataType::Null, Type::to_arrow);
        if self.to.is_none() || self.rows.len() == 0 {
            return Ok(Part { array: new_null_array(&of, self.rows.len()), scalar: false });
        }
        let arrays: Vec<ArrayRef> =
            self.parts.into_iter().map(|part| part.widened(&of).array).collect();
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        let array = arrow_select::interleave::interleave(&arrays, &self.places)
            .map_err(Error::arrow("putting branches together"))?;
        Ok(Part { array, scalar: false })
    }
}

/// Truth values in which null has become false.
fn without_nulls(truth: &BooleanArray) -> BooleanArray {
    match truth.nulls() {
        None => truth.clone(),
        Some(nulls) => BooleanArray::new(truth.values() & nulls.inner(), None),
    }
}
