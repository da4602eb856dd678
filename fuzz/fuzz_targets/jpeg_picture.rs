#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ffmpeg::fuzz::jpeg_picture(input));
