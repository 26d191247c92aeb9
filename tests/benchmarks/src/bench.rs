//! `cargo bench-functions`: compares each function's release binary with the minimum, and with what
//! people write today, all in one run.

pub mod document;
pub mod function;
pub mod http;
pub mod limits;
pub mod machine;
pub mod measure;
pub mod parts;
pub mod peers;
pub mod process;
pub mod processors;
pub mod programs;
pub mod runtime_api;
pub mod statistics;
pub mod table;
pub mod work;
pub mod world;
pub mod zipped;
