//! Windows: what a row learns of the other rows of its group.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take;
use firesteel_core::Error as CoreError;
use serde::{Deserialize, Serialize};

use super::measure::Measure;
use super::sort::SortKey;
use super::{BATCH_ROWS, Table};
use crate::aggregate::{Aggregate, Function, Running, accumulator};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::keys::{Groups, Keys, check_numbered};
use crate::schema::{Schema, Type};

/// Which rows of its group a row looks at, in the window's order.
///
/// # Examples
///
/// ```
/// use firesteel_table::Frame;
///
/// assert_eq!(Frame::rows(-2, 0).to_string(), "rows from -2 to 0");
/// assert_eq!(Frame::range(-365.0, -1.0).to_string(), "range from -365 to -1");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Frame {
    /// All rows of the group.
    #[default]
    Whole,
    /// From the group's first row to this one.
    Running,
    /// Rows at most so far before (negative) and behind this one, which is at 0.
    Rows {
        /// The first.
        from: i64,
        /// The last.
        to: i64,
    },
    /// Rows whose value of the one order key, a number, date or timestamp in ascending order, differs by so
    /// much; of dates and timestamps in days.
    Range {
        /// The least difference: negative for rows before.
        from: f64,
        /// The greatest.
        to: f64,
    },
}

impl Frame {
    /// The rows from `from` to `to`, both inside, counted from this row at 0; negative ones are before.
    #[must_use]
    pub fn rows(from: i64, to: i64) -> Self {
        Self::Rows { from, to }
    }

    /// The rows whose order value lies from `from` to `to` away, both inside: of days
    /// `Frame::range(-365.0, -1.0)` is the year before. An infinite end takes in all rows on its side.
    /// Rows without a value look at none, and are looked at by none.
    #[must_use]
    pub fn range(from: f64, to: f64) -> Self {
        Self::Range { from, to }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("all rows"),
            Self::Running => f.write_str("rows up to this one"),
            Self::Rows { from, to } => write!(f, "rows from {from} to {to}"),
            Self::Range { from, to } => write!(f, "range from {from} to {to}"),
        }
    }
}

/// A function of a row's window; made by [`row_number`], [`rank`], [`dense_rank`], [`Expr::lag`],
/// [`Expr::lead`] and [`Aggregate::over`], computed by [`Windows::with_columns`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Window {
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    RowNumber,
    Rank,
    DenseRank,
    /// The value so many rows behind, before if negative.
    Shift(Expr, i64),
    Over(Aggregate, Frame),
}

impl Window {
    fn of(kind: Kind) -> Self {
        Self { kind, alias: None }
    }

    /// Gives the column that it becomes another name than its text.
    pub fn alias(self, name: impl Into<String>) -> Self {
        Self { alias: Some(name.into()), ..self }
    }

    /// The name of the column that it becomes.
    #[must_use]
    pub fn name(&self) -> String {
        self.alias.clone().unwrap_or_else(|| self.to_string())
    }

    fn inputs(&self) -> Vec<Expr> {
        match &self.kind {
            Kind::RowNumber | Kind::Rank | Kind::DenseRank => Vec::new(),
            Kind::Shift(of, _) => vec![of.clone()],
            Kind::Over(aggregate, _) => aggregate.inputs().cloned().collect(),
        }
    }

    fn output_type(&self, schema: &Schema) -> Result<Type> {
        match &self.kind {
            Kind::RowNumber | Kind::Rank | Kind::DenseRank => Ok(Type::I64),
            Kind::Shift(of, _) => of.output_type(schema),
            Kind::Over(aggregate, _) => aggregate.output_type(schema),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::RowNumber => f.write_str("row_number()"),
            Kind::Rank => f.write_str("rank()"),
            Kind::DenseRank => f.write_str("dense_rank()"),
            Kind::Shift(of, by) if *by < 0 => write!(f, "lag({of}, {})", by.unsigned_abs()),
            Kind::Shift(of, by) => write!(f, "lead({of}, {by})"),
            Kind::Over(aggregate, frame) => write!(f, "{aggregate} over {frame}"),
        }
    }
}

/// The number of the row in its group, from 1; rows of equal order by their place in the table.
pub fn row_number() -> Window {
    Window::of(Kind::RowNumber)
}

/// One more than the number of rows of the group before all rows of the same order.
pub fn rank() -> Window {
    Window::of(Kind::Rank)
}

/// One more than the number of different orders of the group before this one.
pub fn dense_rank() -> Window {
    Window::of(Kind::DenseRank)
}

impl Expr {
    /// The value `rows` rows before in the group; null where there is none.
    pub fn lag(self, rows: u32) -> Window {
        Window::of(Kind::Shift(self, -i64::from(rows)))
    }

    /// The value `rows` rows behind in the group; null where there is none.
    pub fn lead(self, rows: u32) -> Window {
        Window::of(Kind::Shift(self, i64::from(rows)))
    }
}

impl Aggregate {
    /// The aggregate of the rows that each row looks at, in the window's order.
    pub fn over(self, frame: Frame) -> Window {
        let alias = None;
        Window { kind: Kind::Over(self, frame), alias }
    }
}

/// A table by groups in an order; made by [`Table::window`].
#[derive(Clone, Debug)]
#[must_use = "windows do nothing until columns are made of them"]
pub struct Windows {
    table: Table,
    keys: Vec<usize>,
    order: Vec<SortKey>,
}

impl Table {
    /// Lets rows look at the other rows of their group: those equal in the named columns (as in
    /// [`Table::group_by`]; all rows without a name), in the order of `order`, then of the table.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], [`Error::DuplicateColumn`]; for the order as [`Table::sort`].
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Frame, Table, col, count_rows, one_row};
    ///
    /// let rows = [(1, 10), (1, 200), (2, 50), (1, 500)].map(|(patient, day)| {
    ///     one_row(&[("patient", patient.into()), ("day", day.into())]).unwrap()
    /// });
    /// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
    /// let visits = table.window(&["patient"], ["day"])?.with_columns([
    ///     count_rows().over(Frame::range(-365.0, -1.0)).alias("year_before"),
    ///     col("day").lag(1).alias("last_day"),
    /// ])?;
    /// let visits = visits.sort(["patient", "day"])?;
    /// assert_eq!(visits.column_f64("year_before")?, [0.0, 1.0, 1.0, 0.0]);
    /// assert_eq!(visits.column_f64("last_day")?[1..3], [10.0, 200.0]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn window<S: AsRef<str>, K: Into<SortKey>>(
        &self,
        partition_by: &[S],
        order_by: impl IntoIterator<Item = K>,
    ) -> Result<Windows> {
        self.schema.select(partition_by)?;
        let keys = partition_by.iter().map(|name| self.schema.index_of(name.as_ref()));
        let keys = keys.collect::<Result<_>>()?;
        let order: Vec<SortKey> = order_by.into_iter().map(Into::into).collect();
        order.iter().try_for_each(|key| key.check(&self.schema).map(|_| ()))?;
        Ok(Windows { table: self.clone(), keys, order })
    }
}

impl Windows {
    /// The table with a column for each window under its [name](Window::name), at the end or in the
    /// place of the column of that name. All windows see the table as it was.
    ///
    /// Rows are in an order that depends on the keys of the groups and on the order of the table only:
    /// groups share 64 partitions by their hash, in which rows keep their order.
    ///
    /// # Errors
    ///
    /// Those of [`Expr::output_type`] and [`Aggregate::output_type`]; a parameter error for a range
    /// frame without exactly one number, date or timestamp in ascending order to measure by, or whose ends
    /// are NaN.
    ///
    /// # Cost
    ///
    /// One shuffle of the table into 64 partitions, within the memory budget; there a partition is held
    /// in memory as a whole, outside of it. Whole and running frames take one pass for counts, sums,
    /// means, variances and extremes of numbers; other functions, and frames that move, take as many
    /// steps a row as its frame has rows.
    pub fn with_columns(&self, windows: impl IntoIterator<Item = Window>) -> Result<Table> {
        let schema = &self.table.schema;
        let windows: Vec<Window> = windows.into_iter().collect();
        let mut output = schema.clone();
        let mut made = Vec::new();
        for window in windows {
            output = output.with(&window.name(), window.output_type(schema)?);
            if let Kind::Over(_, Frame::Range { from, to }) = window.kind {
                self.check_range(from, to)?;
            }
            let types =
                window.inputs().iter().map(|of| of.output_type(schema)).collect::<Result<_>>()?;
            made.push((window, types));
        }
        let order: Vec<_> =
            self.order.iter().map(|key| key.check(schema)).collect::<Result<_>>()?;
        let groups: Vec<Type> = self.keys.iter().map(|&at| schema.fields()[at].data_type).collect();
        let work = Work {
            keys: self.keys.clone(),
            groups,
            order: self.order.clone(),
            order_types: order,
            made,
            input: schema.clone(),
            output: output.clone(),
        };
        let placed = self.table.placed(&self.keys)?;
        let done = placed.try_map_partitions_with_index(move |_, batches| {
            work.run(batches).map_err(CoreError::from)
        });
        Ok(Table::new(output, done))
    }

    fn check_range(&self, from: f64, to: f64) -> Result<()> {
        let text = || format!("{}", Frame::Range { from, to });
        if from.is_nan() || to.is_nan() {
            return Err(Error::parameter("frame", text(), "two numbers"));
        }
        let measure = match &self.order[..] {
            [one] if !one.is_descending() => Some(one.check(&self.table.schema)?.0),
            _ => None,
        };
        if measure.is_some_and(Measure::is_of) {
            return Ok(());
        }
        let expected = "used with one number, date or timestamp in ascending order";
        Err(Error::parameter("frame", text(), expected))
    }
}

/// What is done in each partition.
struct Work {
    keys: Vec<usize>,
    groups: Vec<Type>,
    order: Vec<SortKey>,
    order_types: Vec<(Type, arrow_schema::SortOptions)>,
    made: Vec<(Window, Vec<Type>)>,
    input: Schema,
    output: Schema,
}

/// The rows of a partition by group, each group in its order.
struct Sorted {
    /// The rows' numbers in the partition.
    rows: Vec<u32>,
    /// Where each group starts in `rows`, and the end.
    starts: Vec<usize>,
    /// Whether a row, in the same order, has another order than the one before it in its group.
    is_new: Vec<bool>,
    /// The one order value of each, if it has distances.
    measure: Option<Measure>,
}

impl Work {
    fn run(&self, batches: impl Iterator<Item = Batch>) -> Result<Vec<Batch>> {
        let batches: Vec<RecordBatch> = batches.map(|batch| batch.0).collect();
        let all = concat_batches(&self.input.to_arrow(), &batches)
            .map_err(Error::arrow("putting batches together"))?;
        drop(batches);
        let count = all.num_rows();
        if count == 0 {
            return Ok(Vec::new());
        }
        check_numbered(count)?;
        let sorted = self.sort(&all)?;
        let mut back = vec![0_u32; count];
        sorted.rows.iter().zip(0..).for_each(|(&row, at)| back[row as usize] = at);
        let back = UInt32Array::from(back);
        let order = UInt32Array::from(sorted.rows.clone());
        let mut columns = all.columns().to_vec();
        for (window, types) in &self.made {
            let result = self.compute(window, types, &all, &sorted, &order, &back)?;
            let at = self.output.index_of(&window.name())?;
            match columns.get_mut(at) {
                Some(old) => *old = result,
                None => columns.push(result),
            }
        }
        let all = self.output.batch(columns, count)?;
        let starts = (0..count).step_by(BATCH_ROWS);
        Ok(starts.map(|at| Batch(all.slice(at, BATCH_ROWS.min(count - at)))).collect())
    }

    fn sort(&self, all: &RecordBatch) -> Result<Sorted> {
        let count = all.num_rows();
        let mut groups = Groups::default();
        let numbers: Vec<u32> = if self.keys.is_empty() {
            groups.number(&[]);
            vec![0; count]
        } else {
            let columns: Vec<ArrayRef> =
                self.keys.iter().map(|&at| Arc::clone(all.column(at))).collect();
            let rows = Keys::new(&self.groups)?.rows(&columns)?;
            rows.iter().map(|row| groups.number(row.data())).collect()
        };
        let columns =
            self.order.iter().map(|key| key.evaluate(all)).collect::<Result<Vec<ArrayRef>>>()?;
        let order = match self.order.is_empty() {
            true => None,
            false => Some(Keys::ordered(self.order_types.iter().copied())?.rows(&columns)?),
        };
        let mut starts = vec![0_usize; groups.len() + 1];
        numbers.iter().for_each(|&group| starts[group as usize + 1] += 1);
        (0..groups.len()).for_each(|group| starts[group + 1] += starts[group]);
        // Rows by group, as they come; then each group by its order, if it is not in it already.
        let mut next = starts.clone();
        let mut rows = vec![0_u32; count];
        for (row, &group) in (0_u32..).zip(&numbers) {
            let at = &mut next[group as usize];
            rows[*at] = row;
            *at += 1;
        }
        let mut is_new = vec![false; count];
        for ends in starts.windows(2) {
            let group = &mut rows[ends[0]..ends[1]];
            let Some(order) = &order else { continue };
            let place = |row: &u32| order.row(*row as usize);
            if !group.is_sorted_by_key(place) {
                group.sort_by_key(place);
            }
            for (at, pair) in group.windows(2).enumerate() {
                is_new[ends[0] + at + 1] = place(&pair[0]) != place(&pair[1]);
            }
        }
        starts.windows(2).filter(|ends| ends[0] < ends[1]).for_each(|ends| is_new[ends[0]] = true);
        let measure = match &columns[..] {
            [one] => Measure::of(&taken(one, &UInt32Array::from(rows.clone()))?),
            _ => None,
        };
        Ok(Sorted { rows, starts, is_new, measure })
    }

    /// The results in the order of the rows; `order` are the rows as they are sorted, `back` their places.
    fn compute(
        &self,
        window: &Window,
        types: &[Type],
        all: &RecordBatch,
        sorted: &Sorted,
        order: &UInt32Array,
        back: &UInt32Array,
    ) -> Result<ArrayRef> {
        let inputs = window.inputs();
        let inputs = inputs.iter().map(|of| of.evaluate(all)).collect::<Result<Vec<_>>>()?;
        if let Kind::Shift(_, by) = &window.kind {
            // From row to place, so far on, and back to the row there.
            let mut from: Vec<Option<u32>> = vec![None; sorted.rows.len()];
            for group in sorted.groups() {
                for at in group.clone() {
                    let there =
                        (at as i64).checked_add(*by).and_then(|at| usize::try_from(at).ok());
                    let there = there.filter(|there| group.contains(there));
                    from[sorted.rows[at] as usize] = there.map(|there| sorted.rows[there]);
                }
            }
            return taken(&inputs[0], &UInt32Array::from(from));
        }
        let inputs = inputs.iter().map(|input| taken(input, order)).collect::<Result<Vec<_>>>()?;
        taken(&self.in_order(window, types, &inputs, sorted)?, back)
    }

    /// The results in the order of the groups.
    fn in_order(
        &self,
        window: &Window,
        types: &[Type],
        inputs: &[ArrayRef],
        sorted: &Sorted,
    ) -> Result<ArrayRef> {
        match &window.kind {
            Kind::RowNumber => Ok(numbered(sorted, |_, at| at)),
            Kind::Rank => Ok(numbered(sorted, |before, at| if before.0 { at } else { before.1 })),
            Kind::DenseRank => Ok(numbered(sorted, |before, _| before.1 + i64::from(before.0))),
            Kind::Over(aggregate, frame) => over(aggregate, *frame, types, inputs, sorted),
            Kind::Shift(..) => Ok(Arc::clone(&inputs[0])), // was done without the order
        }
    }
}

impl Sorted {
    fn groups(&self) -> impl Iterator<Item = Range<usize>> {
        self.starts.windows(2).map(|ends| ends[0]..ends[1])
    }

    /// The rows that each row looks at; of a group both ends never go back.
    fn frames(&self, frame: Frame) -> Vec<Range<usize>> {
        let mut frames = Vec::with_capacity(self.rows.len());
        for group in self.groups() {
            let (start, end) = (group.start, group.end);
            let bounded = |at: i128| at.clamp(start as i128, end as i128) as usize;
            match frame {
                Frame::Whole => frames.extend(group.clone().map(|_| group.clone())),
                Frame::Running => frames.extend(group.map(|at| start..at + 1)),
                Frame::Rows { from, to } => frames.extend(group.map(|at| {
                    let first = bounded(at as i128 + i128::from(from));
                    let end = bounded(at as i128 + i128::from(to) + 1);
                    first..end.max(first)
                })),
                Frame::Range { from, to } => self.ranges(group, from, to, &mut frames),
            }
        }
        frames
    }

    fn ranges(&self, group: Range<usize>, from: f64, to: f64, frames: &mut Vec<Range<usize>>) {
        let measure = self.measure.as_ref().expect("a range frame has one number as its order");
        // In ascending order with nulls at one end.
        let known: Vec<usize> = group.clone().filter(|&at| measure.is_known(at)).collect();
        let known =
            known.first().map_or(group.start..group.start, |first| *first..first + known.len());
        let (mut start, mut end) = (known.start, known.start);
        let advance = |at: &mut usize, is_passed: &dyn Fn(usize) -> bool| {
            while *at < known.end && is_passed(*at) {
                *at += 1;
            }
        };
        for at in group {
            if !known.contains(&at) {
                frames.push(known.start..known.start);
                continue;
            }
            if from.is_finite() {
                advance(&mut start, &|row| measure.order(row, measure, at, from).is_lt());
            }
            if to.is_finite() {
                advance(&mut end, &|row| measure.order(row, measure, at, to).is_le());
            }
            // An infinite end is the end of all rows, also seen from an infinite number.
            let unbounded = |end: f64| if end > 0.0 { known.end } else { known.start };
            let first = if from.is_infinite() { unbounded(from) } else { start };
            let last = if to.is_infinite() { unbounded(to) } else { end };
            frames.push(first..last.max(first));
        }
    }
}

/// Numbers the rows of each group: `next` gets whether the row has a new order and the number before, and
/// the row's place from 1.
fn numbered(sorted: &Sorted, next: impl Fn((bool, i64), i64) -> i64) -> ArrayRef {
    let mut numbers = Vec::with_capacity(sorted.rows.len());
    for group in sorted.groups() {
        let mut number = 0;
        for (at, place) in group.zip(1..) {
            number = next((sorted.is_new[at], number), place);
            numbers.push(number);
        }
    }
    Arc::new(Int64Array::from(numbers))
}

fn taken(column: &ArrayRef, rows: &UInt32Array) -> Result<ArrayRef> {
    take(column, rows, None).map_err(Error::arrow("putting rows in their places"))
}

/// Members of frames that are added up at a time.
const TOGETHER: usize = 1 << 18;

fn over(
    aggregate: &Aggregate,
    frame: Frame,
    types: &[Type],
    inputs: &[ArrayRef],
    sorted: &Sorted,
) -> Result<ArrayRef> {
    let count = sorted.rows.len();
    if frame == Frame::Whole {
        let mut state = accumulator(aggregate, types)?;
        let mut groups = Vec::with_capacity(count);
        for (number, group) in (0_u32..).zip(sorted.groups()) {
            groups.extend(group.map(|_| number));
        }
        let groups = UInt32Array::from(groups);
        let all = sorted.starts.len() - 1;
        state.add(groups.values(), all, inputs)?;
        return taken(&state.finish(all)?, &groups);
    }
    let frames = sorted.frames(frame);
    match aggregate.function() {
        Function::CountRows => {
            let counts = frames.iter().map(|frame| frame.len() as i64);
            return Ok(Arc::new(Int64Array::from_iter_values(counts)));
        }
        Function::First => {
            let first =
                frames.iter().map(|frame| (!frame.is_empty()).then_some(frame.start as u32));
            return taken(&inputs[0], &first.collect());
        }
        Function::Last => {
            let last = frames.iter().map(|frame| (!frame.is_empty()).then(|| frame.end as u32 - 1));
            return taken(&inputs[0], &last.collect());
        }
        _ => {}
    }
    if frame == Frame::Running
        && let Some(running) = Running::of(aggregate, types)
    {
        return running.over(sorted.groups(), &inputs[0]);
    }
    // Each row is a group of the members of its frame.
    let mut parts: Vec<ArrayRef> = Vec::new();
    let mut first = 0;
    while first < count {
        let (mut groups, mut members) = (Vec::new(), Vec::new());
        let mut end = first;
        while end < count && (end == first || members.len() + frames[end].len() <= TOGETHER) {
            groups.extend(frames[end].clone().map(|_| (end - first) as u32));
            members.extend(frames[end].clone().map(|at| at as u32));
            end += 1;
        }
        let members = UInt32Array::from(members);
        let inputs =
            inputs.iter().map(|input| taken(input, &members)).collect::<Result<Vec<_>>>()?;
        let mut state = accumulator(aggregate, types)?;
        state.add(&groups, end - first, &inputs)?;
        parts.push(state.finish(end - first)?);
        first = end;
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    arrow_select::concat::concat(&parts).map_err(Error::arrow("putting results together"))
}
