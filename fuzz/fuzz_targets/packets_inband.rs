#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ffmpeg::fuzz::packets_inband(input));
