//! Configurations: each is read, or every problem has a place.
#![no_main]

use alert_core::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(errors) = Config::parse(text) {
        assert!(!errors.problems().is_empty(), "refused without a reason");
        assert!(errors.problems().iter().all(|problem| !problem.to_string().is_empty()));
    }
});
