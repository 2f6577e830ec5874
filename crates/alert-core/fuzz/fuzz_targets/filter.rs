//! The filter: every alert is dropped by a rule or published, in messages that SNS takes.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use alert_core::config::Config;
use alert_core::render::sns::{
    self, AttributeValue, BATCH_MAX_MESSAGES, MESSAGE_MAX_BYTES, SUBJECT_MAX_CHARS,
};
use alert_core::{envelope, filter};
use libfuzzer_sys::fuzz_target;

/// With more, raw delivery to a queue discards the message.
const ATTRIBUTES_MAX: usize = 10;

static CONFIGS: LazyLock<[Config; 2]> = LazyLock::new(|| {
    [Config::default(), Config::parse("publish: group\ndrop: []\n").expect("a configuration")]
});

fuzz_target!(|event: &[u8]| {
    let now = chrono::DateTime::from_timestamp(1_789_268_400, 0).expect("a time");
    for config in CONFIGS.iter() {
        let plan = filter::plan(envelope::decode(event), config, None, "request", now);
        let published: BTreeSet<usize> =
            plan.publications.iter().flat_map(|publication| publication.items.iter().copied()).collect();
        for (index, item) in plan.items.iter().enumerate() {
            assert_eq!(published.contains(&index), item.dropped.is_none(), "{item:?}");
        }
        let messages: Vec<_> = plan.publications.into_iter().map(|publication| publication.message).collect();
        for message in &messages {
            assert!(!message.message.is_empty() && sns::size(message) <= MESSAGE_MAX_BYTES);
            if let Some(subject) = &message.subject {
                assert!((1..=SUBJECT_MAX_CHARS).contains(&subject.chars().count()), "{subject:?}");
                assert!(!subject.chars().any(char::is_control), "{subject:?}");
            }
            assert!(message.attributes.len() <= ATTRIBUTES_MAX);
            for attribute in &message.attributes {
                let (AttributeValue::Text(text) | AttributeValue::Texts(text)) = &attribute.value else { continue };
                let is_taken =
                    |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}');
                assert!(!text.is_empty() && text.chars().all(is_taken), "{text:?}");
            }
        }
        for batch in sns::batches(messages) {
            assert!(batch.len() <= BATCH_MAX_MESSAGES);
            assert!(batch.iter().map(sns::size).sum::<usize>() <= MESSAGE_MAX_BYTES);
        }
    }
});
