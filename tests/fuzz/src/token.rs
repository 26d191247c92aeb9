//! See `properties::token`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| {
    properties::token::check(input);
});
