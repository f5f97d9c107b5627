#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pulsegate_claims::from_logic::hold(bytes));
