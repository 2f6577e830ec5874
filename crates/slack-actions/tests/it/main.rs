//! The real binaries of the relay, of the function that takes presses and of the one that minds what is due, together in the
//! sandbox: what a person who presses a button sees.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod hostile;
mod press;
mod silence;
mod stage;
