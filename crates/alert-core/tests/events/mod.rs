//! Where the events in `fixtures/` lie, for every test that goes through them.

use std::fs;
use std::path::{Path, PathBuf};

/// The endings of what lies beside an event: what is expected of it.
pub(crate) const GOLDEN: [&str; 4] =
    ["slack.json", "slack-modern.json", "slack-plain.json", "published.json"];

/// The folder of all fixtures.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// Whether a file of this name is expected, and no event.
pub(crate) fn is_golden(name: &str) -> bool {
    GOLDEN.iter().any(|ending| name.ends_with(&format!(".{ending}")))
}

/// Every event, in the order of the names.
pub(crate) fn paths() -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(root())
        .expect("fixtures/ exists")
        .flatten()
        .flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten())
        .map(|file| file.path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".json") && !is_golden(&name)
        })
        .collect();
    paths.sort();
    paths
}
