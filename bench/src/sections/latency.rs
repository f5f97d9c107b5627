//! What is added to the tick: from the beat until the last reply is written.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Bench;
use crate::beats::{Beats, Points};
use crate::figures::Figures;
use crate::load::{Arrival, Load};
use crate::peers;
use crate::relay::{Game, Options, Sync};
use crate::table::Table;
use crate::trial::Trial;

const FLOOR: Load = Load::even(1_000, 20.0);
const ECHOES: [Load; 4] =
    [FLOOR, Load::even(5_000, 10.0), Load::in_steps(1_000, 20.0), Load::in_steps(5_000, 10.0)];
const AUDIENCE: Load = Load::idle(10_000);
const PLAYERS: Load = Load::in_steps(100, 20.0);

/// Every so many ticks the logic server `fan-out` sends something.
const NEWS_EVERY: u64 = 20;

pub(super) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    for load in ECHOES {
        let name = format!("latency/{}", load.name());
        let (beats, trial) = play(bench, Options::default(), load, 6.0)?;
        add(figures, &name, beats.work(|_| true)?);
        if load.arrival == Arrival::InSteps {
            add(figures, &format!("{name}/round-trip"), trial.summary.round_trip_ms()?);
        }
    }
    measure_floor(bench, figures)?;
    measure_fan_out(bench, figures)?;
    measure_round_trip(bench, figures)
}

/// How long the sends of a beat take by themselves.
fn measure_floor(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let load = bench.scale.load(FLOOR);
    bench.tell(&format!("bare sends: {load}"));
    let mut peer = peers::start_bare_sends(&bench.programs, load.clients)?;
    let length = bench.scale.seconds(6.0);
    Trial::run(&bench.programs, &bench.scale, &mut peer, load, length)?;
    let text = peer.process.output(Duration::from_secs(5))?;
    let took_ms = text.lines().filter_map(|line| Some(line.parse::<f64>().ok()? / 1e6));
    add(figures, "latency/bare-sends", Points::of(took_ms)?);
    Ok(())
}

fn measure_fan_out(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let options = Options { game: Game::FanOut, ..Options::default() };
    let (beats, trial) = play(bench, options, AUDIENCE, 10.0)?;
    let is_news = |tick: u64| tick.is_multiple_of(NEWS_EVERY);
    let news = beats.sealed_ns.keys().filter(|tick| is_news(**tick)).count() as u64;
    let due = news * u64::from(bench.scale.load(AUDIENCE).clients);
    let came = trial.summary.other_frames();
    ensure!(came >= due, "{came} replies to all came where {due} were due");
    add(figures, "latency/fan-out", beats.work(is_news)?);
    Ok(())
}

fn measure_round_trip(bench: &Bench, figures: &mut Figures) -> Result<()> {
    for (name, sync) in [("round-trip", Sync::Tick), ("round-trip-os", Sync::Os)] {
        let options = Options { hertz: Some(1_000), sync, ..Options::default() };
        let (_, trial) = play(bench, options, PLAYERS, 6.0)?;
        add(figures, &format!("latency/{name}"), trial.summary.round_trip_ms()?);
    }
    Ok(())
}

fn play(bench: &Bench, options: Options, load: Load, seconds: f64) -> Result<(Beats, Trial)> {
    let load = bench.scale.load(load);
    bench.tell(&format!("relay: {load}"));
    let mut peer = options.start(&bench.programs)?;
    // Long enough for one fan-out, even in small.
    let least = if options.game == Game::FanOut { 1.2 } else { 0.0 };
    let length = bench.scale.seconds(seconds).max(Duration::from_secs_f64(least));
    let trial = Trial::run(&bench.programs, &bench.scale, &mut peer, load, length)?;
    peer.stop();
    let beats = Beats::read(&peer.journal(), trial.window)?;
    Ok((beats, trial))
}

fn add(figures: &mut Figures, name: &str, points: Points) {
    figures.add(format!("{name}/p50"), points.p50);
    figures.add(format!("{name}/p99"), points.p99);
    figures.add(format!("{name}/max"), points.max);
}

pub(super) fn show(figures: &Figures) -> Result<String> {
    let mut table = Table::new(["milliseconds", "p50", "p99", "max"]);
    let mut row = |what: &str, name: &str| -> Result<()> {
        let at = |point| figures.spread(&format!("latency/{name}/{point}"));
        let [p50, p99, max] = [at("p50")?, at("p99")?, at("max")?];
        table.row([what.to_owned(), p50.to_string(), p99.to_string(), max.to_string()]);
        Ok(())
    };
    for load in ECHOES {
        let what = format!("beat → last reply written, {load}");
        row(&what, &load.name())?;
        if load == FLOOR {
            row("1,000 bare sends of 68 bytes, one after another, no relay", "bare-sends")?;
        }
        if load.arrival == Arrival::InSteps {
            row("… round trip, as its clients see it", &format!("{}/round-trip", load.name()))?;
        }
    }
    row("beat → 1 KiB written to each of 10,000 clients", "fan-out")?;
    row("round trip at 1,000 Hz, 100 clients × 20/s", "round-trip")?;
    row("… with sync = \"os\", which waits for no disk", "round-trip-os")?;
    Ok(format!("{table}\n{NOTES}"))
}

const NOTES: &str = "\
From the beat: what the journal has as `work_us` of each tick, from when its beat was due until the last reply
to it was written. The clients also wait for the beat, half of its length on average. The bare
sends carry the same packets, echoed each 50 ms by a program that does nothing else: so much of the rows above
is the kernel's part.
";
