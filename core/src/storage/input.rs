//! Files to read, by ranges of bytes.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::spill::Extent;

/// Decompressed bytes in one piece of a gzip file.
const PIECE: usize = 4 << 20;

/// A file to read by ranges; a gzip file is read as what it decompresses to.
///
/// A gzip file has no way in but from its start, so it is decompressed once, when it is opened,
/// into pieces of a fixed size that count against the context's memory budget and go to disk
/// past it.
#[derive(Clone, Debug)]
pub struct Input {
    name: Arc<str>,
    len: u64,
    bytes: Arc<Bytes>,
}

#[derive(Debug)]
enum Bytes {
    Plain(PathBuf),
    Pieces(Vec<Piece>),
}

#[derive(Debug)]
enum Piece {
    Memory { bytes: Vec<u8>, _held: crate::memory::Reservation },
    Disk(Extent),
}

impl Context {
    /// The files that a path or a glob pattern (`*`, `?`, `[…]`, `**`) names, sorted by name.
    ///
    /// Every rank must see the same files.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if there is no such file, the pattern names none or is malformed, or a
    /// file cannot be read or is not valid gzip although its name ends in `.gz`.
    ///
    /// # Cost
    ///
    /// Nothing is read of plain files; gzip files are decompressed, on every rank.
    pub fn inputs(&self, pattern: &str) -> Result<Vec<Input>> {
        matching(pattern)?.into_iter().map(|path| Input::open(self, &path)).collect()
    }
}

fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    // A file whose name has the pattern's characters in it is that file.
    if Path::new(pattern).exists() || !pattern.contains(['*', '?', '[']) {
        return Ok(vec![PathBuf::from(pattern)]);
    }
    let found = glob::glob(pattern).map_err(|error| Error::file(pattern, error))?;
    let mut paths = Vec::new();
    for path in found {
        let path = path.map_err(|error| Error::file(pattern, error))?;
        if path.is_file() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(Error::file(pattern, "no file matches the pattern"));
    }
    paths.sort();
    Ok(paths)
}

impl Input {
    fn open(ctx: &Context, path: &Path) -> Result<Self> {
        let name: Arc<str> = path.to_string_lossy().into();
        let named = |error: std::io::Error| Error::file(&*name, error);
        let meta = std::fs::metadata(path).map_err(named)?;
        if meta.is_dir() {
            return Err(Error::file(&*name, "is a folder"));
        }
        // A pipe or device has no length, and opening one may wait for ever.
        if !meta.is_file() {
            return Err(Error::file(&*name, "is not a regular file"));
        }
        let file = File::open(path).map_err(named)?;
        if path.extension().is_some_and(|extension| extension == "gz") {
            let (pieces, len) = decompress(ctx, &name, file)?;
            return Ok(Self { name, len, bytes: Arc::new(Bytes::Pieces(pieces)) });
        }
        let bytes = Arc::new(Bytes::Plain(path.to_owned()));
        Ok(Self { name, len: meta.len(), bytes })
    }

    /// The path as it was given or found.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes in the file, decompressed.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Up to `len` bytes from `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if it cannot be read or has become shorter since it was opened.
    pub fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let len = (self.len.saturating_sub(offset)).min(len as u64) as usize;
        let named = |error: std::io::Error| Error::file(&*self.name, error);
        match &*self.bytes {
            Bytes::Plain(path) => {
                let mut file = File::open(path).map_err(named)?;
                file.seek(SeekFrom::Start(offset)).map_err(named)?;
                let mut bytes = Vec::with_capacity(len);
                file.take(len as u64).read_to_end(&mut bytes).map_err(named)?;
                if bytes.len() < len {
                    return Err(Error::file(&*self.name, "was cut short while it was read"));
                }
                Ok(bytes)
            }
            Bytes::Pieces(pieces) => {
                let mut bytes = Vec::with_capacity(len);
                while bytes.len() < len {
                    let at = offset + bytes.len() as u64;
                    let (piece, start) =
                        ((at / PIECE as u64) as usize, (at % PIECE as u64) as usize);
                    let wanted = len - bytes.len();
                    match &pieces[piece] {
                        Piece::Memory { bytes: piece, .. } => {
                            bytes.extend_from_slice(upto(piece, start, wanted));
                        }
                        Piece::Disk(extent) => {
                            bytes.extend_from_slice(upto(&extent.read()?, start, wanted));
                        }
                    }
                }
                Ok(bytes)
            }
        }
    }
}

fn upto(piece: &[u8], start: usize, wanted: usize) -> &[u8] {
    &piece[start..piece.len().min(start + wanted)]
}

fn decompress(ctx: &Context, name: &str, file: File) -> Result<(Vec<Piece>, u64)> {
    let mut reader = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file));
    let (mut pieces, mut len) = (Vec::new(), 0);
    let mut spill = None;
    loop {
        let mut bytes = Vec::new();
        (&mut reader)
            .take(PIECE as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::file(name, format!("gzip: {error}")))?;
        if bytes.is_empty() {
            return Ok((pieces, len));
        }
        len += bytes.len() as u64;
        bytes.shrink_to_fit();
        pieces.push(match ctx.store().reserve(bytes.len() as u64)? {
            Some(held) => Piece::Memory { bytes, _held: held },
            None => {
                let store = ctx.store();
                let spill = match &spill {
                    Some(spill) => spill,
                    None => spill.insert(store.spill_file()?),
                };
                Piece::Disk(store.append(spill, &bytes)?)
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn plain_and_gzip_files_read_alike_also_past_the_memory_budget() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> =
            (0..PIECE as u64 * 2 + 1000).map(|i| (crate::hash::mix(i / 7) & 0x3f) as u8).collect();
        let plain = folder.path().join("a.bin");
        std::fs::write(&plain, &bytes).unwrap();
        let gzip = folder.path().join("a.bin.gz");
        let mut out = GzEncoder::new(File::create(&gzip).unwrap(), Compression::fast());
        out.write_all(&bytes).unwrap();
        out.finish().unwrap();
        let ctx = Context::builder().memory_limit(PIECE as u64).build().unwrap();
        for path in [plain, gzip] {
            let input = ctx.inputs(path.to_str().unwrap()).unwrap().remove(0);
            assert_eq!(input.len(), bytes.len() as u64);
            for (from, len) in [(0, 10), (PIECE - 3, 9), (100, 2 * PIECE), (bytes.len() - 5, 50)] {
                let to = bytes.len().min(from + len);
                assert_eq!(input.read(from as u64, len).unwrap(), &bytes[from..to]);
            }
            assert!(input.read(bytes.len() as u64 + 7, 3).unwrap().is_empty());
        }
    }

    #[test]
    fn missing_and_damaged_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = Context::local();
        let gone = folder.path().join("gone.csv");
        let error = ctx.inputs(gone.to_str().unwrap()).unwrap_err();
        assert!(matches!(error, Error::File { file, .. } if file.ends_with("gone.csv")));
        let none = folder.path().join("*.csv");
        assert!(matches!(ctx.inputs(none.to_str().unwrap()), Err(Error::File { .. })));
        let fake = folder.path().join("fake.gz");
        std::fs::write(&fake, b"not gzip").unwrap();
        let error = ctx.inputs(fake.to_str().unwrap()).unwrap_err();
        assert!(matches!(error, Error::File { message, .. } if message.starts_with("gzip")));
    }
}
