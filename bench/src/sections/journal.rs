//! The share of CPU that recording costs.

use anyhow::Result;

use super::{Bench, cost};
use crate::figures::Figures;
use crate::load::Load;
use crate::peers::Contender;
use crate::relay::Sync;
use crate::table::Table;

const LOAD: Load = Load::even(1_000, 20.0);
const LEVELS: [Sync; 3] = [Sync::Off, Sync::Os, Sync::Tick];

pub(super) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    for level in LEVELS {
        let contender = Contender::Relay(level);
        figures.add(name(level), cost::play(bench, contender, LOAD)?.micros_per_frame());
    }
    Ok(())
}

fn name(level: Sync) -> String {
    format!("journal/{}", Contender::Relay(level).key())
}

pub(super) fn show(figures: &Figures) -> Result<String> {
    let mut table = Table::new([&LOAD.to_string(), "CPU µs per frame", "extra CPU, %"]);
    for level in LEVELS {
        table.row([
            Contender::Relay(level).name().to_owned(),
            figures.spread(&name(level))?.to_string(),
            figures.extra(&name(level), &name(Sync::Off))?.to_string(),
        ]);
    }
    Ok(table.to_string())
}
