//! CPU per frame there and back, and for clients that only send heartbeats.

use std::fmt::Write;

use anyhow::Result;

use super::Bench;
use crate::figures::Figures;
use crate::load::{Arrival, Load};
use crate::peers::Contender;
use crate::relay::Sync;
use crate::table::Table;
use crate::trial::Trial;

const CONTENDERS: [Contender; 6] = [
    Contender::Echo,
    Contender::Haproxy,
    Contender::Nginx,
    Contender::Relay(Sync::Off),
    Contender::Relay(Sync::Os),
    Contender::Relay(Sync::Tick),
];
/// The marks speak of these clients.
const MARKED: Load = Load::even(1_000, 20.0);
const LOADS: [Load; 4] =
    [MARKED, Load::in_steps(1_000, 20.0), Load::even(5_000, 10.0), Load::idle(10_000)];

pub(super) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    for load in LOADS {
        for contender in CONTENDERS {
            let trial = play(bench, contender, load)?;
            figures.add(name(load, contender), cost(&trial, load));
            if let Some(late) = trial.summary.late_p99_us() {
                figures.add(late_name(load, contender), late);
            }
        }
    }
    Ok(())
}

/// Lets a contender carry a load for a while.
pub(super) fn play(bench: &Bench, contender: Contender, load: Load) -> Result<Trial> {
    let clients = load.clients.min(contender.clients_at_most());
    let load = bench.scale.load(Load { clients, ..load });
    bench.tell(&format!("{}: {load}", contender.name()));
    let mut peer = contender.start(&bench.programs)?;
    // A whole number of heartbeats, if that is all that clients send.
    let length = bench.scale.seconds(if load.rate > 0.0 { 6.0 } else { 5.0 });
    Trial::run(&bench.programs, &bench.scale, &mut peer, load, length)
}

/// Microseconds for a frame, or percent of a core if there are none.
fn cost(trial: &Trial, load: Load) -> f64 {
    if load.rate > 0.0 { trial.micros_per_frame() } else { trial.percent_of_core() }
}

fn name(load: Load, contender: Contender) -> String {
    format!("cost/{}/{}", load.name(), contender.key())
}

fn late_name(load: Load, contender: Contender) -> String {
    format!("{}/clients-late-p99", name(load, contender))
}

pub(super) fn show(figures: &Figures) -> Result<String> {
    let mut text = String::new();
    for load in LOADS {
        let cost = if load.rate > 0.0 { "CPU µs per frame" } else { "CPU, % of a core" };
        let mut table =
            Table::new([&load.to_string(), cost, "to HAProxy's", "to the bare echo's", LATE]);
        for contender in CONTENDERS {
            let ratio = |to| ratio(figures, load, contender, to);
            table.row([
                contender.name().to_owned(),
                figures.spread(&name(load, contender))?.to_string(),
                ratio(Contender::Haproxy)?,
                ratio(Contender::Echo)?,
                late(figures, load, contender)?,
            ]);
        }
        writeln!(text, "{}{table}", caption(load))?;
    }
    Ok(text + NOTES)
}

/// What is to be said before a load's table.
fn caption(load: Load) -> &'static str {
    if load == MARKED {
        "The marks against HAProxy and against the bare echo are taken from this table:\n\n"
    } else {
        ""
    }
}

/// Only of clients whose packets have a time of their own.
fn late(figures: &Figures, load: Load, contender: Contender) -> Result<String> {
    if load.arrival == Arrival::InSteps {
        return Ok(String::new());
    }
    Ok(figures.spread(&late_name(load, contender))?.to_string())
}

/// Only of frames: the echo server and the proxies answer heartbeats, which a relay does not.
fn ratio(figures: &Figures, load: Load, contender: Contender, to: Contender) -> Result<String> {
    if load.rate == 0.0 {
        return Ok(String::new());
    }
    Ok(figures.ratio(&name(load, contender), &name(load, to))?.to_string())
}

const LATE: &str = "sent late, p99 µs";

const NOTES: &str = "\
A frame goes there and back; a client's packet has 64 bytes. CPU is that of the contender alone, without the
echo or the logic server behind it. How late the clients sent shows how full the machine was. Where that is
many milliseconds, not all packets were sent that the cost is divided by, and it is shown too low.

Of 10,000 idle clients HAProxy and nginx have 9,800, for each takes two of 20,000 files; and a heartbeat comes
back from them and from the echo, but not from the relay.
";
