//! Sessions as TCP conversations, for Wireshark.
//!
//! Nothing but the payloads, their order and times, and the clients' addresses was recorded: the
//! rest is made up, so that a dissector finds whole conversations. A body is what is within a
//! frame; the length before it is not there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::{DataLink, PcapError};
use pulsegate_protocol::proto::Open;

use super::segment::{Conversation, Flag, LARGEST, Side};
use crate::entry::{Entry, Kind, Who};

/// Timestamps in units of 10^-9 s.
const NANOSECONDS: u8 = 9;

/// The relay's side of all conversations; the recording does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayAddress(pub SocketAddr);

impl RelayAddress {
    /// The address of the same family as a client's. In the other family it is the loopback's, or
    /// its IPv4 address within IPv6.
    fn facing(self, client: SocketAddr) -> SocketAddr {
        let ip = match (client.ip(), self.0.ip()) {
            (IpAddr::V4(_), IpAddr::V6(_)) => IpAddr::from([127, 0, 0, 1]),
            (IpAddr::V6(_), IpAddr::V4(own)) if own.is_loopback() => Ipv6Addr::LOCALHOST.into(),
            (IpAddr::V6(_), IpAddr::V4(own)) => own.to_ipv6_mapped().into(),
            (_, own) => own,
        };
        SocketAddr::new(ip, self.0.port())
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Captured {
    /// Conversations.
    pub conversations: u64,
    /// Frames of all of them.
    pub frames: u64,
    /// Replies to sessions that had closed by then: nobody was sent them.
    pub to_nobody: u64,
    /// Sessions whose client's address is none of TCP.
    pub without_address: u64,
}

/// Writes entries as a capture.
pub struct Capture<W: Write> {
    out: PcapNgWriter<W>,
    relay: RelayAddress,
    /// Only these, unless there are none.
    sessions: Vec<u64>,
    open: BTreeMap<u64, Conversation>,
    captured: Captured,
}

impl<W: Write> Capture<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// What `out` refuses.
    pub fn begin(out: W, relay: RelayAddress, sessions: Vec<u64>) -> io::Result<Self> {
        let mut out = PcapNgWriter::new(out).map_err(io_error)?;
        let mut interface = InterfaceDescriptionBlock::new(DataLink::ETHERNET, 0);
        interface.options = vec![
            InterfaceDescriptionOption::IfName(Cow::Borrowed("pulsegate")),
            InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
        ];
        out.write_pcapng_block(interface).map_err(io_error)?;
        let (open, captured) = (BTreeMap::new(), Captured::default());
        Ok(Self { out, relay, sessions, open, captured })
    }

    /// Opens a session that was there before the first entry.
    ///
    /// # Errors
    /// What the file refuses.
    pub fn present(&mut self, open: &Open, wall_ns: u64) -> io::Result<()> {
        self.open(open.session, &open.peer, wall_ns, "open before the range")
    }

    /// Takes an entry.
    ///
    /// # Errors
    /// What the file refuses.
    pub fn take(&mut self, entry: &Entry) -> io::Result<()> {
        match (entry.kind, &entry.who) {
            (Kind::Open, Who::One(id)) => {
                let peer = entry.text("peer").unwrap_or_default();
                self.open(*id, peer, entry.wall_ns, &format!("tick {}", entry.tick))
            }
            (Kind::Close, Who::One(id)) => self.close(*id, entry),
            (Kind::Packet, Who::One(id)) => self.payload(*id, Side::Client, entry),
            (Kind::Reply, who) => self.reply(who, entry),
            _ => Ok(()),
        }
    }

    /// Writes what is left. Conversations that are still open stay so.
    ///
    /// # Errors
    /// What the file refuses.
    pub fn finish(self) -> io::Result<Captured> {
        self.out.into_inner().flush()?;
        Ok(self.captured)
    }

    fn open(&mut self, id: u64, peer: &str, wall_ns: u64, comment: &str) -> io::Result<()> {
        if !self.sessions.is_empty() && !self.sessions.contains(&id) {
            return Ok(());
        }
        let Ok(client) = peer.parse() else {
            self.captured.without_address += 1;
            return Ok(());
        };
        // Numbers that differ from one conversation of an address to the next.
        let first = (id as u32).wrapping_mul(0x9E37_79B1);
        let mut conversation = Conversation::new(client, self.relay.facing(client), first);
        for (side, flag) in
            [(Side::Client, Flag::Syn), (Side::Relay, Flag::Syn), (Side::Client, Flag::Ack)]
        {
            let frame = conversation.frame(side, flag, b"")?;
            self.write(wall_ns, &frame, &format!("session {id}, {comment}"))?;
        }
        self.open.insert(id, conversation);
        self.captured.conversations += 1;
        Ok(())
    }

    fn close(&mut self, id: u64, entry: &Entry) -> io::Result<()> {
        let Some(mut conversation) = self.open.remove(&id) else { return Ok(()) };
        let reason = entry.text("reason").unwrap_or_default();
        let (first, second) = match reason {
            "goodbye" | "disconnected" | "frame_cut" => (Side::Client, Side::Relay),
            _ => (Side::Relay, Side::Client),
        };
        let comment = format!("session {id}, tick {}, closed: {reason}", entry.tick);
        for (side, flag) in [(first, Flag::Fin), (second, Flag::Fin), (first, Flag::Ack)] {
            let frame = conversation.frame(side, flag, b"")?;
            self.write(entry.wall_ns, &frame, &comment)?;
        }
        Ok(())
    }

    fn reply(&mut self, who: &Who, entry: &Entry) -> io::Result<()> {
        let ids = match who {
            Who::Nobody => Vec::new(),
            Who::One(id) => vec![*id],
            Who::Several(ids) => ids.clone(),
            Who::All => self.open.keys().copied().collect(),
        };
        for id in ids {
            let wanted = self.sessions.is_empty() || self.sessions.contains(&id);
            if wanted && !self.open.contains_key(&id) {
                self.captured.to_nobody += 1;
            }
            self.payload(id, Side::Relay, entry)?;
        }
        Ok(())
    }

    fn payload(&mut self, id: u64, from: Side, entry: &Entry) -> io::Result<()> {
        let Some(mut conversation) = self.open.remove(&id) else { return Ok(()) };
        let comment = format!("session {id}, tick {}", entry.tick);
        for part in entry.body.as_deref().unwrap_or_default().chunks(LARGEST) {
            let frame = conversation.frame(from, Flag::Push, part)?;
            self.write(entry.wall_ns, &frame, &comment)?;
        }
        self.open.insert(id, conversation);
        Ok(())
    }

    fn write(&mut self, wall_ns: u64, frame: &[u8], comment: &str) -> io::Result<()> {
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(wall_ns),
            original_len: frame.len() as u32,
            data: Cow::Borrowed(frame),
            options: vec![EnhancedPacketOption::Comment(Cow::Borrowed(comment))],
        };
        self.out.write_pcapng_block(block).map_err(io_error)?;
        self.captured.frames += 1;
        Ok(())
    }
}

impl<W: Write> std::fmt::Debug for Capture<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("captured", &self.captured).finish_non_exhaustive()
    }
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}
