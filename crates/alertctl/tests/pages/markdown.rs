//! A page, taken apart as far as its tests need it: blocks, headings, links, code spans.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The repository's top folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A file of the repository, by its path from the top.
pub(crate) fn source(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[derive(Debug)]
pub(crate) struct Page {
    /// From the repository's top.
    pub(crate) path: String,
    text: String,
}

/// A fenced block: what its fence says, and what is in it.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) said: String,
    pub(crate) text: String,
}

/// Code in the running text, with the line that it stands in.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) code: String,
    pub(crate) line: String,
    /// The text of its paragraph, up to it.
    pub(crate) before: String,
}

impl Page {
    pub(crate) fn of(path: &str) -> Self {
        Self { path: path.into(), text: source(path) }
    }

    /// A page that is not there, for tests of the tests.
    pub(crate) fn made(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Every page: those at the top, and the README.md of every folder.
    pub(crate) fn all() -> Vec<Self> {
        let mut paths = vec![
            "ARCHITECTURE.md".to_owned(),
            "CHANGELOG.md".into(),
            "README.ko.md".into(),
            "README.md".into(),
        ];
        for top in ["crates", "fixtures", "infra"] {
            readmes(Path::new(top), &mut paths);
        }
        paths.iter().map(|path| Self::of(path)).collect()
    }

    /// All pages that say how things are now.
    pub(crate) fn current() -> Vec<Self> {
        Self::all().into_iter().filter(|page| page.path != "CHANGELOG.md").collect()
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut open = false;
        for line in self.text.lines() {
            if let Some(said) = line.trim_start().strip_prefix("```") {
                open = !open;
                if open {
                    blocks.push(Block { said: said.into(), text: String::new() });
                }
            } else if open && let Some(block) = blocks.last_mut() {
                block.text.push_str(line);
                block.text.push('\n');
            }
        }
        blocks
    }

    /// The lines outside of blocks.
    pub(crate) fn prose(&self) -> Vec<&str> {
        let mut open = false;
        let outside = |line: &&str| {
            let fence = line.trim_start().starts_with("```");
            open ^= fence;
            !open && !fence
        };
        self.text.lines().filter(outside).collect()
    }

    /// What a link may name after the `#`, as GitHub makes it of the headings.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for heading in self.prose().iter().filter(|line| line.starts_with('#')) {
            let text = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
            let anchor: String = kept.map(|char| if char == ' ' { '-' } else { char }).collect();
            let mut free = anchor.clone();
            let mut number = 0;
            while anchors.contains(&free) {
                number += 1;
                free = format!("{anchor}-{number}");
            }
            anchors.insert(free);
        }
        anchors
    }

    /// Where links and pictures lead.
    pub(crate) fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        for paragraph in self.paragraphs() {
            // Code is no link, however it looks.
            let text = paragraph.split('`').step_by(2).collect::<Vec<_>>().join("code");
            for (begin, end) in [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"')] {
                let parts = text.split(begin).skip(1);
                links.extend(parts.filter_map(|part| Some(part.split_once(end)?.0.to_owned())));
            }
        }
        links
    }

    /// Code in the running text. A span may go on in the next line of its paragraph.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for paragraph in self.paragraphs() {
            let mut before = String::new();
            for (at, part) in paragraph.split('`').enumerate() {
                if at % 2 == 1 {
                    spans.push(Span {
                        code: part.trim().into(),
                        line: paragraph.clone(),
                        before: before.clone(),
                    });
                }
                before.push_str(part);
            }
        }
        spans
    }

    /// The running text, each paragraph, entry of a list and row of a table on one line.
    fn paragraphs(&self) -> Vec<String> {
        let mut paragraphs = vec![String::new()];
        for line in self.prose() {
            if line.is_empty() || line.starts_with('|') || line.trim_start().starts_with("- ") {
                paragraphs.push(String::new());
            }
            let last = paragraphs.last_mut().unwrap();
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(line);
        }
        paragraphs
    }

    /// Everything that a reader may type: spans, and the commands of shell blocks, each on one line.
    pub(crate) fn commands(&self) -> Vec<String> {
        let mut commands: Vec<String> = self.spans().into_iter().map(|span| span.code).collect();
        for block in self.blocks().iter().filter(|block| ["sh", "bash", ""].contains(&block.said.as_str())) {
            let joined = block.text.replace("\\\n", " ");
            // Of a block that shows output, only what looks typed counts.
            let shell = !block.said.is_empty();
            commands.extend(
                joined.lines().filter(|line| shell || line.starts_with("alertctl ")).map(str::to_owned),
            );
        }
        commands
    }

    /// The rows of tables whose first column has this heading; each row is its cells.
    pub(crate) fn rows(&self, heading: &str) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let mut inside = false;
        for line in self.prose() {
            let Some(row) = line.trim().strip_prefix("| ") else {
                inside &= line.trim_start().starts_with('|');
                continue;
            };
            let cells: Vec<_> =
                row.trim_end_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
            if inside {
                rows.push(cells);
            } else {
                inside = cells.first().is_some_and(|cell| cell == heading);
            }
        }
        rows
    }
}

/// The code spans of a text.
pub(crate) fn codes(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn readmes(folder: &Path, paths: &mut Vec<String>) {
    let mut inside: Vec<_> =
        fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    inside.sort();
    for name in inside {
        let path = folder.join(&name);
        if root().join(&path).is_dir() && name != "node_modules" && name != "target" {
            readmes(&path, paths);
        } else if name == "README.md" {
            paths.push(path.to_str().unwrap().replace('\\', "/"));
        }
    }
}
