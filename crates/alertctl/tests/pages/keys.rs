//! Keys of the configuration, as its parser knows them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use alert_core::config::Config;

use crate::markdown::{Page, codes};

/// No key: the parser answers it with those that there are.
const NO_KEY: &str = "zzzzzz";

/// Where there are keys.
const PLACES: [&str; 16] = [
    "",
    "drop[]",
    "time_intervals[]",
    "time_intervals[].time_intervals[]",
    "route",
    "route.escalate",
    "receivers[]",
    "receivers[].slack",
    "receivers[].evidence",
    "messages",
    "evidence",
    "evidence.logs",
    "actions",
    "heartbeats[]",
    "canary",
    "second_way",
];

/// What stands before a colon elsewhere.
const FOREIGN: [(&str, &str); 1] = [("severity", "a label, in a filter policy of SNS")];

static EVERYWHERE: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| PLACES.iter().flat_map(|place| keys_at(place)).collect());

/// What a page names that is no key.
pub(crate) fn problems(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    let mut find = |code: &str, problem: Option<String>| {
        problems.extend(problem.map(|problem| format!("{}: `{code}`: {problem}", page.path)));
    };
    for cells in page.rows("key") {
        for code in codes(&cells[0]) {
            find(&code, missing(&code));
        }
    }
    for span in page.spans() {
        let code = span.code.as_str();
        let first = code.split(['.', '[']).next().unwrap_or_default();
        if let Some((key, _)) = code.split_once(": ") {
            if is_word(key) && FOREIGN.iter().all(|(foreign, _)| *foreign != key) {
                find(code, not_configured(code, key));
            }
        } else if code.contains('.') && is_path(code) && keys_at("").contains(first) && code != "alerts.yaml"
        {
            find(code, missing(code));
        }
    }
    // A table's first cell is code of the text, too.
    problems.sort();
    problems.dedup();
    problems
}

/// Keys that no row of the table names, and no text of it.
pub(crate) fn undocumented(page: &Page) -> Vec<String> {
    let rows = page.rows("key");
    let said: BTreeSet<String> = rows.iter().flatten().flat_map(|cell| codes(cell)).collect();
    let words: BTreeSet<&str> =
        said.iter().flat_map(|code| code.split(|char: char| !is_letter(char))).collect();
    let top = keys_at("");
    let row = |key: &String| {
        rows.iter()
            .any(|cells| codes(&cells[0]).iter().any(|code| code.split(['.', '[']).next() == Some(key)))
    };
    let missing = top.iter().filter(|key| !row(key)).cloned();
    missing.chain(EVERYWHERE.iter().filter(|key| !words.contains(key.as_str())).cloned()).collect()
}

/// What is wrong with a part of a configuration, such as `digest_after: 100`; of a key that stands deeper only its name is known.
fn not_configured(code: &str, first: &str) -> Option<String> {
    if !keys_at("").contains(first) {
        return (!EVERYWHERE.contains(first)).then(|| format!("no configuration has {first}"));
    }
    let errors = Config::parse(code).err()?.to_string();
    errors.lines().find(|line| line.contains("unknown key")).map(str::to_owned)
}

/// What is wrong with a path such as `drop[].younger_than`.
fn missing(path: &str) -> Option<String> {
    let (place, key) = path.rsplit_once('.').unwrap_or(("", path));
    (!keys_at(place).contains(key.trim_end_matches("[]")))
        .then(|| format!("no configuration has {key} in {place:?}"))
}

/// The keys that the parser knows in a place.
fn keys_at(place: &str) -> BTreeSet<String> {
    let mut document = format!("{{{NO_KEY}: 1}}");
    for part in place.split('.').rev().filter(|part| !part.is_empty()) {
        document = match part.strip_suffix("[]") {
            Some(list) => format!("{{{list}: [{document}]}}"),
            None => format!("{{{part}: {document}}}"),
        };
    }
    let errors = Config::parse(&document).err().map(|errors| errors.to_string()).unwrap_or_default();
    let answer =
        errors.lines().find_map(|line| line.split_once(&format!("unknown key `{NO_KEY}`; expected one of ")));
    answer.map(|(_, keys)| keys.split(", ").map(str::to_owned).collect()).unwrap_or_default()
}

fn is_letter(char: char) -> bool {
    char.is_ascii_lowercase() || char == '_'
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_letter)
}

fn is_path(text: &str) -> bool {
    text.chars().all(|char| is_letter(char) || ".[]".contains(char))
}
