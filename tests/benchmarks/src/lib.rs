//! `cargo bench-functions` and `cargo load`: how quick the functions are, and how much they bear.

pub mod bench;
pub mod load;
