//! How beats went, tick by tick, from the journal that the relay wrote of them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use pulsegate_journal::{Reader, Record, Timing};
use pulsegate_protocol::proto::item::Item;
use pulsegate_protocol::tick::events;

use crate::spread::quantile;
use crate::trial::Window;

/// The ticks that were sealed in a window.
#[derive(Debug, Default)]
pub(crate) struct Beats {
    /// When each was sealed, in nanoseconds since 1970-01-01 UTC.
    pub(crate) sealed_ns: BTreeMap<u64, u64>,
    timings: Vec<Timing>,
    /// Sessions that went to `leave` or were closed meanwhile.
    pub(crate) troubles: u32,
}

/// Some points of a distribution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Points {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Beats {
    /// Reads a journal whose relay has ended.
    ///
    /// # Errors
    /// It cannot be read, or no tick of it lies in the window.
    pub(crate) fn read(journal: &Path, window: Window) -> Result<Self> {
        let mut reader = Reader::open(journal)?;
        let mut beats = Self::default();
        while let Some(record) = reader.read()? {
            match record {
                Record::Tick { peek, bytes } if window.contains(peek.head.wall_ns) => {
                    beats.sealed_ns.insert(peek.head.number, peek.head.wall_ns);
                    beats.troubles += troubles(&bytes);
                }
                Record::Timing(timing) if beats.sealed_ns.contains_key(&timing.tick) => {
                    beats.timings.push(timing);
                }
                _ => {}
            }
        }
        ensure!(!beats.timings.is_empty(), "no tick of the window is in {}", journal.display());
        Ok(beats)
    }

    /// How long after their due time the beats were, in microseconds.
    pub(crate) fn lateness(&self) -> Result<Points> {
        Points::of(self.timings.iter().map(|timing| timing.lateness_us as f64))
    }

    /// From when beats were due until all of their work was done, in milliseconds; of the ticks
    /// with these numbers.
    pub(crate) fn work(&self, wanted: impl Fn(u64) -> bool) -> Result<Points> {
        let timings = self.timings.iter().filter(|timing| wanted(timing.tick));
        Points::of(timings.map(|timing| timing.work_us as f64 / 1000.0))
    }
}

fn troubles(tick: &[u8]) -> u32 {
    let troubles = events(tick).flatten().filter(|event| match event {
        Item::State(change) => change.state() != pulsegate_protocol::proto::State::Alive,
        Item::Close(_) => true,
        _ => false,
    });
    troubles.count().try_into().unwrap_or(u32::MAX)
}

impl Points {
    /// Of some values.
    ///
    /// # Errors
    /// There are none.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Result<Self> {
        let mut values: Vec<_> = values.collect();
        let mut at = |q| quantile(&mut values, q).context("nothing was measured");
        Ok(Self { p50: at(0.5)?, p99: at(0.99)?, max: at(1.0)? })
    }
}
