//! What `pulsegate tune` foretells of a relay is what that relay does.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Output;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use pulsegate_journal::{Reader, Record};
use pulsegate_protocol::proto::Done;
use pulsegate_tests::host::Host;
use pulsegate_tests::{FakeLogic, PATIENCE, TestRelay, alone, pulsegate};
use serde_json::{Value, json};

/// From one wave to the next.
const CYCLE: u64 = 40;

/// How many ticks are played.
const TICKS: u64 = 3 * CYCLE;

/// The first wave is left alone: the relay may have beaten before logic was there.
const FIRST: u64 = CYCLE;

/// How long logic takes for a tick: calm, and then a wave that no beat of 60 ms can hold. All of it
/// is long beside what a busy machine does to a beat.
fn work(tick: u64) -> Duration {
    let uneven = tick * 7 % 5;
    Duration::from_millis(if tick % CYCLE < 30 { 21 + 3 * uneven } else { 75 + 4 * uneven })
}

/// A relay whose logic server works as scripted, until it has played all ticks; its journal.
fn played(settings: &str) -> TestRelay {
    let host = Host::take();
    let logic = FakeLogic::listen(host.logic());
    let (at_the_end, ended) = sync_channel(1);
    let answering = logic.serve(move |tick| {
        std::thread::sleep(work(tick.number));
        if tick.number == TICKS {
            at_the_end.send(()).unwrap();
        }
        Some(Done { tick: tick.number, ..Done::default() })
    });
    // How long the disk takes is not scripted.
    let own = format!("logic.address = \"{}\"\njournal.sync = \"os\"", host.logic());
    let settings = format!("{own}\n{settings}");
    let mut relay = TestRelay::launch(&settings, |_| {});
    ended.recv_timeout(PATIENCE).unwrap();
    assert!(relay.terminate().success());
    answering.join().unwrap();
    relay
}

fn tune(relay: &TestRelay, arguments: &[&str]) -> Output {
    pulsegate().arg("tune").arg(relay.journal()).args(arguments).output().unwrap()
}

fn tuned(relay: &TestRelay, arguments: &[&str]) -> Value {
    let output = tune(relay, &[&["--json"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same, of the ticks that are counted.
fn tuned_for(relay: &TestRelay, goal: &str) -> Value {
    let (first, last) = (FIRST.to_string(), (TICKS - 1).to_string());
    let tuning = tuned(relay, &["--from", &first, "--until", &last, "--goal", goal]);
    assert_eq!(tuning["work"]["ticks"], TICKS - FIRST);
    assert_eq!(tuning["recorded"]["first"]["tick"], FIRST);
    tuning
}

/// The lines of `[tick]`, as the harness takes them.
fn settings(toml: &str) -> String {
    let lines = toml.strip_prefix("[tick]\n").unwrap().lines();
    lines.map(|line| format!("tick.{line}\n")).collect()
}

/// What a relay did, or is said to do.
#[derive(Debug)]
struct Seen {
    rate: f64,
    deviation_ms: f64,
    asleep: f64,
}

impl Seen {
    /// By the tuner's figures.
    fn told(figures: &Value) -> Self {
        let figure = |pointer: &str| figures.pointer(pointer).unwrap().as_f64().unwrap();
        let deviation_ms = figure("/interval/deviation_us") / 1e3;
        Self { rate: figure("/rate"), deviation_ms, asleep: figure("/asleep") }
    }

    #[track_caller]
    fn assert_is(&self, other: &Self, within: f64) {
        let pairs = [
            ("beats per second", self.rate, other.rate),
            ("spread", self.deviation_ms, other.deviation_ms),
            ("share asleep", self.asleep, other.asleep),
        ];
        for (what, this, other) in pairs {
            let off = (this - other).abs() / other;
            assert!(off <= within, "{what}: {this}, and not {other}");
        }
    }
}

/// By the times in the ticks themselves, and what the relay says that it slept.
fn seen(relay: &TestRelay) -> Seen {
    let is_counted = |tick: u64| (FIRST..TICKS).contains(&tick);
    let ticks = relay.journal_ticks().into_iter();
    let beats: Vec<_> = ticks
        .filter(|tick| is_counted(tick.number) || tick.number == TICKS)
        .map(|tick| tick.monotonic_ns as f64 / 1e6)
        .collect();
    let intervals: Vec<_> = beats.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let count = intervals.len() as f64;
    let total: f64 = intervals.iter().sum();
    let mean = total / count;
    let variance = intervals.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / count;

    let mut reader = Reader::open(relay.journal()).unwrap();
    let records = std::iter::from_fn(|| reader.read().unwrap());
    let sleeps = records.filter_map(|record| match record {
        Record::Timing(timing) if is_counted(timing.tick) => Some(timing.sleep_us as f64 / 1e3),
        _ => None,
    });
    let asleep = sleeps.sum::<f64>() / total;
    Seen { rate: 1e3 / mean, deviation_ms: variance.sqrt(), asleep }
}

#[test]
fn a_relay_set_as_recommended_beats_as_foretold() {
    let _turn = alone();
    let overloaded = played("tick.sleep = '60ms'");
    for goal in ["gentle", "fast", "steady"] {
        let tuning = tuned_for(&overloaded, goal);
        let wanted = tuning["wanted_rate"].as_f64().unwrap();
        assert!((wanted - 1000.0 / 60.0).abs() < 0.01, "not the recorded relay's own: {wanted}");
        let relay = played(&settings(tuning["toml"].as_str().unwrap()));
        let (seen, foretold) = (seen(&relay), Seen::told(&tuning["recommended"]["figures"]));
        eprintln!("{goal}: {seen:?}\n{}", tuning["recommended"]);
        seen.assert_is(&foretold, 0.1);
        let recorded = &tuned_for(&relay, goal)["recorded"]["figures"];
        Seen::told(recorded).assert_is(&seen, 0.001);
    }
}

#[test]
fn the_recorded_beats_are_shown_beside_what_is_foretold_of_the_same_settings() {
    let _turn = alone();
    let relay = played("tick.sleep = '60ms'");
    let tuning = tuned(&relay, &[]);
    let recorded = &tuning["recorded"];
    assert_eq!(recorded["in_force"], json!(["adaptive"]));
    let tick = json!({"strategy": "adaptive", "sleep": "60ms", "budget": "0s"});
    let candidates = tuning["candidates"].as_array().unwrap();
    let foretold = candidates.iter().find(|it| it["tick"] == tick).unwrap();
    Seen::told(&recorded["figures"]).assert_is(&Seen::told(&foretold["figures"]), 0.1);

    // The last second of it, by the clock.
    let last = recorded["last"]["time"].as_str().unwrap();
    let (day, time) = (&last[..10], &last[11..19]);
    let mut command = pulsegate();
    command.env("TZ", "UTC").arg("tune").arg(relay.journal()).args(["--from", time]);
    let output = command.output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("{day} {time} to {time} +00:00")), "{text}");
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains(&format!("{time} is taken as {day} {time} +00:00")), "{notes}");
    let too_wide: Vec<_> = text.lines().filter(|line| line.chars().count() > 80).collect();
    // How long the path is, is not the tuner's doing.
    assert!(too_wide.iter().all(|line| line.starts_with("work")), "{too_wide:?}");
}

#[test]
fn whatever_is_recommended_is_taken_by_a_relay() {
    let dir = tempfile::tempdir().unwrap();
    for work in ["normal(12ms,4ms)", "exponential(60ms)", "constant(3s)", "uniform(10us,90us)"] {
        for goal in ["steady", "gentle", "fast"] {
            let arguments = ["tune", "--work", work, "--goal", goal, "--ticks", "500"];
            let output = pulsegate().args(arguments).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{work} {goal}");
            let file = dir.path().join("relay.toml");
            fs::write(&file, &text[text.find("[tick]").unwrap()..]).unwrap();
            let check = pulsegate().arg("check").arg(&file).output().unwrap();
            let said = String::from_utf8_lossy(&check.stderr);
            assert!(check.status.success(), "{work} {goal}:\n{text}\n{said}");
        }
    }
}

#[test]
fn the_same_work_has_the_same_outcome_and_a_page_that_needs_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (csv, page) = (dir.path().join("work.csv"), dir.path().join("tune.html"));
    let lines: String =
        (1..400).map(|tick| format!("{tick},{}\n", work(tick).as_millis())).collect();
    fs::write(&csv, format!("tick,work\n{lines}")).unwrap();
    let tune = || {
        let mut command = pulsegate();
        command.args(["tune", "--rate", "25", "--column", "work", "--csv"]).arg(&csv);
        let output = command.arg("--html").arg(&page).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.stdout, fs::read_to_string(&page).unwrap())
    };
    let (text, html) = tune();
    assert_eq!(tune(), (text, html.clone()));
    for outside in ["<script", "src=", "href=", "url(", "@import", "http"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("<svg") && html.contains("prefers-color-scheme: dark"));
}

#[test]
fn a_journal_that_tells_nothing_is_refused_with_what_to_do() {
    let mut relay = TestRelay::before_logic("");
    assert!(relay.terminate().success());
    let output = tune(&relay, &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("holds no tick there that logic answered in time"), "{said}");
}
