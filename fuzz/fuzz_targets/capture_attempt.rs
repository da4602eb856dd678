#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| source::fuzz::capture_attempt(input));
