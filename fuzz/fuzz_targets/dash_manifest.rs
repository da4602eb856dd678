#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| formats::fuzz::dash_manifest(input));
