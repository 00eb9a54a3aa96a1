//! Reading Parquet files.
//!
//! The root lists the files; a job looks at their footers, a file a task, and all ranks make the
//! same plan of them: which row groups can have rows that meet the condition, and which of them
//! make a partition. Tasks then read nothing but the wanted columns of their row groups.
//!
//! | file | what is in it |
//! |---|---|
//! | `source` | ranges of bytes for the decoder |
//! | `footer` | what a footer tells: columns, row groups, bounds |
//! | `rows` | batches of row groups |

mod footer;
mod rows;
mod source;

use std::path::Path;
use std::sync::Arc;

use firesteel_core::Context;

use super::columns::Chosen;
use super::keys::KeyColumns;
use super::listing;
use super::neighbours::neighbours;
use super::setters::column_setters;
use super::together::agreed;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::schema::Type;
use crate::table::{BATCH_ROWS, Table};
use footer::{Files, Footer};
use rows::{Group, Plan, RowGroups};

/// Reads Parquet files as a table.
///
/// A path is a file, a folder or a glob pattern. Of a folder, all files below it are read in the
/// order of their paths; names that start with `.` or `_` are passed over. Folders named
/// `key=value` become columns behind those of the files. Files must agree in their columns, in
/// any order; narrower types of numbers count as the type that tables widen them to.
///
/// The table is lazy: every action reads what it needs of the files. Row groups whose statistics
/// rule the [`filter`](Self::filter) out are not read, and their rows not looked at.
///
/// # Partitions
///
/// A partition is a row group, or as many neighbours as have
/// [`partition_bytes`](Self::partition_bytes) together: a function of the files and of what is
/// asked of them.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{ParquetReader, ParquetWriter, Table, col, one_row};
///
/// let path = std::env::temp_dir().join(format!("stays-{}.parquet", std::process::id()));
/// let ctx = Context::local();
/// let rows = [("a", 41), ("b", 67)].map(|(name, age)| {
///     one_row(&[("name", name.into()), ("age", age.into())]).unwrap()
/// });
/// ParquetWriter::new().write(&Table::from_batches(&ctx, rows.to_vec())?, &path)?;
/// let table = ParquetReader::new(&path).columns(["name"]).filter(col("age").ge(65)).read(&ctx)?;
/// assert_eq!(table.column_strings("name")?, [Some("b".to_owned())]);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct ParquetReader {
    /// A file, a folder or a glob pattern.
    pub path: String,
    /// The columns to be read, in this order. Default: all.
    pub columns: Option<Vec<String>>,
    /// What rows must meet. Default: nothing.
    pub filter: Option<Expr>,
    /// Types of columns that folders tell, by name. Default: inferred from all folders, by the rules
    /// of [`CsvReader`](crate::CsvReader).
    pub key_types: Vec<(String, Type)>,
    /// Rows in a batch, at most. Default 8,192.
    pub batch_rows: usize,
    /// Bytes, before compression, up to which neighbouring row groups make one partition. Default
    /// 8 MiB.
    pub partition_bytes: u64,
}

impl ParquetReader {
    /// Reads the file, the files below the folder, or those of the glob pattern.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_string_lossy().into_owned(),
            columns: None,
            filter: None,
            key_types: Vec::new(),
            batch_rows: BATCH_ROWS,
            partition_bytes: 8 << 20,
        }
    }

    column_setters!("row groups");

    /// Sets the largest number of rows in a batch.
    pub fn batch_rows(self, batch_rows: usize) -> Self {
        Self { batch_rows, ..self }
    }

    /// A table that reads the files in every action; footers are read now.
    ///
    /// # Errors
    ///
    /// A parameter error; the core's `File` if there is no file, or one that differs from the first
    /// in its columns; the core's `Damaged` for a file that is no Parquet file, cut short or
    /// damaged; [`Error::UnknownColumn`]; [`Error::UnsupportedType`] for a column to be read that
    /// tables do not hold; [`Error::TypeMismatch`] for a filter that is no truth value. Damage
    /// behind the footer is the error of the action that meets it, with file, row group and column.
    ///
    /// # Cost
    ///
    /// A job that reads the footers, a file a task; what they tell travels to all ranks.
    #[track_caller]
    pub fn read(&self, ctx: &Context) -> Result<Table> {
        let files = listing::list(ctx, &self.path)?;
        let opened = self.check().and_then(|()| {
            let keys = KeyColumns::new(&files, &self.key_types)?;
            Ok((keys, Files::new(listing::open(ctx, &files)?)))
        });
        let (keys, files) = agreed(ctx, "parquet files", opened)?;
        let files = Arc::new(files);
        let asked = self.filter.as_ref().map(Expr::columns);
        let asked: Arc<[String]> =
            asked.unwrap_or_default().into_iter().map(str::to_owned).collect();
        let to_read = Arc::clone(&files);
        let footers = ctx.generate("parquet footers", files.len(), move |file| {
            Ok(std::iter::once(Footer::of(&to_read, file, &asked)))
        });
        let footers = footers.collect()?;
        let own: Vec<_> = footers.iter().map(|footer| &footer.columns).collect();
        let chosen = Chosen::new(keys, &own, self.columns.as_deref(), self.filter.as_ref())?;
        let groups = self.groups(&chosen, &footers);
        let schema = chosen.schema.clone();
        let plan = Plan { files, chosen, batch_rows: self.batch_rows };
        let (plan, groups) = (Arc::new(plan), Arc::new(groups));
        let batches = ctx.generate("parquet", groups.len().max(1), move |partition| {
            let groups = groups.get(partition).cloned().unwrap_or_default();
            Ok(RowGroups::new(Arc::clone(&plan), groups))
        });
        Ok(Table::new(schema, batches))
    }

    fn check(&self) -> Result<()> {
        if self.batch_rows == 0 {
            return Err(Error::parameter("batch_rows", 0, "at least 1"));
        }
        Ok(())
    }

    /// The row groups that can have rows that meet the condition, in partitions.
    fn groups(&self, chosen: &Chosen, footers: &[Footer]) -> Vec<Vec<Group>> {
        let mut groups = Vec::new();
        for (file, footer) in footers.iter().enumerate() {
            for (number, group) in footer.groups.iter().enumerate() {
                let bounds = |name: &str| {
                    let of = chosen.all.type_of(name).ok()?;
                    chosen.key_bounds(file, name, group.rows).or_else(|| group.bounds(name, of))
                };
                if group.rows > 0 && chosen.may_hold(&bounds) {
                    groups.push((Group { file, number, rows: group.rows }, group.bytes));
                }
            }
        }
        neighbours(groups, self.partition_bytes)
    }
}
