//! Names of what is elsewhere: settings, parameters, outputs, files, queues, errors. Each is looked up where it is made.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use crate::markdown::{Page, codes, root, source};

/// Upper-case names that are no settings.
const FOREIGN_WORDS: [(&str, &str); 2] = [
    ("INSUFFICIENT_DATA", "a state of CloudWatch's alarms"),
    ("NOTIFICATIONS_EVERY", "a constant of the core"),
];

/// `NAME=value` of others.
const FOREIGN_PARAMETERS: [(&str, &str); 3] = [
    ("LambdaFunctionName", "KMS's encryption context"),
    ("BLESS", "a variable of the golden files' test"),
    ("SECLEVEL", "OpenSSL's"),
];

/// Files that are not in the repository, because whoever reads makes them.
const MADE: [(&str, &str); 3] = [
    ("infra/alerts.yaml", "the reader's configuration"),
    ("crates/alert-core/src/source/aws/example.rs", "the source that ARCHITECTURE.md adds"),
    ("fixtures/example/broken.eventbridge.json", "its fixture"),
];

static TEMPLATES: LazyLock<[String; 2]> =
    LazyLock::new(|| ["infra/template.yaml", "infra/eks/bucket-and-roles.yaml"].map(source));

pub(crate) static PARAMETERS: LazyLock<BTreeSet<String>> = LazyLock::new(|| section("Parameters:"));
static OUTPUTS: LazyLock<BTreeSet<String>> = LazyLock::new(|| section("Outputs:"));

/// Each setting, and whether Lambda sets it by itself.
static SETTINGS: LazyLock<Vec<(String, bool)>> = LazyLock::new(|| {
    let text = source("crates/alert-io/src/settings.rs");
    let mut settings = Vec::new();
    let mut lambda_s = false;
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("/// ") {
            lambda_s |= said.contains("set by Lambda") || said.contains("as older tools set it");
        } else {
            let value = line.strip_prefix("pub const ").and_then(|line| line.split('"').nth(1));
            settings
                .extend(value.filter(|value| !value.contains(':')).map(|value| (value.to_owned(), lambda_s)));
            lambda_s = false;
        }
    }
    assert!(settings.len() > 20, "{settings:?}");
    settings
});

/// The code of all crates, for names that are made there.
static CODE: LazyLock<String> = LazyLock::new(|| {
    let mut code = String::new();
    read(&root().join("crates"), &mut code);
    code
});

/// What a page names that is nowhere.
pub(crate) fn problems(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    let mut want = |there: bool, what: &str, name: &str| {
        if !there {
            problems.push(format!("{}: {what} {name} is nowhere", page.path));
        }
    };
    let blocks = page.blocks();
    let shell: String = blocks.iter().map(|block| block.text.as_str()).collect();
    for span in page.spans() {
        let code = span.code.as_str();
        if is_upper(code) {
            let variable = shell.contains(&format!("{code}=")) || shell.contains(&format!("read -rs {code}"));
            let foreign = FOREIGN_WORDS.iter().any(|(word, _)| *word == code);
            want(is_setting(code) || variable || foreign, "the setting", code);
        }
        if let Some((name, _)) = code.split_once('=')
            && name.starts_with(char::is_uppercase)
            && name.chars().all(char::is_alphanumeric)
        {
            let foreign = FOREIGN_PARAMETERS.iter().any(|(parameter, _)| *parameter == name);
            want(PARAMETERS.contains(name) || foreign, "the parameter", name);
        }
        if is_camel(code) {
            if ends_with_any(&span.before, &["output ", "outputs ", "출력 값 "]) {
                want(OUTPUTS.contains(code), "the output", code);
            }
            if ends_with_any(&span.before, &["parameter ", "template's "]) {
                want(PARAMETERS.contains(code), "the parameter", code);
            }
        }
        if let Some(name) = code
            .strip_prefix("alerts-")
            .filter(|name| name.chars().all(|char| char.is_alphanumeric() || char == '-'))
        {
            want(TEMPLATES[0].contains(&format!("${{AWS::StackName}}-{name}")), "the stack's", code);
        }
    }
    for cells in page.rows("setting") {
        let names = codes(&cells[0]);
        for name in &names {
            let whole = if name.starts_with('_') { format!("{}{name}", names[0]) } else { name.clone() };
            want(is_setting(&whole), "the setting", &whole);
        }
    }
    for cells in page.rows("error_type") {
        for name in codes(&cells[0]) {
            want(CODE.contains(&format!("\"{name}\"")), "the error", &name);
        }
    }
    for name in shell.split("OutputKey=='").skip(1).filter_map(|rest| rest.split('\'').next()) {
        want(OUTPUTS.contains(name), "the output", name);
    }
    for name in shell.split("{\"Variables\": {\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        want(is_setting(name), "the setting", name);
    }
    for name in page.commands().iter().flat_map(|text| paths(text)) {
        want(is_file(&name), "the file", &name);
    }
    if page.path == "fixtures/README.md" {
        for cells in page.rows("case") {
            let names = codes(&cells[0]);
            for name in &names {
                want(is_case(&names[0], name), "the case", name);
            }
        }
    }
    problems
}

/// Settings that no page's table has, but those that Lambda sets.
pub(crate) fn undocumented(pages: &[Page]) -> Vec<String> {
    let mut said = BTreeSet::new();
    for cells in pages.iter().flat_map(|page| page.rows("setting")) {
        let names = codes(&cells[0]);
        said.extend(
            names
                .iter()
                .map(|name| if name.starts_with('_') { format!("{}{name}", names[0]) } else { name.clone() }),
        );
    }
    let by_people = SETTINGS.iter().filter(|(_, lambda_s)| !lambda_s).map(|(name, _)| name);
    by_people.filter(|name| !said.contains(*name)).cloned().collect()
}

/// Paths in what is typed that lie in the repository, or among what it builds.
fn paths(text: &str) -> Vec<String> {
    let words = text.split(|char: char| char.is_whitespace() || "'\"()=,;|".contains(char));
    let names = words.map(|word| {
        word.trim_start_matches("fileb://").trim_start_matches("file://").trim_start_matches('@')
    });
    let ours =
        ["crates/", "infra/", "fixtures/", ".ci/", ".github/", "target/debug/", "alert-core/", "alert-io/"];
    let ours = names.filter(|name| ours.iter().any(|folder| name.starts_with(folder)));
    ours.filter(|name| !name.contains(['<', '*', '…', '$', ':'])).map(str::to_owned).collect()
}

fn is_file(name: &str) -> bool {
    if let Some(program) = name.strip_prefix("target/debug/") {
        return root().join("crates").join(program).is_dir();
    }
    let within_crates = name.starts_with("alert-core/") || name.starts_with("alert-io/");
    let path = if within_crates { root().join("crates").join(name) } else { root().join(name) };
    path.exists() || MADE.iter().any(|(made, _)| *made == name)
}

/// Whether a fixture is there, in any envelope. `-more` is that of the row's first one, with another end.
fn is_case(first: &str, name: &str) -> bool {
    let is_there = |name: &str| {
        let Some((folder, case)) = name.split_once('/') else { return false };
        let inside = fs::read_dir(root().join("fixtures").join(folder)).into_iter().flatten();
        inside
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{case}.")))
    };
    let ends = first.match_indices('-').map(|(at, _)| at).chain([first.len()]);
    is_there(name)
        || name.starts_with('-') && ends.into_iter().any(|end| is_there(&format!("{}{name}", &first[..end])))
}

fn is_setting(name: &str) -> bool {
    SETTINGS.iter().any(|(setting, _)| setting == name)
}

fn is_upper(code: &str) -> bool {
    code.contains('_')
        && code.starts_with(|char: char| char.is_ascii_uppercase())
        && code.chars().all(|char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_')
}

fn is_camel(code: &str) -> bool {
    code.starts_with(|char: char| char.is_ascii_uppercase())
        && code.chars().all(char::is_alphanumeric)
        && code.contains(|char: char| char.is_ascii_lowercase())
}

fn ends_with_any(text: &str, ends: &[&str]) -> bool {
    ends.iter().any(|end| text.ends_with(end))
}

/// The names in a part of the templates.
fn section(name: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for template in TEMPLATES.iter() {
        let lines = template.lines().skip_while(|line| *line != name).skip(1);
        let part = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
        let names_of = part.filter_map(|line| line.strip_prefix("  ")?.split_once(':').map(|(name, _)| name));
        names.extend(names_of.filter(|name| name.chars().all(char::is_alphanumeric)).map(str::to_owned));
    }
    assert!(names.len() > 3, "{name} {names:?}");
    names
}

fn read(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" && name != "target" && name != "node_modules" {
            read(&path, code);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            code.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
