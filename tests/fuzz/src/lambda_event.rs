//! See `properties::lambda_event`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| {
    properties::lambda_event::check(input);
});
