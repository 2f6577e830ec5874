//! The relay: every alert is dropped by a rule or in a message, and every message is within Slack's limits, in each
//! rendering, alone and in digests, in both languages.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use alert_core::config::Config;
use alert_core::decide::Verdict;
use alert_core::envelope;
use alert_core::relay::{self, Deployment, RelayPlan, Post};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Source: observed with Slack: all block lists together, as compact JSON; alert-core's own limit is the same.
const BLOCKS_JSON_MAX_CHARS: usize = 12_000;
const BLOCKS_MAX: usize = 50;
const TEXT_MAX_CHARS: usize = 40_000;

static DEPLOYMENTS: LazyLock<[Deployment; 2]> = LazyLock::new(|| {
    let digests =
        Config::parse("{digest_after: 1, drop: [], language: ko, messages: {rendering: modern}}").expect("a configuration");
    [Deployment::new(Config::default()), Deployment::new(digests)]
});

fuzz_target!(|event: &[u8]| {
    let now = chrono::DateTime::from_timestamp(1_789_268_400, 0).expect("a time");
    for deployment in DEPLOYMENTS.iter() {
        let plan = relay::plan(envelope::decode(event), deployment, "request", now);
        let posted: BTreeSet<usize> = plan.posts.iter().flat_map(|post| post.items.iter().copied()).collect();
        for (index, item) in plan.items.iter().enumerate() {
            let is_dropped = matches!(item.verdict, Verdict::Drop(_));
            // What came twice is told once.
            assert_eq!(posted.contains(&plan.spokesman(index)), !is_dropped, "{item:?}");
        }
        for post in &plan.posts {
            check_steps(&plan, post);
            if post.items.len() > 1 {
                plan.take_apart(post).iter().for_each(|single| check_steps(&plan, single));
            }
        }
    }
});

/// A post, and every step down to one without blocks.
fn check_steps(plan: &RelayPlan<'_>, post: &Post) {
    check(&post.message.content());
    if let Some(simpler) = plan.simpler(post) {
        check_steps(plan, &simpler);
    }
}

fn check(message: &str) {
    let message: Value = serde_json::from_str(message).expect("a message is JSON");
    let text = message["text"].as_str().unwrap_or_default();
    assert!(!text.trim().is_empty() && text.chars().count() <= TEXT_MAX_CHARS, "{message}");
    assert!(
        !text.contains("<!channel>") && !text.contains("<!here>") && !text.contains("<!everyone>"),
        "{message}"
    );
    let attachments = message["attachments"].as_array().into_iter().flatten();
    let lists =
        std::iter::once(&message["blocks"]).chain(attachments.map(|attachment| &attachment["blocks"]));
    let lists: Vec<&Vec<Value>> = lists.filter_map(Value::as_array).collect();
    let characters: usize =
        lists.iter().map(|list| Value::from((*list).clone()).to_string().chars().count()).sum();
    assert!(characters <= BLOCKS_JSON_MAX_CHARS, "{characters} characters of blocks");
    assert!(lists.iter().map(|list| list.len()).sum::<usize>() <= BLOCKS_MAX, "{message}");
}
