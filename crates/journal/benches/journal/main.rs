//! How fast a journal is written, opened and searched.
//!
//! `cargo bench -p pulsegate-journal --bench journal`, with `writing`, `opening` or `seeking` behind
//! it for a part. It writes 4 GB in all to the disk under the target directory, 1 GB at a time,
//! and reads each clock right around the one call that is measured.

mod figures;
mod reading;
mod recording;
mod writing;

use recording::{FEW_AND_FAST, MANY_AND_SLOW, Recording};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Only `cargo bench` says so: under `cargo test` everything is done once, and small.
    let whole = arguments.iter().any(|argument| argument == "--bench");
    let parts = ["writing", "opening", "seeking"];
    let chosen = |part| {
        let named = |argument: &String| parts.contains(&argument.as_str());
        !arguments.iter().any(named) || arguments.iter().any(|argument| argument == part)
    };
    let (runs, ticks) = if whole { (5, 1000) } else { (1, 3) };
    // The greater two all but fill the last segment, at each pace: a start reads all of it.
    let mebibytes: &[u64] = if whole { &[16, 250, 1000] } else { &[1] };

    if chosen("writing") {
        writing::measure(runs, ticks)?;
    }
    for pace in [MANY_AND_SLOW, FEW_AND_FAST] {
        for size in mebibytes.iter().filter(|_| chosen("opening") || chosen("seeking")) {
            let recording = Recording::make(pace, *size)?;
            if chosen("opening") {
                reading::measure_opening(&recording, runs)?;
            }
            if chosen("seeking") {
                reading::measure_seeking(&recording, runs)?;
            }
        }
    }
    Ok(())
}
