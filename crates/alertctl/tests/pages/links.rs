//! Where links lead, and which pictures are shown.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::markdown::{Page, root};

/// GitHub shows a workflow's badge beside the repository, whose address no page knows.
const BADGES: &str = "../../actions/workflows/";

/// What is wrong with a page's links, where `pages` are all pages.
pub(crate) fn problems(page: &Page, pages: &[Page]) -> Vec<String> {
    let anchors: BTreeMap<_, _> =
        pages.iter().chain([page]).map(|page| (page.path.as_str(), page.anchors())).collect();
    let mut problems = Vec::new();
    for link in page.links().iter().filter(|link| !link.starts_with("https://")) {
        if let Some(badge) = link.strip_prefix(BADGES) {
            let workflow = badge.trim_end_matches("/badge.svg");
            if !root().join(".github/workflows").join(workflow).is_file() {
                problems.push(format!("{}: no workflow {workflow}", page.path));
            }
            continue;
        }
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = match path {
            "" => page.path.clone(),
            path => within(Path::new(&page.path).parent().unwrap_or(Path::new("")), path),
        };
        if !path.is_empty() && !root().join(&target).exists() {
            problems.push(format!("{}: {link} leads to no file", page.path));
        } else if let Some(anchors) = anchors.get(target.as_str()).filter(|_| link.contains('#'))
            && !anchors.contains(anchor)
        {
            problems.push(format!("{}: {link} leads to no heading", page.path));
        }
    }
    problems
}

/// The path that a relative one means, from the repository's top.
fn within(folder: &Path, path: &str) -> String {
    let mut whole = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            part => whole.push(part),
        }
    }
    whole.to_str().unwrap().to_owned()
}
