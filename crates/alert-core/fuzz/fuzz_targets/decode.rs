//! Envelopes: whatever the bytes are, they are taken apart, and what answers by item has an item for each record.
#![no_main]

use alert_core::envelope::{self, Reply};
use alert_core::source;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|event: &[u8]| {
    let decoded = envelope::decode(event);
    for record in &decoded.records {
        assert!(record.item.as_deref() != Some(""), "an empty id would fail the whole batch for good");
        assert!(decoded.reply != Reply::BatchItemFailures || record.item.is_some());
        assert!(!source::interpret(record).is_empty(), "a record without an alert is lost");
    }
});
