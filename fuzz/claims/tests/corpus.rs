//! Every claim holds for all that fuzzers found interesting, or guilty, before.

#![allow(clippy::unwrap_used, reason = "the panic is the report")]

use std::fs;
use std::path::Path;

use pulsegate_claims::CLAIMS;

/// The inputs of a claim that are kept in the repository, by path.
fn inputs(name: &str) -> Vec<(String, Vec<u8>)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(name);
    let files = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> =
        files.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect();
    inputs.sort_unstable();
    inputs
}

fn holds(name: &str) {
    let (_, hold) = CLAIMS.iter().find(|(claim, _)| *claim == name).unwrap();
    let inputs = inputs(name);
    assert!(!inputs.is_empty(), "fuzz/corpus/{name} is empty");
    for (path, bytes) in inputs {
        // Shown only if what follows panics.
        println!("{path}");
        hold(&bytes);
    }
}

macro_rules! claims {
    ($($test:ident: $claim:ident,)*) => {
        $(
            #[test]
            fn $test() {
                holds(stringify!($claim));
            }
        )*

        #[test]
        fn every_claim_is_tested() {
            assert!(CLAIMS.iter().map(|(name, _)| *name).eq([$(stringify!($claim)),*]));
        }
    };
}

claims! {
    frames_mean_the_same_however_they_are_cut: frames,
    a_heartbeat_is_one_by_a_slow_look_too: heartbeat,
    any_bytes_are_a_message_to_logic_or_none: to_logic,
    any_bytes_are_a_message_from_logic_or_none: from_logic,
    a_logic_server_may_say_anything_at_any_time: link_state,
    files_that_claim_to_be_a_journal_are_read_or_refused: journal_read,
    a_damaged_journal_is_named_or_torn_at_its_end: journal_damage,
    a_text_is_a_configuration_or_is_refused_with_its_places: configuration,
    every_request_to_the_operators_port_is_answered: admin,
}
