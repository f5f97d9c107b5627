//! Packets a second, by sync level.

use std::time::{Duration, Instant};

use anyhow::Result;
use pulsegate_journal::{Now, Options, Sync, Writer};

use crate::figures::{Spent, Spread};
use crate::recording::{Batches, MANY_AND_SLOW, scratch};

/// Writes so many ticks at each level, in turn, and prints what a packet took.
pub(crate) fn measure(runs: usize, ticks: u64) -> Result<()> {
    let packets = (ticks * MANY_AND_SLOW.packets) as f64;
    println!("writing {ticks} ticks of {MANY_AND_SLOW}, {runs} times: median (least to greatest)");
    println!(
        "  {:<10}{:>24}{:>24}{:>24}",
        "sync", "M packets/s", "M packets/CPU s", "CPU ns a packet"
    );
    let levels = [
        ("tick", Sync::Tick),
        ("interval", Sync::Interval(Duration::from_millis(100))),
        ("os", Sync::Os),
    ];
    let mut spent = levels.map(|_| Vec::new());
    for _ in 0..runs {
        for ((_, sync), spent) in levels.iter().zip(&mut spent) {
            spent.push(write(*sync, ticks)?);
        }
    }
    for ((name, _), spent) in levels.iter().zip(spent) {
        let spread = |figure: fn(&Spent, f64) -> f64| {
            Spread::of(spent.iter().map(|spent| figure(spent, packets)))
        };
        println!(
            "  {name:<10}{:>24}{:>24}{:>24}",
            spread(|spent, packets| packets / spent.wall.as_secs_f64() / 1e6),
            spread(|spent, packets| packets / spent.cpu.as_secs_f64() / 1e6),
            spread(|spent, packets| spent.cpu.as_secs_f64() * 1e9 / packets),
        );
    }
    Ok(())
}

/// What the journal takes for its part: gathering the batch is the clients' tasks' work.
fn write(sync: Sync, ticks: u64) -> Result<Spent> {
    let dir = scratch()?;
    let began = Instant::now();
    let now = || Now { monotonic: began.elapsed(), wall_ns: 0 };
    let (mut writer, _) = Writer::open(Options { sync, ..Options::new(dir.path()) }, now())?;
    let mut batches = Batches::new(MANY_AND_SLOW);
    let mut spent = Spent::default();
    for _ in 0..ticks {
        let (batch, _) = batches.next();
        spent.on(|| writer.append(batch, now()))?;
    }
    spent.on(|| writer.finish())?;
    Ok(spent)
}
