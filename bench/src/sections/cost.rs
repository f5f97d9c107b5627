//! CPU per frame there and back, and for clients that only send heartbeats.

use std::fmt::Write;

use anyhow::Result;

use super::Bench;
use crate::clients::Load;
use crate::figures::Figures;
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
const LOADS: [Load; 3] = [Load::busy(1_000, 20.0), Load::busy(5_000, 10.0), Load::idle(10_000)];

pub(super) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    for load in LOADS {
        for contender in CONTENDERS {
            figures.add(name(load, contender), of(bench, contender, load)?);
        }
    }
    Ok(())
}

/// Microseconds for a frame, or percent of a core if there are none.
pub(super) fn of(bench: &Bench, contender: Contender, load: Load) -> Result<f64> {
    let clients = load.clients.min(contender.clients_at_most());
    let load = bench.scale.load(Load { clients, ..load });
    bench.tell(&format!("{}: {load}", contender.name()));
    let mut peer = contender.start(&bench.programs)?;
    // A whole number of heartbeats, if that is all that clients send.
    let length = bench.scale.seconds(if load.rate > 0.0 { 6.0 } else { 5.0 });
    let trial = Trial::run(&bench.programs, &bench.scale, &mut peer, load, length)?;
    Ok(if load.rate > 0.0 { trial.micros_per_frame() } else { trial.percent_of_core() })
}

fn name(load: Load, contender: Contender) -> String {
    format!("cost/{}/{}", load.name(), contender.key())
}

pub(super) fn show(figures: &Figures) -> Result<String> {
    let mut text = String::new();
    for load in LOADS {
        let what = if load.rate > 0.0 { "CPU µs per frame" } else { "CPU, % of a core" };
        let mut table = Table::new([&load.to_string(), what, "to HAProxy's", "to the bare echo's"]);
        for contender in CONTENDERS {
            let ratio = |to| ratio(figures, load, contender, to);
            table.row([
                contender.name().to_owned(),
                figures.spread(&name(load, contender))?.to_string(),
                ratio(Contender::Haproxy)?,
                ratio(Contender::Echo)?,
            ]);
        }
        writeln!(text, "{table}")?;
    }
    Ok(text + NOTES)
}

/// Only of frames: the echo server and the proxies answer heartbeats, which a relay does not.
fn ratio(figures: &Figures, load: Load, contender: Contender, to: Contender) -> Result<String> {
    if load.rate == 0.0 {
        return Ok(String::new());
    }
    Ok(figures.ratio(&name(load, contender), &name(load, to))?.to_string())
}

const NOTES: &str = "\
A frame goes there and back; a client's packet has 64 bytes. CPU is that of the contender alone, without the
echo or the logic server behind it. Of 10,000 idle clients HAProxy and nginx have 9,800, for each takes
two of 20,000 files; and a heartbeat comes back from them and from the echo, but not from the relay.
";
