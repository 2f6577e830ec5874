//! What people and subscribers read, made from an [`Alert`](crate::alert::Alert). Rendering is total: it truncates, it
//! never fails.

pub mod page;
pub mod slack;
pub mod sns;
pub mod text;
