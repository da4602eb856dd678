#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| onvif::fuzz::onvif_answer(input));
