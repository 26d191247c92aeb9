//! What `template.yaml` must hold, read from the file itself and from the stacks that it describes.
mod alarms;
mod api;
mod cloudformation;
mod functions;
mod parameters;
mod parts;
mod permissions;
mod policy;
mod storage;
