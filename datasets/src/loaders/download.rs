//! Fetching the readmission table once, and knowing that it is the one.
//!
//! The root fetches the archive of the UCI Machine Learning Repository over HTTPS, takes the table out of
//! it, checks its SHA-256, and gives it its name in a cache folder when it is whole. All ranks then see the
//! file. What is in the cache already is checked and used.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use firesteel_core::storage::write_atomic;
use firesteel_core::{Context, Error as CoreError};
use sha2::{Digest, Sha256};

/// Where the archive is, as its page in the repository says. This address was not tried when the code was
/// written: the machine had no way out.
pub const READMISSION_URL: &str = "https://archive.ics.uci.edu/static/public/296/diabetes+130-us+hospitals+for+years+1999-2008.zip";
/// The SHA-256 of the table as it was published.
pub const READMISSION_SHA256: &str =
    "0689e7ec031237dc63031b938805c48377748761a3b26acab621567afa24df97";

/// The table in the archive, and its name in the cache.
const TABLE: &str = "diabetic_data.csv";
/// Bytes at most of an archive, and of the table in it: the table has 19 MB.
const MOST: u64 = 256 << 20;

/// What can go wrong with a download.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive could not be fetched.
    #[error("{url}: {message}")]
    Fetch {
        /// The address.
        url: String,
        /// What happened.
        message: String,
    },

    /// The archive could be fetched, but is none, or the table is not in it.
    #[error("{url}: {message}")]
    Archive {
        /// The address.
        url: String,
        /// What is wrong.
        message: String,
    },

    /// The table is another one than was asked for.
    #[error("{url}: the table has the SHA-256 {found}, expected {expected}")]
    Checksum {
        /// The address.
        url: String,
        /// What was expected.
        expected: String,
        /// What came.
        found: String,
    },

    /// There is no folder to keep it in, or a file could not be read or written.
    #[error(transparent)]
    Core(#[from] CoreError),
}

/// How the error of the root travels to the other ranks: with its words.
impl From<Error> for CoreError {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Core(error) => return error,
            Error::Fetch { .. } => "datasets/fetch",
            Error::Archive { .. } => "datasets/archive",
            Error::Checksum { .. } => "datasets/checksum",
        };
        Self::Foreign { kind: kind.to_owned(), message: error.to_string() }
    }
}

/// What is fetched, from where, and where it is kept.
///
/// # Examples
///
/// ```no_run
/// use firesteel_core::Context;
/// use firesteel_datasets::loaders::Download;
///
/// let ctx = Context::local();
/// let table = Download::readmission().folder("data").fetch(&ctx)?;
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct Download {
    /// The address of a zip archive that has the table.
    pub url: String,
    /// The SHA-256 that the table must have, in hexadecimal digits.
    pub sha256: String,
    /// The folder to keep it in. Default: `firesteel` in `XDG_CACHE_HOME`, or in `.cache` at home.
    pub folder: Option<PathBuf>,
    /// How long the whole of it may take. Default: ten minutes.
    pub timeout: Duration,
}

impl Download {
    /// "Diabetes 130-US hospitals for years 1999–2008" (doi 10.24432/C5230J, CC BY 4.0).
    pub fn readmission() -> Self {
        Self {
            url: READMISSION_URL.to_owned(),
            sha256: READMISSION_SHA256.to_owned(),
            folder: None,
            timeout: Duration::from_secs(600),
        }
    }

    /// Sets the address.
    pub fn url(self, url: impl Into<String>) -> Self {
        Self { url: url.into(), ..self }
    }

    /// Sets the SHA-256 that the table must have.
    pub fn sha256(self, sha256: impl Into<String>) -> Self {
        Self { sha256: sha256.into(), ..self }
    }

    /// Sets the folder to keep it in.
    pub fn folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..self }
    }

    /// Sets how long the whole of it may take.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The path of the table, fetched if it is not in the folder. Every rank calls it; the root fetches
    /// into a folder that all ranks see.
    ///
    /// # Errors
    ///
    /// The words of an [`Error`], the same on all ranks. Nothing half-fetched stays.
    ///
    /// # Cost
    ///
    /// The archive, 3 MB, is held in memory on the root; a table in the cache is read once for its
    /// checksum.
    pub fn fetch(&self, ctx: &Context) -> Result<PathBuf, CoreError> {
        let path = ctx.on_root(|| -> Result<String, CoreError> {
            let path = self.kept_at()?;
            if !self.is_known(&path)? {
                self.bring(&path)?;
            }
            Ok(path.to_string_lossy().into_owned())
        })?;
        Ok(path.into())
    }

    fn kept_at(&self) -> Result<PathBuf, Error> {
        let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let cache = || {
            let own = from("XDG_CACHE_HOME").map(PathBuf::from);
            own.or_else(|| from("HOME").map(|home| Path::new(&home).join(".cache")))
        };
        let folder = self.folder.clone().or_else(|| cache().map(|cache| cache.join("firesteel")));
        let folder = folder.ok_or_else(|| {
            CoreError::parameter("folder", "none", "a folder, XDG_CACHE_HOME or HOME")
        })?;
        Ok(folder.join(TABLE))
    }

    /// Whether the table is there, and the right one.
    fn is_known(&self, path: &Path) -> Result<bool, Error> {
        let named = |error: io::Error| CoreError::file(path.to_string_lossy(), error);
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(named(error).into()),
        };
        let mut hash = Sha256::new();
        let mut piece = vec![0; 1 << 16];
        loop {
            match file.read(&mut piece).map_err(named)? {
                0 => return Ok(self.fits(&hex(&hash.finalize()))),
                n => hash.update(&piece[..n]),
            }
        }
    }

    fn fits(&self, found: &str) -> bool {
        found.eq_ignore_ascii_case(self.sha256.trim())
    }

    fn bring(&self, path: &Path) -> Result<(), Error> {
        let table = self.unpacked(&self.fetched()?)?;
        let found = hex(&Sha256::digest(&table));
        if !self.fits(&found) {
            let (url, expected) = (self.url.clone(), self.sha256.clone());
            return Err(Error::Checksum { url, expected, found });
        }
        Ok(write_atomic(path, |file| file.write_all(&table))?)
    }

    fn fetched(&self) -> Result<Vec<u8>, Error> {
        let failed = |error: ureq::Error| {
            let (url, message) = (self.url.clone(), error.to_string());
            Error::Fetch { url, message }
        };
        let agent = ureq::Agent::config_builder().timeout_global(Some(self.timeout)).build();
        let agent: ureq::Agent = agent.into();
        let mut answer = agent.get(&self.url).call().map_err(failed)?;
        answer.body_mut().with_config().limit(MOST).read_to_vec().map_err(failed)
    }

    /// The table out of the archive.
    fn unpacked(&self, archive: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |message: String| Error::Archive { url: self.url.clone(), message };
        let mut archive = zip::ZipArchive::new(Cursor::new(archive))
            .map_err(|error| failed(format!("no zip archive: {error}")))?;
        let is_it = |name: &String| name.rsplit('/').next() == Some(TABLE);
        let names = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned()));
        let name = names.collect::<Vec<String>>().into_iter().find(is_it);
        let name = name.ok_or_else(|| failed(format!("there is no {TABLE} in it")))?;
        let file = archive.by_name(&name).map_err(|error| failed(error.to_string()))?;
        let mut table = Vec::new();
        let read = file.take(MOST + 1).read_to_end(&mut table);
        read.map_err(|error| failed(format!("{name}: {error}")))?;
        if table.len() as u64 > MOST {
            return Err(failed(format!("{name} has more than {MOST} bytes")));
        }
        Ok(table)
    }
}

/// The readmission table: fetched from the UCI archive, or found in the cache.
///
/// # Errors
///
/// As [`Download::fetch`].
///
/// # Examples
///
/// ```no_run
/// use firesteel_core::Context;
/// use firesteel_table::CsvReader;
///
/// let ctx = Context::local();
/// let stays = CsvReader::new(firesteel_datasets::loaders::download(&ctx)?).null_tokens(["?"]).read(&ctx)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn download(ctx: &Context) -> Result<PathBuf, CoreError> {
    Download::readmission().fetch(ctx)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // text takes all text
        text
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use firesteel_core::testing::on_ranks;
    use zip::write::SimpleFileOptions;

    use super::*;

    const ROWS: &[u8] = b"encounter_id,readmitted\n1,NO\n2,<30\n";

    fn archive(name: &str) -> Vec<u8> {
        let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
        out.start_file(name, SimpleFileOptions::default()).unwrap();
        out.write_all(ROWS).unwrap();
        out.finish().unwrap().into_inner()
    }

    /// Answers every request on the loopback with the bytes, and says how often it was asked.
    fn serve(status: &'static str, bytes: Vec<u8>, cut: usize) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/archive.zip", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                count.fetch_add(1, Ordering::SeqCst);
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    bytes.len()
                );
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(&bytes[..bytes.len() - cut]);
            }
        });
        (url, asked)
    }

    fn of(url: &str, folder: &Path) -> Download {
        let sha256 = hex(&Sha256::digest(ROWS)).to_uppercase();
        Download::readmission().url(url).sha256(sha256).folder(folder)
    }

    #[test]
    fn a_table_is_fetched_once_for_all_ranks_and_then_known() {
        let folder = tempfile::tempdir().unwrap();
        let (url, asked) = serve("200 OK", archive("dataset/diabetic_data.csv"), 0);
        for _ in 0..2 {
            let paths = on_ranks(3, |ctx| of(&url, folder.path()).fetch(ctx).unwrap());
            for path in paths {
                assert_eq!(std::fs::read(path).unwrap(), ROWS);
            }
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        // A damaged file in the cache is none.
        std::fs::write(folder.path().join(TABLE), b"encounter_id").unwrap();
        let path = of(&url, folder.path()).fetch(&Context::local()).unwrap();
        assert_eq!(
            (std::fs::read(path).unwrap(), asked.load(Ordering::SeqCst)),
            (ROWS.to_vec(), 2)
        );
    }

    #[test]
    fn what_is_not_the_table_is_refused_and_leaves_nothing() {
        let whole = archive("diabetic_data.csv");
        let half = whole[..whole.len() / 2].to_vec();
        for (status, bytes, cut, words) in [
            ("404 Not Found", whole.clone(), 0, "404"),
            ("200 OK", whole.clone(), 10, "archive.zip"),
            ("200 OK", half, 0, "no zip archive"),
            ("200 OK", b"<html>".to_vec(), 0, "no zip archive"),
            ("200 OK", archive("other.csv"), 0, "there is no diabetic_data.csv in it"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (url, _) = serve(status, bytes, cut);
            let errors =
                on_ranks(3, |ctx| of(&url, folder.path()).fetch(ctx).unwrap_err().to_string());
            assert!(errors.iter().all(|error| error.contains(words)), "{words}: {errors:?}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{words}");
        }
        let folder = tempfile::tempdir().unwrap();
        let (url, _) = serve("200 OK", whole, 0);
        let other = Download::readmission().url(&url).folder(folder.path());
        let error = other.fetch(&Context::local()).unwrap_err().to_string();
        assert!(error.contains("SHA-256") && error.contains(READMISSION_SHA256), "{error}");
        let gone = of("http://127.0.0.1:1/archive.zip", folder.path());
        let error = gone.fetch(&Context::local()).unwrap_err().to_string();
        assert!(error.contains("127.0.0.1:1"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
