#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| formats::fuzz::hls_playlist(input));
