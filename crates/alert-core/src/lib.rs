//! Everything the relay decides, without I/O: bytes in, values out; even the clock is an argument.
//!
//! The way of an alert is one direction: [`envelope::decode`] takes the message out of what carried it,
//! [`source::interpret`] turns it into [`alert::Alert`]s, [`decide`] says who gets it, [`render`] writes it down, and
//! [`answer`] reads what the other side said. [`relay::plan`] and [`filter::plan`] are all of
//! that for one event. There is no
//! network, clock, environment or file in this crate, and nothing in it panics on foreign input.

pub mod alert;
pub mod answer;
pub mod audit;
pub mod blind;
pub mod canary;
pub mod config;
pub mod decide;
pub mod envelope;
pub mod evidence;
pub mod filter;
mod forgiving;
pub mod heartbeat;
pub mod incident;
pub mod interaction;
mod json;
pub mod key;
pub mod known;
pub mod matcher;
pub mod note;
pub mod number;
mod order;
pub mod outcome;
pub mod own;
pub mod receipt;
pub mod region;
pub mod relay;
pub mod render;
pub mod report;
pub mod silence;
pub mod source;
pub mod target;
pub mod text;
pub mod time;
pub mod time_interval;
