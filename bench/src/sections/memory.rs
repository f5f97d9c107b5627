//! Bytes per client: in the process, and in the kernel.

use anyhow::Result;

use super::Bench;
use crate::figures::Figures;
use crate::load::Load;
use crate::peers::Contender;
use crate::relay::Sync;
use crate::table::Table;
use crate::trial::{Baseline, Trial};

const CONTENDERS: [Contender; 3] =
    [Contender::Relay(Sync::Tick), Contender::Haproxy, Contender::Nginx];
const LOADS: [Load; 4] =
    [Load::idle(1_000), Load::idle(5_000), Load::idle(15_000), Load::in_steps(1_000, 20.0)];

/// All loads that a contender can carry.
fn trials() -> impl Iterator<Item = (Load, Contender)> {
    let pairs = LOADS.into_iter().flat_map(|load| CONTENDERS.map(|contender| (load, contender)));
    pairs.filter(|(load, contender)| load.clients <= contender.clients_at_most())
}

pub(super) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    for (nominal, contender) in trials() {
        let load = bench.scale.load(nominal);
        bench.tell(&format!("{}: {load}", contender.name()));
        let mut peer = contender.start(&bench.programs)?;
        let baseline = Baseline::of(&bench.programs, &bench.scale, &peer)?;
        let length = bench.scale.seconds(1.0);
        let trial = Trial::run(&bench.programs, &bench.scale, &mut peer, load, length)?;
        figures.add(name(nominal, contender, "resident"), trial.resident_each(&baseline));
        figures.add(name(nominal, contender, "kernel"), trial.kernel_each(&baseline));
    }
    Ok(())
}

fn name(load: Load, contender: Contender, what: &str) -> String {
    format!("memory/{}/{}/{what}", load.name(), contender.key())
}

pub(super) fn show(figures: &Figures) -> Result<String> {
    let mut table = Table::new(["clients", "", "resident bytes each", "kernel's bytes each"]);
    for (load, contender) in trials() {
        table.row([
            load.to_string(),
            contender.name().to_owned(),
            figures.spread(&name(load, contender, "resident"))?.to_string(),
            figures.spread(&name(load, contender, "kernel"))?.to_string(),
        ]);
    }
    let notes = "\
Resident bytes are beyond those of the same process after its first 20 clients have gone. The kernel's
bytes are what its slabs and TCP buffers grew by, divided by two: both ends of each connection are on
this machine. A proxy has two connections for a client. HAProxy and nginx cannot carry 15,000 clients
with 20,000 files.
";
    Ok(format!("{table}\n{notes}"))
}
