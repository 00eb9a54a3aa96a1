//! The first rows of a table as text, for people.

use std::fmt;

use super::Table;
use crate::error::Result;
use crate::schema::{Field, Type};
use crate::value::Value;

/// Columns that are shown; of a wider table the first and the last ones.
const COLUMNS: usize = 12;
/// Characters of a cell that are shown.
const CELL: usize = 24;
/// Rows that `Display` shows.
const ROWS: usize = 10;

/// The first rows of a table, laid out for reading; made by [`Table::show`].
#[derive(Clone, Debug)]
pub struct Preview {
    columns: usize,
    rows: usize,
    grid: Vec<Column>,
}

#[derive(Clone, Debug)]
struct Column {
    cells: Vec<String>, // name, type, values
    right: bool,
}

impl Table {
    /// The first `n` rows, to be printed: names, types, values; text is cut after 24 characters,
    /// and of more than 12 columns those in the middle are left out.
    ///
    /// # Errors
    ///
    /// What the job can fail with.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, one_row};
    ///
    /// let row = one_row(&[("name", "Ann".into()), ("age", 41.into())])?;
    /// let table = Table::from_batches(&Context::local(), vec![row])?;
    /// assert_eq!(
    ///     table.show(5)?.to_string(),
    ///     "name   | age\nstring | i64\n-------+----\nAnn    |  41\n1 row, 2 columns\n"
    /// );
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    #[track_caller]
    pub fn show(&self, n: usize) -> Result<Preview> {
        let rows = self.head(n)?.to_batch()?;
        let fields = self.schema.fields();
        let column = |i: usize| {
            let cells = (0..rows.num_rows()).map(|row| cell_text(&Value::at(rows.column(i), row)));
            Column::new(&fields[i], cells)
        };
        let mut grid: Vec<Column> = Vec::new();
        if fields.len() <= COLUMNS {
            grid.extend((0..fields.len()).map(column));
        } else {
            grid.extend((0..COLUMNS - 3).map(column));
            grid.push(Column { cells: vec!["…".to_owned(); rows.num_rows() + 2], right: false });
            grid.extend((fields.len() - 2..fields.len()).map(column));
        }
        Ok(Preview { columns: fields.len(), rows: rows.num_rows(), grid })
    }
}

impl Column {
    fn new(field: &Field, cells: impl Iterator<Item = String>) -> Self {
        let head = [shortened(&field.name), field.data_type.to_string()];
        let right = matches!(field.data_type, Type::I64 | Type::F64);
        Self { cells: head.into_iter().chain(cells).collect(), right }
    }
}

fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        other => shortened(&other.to_string()),
    }
}

/// One line, of at most [`CELL`] characters.
fn shortened(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { '·' } else { c });
    if text.chars().nth(CELL).is_none() {
        visible.collect()
    } else {
        visible.take(CELL - 1).chain(['…']).collect()
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: &Column| {
            column.cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = self.grid.iter().map(width).collect();
        for line in 0..self.rows + 2 {
            let mut text = String::new();
            for (i, (column, &width)) in self.grid.iter().zip(&widths).enumerate() {
                let cell = &column.cells[line];
                text.push_str(if i == 0 { "" } else { " | " });
                text.push_str(&match column.right {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                });
            }
            writeln!(f, "{}", text.trim_end())?;
            if line == 1 {
                let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
                writeln!(f, "{}", rules.join("-+-"))?;
            }
        }
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let (rows, columns) = (self.rows, self.columns);
        writeln!(f, "{rows} row{}, {columns} column{}", plural(rows), plural(columns))
    }
}

/// The columns alone; nothing is computed.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.schema)
    }
}

/// The first ten rows. Runs a job, so in a program on several ranks every rank must print (one
/// may print to nowhere); if the job fails the error is printed instead.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.show(ROWS) {
            Ok(preview) => preview.fmt(f),
            Err(error) => write!(f, "table that cannot be shown: {error}"),
        }
    }
}
