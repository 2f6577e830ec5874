//! Matchers: what is written out reads as what it was.
#![no_main]

use alert_core::matcher::{Matcher, Matchers};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(matcher) = Matcher::parse(text) {
        let written = matcher.to_string();
        let again = Matcher::parse(&written).expect("a written matcher can be read");
        assert_eq!(again.to_string(), written, "{text:?}");
    }
    if let Ok(matchers) = Matchers::parse(text) {
        let written = matchers.to_string();
        assert_eq!(Matchers::parse(&written).map(|again| again.to_string()).ok(), Some(written), "{text:?}");
    }
});
