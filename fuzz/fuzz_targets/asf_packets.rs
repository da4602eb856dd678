#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| asf::fuzz::asf_packets(input));
