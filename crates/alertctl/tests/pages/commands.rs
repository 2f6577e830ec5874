//! Commands, and what may stand behind them: of `alertctl` as its help has them, of make as the Makefile has them, of deploy.sh
//! as its help has them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

use crate::markdown::{Page, codes, root, source};
use crate::names::PARAMETERS;

/// Options of programs of others that stand in a text alone.
const FOREIGN_OPTIONS: [(&str, &str); 6] = [
    ("--batch-size", "the AWS CLI"),
    ("--cli-binary-format", "the AWS CLI"),
    ("--plaintext", "the AWS CLI"),
    ("--set", "helm"),
    ("--values", "helm"),
    ("--version", "helm"),
];

/// Each command of `alertctl`, such as `silence add`, with its options.
static ALERTCTL: LazyLock<BTreeMap<String, BTreeSet<String>>> = LazyLock::new(|| {
    let mut commands = BTreeMap::new();
    ask("", &mut commands);
    assert!(commands.len() > 12, "{commands:?}");
    commands
});

static DEPLOY: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let output = Command::new("bash").arg(root().join("infra/deploy.sh")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let options = options_in(&help).chain(["--help".to_owned()]).collect::<BTreeSet<_>>();
    assert!(options.len() > 12, "{options:?}");
    options
});

static MAKEFILE: LazyLock<String> = LazyLock::new(|| source("Makefile"));

/// What a page names that is no command, no option of it, no target and no parameter.
pub(crate) fn problems(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    for text in page.commands() {
        for simple in simple_commands(&text) {
            let mut words = simple.iter().map(String::as_str).skip_while(|word| is_assignment(word));
            let found = match words.next() {
                Some(word) if is_program(word, "alertctl") => alertctl(words),
                Some(word) if is_program(word, "deploy.sh") => deploy(words),
                Some("make") => make(words),
                _ => Ok(()),
            };
            if let Err(problem) = found {
                problems.push(format!("{}: `{text}`: {problem}", page.path));
            }
        }
    }
    problems.extend(options_alone(page));
    problems
}

/// Options that stand in the text without a command: of the command of their table's row, else of any.
fn options_alone(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    for span in page.spans().iter().filter(|span| span.code.starts_with("--")) {
        let option = span.code.split([' ', '=']).next().unwrap_or_default();
        let row = span.line.strip_prefix("| `alertctl ").and_then(|row| row.split('`').next());
        let known = match row {
            Some(row) => ALERTCTL[&command_of(&mut row.split(' ')).unwrap_or_default()].contains(option),
            None => {
                DEPLOY.contains(option)
                    || ALERTCTL.values().any(|options| options.contains(option))
                    || FOREIGN_OPTIONS.iter().any(|(foreign, _)| *foreign == option)
            }
        };
        if !known {
            problems.push(format!("{}: {option} is an option of nothing that is named", page.path));
        }
    }
    problems
}

/// Whether what is said about `alertctl` is so; the words are those after its name.
fn alertctl<'w>(words: impl Iterator<Item = &'w str>) -> Result<(), String> {
    let words: Vec<_> = words.collect();
    let command = command_of(&mut words.iter().copied())?;
    let unknown = |option: &&str| !ALERTCTL[&command].contains(*option);
    let options =
        words.iter().filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap_or(word));
    match options.into_iter().find(unknown) {
        Some(option) => Err(format!("alertctl {command} has no {option}")),
        None => Ok(()),
    }
}

/// The command that words begin with, which is empty for `alertctl` alone.
fn command_of<'w>(words: &mut impl Iterator<Item = &'w str>) -> Result<String, String> {
    let mut command = String::new();
    for word in words.skip_while(|word| word.starts_with("--")) {
        let has_commands = ALERTCTL.keys().any(|other| other.starts_with(format!("{command} ").trim_start()));
        if !has_commands || !word.chars().all(|char| char.is_ascii_lowercase() || char == '-') {
            break;
        }
        let longer = format!("{command} {word}").trim().to_owned();
        if !ALERTCTL.contains_key(&longer) {
            return Err(format!("alertctl has no command {longer}"));
        }
        command = longer;
    }
    Ok(command)
}

fn make<'w>(words: impl Iterator<Item = &'w str>) -> Result<(), String> {
    for word in words {
        if let Some((variable, _)) = word.split_once('=') {
            let used = [format!("$({variable})"), format!("$({variable}),"), format!("export {variable} ")];
            if !used.iter().any(|used| MAKEFILE.contains(used)) {
                return Err(format!("the Makefile has no variable {variable}"));
            }
        } else if !MAKEFILE.lines().any(|line| line.split_once(':').is_some_and(|(target, _)| target == word))
        {
            return Err(format!("the Makefile has no target {word}"));
        }
    }
    Ok(())
}

fn deploy<'w>(words: impl Iterator<Item = &'w str>) -> Result<(), String> {
    for word in words {
        let name = word.split('=').next().unwrap_or(word);
        if word.starts_with("--") && !DEPLOY.contains(name) {
            return Err(format!("deploy.sh has no {name}"));
        }
        if word.contains('=') && word.starts_with(char::is_uppercase) && !PARAMETERS.contains(name) {
            return Err(format!("the template has no parameter {name}"));
        }
    }
    Ok(())
}

/// The commands of a line of a shell, each as its words.
fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word = String::new();
    let mut quote = None;
    for char in line.chars().chain([' ']) {
        match (quote, char) {
            (Some(end), char) if char == end => quote = None,
            (None, '\'' | '"') => quote = Some(char),
            (None, '#') if word.is_empty() => break,
            (None, ' ' | '|' | ';' | '&' | '(' | ')' | '<' | '>') => {
                if !word.is_empty() {
                    commands.last_mut().unwrap().push(std::mem::take(&mut word));
                }
                if char != ' ' {
                    commands.push(Vec::new());
                }
            }
            (_, char) => word.push(char),
        }
    }
    commands
}

fn is_program(word: &str, name: &str) -> bool {
    word == name || word.strip_suffix(name).is_some_and(|folder| folder.ends_with('/'))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| name.chars().all(|char| char.is_ascii_uppercase() || char == '_'))
}

/// Reads the help of a command and of all below it.
fn ask(command: &str, commands: &mut BTreeMap<String, BTreeSet<String>>) {
    let words = command.split_whitespace();
    let output = Command::new(env!("CARGO_BIN_EXE_alertctl")).args(words).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let section = |name: &str| {
        let lines = help.lines().skip_while(|line| *line != name).skip(1);
        lines.take_while(|line| line.is_empty() || line.starts_with(' ')).collect::<Vec<_>>()
    };
    let options = section("Options:")
        .iter()
        .filter(|line| line.trim_start().starts_with('-'))
        .copied()
        .collect::<Vec<_>>();
    commands.insert(command.to_owned(), options_in(&options.join("\n")).collect());
    for line in section("Commands:") {
        let name = line.strip_prefix("  ").and_then(|line| line.split(' ').next()).unwrap_or_default();
        if !name.is_empty() && name != "help" {
            ask(format!("{command} {name}").trim(), commands);
        }
    }
}

fn options_in(help: &str) -> impl Iterator<Item = String> {
    let words = help.split(|char: char| !(char.is_ascii_alphanumeric() || char == '-'));
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned)
}

/// The rows of the table of `alertctl`'s own page, which has each command.
pub(crate) fn undocumented(page: &Page) -> Vec<String> {
    let rows = page.rows("command");
    let said: Vec<_> = rows.iter().flat_map(|cells| codes(&cells[0])).collect();
    let is_said = |command: &str| said.iter().any(|said| said.split(' ').nth(1) == Some(command));
    ALERTCTL
        .keys()
        .filter(|command| !command.is_empty() && !command.contains(' ') && !is_said(command))
        .cloned()
        .collect()
}
