//! Output that pages show, held against what the commands print.

use std::process::Command;

use crate::markdown::{Page, root};

/// The walkthrough's alarm in the terminal; its links are cut.
pub(crate) fn rendering() {
    let block = block_with("infra/walkthrough/README.md", "99.83 %, limit 50 %");
    let printed = run(&["render", "fixtures/cloudwatch/cpu-above-50.sns.json"]);
    follows(&block, &printed);
}

/// What `check` says of the broken configuration that stands before it.
pub(crate) fn mistakes() {
    let page = "crates/alertctl/README.md";
    let broken = Page::of(page).blocks().into_iter().find(|block| block.said == "yaml broken").unwrap();
    let folder = std::env::temp_dir().join(format!("alertctl-pages-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("alerts.yaml"), broken.text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_alertctl"))
        .args(["check", "alerts.yaml"])
        .current_dir(&folder)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(block_with(page, "alerts.yaml: line"), printed, "{page}");
}

/// What `make run` prints; what changes from run to run is cut.
pub(crate) fn demo() {
    follows(&block_with("crates/alertctl/README.md", "── A CloudWatch alarm ──"), &run(&["demo"]));
}

/// A page's block with this in it.
fn block_with(page: &str, part: &str) -> String {
    let blocks = Page::of(page).blocks();
    blocks
        .into_iter()
        .find(|block| block.text.contains(part))
        .unwrap_or_else(|| panic!("{page} has no block with {part}"))
        .text
}

fn run(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_alertctl")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Fails unless all that a block shows is printed, one scene (`── title ──`) after the other; `…` stands for anything. Within a scene
/// the order is free, because what goes out at once arrives as it may.
fn follows(block: &str, printed: &str) {
    let mut rest = scenes(printed).into_iter();
    for scene in scenes(block) {
        let parts: Vec<_> = scene.split(['…', '\n']).map(str::trim).filter(|part| !part.is_empty()).collect();
        let has = |printed: &&str| parts.iter().all(|part| printed.contains(part));
        assert!(
            rest.any(|printed| has(&printed)),
            "{parts:#?}\nare shown, and are not printed so:\n{printed}"
        );
    }
}

fn scenes(text: &str) -> Vec<&str> {
    let begins =
        text.match_indices("── ").map(|(at, _)| at).filter(|at| *at == 0 || text[..*at].ends_with('\n'));
    let cuts: Vec<_> = [0].into_iter().chain(begins).chain([text.len()]).collect();
    cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).filter(|scene| !scene.trim().is_empty()).collect()
}
