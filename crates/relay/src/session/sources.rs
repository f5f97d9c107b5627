//! How many sessions come from where.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// Counts by address and by network. What has no session takes no room.
#[derive(Debug, Default)]
pub(super) struct Sources {
    addresses: HashMap<IpAddr, usize>,
    prefixes: HashMap<IpAddr, usize>,
}

/// How many sessions there are beside a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbours {
    /// From the same address.
    pub address: usize,
    /// From the same /24, or the same /64 of IPv6.
    pub prefix: usize,
}

impl Sources {
    pub(super) fn enter(&mut self, address: IpAddr) {
        let address = address.to_canonical();
        *self.addresses.entry(address).or_default() += 1;
        *self.prefixes.entry(prefix(address)).or_default() += 1;
    }

    pub(super) fn leave(&mut self, address: IpAddr) {
        let address = address.to_canonical();
        forget(&mut self.addresses, address);
        forget(&mut self.prefixes, prefix(address));
    }

    pub(super) fn neighbours(&self, address: IpAddr) -> Neighbours {
        let address = address.to_canonical();
        Neighbours {
            address: self.addresses.get(&address).copied().unwrap_or(0),
            prefix: self.prefixes.get(&prefix(address)).copied().unwrap_or(0),
        }
    }
}

/// The network that one subscriber usually has to choose addresses from.
fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            [a, b, c, 0].into()
        }
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

fn forget<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbours_of(new: &str, present: &[&str]) -> (usize, usize) {
        let mut sources = Sources::default();
        present.iter().for_each(|address| sources.enter(address.parse().unwrap()));
        let Neighbours { address, prefix } = sources.neighbours(new.parse().unwrap());
        (address, prefix)
    }

    #[test]
    fn a_prefix_is_24_bits_of_ipv4_and_64_of_ipv6() {
        let four = ["192.0.2.1", "192.0.2.1", "192.0.2.200", "192.0.3.1"];
        assert_eq!(neighbours_of("192.0.2.1", &four), (2, 3));
        let six = ["2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1"];
        assert_eq!(neighbours_of("2001:db8::2", &six), (0, 2));
    }

    #[test]
    fn a_mapped_address_is_the_one_that_is_mapped() {
        assert_eq!(neighbours_of("::ffff:192.0.2.1", &["192.0.2.1", "192.0.2.9"]), (1, 2));
        assert_eq!(neighbours_of("192.0.2.1", &["::ffff:192.0.2.1", "::1"]), (1, 1));
    }

    #[test]
    fn who_left_takes_no_room() {
        let mut sources = Sources::default();
        let address = "192.0.2.1".parse().unwrap();
        sources.enter(address);
        sources.enter(address);
        sources.leave(address);
        assert_eq!(sources.neighbours(address), Neighbours { address: 1, prefix: 1 });
        sources.leave(address);
        assert!(sources.addresses.is_empty() && sources.prefixes.is_empty());
    }
}
