//! See `properties::webhook_signature`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    properties::webhook_signature::check(input);
});
