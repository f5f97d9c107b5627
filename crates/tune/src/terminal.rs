//! Tuning for a person at a terminal.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use pulsegate_replay::Range;
use serde_json::{Map, Value, json};

use crate::args::TuneArgs;
use crate::candidates::Candidate;
use crate::error::Error;
use crate::page;
use crate::recording::Tick;
use crate::settings::{lines, settings};
use crate::show::timestamp;
use crate::tuning::Tuning;
use crate::work::Work;

/// Tunes as the command line says. The outcome goes to standard output, errors to standard error;
/// the exit code is then 2.
pub fn run(args: &TuneArgs) -> ExitCode {
    match tune(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn tune(args: &TuneArgs) -> Result<(), Error> {
    let tuning = Tuning::new(work(args)?, args.rate, args.goal);
    if let Some(path) = &args.html {
        let written = fs::write(path, page::render(&tuning));
        written.map_err(|source| Error::Page { path: path.clone(), source })?;
    }
    let text = if args.json { format!("{:#}\n", as_json(&tuning)) } else { tuning.to_string() };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Error::Output),
    }
}

fn work(args: &TuneArgs) -> Result<Work, Error> {
    match (&args.journal, &args.csv, &args.work) {
        (Some(dir), _, _) => {
            let range = Range::find(dir, args.from, args.until)?;
            range.notes.iter().for_each(|note| eprintln!("{note}"));
            Work::recorded(dir, &range)
        }
        (None, Some(path), _) => Work::listed(path, args.column.as_deref()),
        (None, None, Some(distribution)) => Ok(Work::drawn(distribution, args.ticks, args.seed)),
        (None, None, None) => Ok(Work::of("nothing", Vec::new())),
    }
}

/// Everything, durations in microseconds.
fn as_json(tuning: &Tuning) -> Value {
    let work = &tuning.work;
    let micros = |share| work.quantile(share).as_micros() as u64;
    json!({
        "work": {
            "origin": work.origin,
            "ticks": work.ticks(),
            "runs": work.runs.len(),
            "unanswered": work.recording.as_ref().map_or(0, |it| it.unanswered),
            "mean_us": work.mean().as_micros() as u64,
            "p50_us": micros(0.5),
            "p90_us": micros(0.9),
            "p99_us": micros(0.99),
            "max_us": micros(1.0),
        },
        "recorded": recorded(tuning),
        "goal": tuning.goal,
        "wanted_rate": tuning.aim.wanted,
        "possible_rate": tuning.aim.possible,
        "recommended": candidate(tuning.recommended()),
        "reason": tuning.reason(),
        "notes": tuning.doubts(),
        "toml": lines(tuning.recommended().strategy),
        "candidates": tuning.candidates.iter().map(candidate).collect::<Vec<_>>(),
    })
}

/// The beats as they were; null if the work was not recorded.
fn recorded(tuning: &Tuning) -> Value {
    let Some(recording) = &tuning.work.recording else { return Value::Null };
    let end = |tick: &Tick| json!({"tick": tick.number, "time": timestamp(tick.wall_ns)});
    let ends = recording.ends();
    json!({
        "first": ends.map(|(first, _)| end(first)),
        "last": ends.map(|(_, last)| end(last)),
        "in_force": recording.rules(),
        "figures": tuning.recorded,
    })
}

fn candidate(candidate: &Candidate) -> Value {
    let settings = settings(candidate.strategy).into_iter();
    // In JSON as in TOML, a text is in quotes and a number is not.
    let parsed = |value: String| serde_json::from_str(&value).unwrap_or(Value::String(value));
    let tick: Map<_, _> = settings.map(|(key, value)| (key.to_owned(), parsed(value))).collect();
    json!({"tick": tick, "figures": candidate.figures})
}
