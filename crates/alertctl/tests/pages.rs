//! What the pages say, held against the program.

use alert_core::config::Config;

/// The blocks of a page that say what language they are in.
fn blocks<'p>(page: &'p str, language: &'p str) -> impl Iterator<Item = &'p str> {
    page.split("\n```").enumerate().filter(|(at, _)| at % 2 == 1).filter_map(move |(_, block)| {
        let (said, text) = block.split_once('\n')?;
        (said == language).then_some(text)
    })
}

#[test]
fn each_configuration_of_the_page_is_one() {
    let page = include_str!("../../../README.md");
    let mut count = 0;
    for block in blocks(page, "yaml") {
        count += 1;
        if let Err(mistakes) = Config::parse(block) {
            panic!("{mistakes:?} in\n{block}");
        }
    }
    assert!(count > 5, "{count}");
}
