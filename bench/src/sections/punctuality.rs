//! How late beats are, beside tokio's `interval` and `cyclictest`.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Bench;
use crate::beats::{Beats, Points};
use crate::figures::Figures;
use crate::load::Load;
use crate::process::Process;
use crate::relay::Options;
use crate::table::Table;
use crate::trial::{Trial, Window};

const RATES: [u32; 4] = [20, 60, 128, 1_000];
const RATES_WHEN_BUSY: [u32; 2] = [20, 60];
const BUSY: Load = Load::in_steps(5_000, 10.0);

/// Latencies beyond these microseconds are not told apart.
const HISTOGRAM_US: u32 = 20_000;

/// Who beats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beater {
    Relay,
    BusyRelay,
    Tokio,
    Cyclictest,
    /// With a real-time priority, which takes root.
    CyclictestFifo,
}

impl Beater {
    fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay, idle",
            Self::BusyRelay => "relay, 5,000 clients × 10/s, in steps of 1 ms",
            Self::Tokio => "tokio's interval, idle",
            Self::Cyclictest => "cyclictest, idle",
            Self::CyclictestFifo => "cyclictest -p 80, idle",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::BusyRelay => "busy-relay",
            Self::Tokio => "tokio",
            Self::Cyclictest => "cyclictest",
            Self::CyclictestFifo => "cyclictest-fifo",
        }
    }

    fn measure(self, bench: &Bench, hertz: u32) -> Result<Points> {
        let length = bench.scale.seconds(5.0);
        match self {
            Self::Relay => idle_relay(bench, hertz, length),
            Self::BusyRelay => busy_relay(bench, hertz, length),
            Self::Tokio => tokio_interval(bench, hertz, length),
            Self::Cyclictest => cyclictest(hertz, length, &[]),
            Self::CyclictestFifo => cyclictest(hertz, length, &["-p", "80"]),
        }
    }
}

fn trials() -> impl Iterator<Item = (u32, Beater)> {
    let of = |hertz| {
        let mut beaters = vec![Beater::Relay];
        if RATES_WHEN_BUSY.contains(&hertz) {
            beaters.push(Beater::BusyRelay);
        }
        beaters.extend([Beater::Tokio, Beater::Cyclictest]);
        if rustix::process::geteuid().is_root() {
            beaters.push(Beater::CyclictestFifo);
        }
        beaters.into_iter().map(move |beater| (hertz, beater))
    };
    RATES.into_iter().flat_map(of)
}

pub(super) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    for (hertz, beater) in trials() {
        bench.tell(&format!("{} Hz: {}", hertz, beater.name()));
        let points = beater.measure(bench, hertz)?;
        for (point, value) in [("p50", points.p50), ("p99", points.p99), ("max", points.max)] {
            figures.add(name(hertz, beater, point), value);
        }
    }
    Ok(())
}

fn name(hertz: u32, beater: Beater, point: &str) -> String {
    format!("punctuality/{hertz}/{}/{point}", beater.key())
}

pub(super) fn show(figures: &Figures) -> Result<String> {
    let mut table = Table::new(["lateness in µs", "", "p50", "p99", "max"]);
    for (hertz, beater) in trials() {
        let at = |point| figures.spread(&name(hertz, beater, point));
        let [p50, p99, max] = [at("p50")?, at("p99")?, at("max")?].map(|spread| spread.to_string());
        table.row([format!("{hertz} Hz"), beater.name().to_owned(), p50, p99, max]);
    }
    Ok(table.to_string())
}

fn idle_relay(bench: &Bench, hertz: u32, length: Duration) -> Result<Points> {
    let mut peer = Options { hertz: Some(hertz), ..Options::default() }.start(&bench.programs)?;
    std::thread::sleep(bench.scale.seconds(0.5));
    let window = Window::pass(length);
    peer.stop();
    Beats::read(&peer.journal(), window)?.lateness()
}

fn busy_relay(bench: &Bench, hertz: u32, length: Duration) -> Result<Points> {
    let mut peer = Options { hertz: Some(hertz), ..Options::default() }.start(&bench.programs)?;
    let load = bench.scale.load(BUSY);
    let trial = Trial::run(&bench.programs, &bench.scale, &mut peer, load, length)?;
    peer.stop();
    Beats::read(&peer.journal(), trial.window)?.lateness()
}

fn tokio_interval(bench: &Bench, hertz: u32, length: Duration) -> Result<Points> {
    let mut command = Command::new(bench.programs.own("tokio-interval"));
    command.args([1_000_000 / hertz, beats(hertz, length)].map(|number| number.to_string()));
    let text = output("tokio-interval", &mut command, length)?;
    Points::of(text.lines().filter_map(|line| Some(line.parse::<f64>().ok()? / 1000.0)))
}

fn cyclictest(hertz: u32, length: Duration, priority: &[&str]) -> Result<Points> {
    let mut command = Command::new("cyclictest");
    command.args(["-q", "-t1", "-i", &(1_000_000 / hertz).to_string()]);
    command.args(["-l", &beats(hertz, length).to_string(), "-h", &HISTOGRAM_US.to_string()]);
    let text = output("cyclictest", command.args(priority), length)?;
    Points::of(latencies(&text).context("cyclictest's histogram is not understood")?.into_iter())
}

/// At least one, for the shortest of windows.
fn beats(hertz: u32, length: Duration) -> u32 {
    ((f64::from(hertz) * length.as_secs_f64()) as u32).max(1)
}

fn output(name: &'static str, command: &mut Command, length: Duration) -> Result<String> {
    Process::start(name, command)?.output(length + Duration::from_secs(10))
}

/// Every latency of a histogram with lines like `000016 000013`: microseconds, and how often.
/// Those beyond it were as long as the longest.
fn latencies(text: &str) -> Option<Vec<f64>> {
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<u32>().ok()
    };
    let pairs = text.lines().filter_map(|line| {
        let (us, count) = line.split_once(' ')?;
        Some((us.parse::<u32>().ok()?, count.trim().parse::<u32>().ok()?))
    });
    let beyond = (number("# Max Latencies:")?, number("# Histogram Overflows:")?);
    let repeat = |(us, count)| std::iter::repeat_n(f64::from(us), count as usize);
    Some(pairs.chain([beyond]).flat_map(repeat).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_taken_apart() {
        let text = "# Histogram\n000000 000000\n000014 000002\n000015 000001\n# Total: 000000003\n\
            # Max Latencies: 00104\n# Histogram Overflows: 00001\n";
        assert_eq!(latencies(text).unwrap(), [14.0, 14.0, 15.0, 104.0]);
        assert_eq!(latencies("Unable to open /dev/cpu\n"), None);
    }
}
