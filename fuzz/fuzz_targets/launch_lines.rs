#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| relay::fuzz::launch_lines(input));
