//! See `properties::unverified_token`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| {
    properties::unverified_token::check(input);
});
