//! Datasets written as text.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};

use super::Dataset;
use super::chunk::Typed;
use super::save::Saving;
use crate::data::Data;
use crate::error::{Error, Result};
use crate::storage::objects::{Content, part_name};

impl<T: Data + Display> Dataset<T> {
    /// Writes each row as a line of text: a folder with a part for each partition and an empty
    /// marker `_SUCCESS`.
    ///
    /// The folder appears under its name once everything is in it. A row with a line end in it
    /// is written as it is, and so becomes several lines.
    ///
    /// # Errors
    ///
    /// As [`save_as_object_file`](Self::save_as_object_file).
    ///
    /// # Cost
    ///
    /// One pass, a chunk a thread in memory; two numbers a partition travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let folder = std::env::temp_dir().join(format!("save-text-doc-{}", std::process::id()));
    /// let name = folder.to_str().ok_or("path")?;
    /// let ctx = firesteel_core::Context::local();
    /// ctx.range(0..3).save_as_text_file(name)?;
    /// assert_eq!(ctx.text_file(&format!("{name}/part-*"))?.collect()?, ["0", "1", "2"]);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn save_as_text_file(&self, folder: &str) -> Result<()> {
        self.save_as_text_file_with(folder, Saving::new())
    }

    /// [`save_as_text_file`](Self::save_as_text_file) that may replace a folder saved before, or
    /// compress its parts.
    ///
    /// # Errors
    ///
    /// As [`save_as_text_file`](Self::save_as_text_file).
    ///
    /// # Cost
    ///
    /// As [`save_as_text_file`](Self::save_as_text_file).
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::{Context, Saving};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let folder = std::env::temp_dir().join(format!("text-with-doc-{}", std::process::id()));
    /// let name = folder.to_str().ok_or("path")?;
    /// let ctx = Context::local();
    /// ctx.range(0..3).save_as_text_file_with(name, Saving::new().gzip(true))?;
    /// assert_eq!(ctx.text_file(&format!("{name}/part-*.gz"))?.collect()?, ["0", "1", "2"]);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn save_as_text_file_with(&self, folder: &str, saving: Saving) -> Result<()> {
        let write = move |mut rows: Typed<T>, folder: &Path, partition: usize| {
            let end = if saving.gzip { ".gz" } else { "" };
            let path = folder.join(part_name(partition) + end);
            let named = |error: io::Error| Error::file(path.to_string_lossy(), error);
            let mut file = BufWriter::new(File::create(&path).map_err(named)?);
            let rows = if saving.gzip {
                // Without a time or name in its head: the same rows are the same bytes.
                let mut gzip = GzBuilder::new().write(&mut file, Compression::default());
                let rows = lines(&mut rows, &mut gzip, &named)?;
                gzip.finish().map_err(named)?;
                rows
            } else {
                lines(&mut rows, &mut file, &named)?
            };
            let file = file.into_inner().map_err(|error| named(error.into_error()))?;
            file.sync_all().map_err(named)?;
            Ok(Content { rows, print: 0 })
        };
        self.save_parts("save_as_text_file", folder, saving, write, |_| String::new())
    }
}

fn lines<T: Data + Display>(
    rows: &mut Typed<T>,
    out: &mut impl Write,
    named: &impl Fn(io::Error) -> Error,
) -> Result<u64> {
    let mut count = 0;
    while let Some(chunk) = rows.next()? {
        for row in chunk.as_slice() {
            writeln!(out, "{row}").map_err(named)?;
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_ranks;

    #[test]
    fn lines_come_back_plain_and_compressed_on_any_ranks() {
        let temp = tempfile::tempdir().unwrap();
        for (rows, partitions) in [(0_u64, 1), (0, 3), (5, 7), (9_000, 4)] {
            for (gzip, ranks) in [(false, 1), (false, 3), (true, 1), (true, 3)] {
                let name = format!("{rows}-{partitions}-{gzip}-{ranks}");
                let folder = temp.path().join(name).to_str().unwrap().to_owned();
                let expected: Vec<String> = (0..rows).map(|i| i.to_string()).collect();
                for came in on_ranks(ranks, |ctx| {
                    let saving = Saving::new().gzip(gzip);
                    let data = ctx.range_in(0..rows, partitions);
                    data.save_as_text_file_with(&folder, saving).unwrap();
                    assert!(data.save_as_text_file(&folder).is_err());
                    ctx.text_file(&format!("{folder}/part-*")).unwrap().collect().unwrap()
                }) {
                    assert_eq!(came, expected);
                }
                assert_eq!(std::fs::read_dir(&folder).unwrap().count(), partitions + 1);
            }
        }
    }
}
