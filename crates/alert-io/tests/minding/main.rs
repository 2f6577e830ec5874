//! What is minded though nothing is heard of it, from begin to end: the relay and the function that looks at the time, against
//! the sandbox, with a clock that the test sets.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test that cannot go on fails")]

mod blind;
mod canary;
mod escalation;
mod heartbeats;
mod receipt;
mod scale;
mod second_way;
mod stage;
