//! What the pages say, held against what they are about: the program, the Makefile, the templates, the parser, the files.
//!
//! Each check is shown to find something, too: an invented name in a page that is not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "the names of tests say what they show")]

#[path = "pages/commands.rs"]
mod commands;
#[path = "pages/keys.rs"]
mod keys;
#[path = "pages/links.rs"]
mod links;
#[path = "pages/markdown.rs"]
mod markdown;
#[path = "pages/names.rs"]
mod names;
#[path = "pages/shown.rs"]
mod shown;

use alert_core::config::Config;
use markdown::{Page, source};

/// Fails with all that a check finds in the pages.
fn hold(pages: &[Page], check: impl Fn(&Page) -> Vec<String>) {
    let problems: Vec<_> = pages.iter().flat_map(check).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Fails unless a check finds exactly this in a page with that text; `problem` is how it ends.
fn finds(check: impl Fn(&Page) -> Vec<String>, text: &str, problem: &str) {
    let found = check(&Page::made("infra/README.md", text));
    assert!(found.len() == 1 && found[0].ends_with(problem), "{text}: expected …{problem}, found {found:#?}");
}

#[test]
fn every_page_is_read() {
    let pages = Page::all();
    let read = |path: &str| pages.iter().any(|page| page.path == path);
    for path in [
        "README.md",
        "README.ko.md",
        "ARCHITECTURE.md",
        "infra/README.md",
        "infra/eks/README.md",
        "crates/alertctl/README.md",
    ] {
        assert!(read(path), "{path} is not read");
    }
    let page = Page::made(
        "a.md",
        "# A `b` c!\n## A b c\ntext `one\ntwo` and [x](#y)\n```sh\nrun `z`\n```\n| `k` | v |\n",
    );
    assert_eq!(page.anchors().into_iter().collect::<Vec<_>>(), ["a-b-c", "a-b-c-1"]);
    assert_eq!(page.spans().iter().map(|span| span.code.as_str()).collect::<Vec<_>>(), ["b", "one two", "k"]);
    assert_eq!((page.links(), page.blocks()[0].text.as_str()), (vec!["#y".to_owned()], "run `z`\n"));
}

#[test]
fn every_link_leads_somewhere_and_every_picture_is_there() {
    let pages = Page::all();
    hold(&pages, |page| links::problems(page, &pages));
    let check = |page: &Page| links::problems(page, &pages);
    finds(check, "[a](nowhere.md)", "nowhere.md leads to no file");
    finds(check, "[a](../README.md#no-such-heading)", "#no-such-heading leads to no heading");
    finds(check, "[a](#here)\n## There", "#here leads to no heading");
    finds(check, "<img src=\"pictures/none.png\">", "none.png leads to no file");
    finds(check, "![b](../../actions/workflows/none.yml/badge.svg)", "no workflow none.yml");
    assert_eq!(
        check(&Page::made("infra/README.md", "[a](../README.md#try-it) [b](#here)\n## Here")),
        [""; 0]
    );
}

#[test]
fn every_page_is_reached_from_the_front_page() {
    let front = Page::of("README.md");
    let named: Vec<_> = front.links();
    for page in Page::all().iter().filter(|page| page.path != "README.md") {
        assert!(
            named.iter().any(|link| link.split('#').next() == Some(&page.path)),
            "README.md does not link to {}",
            page.path
        );
    }
    for (page, other) in [("README.md", "README.ko.md"), ("README.ko.md", "README.md")] {
        let head: Vec<_> = source(page).lines().take(8).map(str::to_owned).collect();
        assert!(
            head.iter().any(|line| line.contains(&format!("]({other})"))),
            "{page} does not begin with a link to {other}"
        );
    }
}

#[test]
fn the_badges_say_what_is_so() {
    let manifest = source("Cargo.toml");
    let value = |key: &str| {
        let line = manifest.lines().find(|line| line.starts_with(key)).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    for page in ["README.md", "README.ko.md"] {
        let text = source(page);
        assert!(text.contains(&format!("badge/Rust-{}%2B-", value("rust-version"))), "{page}");
        assert!(text.contains(&format!("badge/licence-{}-", value("license").replace('-', "--"))), "{page}");
        assert!(text.contains(&format!("Rust {}", value("rust-version"))), "{page}");
    }
}

#[test]
fn each_configuration_of_the_pages_is_one() {
    let mut count = 0;
    for page in Page::all() {
        for block in page.blocks().iter().filter(|block| block.said == "yaml") {
            count += 1;
            if let Err(mistakes) = Config::parse(&block.text) {
                panic!("{}: {mistakes}\nin\n{}", page.path, block.text);
            }
        }
    }
    assert!(count > 12, "{count}");
}

#[test]
fn every_command_and_every_option_is_one() {
    hold(&Page::current(), commands::problems);
    let check = commands::problems;
    finds(check, "`alertctl frobnicate`", "alertctl has no command frobnicate");
    finds(check, "`alertctl silence forget ID`", "alertctl has no command silence forget");
    finds(check, "`target/debug/alertctl render FILE --colour`", "alertctl render has no --colour");
    finds(check, "```sh\nprintf x | alertctl check - --loud\n```", "alertctl check has no --loud");
    finds(
        check,
        "| command | x |\n|---|---|\n| `alertctl demo` | `--dry-run` shows it |",
        "--dry-run is an option of nothing that is named",
    );
    finds(check, "with `--no-such-option`", "--no-such-option is an option of nothing that is named");
    finds(check, "`make coffee`", "the Makefile has no target coffee");
    finds(check, "`make run MILK=1`", "the Makefile has no variable MILK");
    finds(check, "`infra/deploy.sh --fast`", "deploy.sh has no --fast");
    finds(
        check,
        "```sh\npass show x | infra/deploy.sh Weather=fine\n```",
        "the template has no parameter Weather",
    );
    assert_eq!(
        commands::undocumented(&Page::of("crates/alertctl/README.md")),
        [""; 0],
        "commands without a row"
    );
    assert!(
        commands::undocumented(&Page::made("a.md", "| command | x |\n|---|---|\n| `alertctl demo` | x |"))
            .contains(&"check".into())
    );
}

#[test]
fn every_key_of_the_configuration_is_one() {
    hold(&Page::current(), keys::problems);
    let check = keys::problems;
    finds(
        check,
        "| key | x |\n|---|---|\n| `drop[].colour` | x |",
        "no configuration has colour in \"drop[]\"",
    );
    finds(check, "set `messages.sound`", "no configuration has sound in \"messages\"");
    finds(check, "set `digest_before: 3`", "no configuration has digest_before");
    finds(
        check,
        "set `messages: {sound: loud}`",
        "expected one of rendering, reopen_within, flapping_after, reminder, end",
    );
    assert_eq!(keys::undocumented(&Page::of("crates/alert-core/README.md")), [""; 0], "keys without a row");
    assert!(
        keys::undocumented(&Page::made("a.md", "| key | x |\n|---|---|\n| `drop` | x |"))
            .contains(&"route".into())
    );
}

#[test]
fn every_other_name_is_made_somewhere() {
    hold(&Page::current(), names::problems);
    let check = names::problems;
    finds(check, "set `ALERT_COLOUR`", "the setting ALERT_COLOUR is nowhere");
    finds(check, "| setting | x |\n|---|---|\n| `slackColour` | x |", "the setting slackColour is nowhere");
    finds(check, "`Weather=fine`", "the parameter Weather is nowhere");
    finds(check, "its parameter `Weather`", "the parameter Weather is nowhere");
    finds(check, "the output `WeatherUrl`", "the output WeatherUrl is nowhere");
    finds(check, "an e-mail `alerts-weather`", "the stack's alerts-weather is nowhere");
    finds(check, "| error_type | x |\n|---|---|\n| `weather_bad` | x |", "the error weather_bad is nowhere");
    finds(check, "see `infra/weather.yaml`", "the file infra/weather.yaml is nowhere");
    finds(check, "```sh\ntarget/debug/weather now\n```", "the file target/debug/weather is nowhere");
    let cases =
        Page::made("fixtures/README.md", "| case | x |\n|---|---|\n| `grafana/weather`, `-cloudy` | x |");
    assert_eq!(check(&cases).len(), 2, "{:?}", check(&cases));
    assert_eq!(names::undocumented(&Page::all()), [""; 0], "settings without a row");
    assert!(names::undocumented(&[]).contains(&"ALERT_TABLE".into()));
}

#[test]
fn what_a_page_shows_of_a_command_is_what_it_prints() {
    shown::rendering();
    shown::mistakes();
    shown::demo();
}
