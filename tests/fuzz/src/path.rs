//! See `properties::path`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| {
    properties::path::check(input);
});
