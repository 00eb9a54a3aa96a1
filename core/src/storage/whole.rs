//! Files as rows: one a file.

use crate::context::Context;
use crate::dataset::Dataset;
use crate::error::{Error, Result};

impl Context {
    /// One row a file: its name and its text. `.gz` files are decompressed.
    ///
    /// `pattern` is a path or a glob; files come in the order of their names, a partition each.
    /// Spark packs several small files into a partition.
    ///
    /// # Errors
    ///
    /// As [`text_file`](Self::text_file); [`Error::BadRecord`] from the action that meets a file
    /// that is not UTF-8.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let path = std::env::temp_dir().join(format!("whole-doc-{}.txt", std::process::id()));
    /// std::fs::write(&path, "fire\nsteel")?;
    /// let ctx = firesteel_core::Context::local();
    /// let files = ctx.whole_text_files(path.to_str().ok_or("path")?)?.collect()?;
    /// assert_eq!(files[0].1, "fire\nsteel");
    /// # std::fs::remove_file(path)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn whole_text_files(&self, pattern: &str) -> Result<Dataset<(String, String)>> {
        let text = |(name, bytes): (String, Vec<u8>)| match String::from_utf8(bytes) {
            Ok(text) => Ok((name, text)),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let bytes = error.as_bytes();
                let bad = &bytes[good..bytes.len().min(good + 80)];
                Err(Error::BadRecord {
                    file: name,
                    line: memchr::memchr_iter(b'\n', &bytes[..good]).count() as u64 + 1,
                    column: "text".into(),
                    value: String::from_utf8_lossy(bad).into_owned(),
                    expected: "valid UTF-8".into(),
                })
            }
        };
        Ok(self.binary_files(pattern)?.try_map(text))
    }

    /// One row a file: its name and its bytes; otherwise as
    /// [`whole_text_files`](Self::whole_text_files).
    ///
    /// # Errors
    ///
    /// As [`text_file`](Self::text_file).
    #[track_caller]
    pub fn binary_files(&self, pattern: &str) -> Result<Dataset<(String, Vec<u8>)>> {
        let files = self.inputs(pattern)?;
        Ok(self.generate("binary_files", files.len(), move |partition| {
            let row = files.get(partition).map(|file| {
                let bytes = file.read(0, usize::try_from(file.len()).unwrap_or(usize::MAX))?;
                Ok::<_, Error>((file.name().to_owned(), bytes))
            });
            Ok(row.into_iter())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_ranks;

    #[test]
    fn files_come_whole_in_the_order_of_their_names_and_bad_text_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("b.txt"), "two\nlines").unwrap();
        std::fs::write(path("a.txt"), "").unwrap();
        let expected = [(path("a.txt"), String::new()), (path("b.txt"), "two\nlines".to_owned())];
        for ranks in [1, 3] {
            for came in on_ranks(ranks, |ctx| {
                ctx.whole_text_files(&path("*.txt")).unwrap().collect().unwrap()
            }) {
                assert_eq!(came, expected);
            }
        }
        std::fs::write(path("c.txt"), b"fine\n\xff").unwrap();
        let ctx = Context::local();
        let error = ctx.whole_text_files(&path("*.txt")).unwrap().count().unwrap_err();
        assert!(
            matches!(&error, Error::BadRecord { line: 2, file, .. } if *file == path("c.txt")),
            "{error}"
        );
        let rows = ctx.binary_files(&path("c.txt")).unwrap().collect().unwrap();
        assert_eq!(rows[0].1, b"fine\n\xff");
        assert!(matches!(ctx.binary_files(&path("none")), Err(Error::File { .. })));
    }
}
