//! One TCP segment within its Ethernet frame.

use std::io;
use std::net::{IpAddr, SocketAddr};

use etherparse::{PacketBuilder, TcpOptionElement};

/// What one segment carries at the most, in bytes: an IPv4 packet has 65,535.
pub(super) const LARGEST: usize = 65_535 - 20 - 20;

/// Windows so wide that nobody ever waits for an acknowledgement: 65,535 × 2^14 bytes.
const WINDOW: u16 = u16::MAX;
const WINDOW_SCALE: u8 = 14;

const HOPS: u8 = 64;

/// Addresses that no manufacturer has: the client's side, the relay's.
const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const RELAY_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// Which of the two sides sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Relay,
}

/// What a segment says besides its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// The first one of a side.
    Syn,
    /// Nothing else.
    Ack,
    /// A payload.
    Push,
    /// The last one of a side.
    Fin,
}

/// A conversation: its addresses, and where each side's bytes are.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    client: SocketAddr,
    relay: SocketAddr,
    /// The next sequence number of each side.
    client_next: u32,
    relay_next: u32,
}

impl Conversation {
    /// One whose sequence numbers begin with `first`. The addresses are of one family.
    pub(super) fn new(client: SocketAddr, relay: SocketAddr, first: u32) -> Self {
        Self { client, relay, client_next: first, relay_next: !first }
    }

    /// The frame of the next segment that a side sends.
    pub(super) fn frame(&mut self, from: Side, flag: Flag, payload: &[u8]) -> io::Result<Vec<u8>> {
        let (source, target, macs) = match from {
            Side::Client => (self.client, self.relay, (CLIENT_MAC, RELAY_MAC)),
            Side::Relay => (self.relay, self.client, (RELAY_MAC, CLIENT_MAC)),
        };
        let (next, acknowledged) = match from {
            Side::Client => (&mut self.client_next, self.relay_next),
            Side::Relay => (&mut self.relay_next, self.client_next),
        };
        let sequence = *next;
        let counted = payload.len() as u32 + u32::from(matches!(flag, Flag::Syn | Flag::Fin));
        *next = next.wrapping_add(counted);

        let frame = PacketBuilder::ethernet2(macs.0, macs.1);
        let packet = match (source.ip(), target.ip()) {
            (IpAddr::V4(source), IpAddr::V4(target)) => {
                frame.ipv4(source.octets(), target.octets(), HOPS)
            }
            (source, target) => frame.ipv6(octets(source), octets(target), HOPS),
        };
        let mut segment = packet.tcp(source.port(), target.port(), sequence, WINDOW);
        // Only the very first segment acknowledges nothing.
        if !(from == Side::Client && flag == Flag::Syn) {
            segment = segment.ack(acknowledged);
        }
        segment = match flag {
            Flag::Syn => segment.syn().options(&options()).map_err(io::Error::other)?,
            Flag::Ack => segment,
            Flag::Push => segment.psh(),
            Flag::Fin => segment.fin(),
        };
        let mut bytes = Vec::with_capacity(segment.size(payload.len()));
        segment.write(&mut bytes, payload).map_err(io::Error::other)?;
        Ok(bytes)
    }
}

fn options() -> [TcpOptionElement; 2] {
    [
        TcpOptionElement::MaximumSegmentSize(LARGEST as u16),
        TcpOptionElement::WindowScale(WINDOW_SCALE),
    ]
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}
