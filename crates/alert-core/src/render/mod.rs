//! What people read. Rendering is total: it truncates, it never fails.

pub mod slack;
