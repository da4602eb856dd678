#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| record::fuzz::record_names(input));
