//! One contender under one load, for the length of one window.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};

use crate::clients::{Clients, Summary};
use crate::kernel;
use crate::load::Load;
use crate::peers::Peer;
use crate::programs::Programs;

/// How large everything is measured.
#[derive(Debug)]
pub(crate) struct Scale {
    /// Tiny, only to see that it runs.
    pub(crate) smoke: bool,
}

impl Scale {
    /// As many clients as that, or a hundredth of them.
    pub(crate) fn load(&self, load: Load) -> Load {
        let clients = if self.smoke { (load.clients / 100).max(10) } else { load.clients };
        Load { clients, ..load }
    }

    /// So many seconds, or a part of one.
    pub(crate) fn seconds(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(if self.smoke { seconds.min(0.15) } else { seconds })
    }

    /// From the last join until it is measured: what joining stirred up has settled then.
    fn settle(&self) -> Duration {
        self.seconds(1.0)
    }
}

/// A stretch of wall time, in nanoseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    from_ns: u64,
    until_ns: u64,
}

impl Window {
    /// Lets time pass, and says which.
    pub(crate) fn pass(length: Duration) -> Self {
        let from_ns = wall_ns();
        sleep(length);
        Self { from_ns, until_ns: wall_ns() }
    }

    /// Whether a moment lies in it.
    pub(crate) fn contains(&self, wall_ns: u64) -> bool {
        (self.from_ns..self.until_ns).contains(&wall_ns)
    }
}

/// What a contender used, and what its clients saw.
#[derive(Debug)]
pub(crate) struct Trial {
    load: Load,
    length: Duration,
    cpu: Duration,
    /// When it was measured.
    pub(crate) window: Window,
    memory: Memory,
    /// What the clients counted, over the window and around it.
    pub(crate) summary: Summary,
}

impl Trial {
    /// Lets clients join and play, measures, and lets them go.
    ///
    /// # Errors
    /// Something was lost, somebody was closed, or a program failed.
    pub(crate) fn run(
        programs: &Programs,
        scale: &Scale,
        peer: &mut Peer,
        load: Load,
        length: Duration,
    ) -> Result<Self> {
        let clients = Clients::join(programs, peer.address, load, scale.settle() + length)?;
        sleep(scale.settle());
        let (begin, before) = (Instant::now(), peer.process.cpu());
        let window = Window::pass(length);
        let cpu = peer.process.cpu().since(&before);
        let length = begin.elapsed();
        let memory = Memory::of(peer)?;
        let summary = part(clients, peer, scale).with_context(|| format!("of {load}"))?;
        Ok(Self { load, length, cpu, window, memory, summary })
    }

    /// Microseconds of CPU for a frame there and back.
    pub(crate) fn micros_per_frame(&self) -> f64 {
        let frames = f64::from(self.load.clients) * self.load.rate * self.length.as_secs_f64();
        self.cpu.as_secs_f64() * 1e6 / frames
    }

    /// Resident bytes that each client added.
    pub(crate) fn resident_each(&self, before: &Baseline) -> f64 {
        self.each(self.memory.resident, before.0.resident)
    }

    /// The kernel's bytes that each client added: half of them, as both ends of each connection
    /// are here.
    pub(crate) fn kernel_each(&self, before: &Baseline) -> f64 {
        self.each(self.memory.kernel, before.0.kernel) / 2.0
    }

    fn each(&self, now: u64, before: u64) -> f64 {
        (now as f64 - before as f64) / f64::from(self.load.clients)
    }

    /// CPU in percent of a core.
    pub(crate) fn percent_of_core(&self) -> f64 {
        100.0 * self.cpu.as_secs_f64() / self.length.as_secs_f64()
    }
}

/// Memory at some moment, in bytes.
#[derive(Debug)]
struct Memory {
    resident: u64,
    kernel: u64,
}

impl Memory {
    fn of(peer: &Peer) -> Result<Self> {
        Ok(Self { resident: peer.process.resident()?, kernel: kernel::kernel_bytes()? })
    }
}

/// Memory of a contender without clients, but after its first: then all of its code is there.
#[derive(Debug)]
pub(crate) struct Baseline(Memory);

impl Baseline {
    /// Lets some clients come and go.
    ///
    /// # Errors
    /// They cannot join.
    pub(crate) fn of(programs: &Programs, scale: &Scale, peer: &Peer) -> Result<Self> {
        let moment = scale.seconds(0.3);
        let first = Clients::join(programs, peer.address, Load::in_steps(20, 20.0), moment)?;
        sleep(moment);
        drop(first);
        sleep(moment);
        Memory::of(peer).map(Self)
    }
}

/// How many seconds an echo without a beat takes at most.
const ECHO_WITHIN: f64 = 0.3;

fn part(clients: Clients, peer: &mut Peer, scale: &Scale) -> Result<Summary> {
    let in_vain = clients.say_goodbye() && !peer.understands_goodbye;
    let parting = clients.stop()?;
    if in_vain {
        // They would wait for being closed. All echoes are back by then.
        sleep(scale.seconds(ECHO_WITHIN));
        peer.stop();
    }
    parting.summary()
}

fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
