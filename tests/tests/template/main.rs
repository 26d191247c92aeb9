//! What `template.yaml` must hold, read from the file itself and from the stacks that it describes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is test code: a template of another shape is a failed test"
)]

mod api;
mod cloudformation;
mod functions;
mod parameters;
mod parts;
mod permissions;
mod storage;
