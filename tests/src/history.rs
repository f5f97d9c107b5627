//! What the journal says of one session, in few words.

use pulsegate_protocol::proto::item::Item;

/// Whose event this is, and what it says: `open`, `packet hello`, `leave (silence)`,
/// `close (goodbye)`. `None` for events that are of no session.
pub fn told(item: &Item) -> Option<(u64, String)> {
    Some(match item {
        Item::Open(open) => (open.session, "open".to_owned()),
        Item::Packet(packet) => {
            let payload = String::from_utf8_lossy(&packet.payload);
            (packet.session, format!("packet {payload}"))
        }
        Item::State(change) => {
            let state = word(change.state().as_str_name(), "STATE_");
            let cause = word(change.cause().as_str_name(), "CAUSE_");
            (change.session, format!("{state} ({cause})"))
        }
        Item::Close(close) => (close.session, format!("close ({})", close.reason().name())),
        Item::Heartbeat(heartbeat) => (heartbeat.session, "heartbeat".to_owned()),
        Item::Pace(_) | Item::Gap(_) | Item::Restored(_) | Item::Skipped(_) => return None,
    })
}

fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}
