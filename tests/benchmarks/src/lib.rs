//! `cargo bench-functions` and `cargo load`: how fast the functions are, and how much load they handle.

pub mod bench;
pub mod load;
