//! How files are kept: each says at its head what it is, none is too long, none is a drawer for odds and ends, and every
//! fixture says where it comes from.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use crate::artefacts::repository;

/// Longest source file, in lines. Beyond some 500 a file usually has two purposes.
const MAX_LINES: usize = 700;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "misc", "helper", "helpers", "common", "stuff"];

/// Folders that hold no sources of ours.
const NOT_OURS: &[&str] = &["target", "dist"];

#[test]
fn every_source_file_says_what_it_is_and_keeps_short() {
    let sources: Vec<_> =
        files(&repository().unwrap()).into_iter().filter(|p| has_extension(p, "rs")).collect();
    assert!(sources.len() > 50, "only {} source files: this test looks in the wrong place", sources.len());
    let mut wrong = Vec::new();
    for path in &sources {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().count();
        if !text.starts_with("//! ") {
            wrong.push(format!("{}: does not begin with a //! paragraph", path.display()));
        }
        if lines > MAX_LINES {
            wrong.push(format!("{}: {lines} lines, and {MAX_LINES} are the most", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_file_or_folder_is_a_drawer_for_odds_and_ends() {
    let root = repository().unwrap();
    let named_emptily = |path: &PathBuf| {
        let inside = path.strip_prefix(&root).unwrap();
        inside.iter().any(|part| {
            let stem = Path::new(part).file_stem().unwrap().to_string_lossy().to_lowercase();
            EMPTY_NAMES.contains(&stem.as_str())
        })
    };
    let wrong: Vec<_> = files(&root).into_iter().filter(named_emptily).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_fixture_says_where_it_comes_from() {
    let mut folders = Vec::new();
    for holder in files(&repository().unwrap()).iter().filter_map(|p| fixture_folder(p)) {
        if !folders.contains(&holder) {
            folders.push(holder);
        }
    }
    assert!(!folders.is_empty(), "no fixtures at all: this test looks in the wrong place");
    let wrong: Vec<_> = folders.iter().filter(|folder| !folder.join("README.md").is_file()).collect();
    assert!(wrong.is_empty(), "without a README.md: {wrong:#?}");
}

/// The folder directly below a `fixtures` folder that this file is in; `fixtures` itself for a file that lies there.
fn fixture_folder(path: &Path) -> Option<PathBuf> {
    let holder = path.ancestors().skip(1).find(|a| a.file_name().is_some_and(|n| n == "fixtures"))?;
    let below = path.strip_prefix(holder).ok()?;
    match below.components().count() {
        1 => Some(holder.to_owned()),
        _ => Some(holder.join(below.components().next()?)),
    }
}

/// Every file of the repository's tree but hidden folders and what is built.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e == extension)
}
