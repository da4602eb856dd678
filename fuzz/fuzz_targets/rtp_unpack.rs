#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rtsp::fuzz::rtp_unpack(input));
