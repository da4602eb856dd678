#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ffm::fuzz::ffm_demuxer(input));
