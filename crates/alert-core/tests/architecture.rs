//! ARCHITECTURE.md names what is there: every crate, and every module of those that have a table.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the purity is the core's, not its tests'")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names in a folder: folders, and files that are modules, but those that every crate has.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| !["lib", "main", "mod", "commands"].contains(&name.as_str()))
        .collect()
}

#[test]
fn every_crate_and_module_is_named() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(top.join("ARCHITECTURE.md")).unwrap();
    let section = |title: &str, end: &str| {
        let (_, rest) = page.split_once(title).unwrap();
        rest.split_once(end).unwrap().0.to_owned()
    };
    for (folder, title, end) in [
        ("crates", "## The map", "In `alert-core/src`"),
        ("crates/alert-core/src", "In `alert-core/src`", "In `alert-io/src`"),
        ("crates/alert-io/src", "In `alert-io/src`", "In `alert-sandbox/src`"),
        ("crates/alert-sandbox/src", "In `alert-sandbox/src`", "In `alertctl/src/commands`"),
        ("crates/alertctl/src/commands", "In `alertctl/src/commands`", "Beside them"),
        ("crates/alertctl/src", "In `alertctl/src/commands`", "## Invariants"),
    ] {
        let section = section(title, end);
        let names = names(&top.join(folder));
        assert!(names.len() > 3, "{folder} has {names:?}");
        let missing: Vec<_> = names
            .iter()
            .filter(|name| {
                ![format!("`{name}`"), format!("`{name}/")].iter().any(|form| section.contains(form))
            })
            .collect();
        assert!(missing.is_empty(), "ARCHITECTURE.md does not name {missing:?} of {folder}");
    }
}
