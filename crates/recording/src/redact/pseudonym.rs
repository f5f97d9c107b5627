//! Other names, the same ones each time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::error::Error;

/// Makes pseudonyms by a keyed hash. Without the key nobody can tell whether a pseudonym is
/// somebody's.
pub(super) struct Pseudonyms(Hmac<Sha256>);

impl Pseudonyms {
    /// With a key, or with one that nobody knows.
    pub(super) fn new(key: Option<&str>) -> Result<Self, Error> {
        let mut random = [0; 32];
        let key = match key {
            Some(key) => key.as_bytes(),
            None => {
                getrandom::fill(&mut random).map_err(|error| Error::Random(error.to_string()))?;
                &random
            }
        };
        Hmac::new_from_slice(key).map(Self).map_err(|error| Error::Random(error.to_string()))
    }

    /// For a JSON value, by its text: a text for a text, a number for a number. There is none for
    /// what has only two or three values: it becomes null.
    pub(super) fn value(&self, json: &str) -> Value {
        match json.as_bytes().first() {
            Some(b'0'..=b'9' | b'-') => {
                let hash = self.hash(json.as_bytes());
                u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]).into()
            }
            Some(b'"') => {
                // The same name may be written with other escapes elsewhere.
                let text = serde_json::from_str(json).unwrap_or_else(|_| json.to_owned());
                self.name(&text).into()
            }
            Some(b'{' | b'[') => self.name(json).into(),
            _ => Value::Null,
        }
    }

    /// For a client's address: one in 10.0.0.0/8 or fd00::/8, with the port as it is.
    pub(super) fn peer(&self, peer: &str) -> String {
        match peer.parse::<SocketAddr>() {
            Ok(address) => SocketAddr::new(self.ip(address.ip()), address.port()).to_string(),
            Err(_) => self.name(peer),
        }
    }

    fn ip(&self, ip: IpAddr) -> IpAddr {
        let hash = self.hash(ip.to_string().as_bytes());
        match ip {
            IpAddr::V4(_) => Ipv4Addr::new(10, hash[0], hash[1], hash[2]).into(),
            IpAddr::V6(_) => {
                let mut bytes = [0xfd; 16];
                bytes[1..].copy_from_slice(&hash[..15]);
                Ipv6Addr::from(bytes).into()
            }
        }
    }

    fn name(&self, text: &str) -> String {
        let hash = self.hash(text.as_bytes());
        let digits: String = hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("~{digits}")
    }

    fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(bytes).finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_is_stable_under_its_key_alone() {
        let (a, b) = (Pseudonyms::new(Some("a")).unwrap(), Pseudonyms::new(Some("b")).unwrap());
        assert_eq!(a.value("\"ada\""), a.value(r#""\u0061da""#));
        assert_ne!(a.value("\"ada\""), b.value("\"ada\""));
        assert_ne!(a.value("\"ada\""), a.value("\"bob\""));
        assert!(a.value("17").is_u64() && a.value("\"ada\"").is_string());
        assert_eq!(a.value("true"), Value::Null);
        let random = [Pseudonyms::new(None).unwrap(), Pseudonyms::new(None).unwrap()];
        assert_ne!(random[0].value("\"ada\""), random[1].value("\"ada\""));
    }

    #[test]
    fn an_address_stays_an_address_of_its_kind() {
        let pseudonyms = Pseudonyms::new(Some("a")).unwrap();
        let four = pseudonyms.peer("203.0.113.7:51234");
        assert!(four.starts_with("10.") && four.ends_with(":51234"), "{four}");
        let six = pseudonyms.peer("[2001:db8::1]:9");
        assert!(six.starts_with("[fd") && six.parse::<SocketAddr>().is_ok(), "{six}");
        assert!(pseudonyms.peer("somebody").starts_with('~'));
    }
}
