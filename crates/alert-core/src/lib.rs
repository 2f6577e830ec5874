//! Everything the relay decides, without I/O: bytes in, values out; even the clock is an argument.
//!
//! The way of an alert is one direction: [`envelope::decode`] takes the message out of what carried it,
//! [`source::interpret`] turns it into [`alert::Alert`]s. There is no network, clock, environment or
//! file in this crate, and nothing in it panics on foreign input.

pub mod alert;
pub mod answer;
pub mod envelope;
mod forgiving;
pub mod number;
pub mod region;
pub mod render;
pub mod source;
pub mod text;
pub mod time;

pub mod config;
pub mod decide;
pub mod matcher;
pub mod time_interval;
