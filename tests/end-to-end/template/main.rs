//! Rules for `template.yaml`, checked on the file itself and on the stacks that it describes.
mod alarms;
mod api;
mod cloudformation;
mod functions;
mod parameters;
mod parts;
mod permissions;
mod policy;
mod storage;
