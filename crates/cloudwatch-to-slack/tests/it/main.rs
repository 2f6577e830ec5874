//! The function's real binary against stand-ins for all that is around it.
//!
//! Nothing here measures time: limits are only so long that a process that hangs is noticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "the names of tests say what they show")]

mod app;
mod configuration;
mod deliver;
mod events;
mod evidence;
mod faults;
mod kms;
mod secrets;
mod stage;
mod start;
mod storm;
mod table;
