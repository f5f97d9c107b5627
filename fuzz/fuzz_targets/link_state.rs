#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pulsegate_claims::link_state::hold(bytes));
