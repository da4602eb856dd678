#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ring::fuzz::ring_tracks(input));
