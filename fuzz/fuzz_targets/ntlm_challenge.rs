#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mms::fuzz::ntlm_challenge(input));
