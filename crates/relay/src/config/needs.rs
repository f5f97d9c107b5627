//! What a relay with these limits may need of its machine, in the worst case.

use std::fmt;

use bytesize::ByteSize;

use super::Config;

/// Batches that exist at once: one gathers, one is sealed, one is written, one is sent.
const BATCHES: u64 = 4;

/// Files that are open beside clients: segments, lock, link, admin connections, the runtime's own.
const OTHER_FILES: u64 = 128;

/// What the limits add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// How many clients at once.
    pub sessions: u64,
    /// Bytes for each client in the relay: its outbox, and a frame that is arriving.
    pub relay_bytes: u64,
    /// Bytes for each client in the kernel: both socket buffers, as the kernel counts them.
    pub kernel_bytes: u64,
    /// Bytes for all batches that exist at once.
    pub batch_bytes: u64,
}

impl Config {
    /// What a relay with these limits may need.
    pub fn needs(&self) -> Needs {
        Needs {
            sessions: self.limits.sessions as u64,
            relay_bytes: (self.limits.outbox + self.client.max_frame) as u64,
            // The kernel doubles what it is asked for, to make room for its own books.
            kernel_bytes: 2 * (self.client.send_buffer + self.client.receive_buffer) as u64,
            batch_bytes: BATCHES * self.limits.batch as u64,
        }
    }
}

impl Needs {
    /// Bytes in the worst case, in the relay and the kernel together.
    pub fn memory(&self) -> u64 {
        self.sessions * (self.relay_bytes + self.kernel_bytes) + self.batch_bytes
    }

    /// File descriptors.
    pub fn files(&self) -> u64 {
        self.sessions + OTHER_FILES
    }
}

/// One line for memory and one for files.
impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "memory: at most {}: {} clients × ({} here + {} in the kernel) + {} of batches",
            ByteSize(self.memory()),
            self.sessions,
            ByteSize(self.relay_bytes),
            ByteSize(self.kernel_bytes),
            ByteSize(self.batch_bytes),
        )?;
        write!(f, "files: at most {} open", self.files())
    }
}
