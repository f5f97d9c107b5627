//! How long a start and a search take.

use anyhow::{Result, ensure};
use pulsegate_journal::{Now, Options, Reader, Record, Writer};

use crate::figures::{Spent, Spread};
use crate::recording::Recording;

/// Opens the journal, as a relay does after a crash.
pub(crate) fn measure_opening(recording: &Recording, runs: usize) -> Result<()> {
    measure("opening", recording, runs, |spent| {
        let copy = recording.copy()?;
        let options = Options::new(copy.path());
        let (_writer, recovered) = spent.on(|| Writer::open(options, Now::default()))?;
        ensure!(recovered.last_tick == recording.ticks, "{recovered:?}");
        Ok(())
    })
}

/// Goes to the tick with which the last minute begins, and reads it.
pub(crate) fn measure_seeking(recording: &Recording, runs: usize) -> Result<()> {
    let wanted = recording.ticks.saturating_sub(60 * recording.pace.hertz) + 1;
    let copy = recording.copy()?;
    measure("seeking", recording, runs, |spent| {
        let found = spent.on(|| {
            let mut reader = Reader::open(copy.path())?;
            reader.seek(wanted)?;
            reader.read()
        })?;
        let right = matches!(&found, Some(Record::Tick { peek, .. }) if peek.head.number == wanted);
        ensure!(right, "not tick {wanted}: {found:?}");
        Ok(())
    })
}

fn measure(
    what: &str,
    recording: &Recording,
    runs: usize,
    mut run: impl FnMut(&mut Spent) -> Result<()>,
) -> Result<()> {
    let mut took = Vec::new();
    for chilled in [false, true] {
        let mut walls = Vec::new();
        for _ in 0..runs {
            if chilled {
                recording.chill()?;
            }
            let mut spent = Spent::default();
            run(&mut spent)?;
            walls.push(spent.wall.as_secs_f64() * 1e3);
        }
        took.push(Spread::of(walls));
    }
    println!("{what} {recording}");
    println!("  from memory {} ms, from the disk {} ms", took[0], took[1]);
    Ok(())
}
