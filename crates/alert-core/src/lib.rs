//! Everything the relay decides, without I/O: bytes in, values out; even the clock is an argument.

pub mod alert;
