//! Values that say where something is, or prove who asks: addresses, directories, secrets.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use pulsegate_protocol::heartbeat::Kinds;
use serde_json::{Value as Json, json};

use super::fault::nearest;
use super::given::Given;
use super::kind::{Kind, Refusal};

/// Where the logic server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogicAddress {
    /// The built-in sample that answers each packet with itself.
    Echo,
    /// The built-in sample of a small world.
    Arena,
    /// A host and a port. The host is looked up at each connect, so a name may move.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for LogicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo => f.write_str("echo"),
            Self::Arena => f.write_str("arena"),
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Text that nobody but its user should see: it is never shown, not even by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// `***`, or nothing where there is no secret.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "" } else { "***" })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// An address to listen on.
pub(super) struct Listen;

impl Kind for Listen {
    type Value = SocketAddr;

    fn read(&self, given: &Given) -> Result<SocketAddr, Refusal> {
        let address = given.text().and_then(|text| text.parse().ok());
        address.ok_or_else(|| Refusal::expected("an IP address with a port", given))
    }

    fn show(&self, value: &SocketAddr) -> Json {
        value.to_string().into()
    }

    fn allowed(&self) -> String {
        "IP:port, IPv6 as [::1]:port".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": r"^.+:\d{1,5}$"})
    }
}

/// An address to connect to.
pub(super) struct Logic;

impl Kind for Logic {
    type Value = LogicAddress;

    fn read(&self, given: &Given) -> Result<LogicAddress, Refusal> {
        let refused = || Refusal::expected("an address", given);
        let text = given.text().ok_or_else(refused)?;
        Ok(match (text, text.strip_prefix("unix:")) {
            ("echo", _) => LogicAddress::Echo,
            ("arena", _) => LogicAddress::Arena,
            (_, Some(path)) if !path.is_empty() => LogicAddress::Unix(path.into()),
            _ if is_host_and_port(text) => LogicAddress::Tcp(text.to_owned()),
            _ => return Err(refused()),
        })
    }

    fn show(&self, value: &LogicAddress) -> Json {
        value.to_string().into()
    }

    fn allowed(&self) -> String {
        "host:port, \"unix:/path\", \"echo\" or \"arena\"".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": r"^(echo|arena|unix:.+|.+:\d{1,5})$"})
    }
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host_is_well_formed = match host.strip_prefix('[') {
        Some(rest) => rest.ends_with(']'),
        None => !host.is_empty() && !host.contains([':', '/', ' ']),
    };
    host_is_well_formed && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A directory, which need not exist yet.
pub(super) struct Directory;

impl Kind for Directory {
    type Value = PathBuf;

    fn read(&self, given: &Given) -> Result<PathBuf, Refusal> {
        let text = given.text().filter(|text| !text.is_empty() && !text.contains('\0'));
        text.map(PathBuf::from).ok_or_else(|| Refusal::expected("a directory", given))
    }

    fn show(&self, value: &PathBuf) -> Json {
        value.display().to_string().into()
    }

    fn allowed(&self) -> String {
        "a directory".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

/// A secret; none where it is empty.
pub(super) struct Hidden;

impl Kind for Hidden {
    type Value = Secret;

    fn read(&self, given: &Given) -> Result<Secret, Refusal> {
        // What was given is not repeated: it may be the secret.
        let text = given.text().ok_or_else(|| Refusal::new("is not text in quotes"))?;
        Ok(Secret(text.to_owned()))
    }

    fn show(&self, value: &Secret) -> Json {
        value.to_string().into()
    }

    fn allowed(&self) -> String {
        "text; \"\" for none".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

/// The forms that a heartbeat may have.
pub(super) struct Forms;

impl Forms {
    const WORDS: [&str; 2] = ["empty", "json"];
}

impl Kind for Forms {
    type Value = Kinds;

    fn read(&self, given: &Given) -> Result<Kinds, Refusal> {
        let mut kinds = Kinds { empty: false, json: false };
        for item in given.list().ok_or_else(|| Refusal::expected("a list", given))? {
            let chosen = match item.text() {
                Some("empty") => &mut kinds.empty,
                Some("json") => &mut kinds.json,
                other => {
                    let hint = other.and_then(|word| nearest(word, Self::WORDS));
                    let hint = hint.map(|word| format!("did you mean {word:?}?"));
                    return Err(Refusal { hint, ..Refusal::new(format!("has {item} in it")) });
                }
            };
            if std::mem::replace(chosen, true) {
                return Err(Refusal::new(format!("has {item} in it twice")));
            }
        }
        Ok(kinds)
    }

    fn show(&self, value: &Kinds) -> Json {
        let chosen = [value.empty, value.json];
        Self::WORDS
            .iter()
            .zip(chosen)
            .filter(|(_, chosen)| *chosen)
            .map(|(word, _)| *word)
            .collect()
    }

    fn allowed(&self) -> String {
        "any of [\"empty\", \"json\"]".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "array", "items": {"enum": Self::WORDS}, "uniqueItems": true})
    }
}
