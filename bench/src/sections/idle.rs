//! As many clients as one process carries, and none at all.

use anyhow::Result;

use super::Bench;
use crate::beats::Beats;
use crate::figures::Figures;
use crate::load::Load;
use crate::relay::Options;
use crate::table::Table;
use crate::trial::{Baseline, Trial};

const FULL: Load = Load::idle(19_500);

pub(super) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    measure_full(bench, figures)?;
    measure_empty(bench, figures)
}

fn measure_full(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let load = bench.scale.load(FULL);
    bench.tell(&format!("relay: {load} for a minute"));
    let mut peer = Options::default().start(&bench.programs)?;
    let baseline = Baseline::of(&bench.programs, &bench.scale, &peer)?;
    let minute = bench.scale.seconds(60.0);
    let trial = Trial::run(&bench.programs, &bench.scale, &mut peer, load, minute)?;
    peer.stop();
    let beats = Beats::read(&peer.journal(), trial.window)?;
    figures.add("idle/19500/cpu", trial.percent_of_core());
    figures.add("idle/19500/troubles", f64::from(beats.troubles));
    figures.add("idle/19500/resident", trial.resident_each(&baseline));
    figures.add("idle/19500/kernel", trial.kernel_each(&baseline));
    Ok(())
}

fn measure_empty(bench: &Bench, figures: &mut Figures) -> Result<()> {
    bench.tell("relay: no clients, at 20 Hz");
    let peer = Options { hertz: Some(20), ..Options::default() }.start(&bench.programs)?;
    figures.add("idle/0/cpu", peer.percent_of_core(bench.scale.seconds(10.0)));
    Ok(())
}

pub(super) fn show(figures: &Figures) -> Result<String> {
    let mut table = Table::new(["one process of 20,000 files", ""]);
    let mut row = |what: &str, name: &str| -> Result<()> {
        table.row([what.to_owned(), figures.spread(name)?.to_string()]);
        Ok(())
    };
    row("19,500 clients, a heartbeat each 5 s: CPU, % of a core", "idle/19500/cpu")?;
    row("… sessions in leave or closed within a minute", "idle/19500/troubles")?;
    row("… resident bytes per client", "idle/19500/resident")?;
    row("… the kernel's bytes per client", "idle/19500/kernel")?;
    row("no clients, at 20 Hz: CPU, % of a core", "idle/0/cpu")?;
    Ok(table.to_string())
}
