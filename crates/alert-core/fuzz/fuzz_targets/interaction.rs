//! Presses of buttons: whatever the bytes are, they are read as one or refused.
#![no_main]

use alert_core::interaction::Interaction;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(interaction) = Interaction::parse(body) {
        let ids = [&interaction.by.id, &interaction.message.place, &interaction.message.message];
        assert!(ids.iter().all(|id| !id.is_empty() && !id.contains('|')), "an id that may be another key");
    }
});
