//! The PROXY protocol's header, which tells the game server who the client is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Which form of the header the game server reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProxyHeader {
    /// One line of text.
    V1,
    /// Binary.
    V2,
}

/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const LOCAL: u8 = 0x20;
const PROXIED: u8 = 0x21;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// The header for a client at `peer` and a game server at `server`.
///
/// A peer that is no TCP address is `UNKNOWN`, in version 2 `LOCAL`.
pub(super) fn encode(version: ProxyHeader, peer: &str, server: SocketAddr) -> Vec<u8> {
    let client = peer.parse().ok().map(canonical);
    let server = canonical(server);
    match (version, client) {
        (ProxyHeader::V1, None) => b"PROXY UNKNOWN\r\n".to_vec(),
        (ProxyHeader::V1, Some(client)) => v1(client, server),
        (ProxyHeader::V2, None) => [&SIGNATURE[..], &[LOCAL, 0, 0, 0]].concat(),
        (ProxyHeader::V2, Some(client)) => v2(client, server),
    }
}

/// An IPv4 client of a dual-stack socket is an IPv4 client.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Both addresses of a header are of one family: the client's.
fn destination(client: SocketAddr, server: SocketAddr) -> IpAddr {
    match (client, server.ip()) {
        (SocketAddr::V4(_), ip @ IpAddr::V4(_)) | (SocketAddr::V6(_), ip @ IpAddr::V6(_)) => ip,
        (SocketAddr::V4(_), IpAddr::V6(_)) => Ipv4Addr::UNSPECIFIED.into(),
        (SocketAddr::V6(_), IpAddr::V4(v4)) => v4.to_ipv6_mapped().into(),
    }
}

fn v1(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (client.ip(), destination(client, server));
    format!("PROXY {family} {from} {to} {} {}\r\n", client.port(), server.port()).into_bytes()
}

fn v2(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let mut addresses = Vec::with_capacity(36);
    for ip in [client.ip(), destination(client, server)] {
        match ip {
            IpAddr::V4(ip) => addresses.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => addresses.extend_from_slice(&Ipv6Addr::octets(&ip)),
        }
    }
    addresses.extend_from_slice(&client.port().to_be_bytes());
    addresses.extend_from_slice(&server.port().to_be_bytes());

    let family = if client.is_ipv4() { TCP4 } else { TCP6 };
    let mut header = [&SIGNATURE[..], &[PROXIED, family]].concat();
    header.extend_from_slice(&(addresses.len() as u16).to_be_bytes());
    header.extend_from_slice(&addresses);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: ProxyHeader, peer: &str, server: &str) -> Vec<u8> {
        encode(version, peer, server.parse().unwrap())
    }

    #[test]
    fn version_1_is_the_line_of_the_specification() {
        for (peer, server, line) in [
            ("203.0.113.7:51234", "127.0.0.1:80", "TCP4 203.0.113.7 127.0.0.1 51234 80"),
            ("[::ffff:203.0.113.7]:5", "127.0.0.1:80", "TCP4 203.0.113.7 127.0.0.1 5 80"),
            ("203.0.113.7:5", "[::1]:80", "TCP4 203.0.113.7 0.0.0.0 5 80"),
            ("[2001:db8::7]:5", "[::1]:80", "TCP6 2001:db8::7 ::1 5 80"),
            ("[2001:db8::7]:5", "127.0.0.1:80", "TCP6 2001:db8::7 ::ffff:127.0.0.1 5 80"),
            ("unix", "127.0.0.1:80", "UNKNOWN"),
        ] {
            let header = header(ProxyHeader::V1, peer, server);
            assert_eq!(String::from_utf8(header).unwrap(), format!("PROXY {line}\r\n"));
        }
    }

    #[test]
    fn version_2_is_the_layout_of_the_specification() {
        let v4 = header(ProxyHeader::V2, "203.0.113.7:258", "127.0.0.1:80");
        assert_eq!(v4[..12], SIGNATURE[..]);
        assert_eq!(v4[12..], [0x21, 0x11, 0, 12, 203, 0, 113, 7, 127, 0, 0, 1, 1, 2, 0, 80]);

        let v6 = header(ProxyHeader::V2, "[2001:db8::7]:5", "[::1]:80");
        assert_eq!((v6.len(), &v6[12..16]), (16 + 36, &[0x21, 0x21, 0, 36][..]));

        let unknown = header(ProxyHeader::V2, "unix", "127.0.0.1:80");
        assert_eq!(unknown[12..], [0x20, 0, 0, 0]);
    }
}
