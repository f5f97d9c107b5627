//! A loopback address for each test.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// A held address in 127.0.0.0/8. Its usual ports are free: nobody else gets this address.
///
/// Ports that are found free and bound later can be taken in between. An address that is held by
/// a bound port cannot, and a restarted server finds its port again.
#[derive(Debug)]
pub struct Host {
    address: Ipv4Addr,
    _held: TcpListener,
}

/// The port that holds the address. No test listens on it.
const HOLD: u16 = 13_999;

impl Host {
    /// An address that nobody else has.
    pub fn take() -> Self {
        loop {
            let mut bytes = [0; 3];
            getrandom::fill(&mut bytes).unwrap();
            // 127.0.x.y is left to people, and to sources of clients.
            let address = Ipv4Addr::new(127, bytes[0].max(1), bytes[1], bytes[2].clamp(1, 254));
            if let Ok(held) = TcpListener::bind((address, HOLD)) {
                return Self { address, _held: held };
            }
        }
    }

    /// Where clients connect.
    pub fn clients(&self) -> SocketAddr {
        self.port(14_000)
    }

    /// Where the logic server listens.
    pub fn logic(&self) -> SocketAddr {
        self.port(14_001)
    }

    /// Where the admin port is.
    pub fn admin(&self) -> SocketAddr {
        self.port(14_080)
    }

    /// Any other port, under 32768.
    pub fn port(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.address), port)
    }
}
