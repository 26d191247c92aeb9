//! See `properties::webhook_event`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    properties::webhook_event::check(input);
});
