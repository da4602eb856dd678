#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| webrtc::fuzz::webrtc_parts(input));
