//! Where a folder lies, as it is written in a program.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// The path that `text` names: a plain path, or a `file:///…` URL.
///
/// # Errors
///
/// [`Error::Parameter`] for an empty text, a malformed URL, or the URL of a store that cannot be
/// reached yet (`memory://` among them).
pub(crate) fn folder_path(text: &str) -> Result<PathBuf> {
    let refused = |expected: &str| Err(Error::parameter("folder", format!("{text:?}"), expected));
    if text.is_empty() {
        return refused("a path or a file:/// URL");
    }
    match text.split_once("://") {
        None => Ok(PathBuf::from(text)),
        Some(("file", path)) if path.starts_with('/') && path.len() > 1 => Ok(PathBuf::from(path)),
        Some(("file", _)) => refused("an absolute path behind file://"),
        Some(("memory", _)) => refused("a path or a file:/// URL; memory:// is not supported yet"),
        Some(_) => refused("a path or a file:/// URL; other stores are not supported yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_file_urls_are_taken_and_other_stores_are_refused() {
        assert_eq!(folder_path("a/b").unwrap(), PathBuf::from("a/b"));
        assert_eq!(folder_path("file:///a/b").unwrap(), PathBuf::from("/a/b"));
        for refused in ["", "file://a", "file:///", "memory://a", "s3://bucket/a"] {
            let error = folder_path(refused).unwrap_err();
            assert!(matches!(&error, Error::Parameter { name, .. } if name == "folder"), "{error}");
        }
        assert!(folder_path("memory://a").unwrap_err().to_string().contains("not supported yet"));
    }
}
