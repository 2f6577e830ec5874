//! What touches the world: settings, trust, KMS, Slack, logs. Every decision is [`alert_core`]'s.

pub mod authorizer;
pub mod aws;
pub mod backoff;
pub mod bot_token;
pub mod configuration;
pub mod courier;
pub mod deadline;
pub mod delivery;
pub mod dynamodb;
pub mod evidence;
pub mod filter;
pub mod http;
pub mod lambda;
pub mod ledger;
pub mod log;
pub mod memory;
pub mod metrics;
pub mod publisher;
pub mod relay;
pub mod secret;
pub mod sender;
pub mod senders;
pub mod settings;
pub mod slack_app;
pub mod table;
pub mod webhook;
