//! Which files a path means: listed once, by the root, so that all ranks see the same files in the
//! same order.
//!
//! A path is a file, a folder or a glob pattern. Of a folder all files below it are meant, in the
//! order of their paths; names that start with `.` or `_` are passed over (a folder
//! `_key=value` is not), and so are parts that a writer is about to add. Folders named
//! `key=value` below the path say something about their files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use firesteel_core::storage::Input;
use firesteel_core::{Context, Error as CoreError};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::writers::keys::{NULL, unescaped};
use crate::writers::target::APPENDING;

/// A file, and what the folders above it say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) path: String,
    /// Names and values of the folders `key=value`; none for a null.
    pub(super) keys: Vec<(String, Option<String>)>,
}

/// The files that the path means, at least one.
///
/// # Errors
///
/// The core's `File` if there is none, or a folder cannot be read; the same on all ranks.
#[track_caller]
pub(super) fn list(ctx: &Context, path: &str) -> Result<Vec<Listed>> {
    Ok(ctx.on_root(|| found(path))?)
}

/// The files, opened on this rank.
pub(super) fn open(ctx: &Context, files: &[Listed]) -> Result<Vec<Input>> {
    let open = |file: &Listed| {
        let mut inputs = ctx.inputs(&file.path)?;
        if inputs.len() != 1 {
            return Err(CoreError::file(&*file.path, "is gone").into());
        }
        Ok(inputs.swap_remove(0))
    };
    files.iter().map(open).collect()
}

/// [`list`] on this rank alone.
fn found(path: &str) -> Result<Vec<Listed>, CoreError> {
    let named = |error: &dyn std::fmt::Display| CoreError::file(path, error.to_string());
    let is_pattern = !Path::new(path).exists() && path.contains(['*', '?', '[']);
    let (base, roots) = if is_pattern {
        let mut roots = Vec::new();
        for root in glob::glob(path).map_err(|error| named(&error))? {
            let root = root.map_err(|error| named(&error))?;
            if !root.file_name().is_some_and(|name| is_hidden(&name.to_string_lossy())) {
                roots.push(root);
            }
        }
        (fixed_part(path), roots)
    } else {
        (PathBuf::from(path), vec![PathBuf::from(path)])
    };
    let mut files = BTreeSet::new(); // of paths, whose order is that of their parts
    for root in roots {
        if fs::metadata(&root).map_err(|error| named(&error))?.is_dir() {
            below(&root, &mut files)
                .map_err(|error| CoreError::file(root.to_string_lossy(), error))?;
        } else {
            files.insert(root);
        }
    }
    if files.is_empty() {
        let message = if is_pattern { "no file matches the pattern" } else { "has no files in it" };
        return Err(CoreError::file(path, message));
    }
    let listed = |file: &PathBuf| {
        let keys = file.strip_prefix(&base).map_or(Vec::new(), keys);
        Listed { path: file.to_string_lossy().into_owned(), keys }
    };
    Ok(files.iter().map(listed).collect())
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// The folders of a pattern in front of its first special character.
fn fixed_part(pattern: &str) -> PathBuf {
    let is_plain = |part: &std::path::Component<'_>| {
        !part.as_os_str().to_string_lossy().contains(['*', '?', '['])
    };
    Path::new(pattern).components().take_while(is_plain).collect()
}

/// Adds all files below a folder; a loop, so that deep folders do no harm.
fn below(root: &Path, files: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    let mut coming = Vec::new();
    if let Ok(list) = fs::read_to_string(root.join(APPENDING)) {
        coming.extend(list.lines().map(|name| root.join(name)));
    }
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if is_hidden(&entry.file_name().to_string_lossy()) {
                continue;
            }
            let path = entry.path();
            if fs::metadata(&path)?.is_dir() {
                open.push(path);
            } else if !coming.contains(&path) {
                files.insert(path);
            }
        }
    }
    Ok(())
}

/// What the folders of a path say.
fn keys(path: &Path) -> Vec<(String, Option<String>)> {
    let folders = path.parent().into_iter().flat_map(Path::components);
    let key = |folder: std::path::Component<'_>| {
        let text = folder.as_os_str().to_string_lossy().into_owned();
        let (name, value) = text.split_once('=')?;
        let value = if value == NULL { None } else { Some(unescaped(value)?) };
        Some((unescaped(name).filter(|name| !name.is_empty())?, value))
    };
    folders.filter_map(key).collect()
}
