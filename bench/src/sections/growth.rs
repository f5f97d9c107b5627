//! Cost per frame and memory per client, from 100 clients to 15,000.

use std::path::Path;

use anyhow::{Context, Result};

use super::Bench;
use crate::drawing::{self, Line};
use crate::figures::Figures;
use crate::load::Load;
use crate::relay::Options;
use crate::spread::whole;
use crate::table::Table;
use crate::trial::{Baseline, Trial};

const POINTS: [u32; 6] = [100, 300, 1_000, 3_000, 10_000, 15_000];
/// What two cores, which carry the clients too, can do for 15,000.
const RATE: f64 = 2.0;

pub(super) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    for clients in POINTS {
        let load = bench.scale.load(Load::even(clients, RATE));
        bench.tell(&format!("relay: {load}"));
        let mut peer = Options::default().start(&bench.programs)?;
        let baseline = Baseline::of(&bench.programs, &bench.scale, &peer)?;
        let beat = peer.percent_of_core(bench.scale.seconds(2.0));
        let length = bench.scale.seconds(6.0);
        let trial = Trial::run(&bench.programs, &bench.scale, &mut peer, load, length)?;
        let share = 1.0 - beat / trial.percent_of_core();
        let mut add = |what, value| figures.add(name(clients, what), value);
        add("cpu", trial.percent_of_core());
        add("frame", trial.micros_per_frame());
        add("frame-beyond-beat", trial.micros_per_frame() * share);
        add("resident", trial.resident_each(&baseline));
    }
    Ok(())
}

fn name(clients: u32, what: &str) -> String {
    format!("growth/{clients}/{what}")
}

pub(super) fn show(figures: &Figures) -> Result<String> {
    let mut table = Table::new([
        "clients × 2/s, spread evenly",
        "CPU, % of a core",
        "CPU µs per frame",
        "… beyond the idle beat's",
        "resident bytes per client",
    ]);
    for clients in POINTS {
        let at = |what| Ok::<_, anyhow::Error>(figures.spread(&name(clients, what))?.to_string());
        let cells = [at("cpu")?, at("frame")?, at("frame-beyond-beat")?, at("resident")?];
        let [cpu, frame, beyond, resident] = cells;
        table.row([whole(clients.into()), cpu, frame, beyond, resident]);
    }
    Ok(table.to_string())
}

/// Draws both lines into `growth.svg`.
///
/// # Errors
/// The file cannot be written, or a figure is missing.
pub(super) fn draw(figures: &Figures, directory: &Path) -> Result<()> {
    let line = |title, what| -> Result<Line> {
        let points = POINTS.map(|clients| Ok((clients, figures.spread(&name(clients, what))?)));
        Ok(Line { title, points: points.into_iter().collect::<Result<_>>()? })
    };
    let path = directory.join("growth.svg");
    let upper =
        line("CPU per frame there and back, beyond the idle beat's, µs", "frame-beyond-beat")?;
    let lower = line("resident bytes per client", "resident")?;
    drawing::draw(&path, [&upper, &lower])
        .with_context(|| format!("cannot draw {}", path.display()))
}
