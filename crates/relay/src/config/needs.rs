//! What a relay with these limits may need of its machine, in the worst case: everything that it
//! keeps, full at the same time.

use std::fmt;

use bytesize::ByteSize;

use super::Config;
use crate::admin;
use crate::client::{connection, outbox};
use crate::front::PARTING;
use crate::relay::backlog_limit;
use crate::tick::intake::NEWS;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What a client takes in any case: its task, its parting, what it claims, its places in the lists
/// of sessions, timers and news, its events in a batch and in a gap.
const CLIENT: u64 = 8 * KIB;

/// How many whole batches there are at once. Two gather, one of which is what is left of growing;
/// two wait for the disk, three are the one that is written and its chunk, one is the newest in
/// the backlog, one is on its way to logic, three are read ahead while logic catches up, and four
/// are compressed with a finished segment.
const BATCHES: u64 = 16;

/// How much is read ahead of the link beside one batch, and how much the writer gathers.
const AHEAD: u64 = 8 * MIB;

/// What a byte of an answer becomes, when all of it are replies as short as can be and decoded; it
/// arrives, waits for the disk, is written and compressed besides.
const ANSWER: u64 = 42 + 8;

/// One of the departed.
const DEPARTED: u64 = 256;

/// What was told to the beat of a session that has ended since.
const TOLD: u64 = KIB;

/// The program itself, its threads, the log's lines, compression.
const PROGRAM: u64 = 32 * MIB;

/// How many connections may wait to be let in; the kernel may allow fewer (net.core.somaxconn).
/// After a restart all come back within a second.
pub const WAITING: u32 = 4096;

/// The kernel's buffers of the link, as far as it lets them grow by itself.
const LINK: u64 = 16 * MIB;

/// Files that are open beside clients: segments, lock, link, the runtime's own, those who are told
/// at the door why they are turned away, and admin connections.
const OTHER_FILES: u64 = 160;

/// What the limits add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// How many clients at once.
    pub sessions: u64,
    /// What there is, the clients first.
    pub parts: [Part; 4],
}

/// Something that takes memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// How many there are of it at once.
    pub count: u64,
    /// Bytes of each in the relay.
    pub relay: u64,
    /// Bytes of each in the kernel.
    pub kernel: u64,
    /// The settings that make it larger or smaller.
    pub settings: &'static str,
}

impl Config {
    /// What a relay with these limits may need.
    pub fn needs(&self) -> Needs {
        let sessions = self.limits.sessions as u64;
        Needs {
            sessions,
            parts: [self.clients(), self.batches(), self.answers(), self.rest(sessions)],
        }
    }

    fn clients(&self) -> Part {
        let Self { client, limits, .. } = self;
        let steps = u64::from(outbox::STEPS + 2).next_power_of_two();
        // A buffer that is emptied at its front may take twice what is in it.
        let outbox = 2 * limits.outbox as u64 + steps * outbox::STEP_BYTES as u64;
        Part {
            name: "clients",
            count: (limits.sessions + PARTING) as u64,
            relay: CLIENT + connection::most_kept(client.max_frame) as u64 + outbox,
            kernel: self.sockets(),
            settings: "limits.sessions, limits.outbox, client.max_frame, client.send_buffer, \
                       client.receive_buffer",
        }
    }

    /// Both buffers of a socket. The kernel doubles what it is asked for, to make room for its own
    /// books.
    fn sockets(&self) -> u64 {
        2 * (self.client.send_buffer + self.client.receive_buffer) as u64
    }

    fn batches(&self) -> Part {
        let Self { client, limits, .. } = self;
        // One frame may go beyond the limit.
        let relay = (limits.batch + client.max_frame) as u64;
        Part { name: "batches", count: BATCHES, relay, kernel: 0, settings: "limits.batch" }
    }

    fn answers(&self) -> Part {
        let relay = self.limits.answer as u64;
        Part { name: "answers", count: ANSWER, relay, kernel: 0, settings: "limits.answer" }
    }

    fn rest(&self, sessions: u64) -> Part {
        let backlog = backlog_limit(self.journal.dir.is_some()) as u64;
        let lists = DEPARTED * self.liveness.departed as u64 + TOLD * NEWS as u64;
        let asked = admin::CONNECTIONS as u64 * (admin::CONNECTION + 16 * sessions);
        Part {
            name: "the rest",
            count: 1,
            relay: PROGRAM + AHEAD + backlog + lists + asked,
            kernel: LINK + u64::from(WAITING) * 2 * self.client.receive_buffer as u64,
            settings: "client.receive_buffer, liveness.departed",
        }
    }
}

impl Needs {
    /// Bytes in the worst case, in the relay and the kernel together.
    pub fn memory(&self) -> u64 {
        self.relay() + self.kernel()
    }

    /// Bytes in the relay.
    pub fn relay(&self) -> u64 {
        self.parts.iter().map(|part| part.count * part.relay).sum()
    }

    /// Bytes in the kernel: what it keeps for the relay's sockets.
    pub fn kernel(&self) -> u64 {
        self.parts.iter().map(|part| part.count * part.kernel).sum()
    }

    /// File descriptors.
    pub fn files(&self) -> u64 {
        self.sessions + PARTING as u64 + OTHER_FILES
    }

    /// The largest part: where something can be saved.
    pub fn largest(&self) -> &Part {
        let [clients, others @ ..] = &self.parts;
        others.iter().fold(clients, |most, part| if part.sum() > most.sum() { part } else { most })
    }
}

impl Part {
    /// All of it.
    pub fn sum(&self) -> u64 {
        self.count * (self.relay + self.kernel)
    }
}

/// A few lines for memory and one for files.
impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [all, relay, kernel] = [self.memory(), self.relay(), self.kernel()].map(ByteSize);
        writeln!(f, "memory: at most {all}: {relay} here and {kernel} in the kernel")?;
        for part in &self.parts {
            let (sum, each) = (ByteSize(part.sum()), ByteSize(part.relay + part.kernel));
            writeln!(f, "  {:<9} {sum}: {} × {each} ({})", part.name, part.count, part.settings)?;
        }
        write!(f, "files: at most {} open", self.files())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_smaller_by_the_settings_that_it_names() {
        let most = Config::default().needs();
        let [clients, batches, answers, rest] = &most.parts;
        let mut config = Config::default();
        config.limits.sessions = 100;
        config.client.max_frame = 1024;
        config.limits.batch = 64 * 1024;
        config.limits.answer = 64 * 1024;
        config.liveness.departed = 0;
        let least = config.needs();
        for (part, before) in least.parts.iter().zip([clients, batches, answers, rest]) {
            assert!(part.sum() < before.sum(), "{part:?}");
        }
        assert_eq!(most.largest().name, "clients");
        assert_eq!(least.files(), 516);
        assert!(least.memory() < 1024 * MIB, "{least}");
    }
}
