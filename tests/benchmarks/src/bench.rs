//! `cargo bench-functions`: each function's release binary against the least that it could be and
//! against what people write today, all in one run.

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
